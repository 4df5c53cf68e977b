local cjson = require("cjson")
local moongate = require("support.moongate")

local UUID = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-7%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"

describe("correlation-id", function()
  local gw

  setup(function()
    gw = moongate.start { yaml = [[
trusted_proxies: [192.0.2.0/24]
log: { access: stdout }
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
]] }
  end)

  teardown(function()
    gw:stop()
    moongate.stop_all()
  end)

  it("hands the core's id to the service and back to the client", function()
    local res = gw:get("/plain")
    local id = res.headers["x-correlation-id"]
    assert.matches(UUID, id)
    assert.equal(id, cjson.decode(res.body).headers["x-correlation-id"])
  end)

  it("does not take over an id from a client that is no trusted proxy", function()
    assert.matches(UUID, gw:get("/plain", { ["X-Correlation-ID"] = "mine" }).headers["x-correlation-id"])
  end)

  it("takes over a sound id where it is told to, in the log too", function()
    local res = gw:get("/open", { ["X-Trace"] = "abc-123" })
    assert.equal("abc-123", res.headers["x-trace"])
    local found
    for _, line in ipairs(gw:access_log(3)) do -- the third request here
      found = found or line.correlationId == "abc-123"
    end
    assert.is_true(found)
  end)

  it("replaces an id that is too long or has odd bytes", function()
    for _, bad in ipairs { ("x"):rep(129), "a b", 'a"b', "a\\b", "" } do
      assert.matches(UUID, gw:get("/open", { ["X-Trace"] = bad }).headers["x-trace"])
    end
    assert.equal(("x"):rep(128), gw:get("/open", { ["X-Trace"] = ("x"):rep(128) }).headers["x-trace"])
  end)

  it("counts where it is told to", function()
    local conn = gw:connect()
    local function number()
      return tonumber(gw:request("GET", "/counter", { conn = conn }).headers["x-correlation-id"]:match("#(%d+)$"))
    end
    local first = number()
    assert.equal(first + 1, number())
    conn:close()
  end)

  it("tracks address and port where it is told to", function()
    assert.matches("^127%.0%.0%.1%-%d+%-%x", gw:get("/tracker").headers["x-correlation-id"])
  end)

  it("keeps the id from the client where it is told to", function()
    assert.is_nil(gw:get("/silent").headers["x-correlation-id"])
  end)
end)
