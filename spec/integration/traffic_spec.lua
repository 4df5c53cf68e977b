--- Which service a request goes to, seen from outside.
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

local ROUTES = [[
trusted_proxies: [127.0.0.1]
routes:
  - name: beta
    paths: [/]
    cookies: { beta: ["1", "~*^on$"] }
    public: true
    plugins: [{ name: request-termination, config: { status_code: 201 } }]
  - name: office
    paths: [/]
    sources: [10.1.0.0/16, "2001:db8::/32"]
    public: true
    plugins: [{ name: request-termination, config: { status_code: 202 } }]
  - name: both
    paths: [/]
    cookies: { beta: [] }
    sources: [10.1.0.0/16]
    public: true
    plugins: [{ name: request-termination, config: { status_code: 203 } }]
  - name: rest
    paths: [/]
    public: true
    plugins: [{ name: request-termination, config: { status_code: 204 } }]
]]

describe("routes by cookie and client address", function()
  after_each(moongate.stop_all)

  it("take their requests, and are explained", function()
    local gw = moongate.start { yaml = ROUTES }
    for _, case in ipairs {
      { 201, "beta", cookie = "a=b; beta=1" },
      { 201, "beta", cookie = "beta=ON" },
      { 204, "rest", cookie = "beta=2" },
      { 204, "rest", cookie = "xbeta=1" },
      { 202, "office", client = "10.1.2.3" },
      { 202, "office", client = "2001:db8::7" },
      { 204, "rest", client = "10.2.2.3" },
      { 203, "both", cookie = "beta=", client = "10.1.2.3" },
    } do
      local headers = { Cookie = case.cookie, ["X-Forwarded-For"] = case.client }
      assert.equal(case[1], gw:get("/x", headers).status)
      local argv = { "explain", "-c", gw.config, "GET", "/x", "--client", case.client or "127.0.0.1" }
      if case.cookie then
        argv[#argv + 1] = "-H"
        argv[#argv + 1] = "Cookie: " .. case.cookie
      end
      assert.matches("^route      " .. case[2] .. " ", moongate.command(argv, gw.folder).stdout)
    end
    local routes = moongate.command({ "routes", "-c", gw.config }, gw.folder).stdout
    assert.matches("cookie:beta sources", routes, 1, true)
    local bad = moongate.command({ "explain", "-c", gw.config, "GET", "/x", "--client", "010.0.0.1" }, gw.folder)
    assert.equal(2, bad.code)
    assert.matches("write an address such as", bad.stderr, 1, true)
    gw:stop()
  end)

  it("believe nobody who is not trusted about the address", function()
    local gw = moongate.start { yaml = (ROUTES:gsub("trusted_proxies[^\n]*\n", "")) }
    assert.equal(204, gw:get("/x", { ["X-Forwarded-For"] = "10.1.2.3" }).status)
    gw:stop()
  end)
end)

describe("mirroring", function()
  after_each(moongate.stop_all)

  it("goes on over a reload, and a stop does not wait for it", function()
    local main, copy = wire.listen(), wire.listen()
    local yaml = [[
services:
  - name: main
    url: http://127.0.0.1:{{main}}
    mirror: { service: copy, timeout: 1h }
    routes: [{ name: main, paths: [/], public: true, strip_path: false }]
  - { name: copy, url: "http://127.0.0.1:{{copy}}" }
]]
    local gw = moongate.start { yaml = yaml, vars = { main = main.port, copy = copy.port } }
    local conn = gw:connect()
    for round = 1, 2 do
      conn:send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
      local service = assert(main:accept())
      assert.matches("hi$", (assert(service:read_until("hi"))))
      service:send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
      assert.equal("ok", http.read_response(conn).body)
      local shadow = assert(copy:accept()) -- never answered
      assert.matches("^POST /a HTTP/1.1\r\n.*x%-moongate%-mirror: main\r\n", (assert(shadow:read_until("hi"))))
      if round == 1 then assert.equal(200, gw:ask("POST", "/reload").status) end
    end
    conn:close()
    gw:stop()
  end)
end)
