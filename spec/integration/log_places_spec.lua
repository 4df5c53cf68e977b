-- Logs whose place does not take them: a reader that stalls or is gone, a full disk, rotation. No request may notice. All of it is
-- shown by counts: of answers, of lines, of what was dropped.
local cjson = require("cjson")
local http = require("support.http")
local moongate = require("support.moongate")
local pipes = require("support.pipes")
local wire = require("support.wire")

local YAML = [[
workers: 1
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes:
      - { name: up, paths: [/up], strip_path: false }
]]

-- A path that makes a line of more than 2 KiB, so that a ring of 1 MiB is full after some 500 of them.
local LONG = "/up/" .. ("x"):rep(2000)
local MANY = 700

local service, gw, pipe

local function start(opts)
  service = http.service()
  gw = moongate.start {
    yaml = (opts.top or "") .. YAML,
    vars = { up = service.port },
    places = opts.places,
    files = opts.files,
  }
end

-- How many of so many requests were answered as they should, on one connection.
local function send(count, target)
  local conn, good = gw:connect(), 0
  for _ = 1, count do
    local response = gw:request("GET", target or "/up", { conn = conn })
    if response and response.status == 200 and response.body == "hello" then good = good + 1 end
  end
  conn:close()
  return good
end

local function dropped(sink) return gw:metric(('moongate_log_dropped_total{sink="%s"}'):format(sink)) end

local function check_lines(lines)
  for _, line in ipairs(lines) do
    local good, record = pcall(cjson.decode, line)
    assert.is_true(good, line)
    assert.equal(200, record.statusCode)
  end
end

local function read_lines(path)
  local lines, file = {}, io.open(path)
  for line in file and file:lines() or function() end do
    lines[#lines + 1] = line
  end
  if file then file:close() end
  return lines
end

local function wait_lines(path, count)
  assert.is_truthy(wire.wait(function() return #read_lines(path) >= count end, 60), count .. " lines in " .. path)
end

local folder

before_each(function() folder = moongate.folder() end)

after_each(function()
  if service then service:close() end
  if pipe then pipe:close() end
  service, pipe = nil, nil
  moongate.stop_all()
end)

describe("a reader of the access log that stalls", function()
  before_each(function()
    pipe = pipes.new(folder .. "/out")
    start { places = { stdout = pipe.path } }
  end)

  it("costs lines, not answers; each line is written whole or counted", function()
    assert.equal(MANY, send(MANY, LONG))
    local lost = dropped("access")
    assert.is_true(lost > 0 and lost < MANY, lost)
    assert.is_truthy(gw:wait_log("access log stdout: its reader does not keep up"))

    pipe:read()
    assert.is_truthy(pipe:wait(MANY - lost))
    assert.equal(3, send(3))
    assert.is_truthy(pipe:wait(MANY - lost + 3))
    assert.is_truthy(gw:wait_log("access log stdout: takes lines again"))
    assert.equal(lost, dropped("access"))
    gw:stop()
    assert.equal(MANY - lost + 3, #pipe:lines())
    check_lines(pipe:lines())
  end)

  it("does not hold up reloads, rotation or the other log", function()
    assert.equal(20, send(20, LONG))
    gw:configure("log: { access: ./access.log, error: ./error.log }\n" .. YAML)
    assert.equal(200, (gw:reload()))
    assert.equal(3, send(3))
    wait_lines(gw:path("access.log"), 20) -- those that waited went along; the pipe had room for one or two
    assert(os.rename(gw:path("access.log"), gw:path("access.log.1")))
    gw.process:kill("USR1")
    assert.is_truthy(wire.wait(function() return io.open(gw:path("access.log")) end))
    assert.equal(1, send(1))
    wait_lines(gw:path("access.log"), 1)
    gw:stop()
  end)

  it("does not hold up the end", function()
    assert.equal(20, send(20, LONG))
    local before = wire.now()
    gw:stop()
    assert.is_true(wire.now() - before < 10)
    assert.is_truthy(gw:stderr():find("%d+ lines could not be written before the end"))
  end)
end)

describe("a reader of the access log that is gone", function()
  it("costs lines once the ring is full, and nothing more", function()
    pipe = pipes.new(folder .. "/out")
    start { places = { stdout = pipe.path } }
    pipe:close()
    assert.equal(MANY, send(MANY, LONG))
    assert.is_truthy(gw:wait_log("access log stdout: Broken pipe"))
    local lost = dropped("access")
    assert.is_true(lost > 0)

    pipe:open()
    pipe:read()
    assert.is_truthy(pipe:wait(MANY - lost))
    assert.is_truthy(gw:wait_log("access log stdout: takes lines again"))
    gw:stop()
    check_lines(pipe:lines())
  end)

  it("may be there only later: a named pipe is no place to start with", function()
    pipe = pipes.new(folder .. "/out")
    pipe:close()
    start {}
    gw:configure(("log: { access: %s }\n"):format(pipe.path) .. YAML)
    local status, answer = gw:reload()
    assert.equal(422, status)
    assert.is_truthy(answer.errors[1]:find("log.access: cannot open", 1, true))
    gw:stop()
  end)
end)

describe("a full disk", function()
  it("keeps lines waiting, which go to the next place that takes them", function()
    start { top = "log: { access: /dev/full }\n" }
    assert.equal(50, send(50))
    assert.is_truthy(gw:wait_log("access log /dev/full: No space left on device"))
    assert.equal(0, dropped("access"))
    gw:configure("log: { access: ./access.log }\n" .. YAML)
    gw:reload()
    wait_lines(gw:path("access.log"), 50)
    gw:stop()
    assert.equal(50, #read_lines(gw:path("access.log")))
    check_lines(read_lines(gw:path("access.log")))
  end)

  it("never leaves half a line in front of another", function()
    local disk = folder .. "/disk"
    os.execute("mkdir -p " .. disk)
    if os.execute(("mount -t tmpfs -o size=64k moongate-spec %s 2>/dev/null"):format(disk)) ~= 0 then
      return pending("mounting a small disk takes root")
    end
    finally(function() os.execute("umount -l " .. disk) end)
    moongate.write(disk .. "/filler", ("x"):rep(50000))
    start { top = ("log: { access: %s/access.log }\n"):format(disk) }
    assert.equal(60, send(60, "/up/" .. ("y"):rep(333)))
    assert.is_truthy(gw:wait_log("access.log: No space left on device"))
    os.remove(disk .. "/filler")
    wait_lines(disk .. "/access.log", 60)
    assert.is_truthy(gw:wait_log("takes lines again"))
    gw:stop()
    local lines = read_lines(disk .. "/access.log")
    assert.equal(60, #lines)
    check_lines(lines)
  end)
end)

describe("a reader of the error log that stalls", function()
  local HANDLER = [[
local M = { version = "1.0.0", priority = 10 }
local n = 0
function M.access(_, ctx)
  n = n + 1
  ctx.log:warn("line " .. n .. " " .. ("z"):rep(1500))
end
return M
]]
  local SCHEMA = 'return require("moongate.schema").record {}'

  local function start_loud()
    pipe = pipes.new(folder .. "/err")
    pipe:read()
    start {
      top = "plugin_paths: [./plugins]\nlua: { log_lines: 100000 }\nplugins: [{ name: loud }]\n",
      files = { ["plugins/loud/handler.lua"] = HANDLER, ["plugins/loud/schema.lua"] = SCHEMA },
      places = { stderr = pipe.path, read_stderr = function() return pipe:text() end },
    }
  end

  it("costs lines of it, not answers, and says so when it is back", function()
    start_loud()
    pipe:hold()
    assert.equal(2000, send(2000))
    local lost = dropped("error")
    assert.is_true(lost > 0 and lost < 2000, lost)
    gw:access_log(2000)

    pipe:read()
    assert.is_truthy(gw:wait_log("log.error: " .. lost .. " lines were lost here"))
    assert.equal(1, send(1))
    assert.is_truthy(gw:wait_log("line 2001 z"))
    local numbers = {}
    for number in pipe:text():gmatch("line (%d+) z") do
      numbers[#numbers + 1] = tonumber(number)
    end
    assert.equal(2001 - lost, #numbers)
    for i = 2, #numbers do
      assert.is_true(numbers[i] > numbers[i - 1], "in order")
    end
    gw:stop()
  end)

  it("does not hold up the end", function()
    start_loud()
    pipe:hold()
    assert.equal(100, send(100))
    local before = wire.now()
    gw:stop()
    assert.is_true(wire.now() - before < 15)
  end)
end)

describe("rotation", function()
  it("loses no line and writes none twice, also when files are renamed under load", function()
    start {}
    gw:configure("log: { access: ./access.log, error: ./error.log }\n" .. YAML)
    gw:reload()
    local conn, count = gw:connect(), 0
    for round = 1, 15 do
      for _ = 1, 40 do
        assert.equal(200, gw:request("GET", "/up", { conn = conn }).status)
        count = count + 1
      end
      assert(os.rename(gw:path("access.log"), gw:path("access.log." .. round)))
      os.rename(gw:path("error.log"), gw:path("error.log." .. round))
      gw.process:kill("USR1")
      wire.wait(function() return io.open(gw:path("access.log")) end)
    end
    conn:close()
    gw:stop()
    local seen, lines = {}, read_lines(gw:path("access.log"))
    for round = 1, 15 do
      for _, line in ipairs(read_lines(gw:path("access.log." .. round))) do
        lines[#lines + 1] = line
      end
    end
    check_lines(lines)
    for _, line in ipairs(lines) do
      local id = cjson.decode(line).correlationId
      assert.is_nil(seen[id])
      seen[id] = true
    end
    assert.equal(count, #lines)
  end)

  it("that cannot be done goes on with the old file and says why", function()
    local logs = folder .. "/logs"
    os.execute("mkdir " .. logs)
    start { top = ("log: { access: %s/access.log }\n"):format(logs) }
    assert(os.rename(logs, folder .. "/old"))
    gw.process:kill("USR1")
    assert.is_truthy(gw:wait_log("log.access: cannot open .-/access.log again: No such file"))
    assert.equal(2, send(2))
    wait_lines(folder .. "/old/access.log", 2)
    gw:stop()
  end)
end)
