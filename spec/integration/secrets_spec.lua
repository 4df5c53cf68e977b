-- Secrets are planted wherever clients, services and operators put them; then everything that leaves the gateway for people is
-- searched for them.
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

local YAML = [[
workers: 1
admin: { address: "127.0.0.1:0", token: hush-admin }
log: { level: debug }
consumers:
  - username: ada
    keyauth_credentials: [{ key: hush-key-ada }]
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes:
      - name: up
        paths: [/up]
        strip_path: false
        plugins:
          - { name: key-auth, config: { key_in_query: true, hide_credentials: false, key_names: [apikey, X-Key] } }
          - { name: file-log, config: { path: {{file}} } }
          - name: http-log
            config:
              http_endpoint: http://user:hush-endpoint@127.0.0.1:{{up}}/log
              headers: { X-Token: hush-log-header }
]]

local function read(path)
  local file = io.open(path)
  local text = file and file:read("*a") or ""
  if file then file:close() end
  return text
end

describe("a secret", function()
  local service, gw, file

  before_each(function()
    service = http.service(
      function() return { headers = { ["Set-Cookie"] = "sid=hush-set-cookie; Path=/" }, body = "hello" } end
    )
    file = moongate.folder() .. "/lines.log"
    gw = moongate.start {
      yaml = YAML:gsub("{{file}}", file),
      vars = { up = service.port },
      env = { HUSH = "hush-environment" },
    }
  end)

  after_each(function()
    service:close()
    moongate.stop_all()
  end)

  local function search(where, text)
    local at = text:find("hush", 1, true)
    assert.is_nil(at, at and ("%s shows %s"):format(where, text:sub(math.max(1, at - 200), at + 60)))
  end

  local function admin(method, path)
    return gw:ask(method, path, { headers = { Authorization = "Bearer hush-admin" } }).body
  end

  it("of a client is in no log, whether it was right or wrong", function()
    local secret = {
      Authorization = "Basic hush-basic",
      ["Proxy-Authorization"] = "Basic hush-proxy",
      Cookie = "sid=hush-cookie",
    }
    local function ask(target, name, key)
      local headers = { [name or "X-Nothing"] = key or "1" }
      for header, value in pairs(secret) do
        headers[header] = value
      end
      return gw:request("GET", target, { headers = headers }).status
    end
    assert.equal(200, ask("/up?a=1", "apikey", "hush-key-ada"))
    assert.equal(401, ask("/up?a=1", "apikey", "hush-wrong"))
    assert.equal(401, ask("/up?a=1", "x-key", "hush-wrong-too"))
    assert.equal(200, ask("/up?apikey=hush-key-ada&a=1"))
    assert.equal(401, ask("/up?a=1&%61pikey=hush-wrong-query"))
    assert.equal(404, ask("/nothing?apikey=hush-lost"))
    gw:raw("GET /up?apikey=hush-refused HTTP/1.1\r\nAuthorization: hush-refused\r\n\r\n")
    gw:raw("GET /up?apikey=hush-refused HTTP/1.1\r\nHost: a\r\nCookie: hush\1refused\r\n\r\n")
    gw:access_log(8)
    assert.is_truthy(wire.wait(function() return select(2, read(file):gsub("\n", "")) >= 5 end))
    assert.is_truthy(read(file):find("REDACTED", 1, true))
    search("what file-log wrote", read(file))
    for _, request in ipairs(service.requests) do
      if request.target == "/log" then search("what http-log sent", request.body) end
    end
    search("/metrics", admin("GET", "/metrics"))
    gw:stop()
    search("the access log", gw.process:stdout())
    search("the error log", gw:stderr())
  end)

  it("of the configuration is in nothing that shows it", function()
    for _, path in ipairs { "/config", "/status", "/metrics" } do
      local text = admin("GET", path)
      assert.is_true(#text > 100, text)
      search(path, text)
    end
    for _, args in ipairs {
      { "check", "-c", gw.config },
      { "routes", "-c", gw.config },
      { "explain", "-c", gw.config, "GET", "http://a/up?apikey=hush-key-ada", "-H", "apikey: hush-key-ada" },
    } do
      local result = moongate.command(args, gw.folder)
      assert.equal(0, result.code, result.stderr)
      search(args[1], result.stdout .. result.stderr)
    end
    gw:stop()
    search("the error log", gw:stderr())
  end)

  it("in a place where it is wrong is not shown by the error", function()
    local wrong = {
      "consumers: [{ username: a, keyauth_credentials: [{ key: [hush-list] }] }]\n",
      "consumers: [{ username: a, keyauth_credentials: [{ key: hush-twice }, { key: hush-twice }] }]\n",
      "admin: { address: '127.0.0.1:0', token: [hush-token] }\n",
      "services: [{ name: a, url: 'http://user:hush-password@127.0.0.1:1' }]\n",
      "services: [{ name: a, url: 'http://user:hush-password@' }]\n",
      "plugins: [{ name: http-log, config: { http_endpoint: 'ftp://user:hush-password@host/' } }]\n",
      "plugins: [{ name: http-log, config: { http_endpoint: 'http://user:hush-password@host:99999/' } }]\n",
      "plugins: [{ name: http-log, config: { http_endpoint: 'http://a/', headers: { A: [hush-header] } } }]\n",
    }
    for _, yaml in ipairs(wrong) do
      moongate.write(gw.folder .. "/wrong.yaml", moongate.yaml(yaml, {}))
      local result = moongate.command({ "check", "-c", "wrong.yaml" }, gw.folder)
      assert.equal(1, result.code, yaml)
      search("check of " .. yaml, result.stdout .. result.stderr)
    end
    gw:stop()
  end)
end)
