-- Quotas in a file: exact over workers, reloads, restarts and upgrades.
local moongate = require("support.moongate")
local process = require("support.process")
local wire = require("support.wire")

local CURL = "/usr/bin/curl"

local YAML = [[
quotas: { file: "{{file}}", flush_interval: {{flush}} }
routes:
  - name: api
    paths: [/]
    plugins:
      - name: rate-limiting
        config: { limit: {{limit}}, window: {{window}}, limit_by: header, header_name: x-user, policy: file }
      - name: request-termination
        config: { status_code: 200, message: hello }
]]

local file

local function start(opts)
  opts = opts or {}
  opts.yaml = YAML
  opts.vars = {
    file = file,
    flush = opts.flush or "50ms",
    limit = opts.limit or 5,
    window = opts.window or "month",
  }
  return moongate.start(opts)
end

local function take(gw, user) return gw:get("/", { ["x-user"] = user or "ann" }) end

local function status(gw, user) return take(gw, user).status end

local function load(gw, count)
  local argv =
    { CURL, "-s", "-Z", "--parallel-max", "32", "-H", "x-user: ann", "-w", "%{http_code}\n", "-o", "/dev/null" }
  argv[#argv + 1] = ("http://127.0.0.1:%d/[1-%d]"):format(gw.port, count)
  return process.start(argv, gw.folder)
end

local function passed(loads)
  local found = 0
  for _, one in ipairs(loads) do
    assert(one:wait(60), "curl did not end")
    for _ in one:stdout():gmatch("200\n") do
      found = found + 1
    end
  end
  return found
end

local function sqlite(text)
  local pipe = assert(io.popen(("sqlite3 -readonly '%s' \"%s\" 2>&1"):format(file, text)))
  local out = pipe:read("*a")
  pipe:close()
  return out
end

-- Until the file has so much of all windows.
local function written(amount)
  assert(
    wire.wait(
      function() return sqlite("SELECT coalesce(sum(used), 0) FROM quotas") == amount * 1000000 .. "\n" end,
      10
    ),
    "the file does not say " .. amount
  )
end

-- The error of a start that fails.
local function fails(text)
  local folder = moongate.folder {
    ["moongate.yaml"] = moongate.yaml(text or YAML, {
      file = file,
      flush = "1s",
      limit = 5,
      window = "month",
    }),
  }
  local out = moongate.command({ "run", "-c", folder .. "/moongate.yaml" }, folder)
  assert.equal(1, out.code)
  return out.stderr
end

describe("2.15 (2) a quota", function()
  before_each(function() file = moongate.folder() .. "/quotas.db" end)
  after_each(moongate.stop_all)

  it("lets N pass and refuses N+1 with the time it begins anew", function()
    local gw = start()
    for i = 1, 5 do
      local answer = take(gw)
      assert.equal(200, answer.status)
      assert.truthy(answer.headers["ratelimit"]:find("r=" .. 5 - i, 1, true))
    end
    local answer = take(gw)
    assert.equal(429, answer.status)
    local now = os.time()
    local date = os.date("!*t", now)
    local day = os.time { year = date.year, month = date.month + 1, day = 1, hour = 0 }
    local left = day - os.time(date)
    assert.is_true(math.abs(left - tonumber(answer.headers["retry-after"])) <= 5)
    assert.equal(200, status(gw, "bob"))
    gw:stop()
  end)

  it("is exact over two workers under load, and through a reload", function()
    local gw = start { limit = 300, args = {} }
    local loads = {}
    for i = 1, 3 do
      loads[i] = load(gw, 200)
      gw:reload()
    end
    assert.equal(300, passed(loads))
    gw:stop()
  end)

  it("goes on after a restart, which keeps no key in the file", function()
    local gw = start()
    assert.equal(200, status(gw))
    assert.equal(200, status(gw))
    gw:stop()
    assert.is_nil(io.open(file):read("*a"):find("ann", 1, true))
    assert.equal("600\n", process.run({ "/usr/bin/stat", "-c", "%a", file }, gw.folder).stdout)
    gw = start()
    for _ = 1, 3 do
      assert.equal(200, status(gw))
    end
    assert.equal(429, status(gw))
    gw:stop()
  end)

  it("loses nothing that was written when the process is killed", function()
    local gw = start()
    for _ = 1, 3 do
      assert.equal(200, status(gw))
    end
    written(3)
    local before = gw:worker()
    process.signal(before, "KILL")
    assert(wire.wait(function() return not process.alive(before) end, 10))
    assert(wire.wait(function()
      local ok, answer = pcall(take, gw)
      return ok and answer.status == 200
    end, 20))
    assert.equal(200, status(gw))
    assert.equal(429, status(gw))
    gw:stop()
  end)

  it("goes on over an upgrade", function()
    local gw = start()
    for _ = 1, 3 do
      assert.equal(200, status(gw))
    end
    written(3)
    gw.process:kill("USR2")
    assert(wire.wait(function() return gw:stderr():find("upgrade: the supervisor is moongate", 1, true) end, 30))
    assert.equal(200, status(gw))
    assert.equal(200, status(gw))
    assert.equal(429, status(gw))
    gw:stop()
  end)

  it("begins anew with its next window", function()
    local gw = start { window = 2, limit = 1 }
    assert(wire.wait(function() return status(gw) == 429 end, 10))
    assert(wire.wait(function() return status(gw) == 200 end, 10))
    gw:stop()
  end)

  it("goes on in memory while the file cannot be written, and is written in the end", function()
    local gw = start { env = { GW_FAULT = "store.write:1-3" } }
    for _ = 1, 5 do
      assert.equal(200, status(gw))
    end
    assert.equal(429, status(gw))
    gw:wait_log("quotas: cannot write .*No space left on device")
    gw:wait_log("is written again")
    written(5)
    gw:stop()
  end)
end)

describe("the file of quotas", function()
  before_each(function() file = moongate.folder() .. "/quotas.db" end)
  after_each(moongate.stop_all)

  it("belongs to one gateway", function()
    local gw = start()
    assert.truthy(fails():find("is used by another gateway, process " .. gw.process.pid, 1, true))
    gw:stop()
  end)

  it("is refused when it is something else, and stays as it is", function()
    moongate.write(file, ("no database at all\n"):rep(100))
    assert.truthy(fails():find("file is not a database (to begin anew", 1, true))
    assert.equal(("no database at all\n"):rep(100), io.open(file):read("*a"))
  end)

  it("is refused when it is damaged", function()
    local gw = start()
    assert.equal(200, status(gw))
    gw:stop()
    local handle = assert(io.open(file, "r+b"))
    handle:seek("set", 4096)
    handle:write(("x"):rep(8192))
    handle:close()
    assert.truthy(fails():find("to begin anew, with nothing used of any quota, move the file away", 1, true))
  end)

  it("is refused when another Moongate wrote it", function()
    local gw = start()
    gw:stop()
    process.run({ "/usr/bin/sqlite3", file, "PRAGMA user_version = 99" }, gw.folder)
    assert.truthy(fails():find("schema 99, this one has 1", 1, true))
  end)

  it("is needed by a policy of that name", function()
    local text = YAML:gsub("^[^\n]*\n", "")
    assert.truthy(fails(text):find("needs quotas.file in the configuration", 1, true))
  end)
end)
