local gateway = require("moongate.spec")

describe("request-termination", function()
  local gw = gateway.new {
    config = [[
default_access: allow
routes:
  - { name: bare, paths: [/bare], plugins: [{ name: request-termination }] }
  - { name: told, paths: [/told], plugins: [{ name: request-termination, config: { status_code: 410, message: gone for good } }] }
  - { name: fine, paths: [/fine], plugins: [{ name: request-termination, config: { status_code: 202, message: later } }] }
  - { name: empty, paths: [/empty], plugins: [{ name: request-termination, config: { status_code: 204 } }] }
  - name: page
    paths: [/page]
    plugins: [{ name: request-termination, config: { status_code: 503, content_type: text/html, body: "<h1>noon</h1>" } }]
  - { name: plain, paths: [/plain], plugins: [{ name: request-termination, config: { status_code: 200, body: hello } }] }
  - name: trigger
    paths: [/trigger]
    plugins: [{ name: request-termination, config: { status_code: 418, trigger: x-stop } }, { name: echo }]
  - { name: echo, paths: [/echo], plugins: [{ name: request-termination, config: { status_code: 404, message: look, echo: true } }] }
]],
  }

  it("says 503 as a problem when nothing is configured", function()
    local res = gw:get("/bare")
    assert.equal(503, res.status)
    assert.equal("application/problem+json", res.headers["content-type"])
    assert.equal(503, res:json().status)
  end)

  it("puts the message into the problem", function()
    local res = gw:get("/told")
    assert.equal(410, res.status)
    assert.equal("gone for good", res:json().detail)
  end)

  it("sends the message as JSON where the status is no error", function()
    local res = gw:get("/fine")
    assert.equal(202, res.status)
    assert.equal("application/json", res.headers["content-type"])
    assert.same({ message = "later" }, res:json())
  end)

  it("can answer with nothing but a status", function()
    local res = gw:get("/empty")
    assert.equal(204, res.status)
    assert.equal("", res.body)
  end)

  it("sends a body of its own with its type", function()
    local page, plain = gw:get("/page"), gw:get("/plain")
    assert.equal("<h1>noon</h1>", page.body)
    assert.equal("text/html", page.headers["content-type"])
    assert.equal("hello", plain.body)
    assert.matches("^text/plain", plain.headers["content-type"])
  end)

  it("answers only what carries the trigger, as a header or a query argument", function()
    assert.equal(200, gw:get("/trigger").status)
    assert.equal(418, gw:get("/trigger", { headers = { ["X-Stop"] = "" } }).status)
    assert.equal(418, gw:get("/trigger?x-stop").status)
    assert.equal(418, gw:get("/trigger?a=1&x-stop=0").status)
  end)

  it("describes the request, credentials named but not shown", function()
    local res = gw:request(
      "POST",
      "/echo/a?b=1",
      { headers = { Authorization = "Basic c2VjcmV0", ["Content-Type"] = "application/json" }, body = '{"c":2}' }
    )
    assert.equal(404, res.status)
    local told = res:json()
    assert.equal("look", told.message)
    assert.equal("echo", told.matched_route.name)
    assert.equal("POST", told.request.method)
    assert.equal("/echo/a", told.request.path)
    assert.same({ b = "1" }, told.request.query)
    assert.same({ c = 2 }, told.request.body)
    assert.equal('{"c":2}', told.request.raw_body)
    assert.equal("(not shown)", told.request.headers.authorization)
  end)

  it("does not load with fields that contradict each other", function()
    for _, case in ipairs {
      { { message = "a", body = "b" }, "message cannot stand beside" },
      { { content_type = "text/html" }, "content_type needs a body" },
      { { echo = true, body = "b" }, "echo cannot stand beside" },
      { { status_code = 100 }, "status_code" },
      { { body = "b", content_type = "a\r\nb: c" }, "content_type" },
    } do
      assert.error_matches(
        function() gateway.new { plugins = { { name = "request-termination", config = case[1] } } } end,
        case[2]
      )
    end
  end)
end)
