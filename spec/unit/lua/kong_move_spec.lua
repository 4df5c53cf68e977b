-- The rules by which a plugin is moved (docs/kong.md); ten whole plugins are moved in spec/integration/kong_plugins_spec.lua.
local move = require("moongate.kong.move")
local tokens = require("moongate.kong.tokens")

local function moved(text)
  local result, notes = move.file(text, function(_, name) return name ~= "unknown" end)
  for i, note in ipairs(notes) do
    notes[i] = note.line .. " " .. note.text
  end
  return result, notes
end

describe("moving a file", function()
  for name, case in pairs {
    ["functions of the PDK become methods"] = {
      "local a = function() return kong.request.get_header('x'), kong.service.request.set_path(p) end",
      "local a = function(ctx) return ctx.request:get_header('x'), ctx.service.request:set_path(p) end",
    },
    ["tables of the request, the log as a function"] = {
      "function H:access(c) kong.ctx.plugin.a = kong.ctx.shared['b'] kong.log('x', 1) end return H",
      "function H.access(c, ctx) ctx.plugin.a = ctx.shared['b'] ctx.log:notice('x', 1) end return H",
    },
    ["calls without brackets"] = {
      "function H:access() kong.log.err 'x' kong.response.set_headers { a = 1 } end return H",
      "function H.access(_, ctx) ctx.log:err 'x' ctx.response:set_headers { a = 1 } end return H",
    },
    ["strings and comments stay"] = {
      "-- kong.request.get_path()\nlocal a = 'kong.log.err(' --[[ kong.ctx ]] .. [[kong.response.exit()]]",
      "-- kong.request.get_path()\nlocal a = 'kong.log.err(' --[[ kong.ctx ]] .. [[kong.response.exit()]]",
    },
    ["what is not Kong's stays"] = {
      "local t = { kong = 1 } t.kong.request.get_path() my_kong.log.err()",
      "local t = { kong = 1 } t.kong.request.get_path() my_kong.log.err()",
    },
    ["aliases are spelled out"] = {
      "local kong = kong\nlocal req = kong.request\nlocal set = kong.response.set_header\n"
        .. "function H:access(conf) set('a', req.get_path()) end\nreturn H",
      "function H.access(conf, ctx) ctx.response:set_header('a', ctx.request:get_path()) end\nreturn H",
    },
    ["hooks and fields of a handler"] = {
      "local H = { PRIORITY = 1, VERSION = '1.0.0' }\nfunction H:init_worker() end\nfunction H:header_filter(config) "
        .. "self.x(config) end\nH.body_filter = function(self, conf) end\nH.PRIORITY = 2\nreturn H",
      "local H = { priority = 1, version = '1.0.0' }\nfunction H.init() end\nfunction H.response(config, ctx) "
        .. "H.x(config) end\nH.body = function(conf, ctx, chunk, last) end\nH.priority = 2\nreturn H",
    },
    ["helpers that ask the PDK take ctx, and those that call them"] = {
      "local function a(x) return kong.client.get_ip() == x end\nlocal function b() return a(1) end\n"
        .. "local function c(x) return x end\nfunction H:access(conf) return b(), c(a(2)), pcall(a, 3) end\nreturn H",
      "local function a(ctx, x) return ctx.client:get_ip() == x end\nlocal function b(ctx) return a(ctx, 1) end\n"
        .. "local function c(x) return x end\nfunction H.access(conf, ctx) return b(ctx), c(a(ctx, 2)), pcall(a, ctx, 3) end\n"
        .. "return H",
    },
    ["methods of the handler that ask the PDK"] = {
      "function H:ask(x) return kong.node.get_id() end\nfunction H:access(conf) return self:ask(1) end\nreturn H",
      "function H:ask(ctx, x) return ctx.node:get_id() end\nfunction H.access(conf, ctx) return H:ask(ctx, 1) end\nreturn H",
    },
    ["an answer at the end of a block is returned"] = {
      "function H:access(c) if c then kong.response.exit(1) else kong.response.error(2) end\nkong.response.exit(3) end return H",
      "function H.access(c, ctx) if c then return ctx.response:exit(1) else return ctx.response:error(2) end\n"
        .. "return ctx.response:exit(3) end return H",
    },
    ["modules with a like"] = {
      "local cjson, a = require \"cjson.safe\", require('kong.plugins.mine.access')",
      "local cjson, a = require \"moongate.json\", require('mine.access')",
    },
    ["resty.http asks for the request"] = {
      "local http = require('resty.http')\nlocal function ask() return http.new():request_uri('x') end\n"
        .. "function H:access(conf) ask() end\nreturn H",
      "local http = require('moongate.http')\nlocal function ask(ctx) return http.new(ctx):request_uri('x') end\n"
        .. "function H.access(conf, ctx) ask(ctx) end\nreturn H",
    },
    ["the little of nginx that has a like"] = {
      "local ngx = ngx\nfunction H:log(conf) ngx.log(ngx.WARN, 'x', ngx.now()) ngx.ctx.a = ngx.null end return H",
      "function H.log(conf, ctx) ctx.log:warn('x', require(\"moongate.time\").now()) "
        .. 'ctx.shared.a = require("moongate.json").null end return H',
    },
    ["digests and base64"] = {
      "local a = ngx.encode_base64(ngx.hmac_sha1(key, ngx.sha1_bin(x)))",
      'local a = require("moongate.crypto").base64_encode(require("moongate.crypto").hmac("sha1", key, '
        .. 'require("moongate.crypto").sha1(x)))',
    },
    ["tables and the version"] = {
      "local new = kong.table.new\nlocal v = kong.version",
      'local new = require("moongate.table").new\nlocal v = require("moongate.version").text',
    },
  } do
    it("renames: " .. name, function()
      local text, notes = moved(case[1])
      assert.equal(case[2], text)
      assert.same({}, notes)
    end)
  end

  for text, expected in pairs {
    ["function H:access(c)\n  kong.cache:get('x')\nend return H"] = "2 kong.cache: not in this version",
    ["function H:access(c) kong.response.unknown() end return H"] = "1 kong.response.unknown: has no like here",
    ["function H:access(c) f(kong.request.get_path) end return H"] = "1 kong.request.get_path: give it on in a function of yours, with ctx",
    ["\nlocal a = kong.request.get_path()"] = "2 ctx.request:get_path: there is no request outside of hooks",
    ["function H:init_worker() kong.log.err('x') end return H"] = "1 ctx.log:err: there is no request in init",
    ["function H:certificate() end return H"] = "1 the hook certificate: not in this version",
    ["function H:response() end function H:header_filter() end return H"] = "1 response and header_filter are one hook here: response",
    ["function H:access() ngx.re.match('a') end return H"] = "1 ngx.re.match: moongate.regex matches PCRE patterns",
    ["local redis = require 'resty.redis'"] = '1 require "resty.redis": has no like here',
    ["function H:access() kong.response.exit(1) x() end return H"] = "1 it returns here: write `do return … end` unless the rest shall run",
    ["local function f() kong.response.exit(1) end f()"] = "1 exit and error return here: what calls f goes on behind it",
    ["local function a() return kong.client.get_ip() end local b = { a } "] = "1 a is given on: whoever calls it must give it ctx first",
  } do
    it("says: " .. expected, function()
      local _, notes = moved(text)
      assert.same({ expected }, notes)
    end)
  end

  it("gives back every file that has nothing of Kong's, byte by byte", function()
    for path in io.popen("find lua plugins -name '*.lua'"):lines() do
      local text = assert(io.open(path)):read("*a")
      assert.equal(text, tokens.text(tokens.read(text)))
    end
  end)

  it("never raises, whatever the file", function()
    local pieces = {
      "kong",
      ".",
      "request",
      "(",
      ")",
      "function",
      "end",
      "local",
      "a",
      "=",
      "return",
      "H",
      ":",
      "ngx",
      "log",
      "require",
      "'x'",
      "[[",
      "--",
      "\n",
      "{",
      "}",
      ",",
      "response",
      "exit",
      "if",
      "PRIORITY",
      "access",
    }
    math.randomseed(5)
    for _ = 1, 5000 do
      local text = {}
      for i = 1, math.random(0, 20) do
        text[i] = pieces[math.random(#pieces)]
      end
      moved(table.concat(text, " "))
    end
  end)
end)
