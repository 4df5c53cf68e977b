local cjson = require("cjson")
local ffi = require("ffi")
local moongate = require("support.moongate")
local wire = require("support.wire")

pcall(ffi.cdef, 'int moongate_mkfifo(const char *, unsigned) __asm__("mkfifo");')
pcall(ffi.cdef, 'int moongate_open(const char *, int, ...) __asm__("open");')

describe("file-log", function()
  local gw, folder

  before_each(function() folder = moongate.folder() end)
  after_each(function()
    if gw then gw:stop() end
    gw = nil
    moongate.stop_all()
  end)

  local function start(config, more)
    gw = moongate.start {
      vars = { folder = folder },
      yaml = (more or "") .. [[

log: { access: off }
plugins: [{ name: file-log, config: { path: "{{folder}}/requests.log"]] .. (config or "") .. [[ } }]
routes: [{ name: all, paths: [/], plugins: [{ name: echo }] }]
]],
    }
    return gw
  end

  local function lines(name)
    local list, file = {}, io.open(folder .. "/" .. (name or "requests.log"))
    for line in file and file:lines() or function() end do
      list[#list + 1] = cjson.decode(line)
    end
    if file then file:close() end
    return list
  end

  local function wait_for(count, name)
    local list
    wire.wait(function()
      list = lines(name)
      return #list >= count
    end)
    assert.equal(count, #list)
    return list
  end

  it("writes one line of JSON a request", function()
    start()
    gw:get("/one?a=b", { Authorization = "Bearer secret" })
    gw:get("/two")
    local list = wait_for(2)
    table.sort(list, function(a, b) return a.started_at < b.started_at end)
    assert.equal("/one?a=b", list[1].request.uri)
    assert.equal(200, list[1].response.status)
    assert.equal("all", list[1].route.name)
    assert.equal("REDACTED", list[1].request.headers.authorization)
    assert.equal(2, gw:metric('moongate_log_sent_total{sink="file:'))
    assert.equal(0, gw:metric("moongate_log_dropped_total"))
  end)

  it("appends to what is there, and makes a file that others cannot read", function()
    start()
    gw:get("/one")
    wait_for(1)
    gw:stop()
    start()
    gw:get("/two")
    wait_for(2)
    local pipe = io.popen("stat -c %a " .. folder .. "/requests.log")
    assert.equal("640\n", pipe:read("*a"))
    pipe:close()
  end)

  it("writes bytes that are no text so that every reader takes them", function()
    start()
    gw:get("/", { ["X-Odd"] = "a\255b" })
    assert.equal("a?b", wait_for(1)[1].request.headers["x-odd"])
  end)

  it("goes on with the new file after SIGUSR1", function()
    start()
    gw:get("/one")
    wait_for(1)
    assert(os.rename(folder .. "/requests.log", folder .. "/old.log"))
    gw:get("/two")
    wait_for(2, "old.log")
    gw.process:kill("USR1")
    wire.wait(function() -- the signal takes its way
      gw:get("/three")
      return #lines() > 0
    end)
    assert.equal("/three", lines()[1].request.uri)
  end)

  it("with reopen, sees by itself that the file was rotated", function()
    start(", reopen: true")
    gw:get("/one")
    wait_for(1)
    assert(os.rename(folder .. "/requests.log", folder .. "/old.log"))
    gw:get("/two")
    wait_for(1)
    assert.equal(1, #lines("old.log"))
  end)

  it("loses nothing while the configuration is reloaded", function()
    start()
    local sent = 0
    for round = 1, 5 do
      for _ = 1, 20 do
        gw:get("/")
        sent = sent + 1
      end
      assert.equal(200, (gw:reload()))
      assert.equal(round + 1, gw:status().generation)
    end
    wait_for(sent)
    assert.equal(0, gw:metric("moongate_log_dropped_total"))
    assert.equal(sent, gw:metric('moongate_log_sent_total{sink="file:'))
  end)

  it("writes the rest when it stops, and when nobody uses the file any more", function()
    start()
    for _ = 1, 10 do
      gw:get("/")
    end
    gw:configure("log: { access: off }\nroutes: [{ name: all, paths: [/], plugins: [{ name: echo }] }]")
    assert.equal(200, (gw:reload()))
    wait_for(10)
    assert.is_true(wire.wait(function() return gw:metric("moongate_log_sent_total") == nil end))
    gw:stop()
    start()
    for _ = 1, 10 do
      gw:get("/")
    end
    gw:stop()
    gw = nil
    assert.equal(20, #lines())
  end)

  it("keeps lines while the disk is full, says so once and serves on", function()
    start()
    gw:configure([[
log: { access: off }
plugins: [{ name: file-log, config: { path: /dev/full } }]
routes: [{ name: all, paths: [/], plugins: [{ name: echo }] }]
]])
    assert.equal(200, (gw:reload()))
    for _ = 1, 20 do
      assert.equal(200, gw:get("/").status)
    end
    assert.is_truthy(gw:wait_log("sink file:/dev/full: No space left on device %(lines that wait: %d+"))
    assert.is_true(
      wire.wait(function() return gw:metric('moongate_log_failures_total{sink="file:/dev/full"') >= 2 end)
    )
    assert.equal(1, select(2, gw:stderr():gsub("No space left", "")))
    assert.equal(20, gw:metric('moongate_log_waiting{sink="file:/dev/full"'))
    gw:stop()
    assert.matches("sink file:/dev/full: lines that were not delivered before the end: 20", gw:stderr())
    gw = nil
  end)

  it("does not wait for a pipe that nobody reads", function()
    local pipe = folder .. "/requests.log"
    assert.equal(0, ffi.C.moongate_mkfifo(pipe, 384))
    local reader = ffi.C.moongate_open(pipe, 0x800) -- O_RDONLY | O_NONBLOCK
    start()
    local long = ("x"):rep(6000)
    for _ = 1, 30 do
      assert.equal(200, gw:get("/?" .. long).status)
    end -- more than a pipe holds
    assert.is_true(wire.wait(function() return gw:metric('moongate_log_waiting{sink="file:') > 0 end))
    local file = io.open("/proc/self/fd/" .. reader, "r")
    local count = 0
    for _ in file:lines() do -- whole lines, in spite of everything
      count = count + 1
      if count == 30 then break end
    end
    file:close()
    ffi.C.wire_close(reader)
    assert.equal(30, count)
  end)

  it("refuses a configuration whose file cannot be written", function()
    start()
    local function refused(path, reason)
      gw:configure(
        "plugins: [{ name: file-log, config: { path: "
          .. path
          .. " } }]\n"
          .. "routes: [{ name: all, paths: [/], plugins: [{ name: echo }] }]"
      )
      local status, answer = gw:reload()
      assert.equal(422, status)
      assert.matches(reason, answer.errors[1])
    end
    refused("/nowhere/at/all.log", "cannot write /nowhere/at/all.log: No such file or directory")
    refused(folder, "cannot write .*: it is a folder")
    refused("requests.log", "path")
    gw:get("/")
    wait_for(1)
  end)
end)
