local moongate = require("support.moongate")

local HANDLER = [[
local M = { version = "1.0.0", priority = 10 }
function M.access(conf, ctx)
  if ctx.request:get_header("x-wait") then
    ctx:sleep(conf.seconds)
  end
  ctx.service.request:set_header("x-demo", "yes")
end
return M
]]

local SCHEMA = [[
local t = require("moongate.schema")
return t.record { seconds = t.number { default = 3 } }
]]

local GOOD = [[
local gateway = require("moongate.spec")
describe("demo", function()
  local gw = gateway.new { plugins = { "demo" } }
  it("marks requests", function()
    assert.has_status(gw:get("/"), 200)
    assert.upstream_saw(gw, { headers = { ["x-demo"] = "yes" } })
  end)
  it("waits #slow", function() assert.equal(3, gw:get("/", { headers = { ["x-wait"] = "1" } }).took) end)
end)
]]

local function project(files)
  files["plugins/demo/handler.lua"] = HANDLER
  files["plugins/demo/schema.lua"] = SCHEMA
  return moongate.folder(files)
end

local function run(folder, ...) return moongate.command({ "test", ... }, folder) end

describe("moongate test", function()
  after_each(moongate.stop_all)

  it("runs what lies in ./plugins and ./spec", function()
    local folder = project { ["plugins/demo/spec/demo_spec.lua"] = GOOD, ["spec/more_spec.lua"] = GOOD }
    local done = run(folder)
    assert.equal(0, done.code, done.stdout .. done.stderr)
    assert.matches("4 successes / 0 failures / 0 errors", done.stdout)
  end)

  it("runs a path, from anywhere", function()
    local folder = project { ["plugins/demo/spec/demo_spec.lua"] = GOOD }
    local done = moongate.command({ "test", folder .. "/plugins/demo" }, "/")
    assert.equal(0, done.code, done.stdout .. done.stderr)
    assert.matches("2 successes", done.stdout)
  end)

  it("hands tags, filters and outputs on to busted", function()
    local folder = project { ["plugins/demo/spec/demo_spec.lua"] = GOOD }
    assert.matches("1 success ", run(folder, "--tags=slow").stdout)
    assert.matches("1 success ", run(folder, "--filter", "marks").stdout)
    assert.matches("ok 2 %- demo waits #slow", run(folder, "-o", "TAP").stdout)
    assert.matches(
      "demo_spec.lua:%d+: demo marks requests\n.*demo_spec.lua:%d+: demo waits #slow\n",
      run(folder, "--list").stdout
    )
  end)

  it("ends with 1 when something failed, and tells the story of it", function()
    local folder = project {
      ["spec/bad_spec.lua"] = [[
local gateway = require("moongate.spec")
describe("demo", function()
  local gw = gateway.new { plugins = { "demo" } }
  it("fails", function()
    gw.upstream:reply(503)
    assert.has_status(gw:post("/orders", { headers = { ["x-wait"] = "1" } }), 200)
  end)
end)
]],
    }
    local done = run(folder)
    assert.equal(1, done.code)
    assert.matches("bad_spec.lua:6: expected the status 200, got 503", done.stdout)
    for _, line in ipairs {
      "0.000  client    POST /orders  asks",
      "0.000  hook      demo  access",
      "0.000  wait      the hook  sleeps 3 s",
      "3.000  upstream  upstream  gets POST /orders",
      "3.000  upstream  upstream  answers 503, 0 bytes",
      "3.000  client    POST /orders  gets 503, 0 bytes",
    } do
      assert.is_truthy(done.stdout:find(line, 1, true), line .. " is missing in " .. done.stdout)
    end
  end)

  it("says what hangs, instead of hanging", function()
    local folder = project {
      ["spec/hang_spec.lua"] = [[
local gateway = require("moongate.spec")
it("hangs", function()
  local gw = gateway.new { auto_advance = false, plugins = { "demo" } }
  gw:get("/", { headers = { ["x-wait"] = "1" } })
end)
]],
    }
    local done = run(folder)
    assert.equal(1, done.code)
    assert.matches("hang_spec.lua:4: GET / does not come to its end: time must pass first", done.stdout)
    assert.matches("hook +demo +access", done.stdout)
  end)

  it("ends what computes for ever without time passing", function()
    local folder = project {
      ["spec/busy_spec.lua"] = [[
local gateway = require("moongate.spec")
it("is busy", function()
  local gw = gateway.new { plugins = { function(_, ctx) while true do ctx:sleep(0) end end } }
  gw:get("/")
end)
it("goes on", function() assert.has_status(gateway.new():get("/"), 200) end)
]],
    }
    local done = run(folder)
    assert.equal(1, done.code)
    assert.matches("1 success / 0 failures / 1 error", done.stdout)
    assert.matches("busy_spec.lua:4: the gateway does not come to rest", done.stdout)
  end)

  it("shows which lines of the plugins ran", function()
    local folder = project { ["plugins/demo/spec/demo_spec.lua"] = GOOD }
    local done = run(folder, "--coverage", "--filter", "marks")
    assert.equal(0, done.code, done.stdout .. done.stderr)
    assert.matches("plugins/demo/handler.lua +5/6 +83.3 %%   not run: 4\n", done.stdout)
    assert.matches("plugins/demo/schema.lua +2/2 100.0 %%\n", done.stdout)
  end)

  it("ends with 2 when the command line is wrong", function()
    local folder = moongate.folder {}
    local done = run(folder)
    assert.equal(2, done.code)
    assert.matches("neither %./plugins nor %./spec is a folder", done.stderr)
    done = run(folder, "nowhere")
    assert.equal(2, done.code)
    assert.matches("nowhere: there is no such file or folder", done.stderr)
    done = run(folder, "--colour")
    assert.equal(2, done.code)
    assert.matches("unknown/bad flag: %-%-colour %('moongate test %-%-help' lists the options%)", done.stderr)
  end)

  it("helps", function()
    local done = run("/", "--help")
    assert.equal(0, done.code)
    assert.matches("usage: moongate test %[PATH %.%.%.%]", done.stdout)
    assert.matches("%-%-coverage", done.stdout)
  end)

  it("passes at once after moongate new plugin", function()
    local folder = moongate.folder {}
    assert.equal(0, moongate.command({ "new", "plugin", "fresh" }, folder).code)
    local done = run(folder)
    assert.equal(0, done.code, done.stdout .. done.stderr)
    assert.matches(" 0 failures / 0 errors", done.stdout)
  end)
end)
