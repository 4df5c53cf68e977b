-- Reloads, rotations, upgrades and ends of the real binary, with the first, the second, … pass of every point failing that lies on
-- their way (core/base/fault.h), until nothing fails any more. Each ends, well or with a reason; afterwards the gateway serves, and
-- it has no more descriptors than before. The processes share the plan with this one, so one gateway serves for all runs.
local ffi = require("ffi")
local c = require("support.c")
local moongate = require("support.moongate")
local process = require("support.process")
local wire = require("support.wire")

local ALL = os.getenv("SPEC_ALL_FAULTS") -- what takes longer, too
local why = ffi.new("char[2048]")
local gw, folder, round

local function set(plan) assert(c.gw_fault_set(plan, why, ffi.sizeof(why)), ffi.string(why)) end

local function serves()
  local good, response = pcall(gw.get, gw, "/")
  return good and response and response.status == 200
end

-- One run; whether anything failed in it.
local function try(plan, scenario)
  local before = wire.now()
  set(plan)
  local good, problem = pcall(scenario)
  local fired = c.gw_fault_fired() > 0
  set("")
  assert(good, plan .. ": " .. tostring(type(problem) == "table" and problem.message or problem))
  assert(wire.wait(serves, 20), plan .. ": serves no more\n" .. gw:stderr())
  assert(wire.now() - before < 25, plan .. ": takes too long\n" .. gw:stderr())
  return fired
end

-- The first passes one by one, then at distances that double: there may be thousands (memory of Lua).
local function each(points, scenario)
  for point in points:gmatch("%S+") do
    local n = 1
    while try(("%s:%d"):format(point, n), scenario) do
      n = n < 3 and n + 1 or n * 2
    end
    assert(n > 1, point .. " is not on its way")
  end
end

local YAML = [[
workers: 1
drain_timeout: 1s
log: { access: ./access-%d.log }
listeners: [{ address: 127.0.0.1:0 }, { address: 127.0.0.1:0, tls: {} }%s]
services:
  - { name: far, url: "http://n%d.localhost:1", routes: [{ name: far, paths: [/far] }] }
  - { name: sealed, url: "https://localhost:1", routes: [{ name: sealed, paths: [/sealed] }] }
routes: [{ name: r, paths: [/, "~/x[0-9]+$"], plugins: [{ name: echo }] }]
plugins: [{ name: file-log, config: { path: %s/requests-%d.log } }]
]]

-- Every other one has a listener more, each has other logs and another name to resolve.
local function yaml()
  round = round + 1
  return YAML:format(round, round % 2 == 0 and ", { address: 127.0.0.1:0 }" or "", round, folder, round)
end

-- What is not there is no answer that was cut: the admin listener fails, too.
local function reload_once()
  gw:configure(yaml())
  local good, status, answer = pcall(gw.reload, gw)
  if not good then return end
  assert(status == 200 or status == 422 or status == 503, status) -- 503: it has lost its supervisor and ends
  for _, text in ipairs(status == 422 and answer.errors or {}) do
    assert(not text:find("^%s*$") and not text:find(":%s*$"), "an error without a reason: " .. text)
  end
end

-- A connection of its own; the whole answer or none.
local function ask_over_tls()
  local pipe = io.popen(("curl -sk --max-time 20 -w '%%{http_code}' https://127.0.0.1:%d/"):format(gw.ports[2]))
  local answer = pipe:read("*a")
  pipe:close()
  assert(answer:match("^000$") or answer:match("200$"), "half an answer: " .. answer)
end

-- One listener comes, or goes; and the other way round.
local function reload()
  reload_once()
  reload_once()
end

local function descriptors()
  local pipe = io.popen("ls /proc/" .. gw:worker() .. "/fd | wc -l")
  local count = pipe:read("*n")
  pipe:close()
  return count
end

local function settled()
  local status = gw:status()
  return #status.generations == 1 and descriptors()
end

-- For what only a file shows: nothing wakes us.
local function look(done, what)
  local deadline = wire.now() + 20
  while not done() do
    assert(wire.now() < deadline, what)
    wire.pass(0.01)
  end
end

-- What a run says last, whether it went well or not.
local ENDS = {
  "upgrade: the supervisor is moongate",
  "the supervisor cannot become",
  "before it was ready",
  "no worker process can be started",
}

local function upgrade()
  local from = #gw:stderr()
  gw.process:kill("USR2")
  look(function()
    local text = gw:stderr():sub(from + 1)
    for _, pattern in ipairs(ENDS) do
      if text:find(pattern, 1, true) then return true end
    end
  end, "the upgrade does not end")
end

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

local function size(path)
  local file = io.open(path)
  local bytes = file and file:seek("end") or 0
  if file then file:close() end
  return bytes
end

-- A request's line reaches the files, or is kept from it.
local function write_lines()
  local requests, access = ("%s/requests-%d.log"):format(folder, round), gw:path(("access-%d.log"):format(round))
  local function written() return size(access) + size(access .. ".old") end -- one that could not be opened is the old one
  local before, before_access = size(requests), written()
  serves()
  look(
    function() return c.gw_fault_fired() > 0 or (size(requests) > before and written() > before_access) end,
    "no line is written"
  )
end

-- Either there is a new file, or it was said why not.
local function rotate()
  local path = gw:path(("access-%d.log"):format(round))
  local from = #gw:stderr()
  write_lines()
  os.rename(path, path .. ".old")
  gw.process:kill("USR1")
  look(function() return exists(path) or gw:stderr():find("again: ", from, true) end, "no rotation")
  write_lines() -- the sinks' files are opened again with the next of them
end

describe("whatever fails in", function()
  before_each(function()
    folder = moongate.folder()
    local board = folder .. "/faults"
    assert.is_true(c.gw_fault_share(board))
    set("")
    round = 0
    gw = moongate.start { yaml = yaml(), env = { GW_FAULT_FILE = board } }
    assert.is_true(serves())
  end)

  after_each(function()
    set("")
    c.gw_fault_share(nil)
    moongate.stop_all()
  end)

  it("a reload, the gateway serves and takes the next one", function()
    gw:configure(yaml())
    gw:reload()
    local usual = wire.wait(settled)
    each("lua.state lua.open log.open sink.open listen listener channel.send channel.pass channel.take", reload)
    each("lua.memory", reload)
    if ALL then
      each("regex log.write sink.write socket bind", reload)
      each("dns.watch dns.answer accept conn.open conn.read conn.write", reload)
    end
    round = round + round % 2 -- two listeners again
    gw:configure(yaml())
    gw:configure(yaml())
    assert.equal(200, (gw:reload()))
    assert.is_truthy(wire.wait(function() return (settled() or usual + 1) <= usual end))
    gw:stop()
  end)

  it("a request over TLS, it ends", function()
    each("tls conn.read conn.write conn.write.short conn.read.short", ask_over_tls)
    each("tls.context", reload)
    gw:stop()
  end)

  it("a rotation, no line is lost", function()
    each("log.open log.write log.write.short sink.open sink.write", rotate)
    gw:stop()
  end)

  it("an upgrade, the old one or the new one serves", function()
    if ALL then
      each("fork channel.open exec upgrade.state channel.watch channel.pass channel.take", upgrade)
      each("channel.tell channel.send", upgrade)
    end
    -- Those that end early are quick; the others share what they can.
    for _, plan in ipairs {
      "fork:1",
      "channel.open:1",
      "exec:1",
      "channel.watch:1",
      "channel.pass:1",
      "channel.take:2",
      "channel.send:2",
      "exec:2,channel.tell:1",
      "upgrade.state:1",
    } do
      assert(try(plan, upgrade), plan .. " does not happen")
    end
    look(function() return #process.children(gw.process.pid) == 1 end, "an old process stays")
    gw:stop()
  end)

  for _, plan in ipairs {
    "channel.tell:*,log.write:*,sink.write:*",
    "channel.send:*,conn.read:*,conn.write:*,log.write.short:*",
  } do
    it("an end, it ends: " .. plan, function()
      set(plan)
      gw:stop()
      assert.is_true(c.gw_fault_fired() > 0)
    end)
  end
end)
