local gateway = require("moongate.spec")

local UUID = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-7%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"

describe("correlation-id", function()
  local gw = gateway.new {
    config = [[
default_access: allow
trusted_proxies: [203.0.113.0/24]
routes:
  - name: plain
    paths: [/plain]
    plugins: [{ name: correlation-id }, { name: echo }]
  - name: open
    paths: [/open]
    plugins: [{ name: correlation-id, config: { accept: always, header_name: X-Trace } }, { name: echo }]
  - name: counter
    paths: [/counter]
    plugins: [{ name: correlation-id, config: { generator: "uuid#counter" } }, { name: echo }]
  - name: tracker
    paths: [/tracker]
    plugins: [{ name: correlation-id, config: { generator: tracker } }, { name: echo }]
  - name: silent
    paths: [/silent]
    plugins: [{ name: correlation-id, config: { echo_downstream: false } }, { name: echo }]
]],
  }

  it("hands the core's id to the service and back to the client", function()
    local res = gw:get("/plain")
    local id = res.headers["x-correlation-id"]
    assert.matches(UUID, id)
    assert.equal(id, res:json().headers["x-correlation-id"])
  end)

  it(
    "does not take over an id from a client that is no trusted proxy",
    function()
      assert.matches(
        UUID,
        gw:get("/plain", { headers = { ["X-Correlation-ID"] = "mine" } }).headers["x-correlation-id"]
      )
    end
  )

  it("takes over an id from a trusted proxy", function()
    local res = gw:get("/plain", { from = "203.0.113.5", headers = { ["X-Correlation-ID"] = "mine" } })
    assert.has_header(res, "x-correlation-id", "mine")
  end)

  it("takes over a sound id where it is told to, in the log too", function()
    local res = gw:get("/open", { headers = { ["X-Trace"] = "abc-123" } })
    assert.equal("abc-123", res.headers["x-trace"])
    assert.equal("abc-123", gw.access_log[#gw.access_log].correlationId)
  end)

  it("replaces an id that is too long or has odd bytes", function()
    for _, bad in ipairs { ("x"):rep(129), "a b", 'a"b', "a\\b", "" } do
      assert.matches(UUID, gw:get("/open", { headers = { ["X-Trace"] = bad } }).headers["x-trace"])
    end
    assert.equal(
      ("x"):rep(128),
      gw:get("/open", { headers = { ["X-Trace"] = ("x"):rep(128) } }).headers["x-trace"]
    )
  end)

  it("counts where it is told to", function()
    local function number() return tonumber(gw:get("/counter").headers["x-correlation-id"]:match("#(%d+)$")) end
    local first = number()
    assert.equal(first + 1, number())
  end)

  it(
    "tracks address and port where it is told to",
    function() assert.matches("^192%.0%.2%.1%-%d+%-%x", gw:get("/tracker").headers["x-correlation-id"]) end
  )

  it(
    "keeps the id from the client where it is told to",
    function() assert.is_nil(gw:get("/silent").headers["x-correlation-id"]) end
  )
end)
