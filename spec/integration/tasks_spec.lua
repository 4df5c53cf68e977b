--- Background tasks and waiting verbs in the real process: over reloads, over stops.
local http = require("support.http")
local moongate = require("support.moongate")

local SCHEMA = 'local t = require("moongate.schema")\nreturn t.record {}\n'

-- Tasks that say what they are, once in the process and once in each worker; access waits as the query says.
local function handler(version)
  return ([[
local task = require("moongate.task")
local M = { version = "1.0.0", priority = 1000 }

function M.init()
  task.every(0.02, function(t) t.log:notice("one of V") end, { first = 0 })
  task.once(function(t) t.log:notice("each of V") while true do t:sleep(60) end end, { worker = "each" })
  task.every(0.02, function(t) t:fetch { service = "up", path = "/from-V", stream = true } t:sleep(60) end, { first = 0 })
end

function M.access(_, ctx)
  if ctx.request:get_query_arg("wait") then
    ctx:after(function() ctx:sleep(60) end)
    ctx:race(function() ctx:sleep(60) end, function() ctx:fetch_all { { service = "up", path = "/slow" } } end)
  end
end

return M
]]):gsub("V", version)
end

describe("background tasks", function()
  local gw, service

  before_each(function()
    service = http.service()
    gw = moongate.start {
      yaml = [[
plugin_paths: [./plugins]
drain_timeout: 100ms
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes: [{ name: up, paths: [/up] }]
plugins: [{ name: busy }]
]],
      vars = { up = service.port },
      files = { ["plugins/busy/handler.lua"] = handler("first"), ["plugins/busy/schema.lua"] = SCHEMA },
    }
  end)

  after_each(function()
    service:close()
    moongate.stop_all()
  end)

  local function count(text) return select(2, gw.process:stderr():gsub(text, "")) end

  it("run in one worker or in each, end with their generation, and leave a clean stop", function()
    assert.is_truthy(gw:wait_log("one of first"))
    assert.is_truthy(gw:wait_log("each of first.*each of first"))
    gw:write("plugins/busy/handler.lua", handler("second"))
    assert.equal(200, (gw:reload()))
    assert.is_truthy(gw:wait_log("one of second.*one of second"))
    local first = count("one of first")
    assert.is_truthy(gw:wait_log("one of second.*one of second.*one of second.*one of second"))
    assert.equal(first, count("one of first"))
    assert.equal(2, count("each of first"))
    gw:stop()
  end)

  it("and waiting requests do not hold up a stop", function()
    local conn = gw:connect()
    conn:send("GET /up?wait=1 HTTP/1.1\r\nhost: a\r\n\r\n")
    assert.is_truthy(gw:wait_log("each of first.*each of first"))
    gw:stop()
  end)
end)
