-- What plugins keep for all workers (moongate.shared, moongate.metrics), seen from outside.
local moongate = require("support.moongate")

local SCHEMA = 'local t = require("moongate.schema")\nreturn t.record {}\n'

-- Answers with how often it was asked, by any worker.
local function handler(size)
  return ([[
local metrics = require("moongate.metrics")
local shared = require("moongate.shared")

local M = { version = "1.0.0", priority = 1000 }
local visits, hits

function M.init()
  visits = shared.dict("visits", { size = %q })
  hits = metrics.counter { name = "hits", about = "Requests by host.", labels = { "host" } }
end

function M.access(_, ctx)
  hits:add(1, ctx.request:get_header("x-host"))
  return ctx.response:exit(200, tostring(visits:incr("count", 1, 0)))
end

return M
]]):format(size)
end

local YAML = [[
plugin_paths: [./plugins]
workers: 3
routes:
  - name: count
    paths: [/]
    public: true
    plugins: [{ name: count }]
]]

describe("shared state", function()
  local gw

  before_each(
    function()
      gw = moongate.start {
        yaml = YAML,
        files = { ["plugins/count/handler.lua"] = handler("1m"), ["plugins/count/schema.lua"] = SCHEMA },
      }
    end
  )

  after_each(function() moongate.stop_all() end)

  local function visit(times)
    local body
    for i = 1, times do
      body = assert(gw:get("/", { ["x-host"] = "h" .. i % 2 })).body
    end
    return tonumber(body)
  end

  it("is counted by all workers together, and shown by the admin listener", function()
    assert.equal(20, visit(20))
    assert.equal(20, gw:metric("moongate_plugin_count_hits_total"))
    assert.equal(10, gw:metric('moongate_plugin_count_hits_total{host="h1"}'))
    assert.equal(1, gw:metric('moongate_zone_entries{zone="count/visits",kind="dict"}'))
    assert.equal(1024 * 1024, gw:metric('moongate_zone_max_bytes{zone="count/visits"'))
    gw:stop()
  end)

  it("stays over reloads, with the size that serves", function()
    visit(5)
    gw:write("plugins/count/handler.lua", handler("2m"))
    assert.equal(200, (gw:reload()))
    assert.equal(2 * 1024 * 1024, gw:metric('moongate_zone_max_bytes{zone="count/visits"'))
    assert.equal(6, visit(1))
    assert.equal(6, gw:metric("moongate_plugin_count_hits_total"))
    gw:configure(YAML .. "zones:\n  count/visits: { size: 4m }\n")
    assert.equal(200, (gw:reload()))
    assert.equal(4 * 1024 * 1024, gw:metric('moongate_zone_max_bytes{zone="count/visits"'))
    assert.equal(7, visit(1))
    gw:stop()
  end)

  it("is as it was when a reload is refused", function()
    visit(5)
    gw:write("plugins/count/handler.lua", handler("2m"):gsub("tostring%(", "tostring(("))
    assert.equal(422, (gw:reload()))
    gw:write("plugins/count/handler.lua", handler("2m"):gsub("hits = metrics", "error('no') hits = metrics"))
    assert.equal(422, (gw:reload()))
    assert.equal(1024 * 1024, gw:metric('moongate_zone_max_bytes{zone="count/visits"'))
    assert.equal(6, visit(1))
    gw:stop()
  end)

  it("refuses the size of a zone that nobody has", function()
    gw:configure(YAML .. "zones:\n  count/visit: { size: 4m }\n")
    local status, answer = gw:reload()
    assert.equal(422, status)
    assert.equal('zones: no plugin in use declares "count/visit" (declared: count/visits)', answer.errors[1])
    gw:stop()
  end)
end)
