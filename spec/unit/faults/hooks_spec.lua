-- Hooks in whose middle something fails: connections of their own (fetch), memory of their Lua state, room in zones.
local faults = require("support.faults")

local function ok(body) return ("HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s"):format(#body, body) end

-- One service for the request, one that hooks ask.
local function start(handler)
  return function(world)
    local up = world:upstream(
      function(conn, request) conn:write(ok("up " .. (request:match("\r\n\r\n(.*)$")))) end
    )
    local side = world:upstream(function(conn, request) conn:write(ok("side" .. request:match("GET /(%w*)"))) end)
    world:start {
      routes = {
        { name = "all", targets = { up } },
        { name = "side", paths = { "/side" }, targets = { side } },
      },
      plugin = handler,
    }
  end
end

local EVERYWHERE = [[
local M = {}

local function ask(ctx, name)
  local res, why = ctx:fetch { service = "side", path = "/" .. name }
  ctx:sleep(0.5)
  if not res then return ctx.response:exit(503, why) end
  assert(res.body == "side" .. name, "a wrong body")
end

function M.rewrite(_, ctx) return ask(ctx, "rewrite") end

function M.access(_, ctx)
  ctx.service.request:set_header("x-body", ctx.request:get_raw_body())
  return ask(ctx, "access")
end

function M.request_body(_, ctx, chunk, last)
  ctx:sleep(0.5)
  if #chunk > 0 then return chunk:upper() end
end

function M.response(_, ctx)
  ctx.response:set_header("x-late", "1")
  return ask(ctx, "response")
end

function M.body(_, ctx, chunk, last)
  ctx:sleep(0.5)
  if last then return chunk .. "!" end
  return chunk
end

function M.log(_, ctx)
  ctx.log:notice(ctx:fetch { service = "side", path = "/log" } and "logged" or "not logged")
  ctx:sleep(0.5)
end

return M
]]

local ALL = [[
local M = {}

function M.access(_, ctx)
  local all = ctx:fetch_all {
    one = { service = "side", path = "/one" },
    two = { service = "side", path = "/two" },
    three = { service = "side", path = "/three" },
  }
  local parts = {}
  for _, name in ipairs { "one", "two", "three" } do
    local part = all[name]
    if not part.ok then return ctx.response:exit(502, part.reason or "no answer") end
    parts[#parts + 1] = part.body
  end
  return ctx.response:exit(200, table.concat(parts, ","))
end

return M
]]

local STREAM = [[
local M = {}

function M.access(_, ctx)
  return ctx.response:stream(200, {}, function(send)
    for i = 1, 20 do
      if i % 5 == 0 then ctx:sleep(1) end
      send(("%02d"):format(i):rep(20000))
    end
  end)
end

return M
]]

-- Compiled code that catches its errors, and is told that there is no memory: it goes on with what it has.
local CATCHES = [[
local M = {}

local function make(list, i) list[#list + 1] = { i, tostring(i), { i } } end
local function deep(n) if n == 0 then return {} end local fine, below = pcall(deep, n - 1) return { fine, below } end
local function why(text) return text end

function M.access(_, ctx)
  local list, lost = {}, 0
  for i = 1, 300 do
    if not pcall(make, list, i) then lost = lost + 1 end
    if not xpcall(make, why, list, -i) then lost = lost + 1 end
    if not pcall(deep, 5) then lost = lost + 1 end
  end
  for i = 1, #list do
    if type(list[i][3]) ~= "table" then return ctx.response:exit(500, "half of a table") end
  end
  return ctx.response:exit(200, #list + lost >= 600 and "counted" or "lost count")
end

return M
]]

local ZONES = [[
local shared = require("moongate.shared")
local M, zone = {}

function M.init() zone = shared.dict("z", { size = "1m" }) end

function M.access(_, ctx)
  local count, why = zone:incr("count", 1, 0)
  if not count then return ctx.response:exit(503, why) end
  zone:set("last", ("x"):rep(100))
  zone:rpush("list", "a")
  return ctx.response:exit(200, "counted")
end

return M
]]

local function get(_, client) client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n") end

local SCENARIOS = {
  ["hooks that fetch and sleep in every phase"] = {
    start = start(EVERYWHERE),
    talk = function(_, client) client:write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello") end,
    answers = 1,
    shared = true,
    good = function(response)
      return response.status == 200 and response.body == "up HELLO!" and response.headers["x-late"]
    end,
  },
  ["a hook with three fetches at once"] = {
    start = start(ALL),
    talk = get,
    answers = 1,
    shared = true,
    good = function(response) return response.body == "sideone,sidetwo,sidethree" end,
  },
  ["a hook that sends a body piece by piece"] = {
    start = start(STREAM),
    talk = get,
    answers = 1,
    shared = true,
    good = function(response) return #response.body == 20 * 40000 and response.body:sub(-2) == "20" end,
  },
}

SCENARIOS["a hook whose loops catch errors"] = {
  start = start(CATCHES),
  talk = get,
  answers = 1,
  shared = true,
  good = function(response) return response.body == "counted" end,
}

SCENARIOS["a hook with shared state"] = {
  start = start(ZONES),
  talk = get,
  answers = 1,
  good = function(response) return response.body == "counted" end,
}

local POINTS = {
  ["zone.room"] = 1,
  ["conn.read"] = 1,
  ["conn.write"] = 1,
  ["conn.write.later"] = 1,
  ["connect"] = 1,
  ["connect.later"] = 1,
  ["lua.memory"] = 7,
}

describe("a fault in", function()
  for name, scenario in pairs(SCENARIOS) do
    for point, step in pairs(POINTS) do
      it(("%s, at each pass of %s"):format(name, point), function() faults.each(point, scenario, step) end)
    end
  end
end)
