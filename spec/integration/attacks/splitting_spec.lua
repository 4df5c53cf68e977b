-- Bytes that would end a line: from a plugin, a redirect, a service. None makes a second header or a second response.
local http = require("support.http")
local moongate = require("support.moongate")

local EVIL = {
  harmless = "harmless",
  ["CR LF"] = "a\\r\\nx-evil: 1",
  ["CR LF twice"] = "a\\r\\n\\r\\nHTTP/1.1 200 OK\\r\\nx-evil: 1\\r\\n\\r\\n",
  LF = "a\\nx-evil: 1",
  CR = "a\\rx-evil: 1",
  NUL = "a\\0x-evil: 1",
}

local PLACES = {
  ["a response header"] = "ctx.response:set_header('x-a', %s)",
  ["a response header's name"] = "ctx.response:set_header(%s, 'a')",
  ["headers of exit"] = "ctx.response:exit(200, 'hi', { ['x-a'] = %s })",
  ["a header to the service"] = "ctx.service.request:set_header('x-a', %s)",
  ["a header's name to the service"] = "ctx.service.request:set_header(%s, 'a')",
  ["the path to the service"] = "ctx.service.request:set_path('/' .. %s)",
  ["the query to the service"] = "ctx.service.request:set_raw_query(%s)",
  ["the method to the service"] = "ctx.service.request:set_method(%s)",
}

local HANDLER = [[
local M = { version = "1.0.0", priority = 1 }
local EVIL = { %s }
local PLACES = { %s }
function M.access(conf, ctx)
  PLACES[ctx.request:get_header("x-place")](ctx, EVIL[ctx.request:get_header("x-what")])
end
return M]]

local function handler()
  local evil, places = {}, {}
  for name, text in pairs(EVIL) do
    evil[#evil + 1] = ('[%q] = "%s"'):format(name, text)
  end
  for name, code in pairs(PLACES) do
    places[#places + 1] = ("[%q] = function(ctx, text) %s end"):format(name, code:format("text"))
  end
  return HANDLER:format(table.concat(evil, ", "), table.concat(places, ", "))
end

describe("bytes that end a line", function()
  local gw, service

  setup(function()
    service = http.service(function(request)
      if request.target == "/cr" then
        return "HTTP/1.1 200 OK\r\nX-A: a\rx-evil: 1\r\nContent-Length: 0\r\n\r\n"
      end
      if request.target == "/lf" then
        return "HTTP/1.1 200 OK\r\nX-A: a\nx-evil: 1\r\nContent-Length: 0\r\n\r\n"
      end
      if request.target == "/nul" then return "HTTP/1.1 200 OK\r\nX-A: a\0\r\nContent-Length: 0\r\n\r\n" end
      if request.target == "/reason" then return "HTTP/1.1 200 O\nx-evil: 1\r\nContent-Length: 0\r\n\r\n" end
      return { body = "hello" }
    end)
    gw = moongate.start {
      yaml = [[
plugin_paths: [plugins]
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes:
      - { name: up, paths: [/], strip_path: false, public: true }
      - { name: evil, paths: [/evil], strip_path: false, public: true, plugins: [{ name: evil }] }
routes:
  - { name: away, paths: [/away], plugins: [{ name: redirect, config: { location: "http://b/x", keep_incoming_path: true } }] }
]],
      vars = { up = service.port },
      files = {
        ["plugins/evil/handler.lua"] = handler(),
        ["plugins/evil/schema.lua"] = 'return require("moongate.schema").record {}',
      },
    }
  end)

  teardown(function()
    gw:stop()
    service:close()
    moongate.stop_all()
  end)

  local function ask(place, what)
    service.requests = {}
    local head = "GET /evil HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-place: %s\r\nx-what: %s\r\n\r\n"
    return gw:raw(head:format(place, what))
  end

  for place in pairs(PLACES) do
    for what in pairs(EVIL) do
      if what == "harmless" then
        it(
          "would be fine without them: " .. place,
          function() assert.matches("^HTTP/1%.1 200", ask(place, what)) end
        )
      else
        it(("%s in %s: refused where the plugin says it"):format(what, place), function()
          local answer = ask(place, what)
          assert.equal("500", answer:match("^HTTP/1%.1 (%d+)"))
          assert.is_nil(answer:lower():find("[\r\n]x%-evil"))
          assert.equal(0, #service.requests)
        end)
      end
    end
  end

  for _, target in ipairs { "/cr", "/lf", "/nul", "/reason" } do
    it("from a service are a 502: " .. target, function()
      local answer = gw:raw(("GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"):format(target))
      assert.equal("502", answer:match("^HTTP/1%.1 (%d+)"))
      assert.is_nil(answer:lower():find("x-evil", 1, true))
    end)
  end

  it("escaped in a path that a redirect repeats stay escaped", function()
    local response = gw:get("/away/%0d%0ax-evil:%201")
    assert.equal("http://b/away/%0D%0Ax-evil:%201", response.headers.location)
    assert.is_nil(response.headers["x-evil"])
  end)
end)
