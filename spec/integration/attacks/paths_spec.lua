-- Ways to write a guarded path so that the gateway takes it for another one: none reaches the service under the guarded path without
-- the key, and what arrives is what was judged.
local http = require("support.http")
local moongate = require("support.moongate")

-- { target, without a key: a status, or what the open route sends to the service }
local CASES = {
  { "/admin", 401 },
  { "/admin/", 401 },
  { "/admin/x", 401 },
  { "/a/../admin", 401 },
  { "/a/b/../../admin/x", 401 },
  { "/a/%2e%2e/admin", 401 },
  { "/a/%2E./admin", 401 },
  { "/./admin", 401 },
  { "/%2e/admin", 401 },
  { "//admin", 401 },
  { "///admin//x", 401 },
  { "/%61dmin", 401 },
  { "/%61%64%6d%69%6e", 401 },
  { "/admin?x=/../open", 401 },
  { "/admin/..%3b/x", 401 },
  { "http://other/admin", 401 },
  { "HTTP://other/a/../admin", 401 },
  { "/admin/../admin", 401 },
  { "/admin;x", "/admin;x" },
  { "/admin;/x", "/admin;/x" },
  { "/a/..;/admin", "/a/..;/admin" },
  { "/ADMIN", "/ADMIN" },
  { "/Admin/x", "/Admin/x" },
  { "/adminx", "/adminx" },
  { "/admin.", "/admin." },
  { "/admin~", "/admin~" },
  { "/admin%20", "/admin%20" },
  { "/admin%09", "/admin%09" },
  { "/admin%3f", "/admin%3F" },
  { "/admin%23", "/admin%23" },
  { "/admin%252f", "/admin%252f" },
  { "/%2561dmin", "/%2561dmin" },
  { "/a/%252e%252e/admin", "/a/%252e%252e/admin" },
  { "/admin%e3%80%82", "/admin%E3%80%82" },
  { "/%c0%aeadmin", "/%C0%AEadmin" },
  { "/admin/..", "/" },
  { "/admin/../open", "/open" },
  { "/?/admin", "/?/admin" },
  { "/admin%2f", 400 },
  { "/admin%2Fx", 400 },
  { "/%2fadmin", 400 },
  { "/a%5c..%5cadmin", 400 },
  { "/admin%00", 400 },
  { "/admin%00/x", 400 },
  { "\\admin", 400 },
  { "/\\admin", 400 },
  { "/..\\admin", 400 },
  { "/../admin", 400 },
  { "/%2e%2e/admin", 400 },
  { "/a/../../admin", 400 },
  { "/admin#x", 400 },
  { "/admin%", 400 },
  { "/admin%4", 400 },
  { "/admin%zz", 400 },
  { "/admin%u002f", 400 },
  { "/admin\xc3\xa9", 400 },
  { "/admin\1", 400 },
  { "/admin\127", 400 },
  { "admin", 400 },
  { "./admin", 400 },
  { "*/admin", 400 },
  { "http:/admin", 400 },
  { "http://other\\admin", 400 },
  { "http://u@other/admin", 400 },
  { "ftp://other/admin", 400 },
  { "/admin /x", 400 },
}

-- What a service that decodes, resolves and ignores parameters no more than once takes the target for.
local function is_guarded(target)
  local path = target:match("^[^?]*"):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  return path == "/admin" or path:sub(1, 7) == "/admin/"
end

local YAML = [[
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes:
      - { name: open, paths: [/], strip_path: false, public: true }
      - { name: guarded, paths: [/admin], strip_path: false, plugins: [{ name: key-auth }] }
consumers: [{ username: ann, credentials: { key-auth: [{ key: letmein }] } }]
default_access: deny
]]

describe("a guarded path", function()
  local gw, service

  setup(function()
    service = http.service()
    gw = moongate.start { yaml = YAML, vars = { up = service.port } }
  end)

  teardown(function()
    gw:stop()
    service:close()
    moongate.stop_all()
  end)

  local function ask(target, rest)
    service.requests = {}
    return gw:raw(("GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n"):format(target, rest or ""))
  end

  for _, case in ipairs(CASES) do
    it(("is not reached by %q"):format(case[1]), function()
      local status = tonumber(ask(case[1]):match("^HTTP/1%.1 (%d+)"))
      if type(case[2]) == "number" then
        assert.equal(case[2], status)
        assert.equal(0, #service.requests)
      else
        assert.equal(200, status)
        assert.equal(case[2], service.last_request.target)
        assert.is_false(is_guarded(service.last_request.target))
      end
    end)
  end

  it("is reached with the key, in the form that was judged", function()
    for _, target in ipairs { "/admin", "/a/../admin", "//admin", "/%61dmin" } do
      assert.matches("^HTTP/1%.1 200", ask(target, "apikey: letmein\r\n"))
      assert.equal("/admin", service.last_request.target)
    end
  end)
end)
