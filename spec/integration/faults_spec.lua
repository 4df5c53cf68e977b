-- The real binary when the system says no: at its start, while it serves, and at its end.
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

-- Sanitizers and failed assertions; a message is no excuse for one of these.
local BROKEN =
  { "AddressSanitizer", "LeakSanitizer", "runtime error", "internal error", "signal %d", "still open" }

local function check_sound(text)
  for _, pattern in ipairs(BROKEN) do
    assert(not text:find(pattern), text)
  end
end

local START = [[
workers: 1
watch: true
log: { access: access.log }
routes: [{ name: r, paths: ["/", "~/x[0-9]+$"], plugins: [{ name: echo }] }]
]]

-- What must not fail at a start, and the words in which the operator hears of it.
local NEEDED = {
  ["loop:1"] = "cannot make an event loop: too many open files %(raise",
  ["mailbox:2"] = "cannot make what wakes an event loop: too many open files %(raise",
  ["signal:1"] = "cannot listen to signals: too many open files",
  ["thread:1"] = "cannot start a thread: resource temporarily unavailable",
  ["thread:3"] = "the log writer does not start: resource temporarily unavailable",
  ["thread:4"] = "cannot start a thread: resource temporarily unavailable",
  ["log.wake:1"] = "the log writer does not start: too many open files",
  ["log.open:1"] = "log%.access: cannot open .-access%.log: No space left on device",
  ["socket:1"] = "bind 127%.0%.0%.1:0: Too many open files %(raise the limit",
  ["bind:1"] = "bind 127%.0%.0%.1:0: Address already in use",
  ["listen:1"] = "bind 127%.0%.0%.1:0: Address already in use",
  ["lua.state:1"] = "there is no memory for a Lua state",
  ["lua.open:1"] = "moongate%.yaml: cannot be read: Too many open files",
  ["lua.memory:3000"] = "not enough memory",
  ["regex:1"] = "routes%[%d%]",
  ["channel.send:1"] = "listeners: ",
  ["channel.pass:1"] = "the supervisor cannot send the answer: Too many references",
  ["channel.take:1"] = "no file descriptor is left for its socket %(raise the limit",
  ["channel.watch:1"] = "cannot listen to the supervisor: too many open files",
  ["signal.fd:1"] = "cannot listen to signals: Too many open files",
}

describe("a start", function()
  after_each(moongate.stop_all)

  for plan, words in pairs(NEEDED) do
    it("without " .. plan .. " ends with what is wrong, and exit code 1", function()
      local folder = moongate.folder { ["moongate.yaml"] = moongate.yaml(START) }
      local result = moongate.command({ "run" }, folder, { GW_FAULT = plan })
      check_sound(result.stderr)
      assert.matches(words, result.stderr)
      assert.equal(1, result.code)
    end)
  end

  for _, plan in ipairs {
    "watch:*",
    "listener:1-4",
    "dns.start:1",
    "log.write.short:*",
    "log.write=EIO:5-8",
    "conn.open:1",
  } do
    it("goes on without " .. plan, function()
      local gw = moongate.start { yaml = START, env = { GW_FAULT = plan } }
      wire.wait(function()
        local response = gw:get("/")
        return response and response.status == 200
      end)
      gw:stop()
      check_sound(gw:stderr())
    end)
  end

  it("refuses a GW_FAULT that it does not understand", function()
    local result = moongate.command({ "version" }, nil, { GW_FAULT = "conn.raed:1" })
    assert.equal(2, result.code)
    assert.matches("GW_FAULT: no fault point 'conn.raed' %(known: conn%.open, conn%.read", result.stderr)
  end)
end)

describe("a supervisor that cannot give an order", function()
  after_each(moongate.stop_all)

  it("ends its worker process all the same", function()
    local gw = moongate.start { yaml = START, env = { GW_FAULT = "channel.tell:*" } }
    gw:stop()
    assert.matches("cannot be told: No buffer space available; sending it SIGTERM", gw:stderr())
  end)
end)

-- Everything at once: a plugin that asks another service in every hook, all kinds of sinks, bodies, reloads.
local SERVING = [[
workers: 1
plugin_paths: [./plugins]
log: { access: access.log }
upstreams:
  - name: two
    targets: [{ target: "127.0.0.1:1", weight: 100 }, { target: "127.0.0.1:{{up}}", weight: 100 }]
services:
  - name: plain
    host: two
    routes: [{ name: plain, paths: [/plain] }]
  - name: side
    url: http://127.0.0.1:{{up}}
    connect_timeout: 2000
    read_timeout: 2000
  - name: hooked
    url: http://127.0.0.1:{{up}}
    connect_timeout: 2000
    read_timeout: 2000
    routes: [{ name: hooked, paths: [/hooked], plugins: [{ name: asks }] }]
plugins:
  - { name: file-log, config: { path: {{file}} } }
  - { name: tcp-log, config: { host: 127.0.0.1, port: {{tcp}} } }
  - { name: udp-log, config: { host: 127.0.0.1, port: {{tcp}} } }
  - { name: http-log, config: { http_endpoint: "http://127.0.0.1:{{up}}/log" } }
]]

local ASKS = [[
local M = { version = "1.0.0", priority = 1000 }
local function ask(ctx, path)
  local res, why = ctx:fetch { service = "side", path = path }
  ctx:sleep(0.001)
  return res and res.ok and res.body == "answer to " .. path, why
end
function M.access(_, ctx)
  local good, why = ask(ctx, "/access")
  if not good then return ctx.response:exit(503, why) end
end
function M.response(_, ctx)
  local good, why = ask(ctx, "/response")
  if not good then return ctx.response:exit(503, why) end
end
function M.body(_, ctx, chunk, last)
  ctx:sleep(0.001)
  return chunk:upper()
end
function M.log(_, ctx) ask(ctx, "/log") end
return M
]]

-- Each fails for a while; afterwards all is well again.
local PLAN = table.concat({
  "conn.read:9-10,conn.read:25,conn.read:41,conn.read.short:60-90",
  "conn.write:12-13,conn.write:31,conn.write=ENOBUFS:37,conn.write.short:50-70,conn.write.full:71-90,conn.write.later:3-4",
  "accept:4-5,accept=ECONNABORTED:9,accept=ENOBUFS:14,conn.open:3",
  "connect:4-5,connect.later:6-8",
  "log.write:3-4,log.write.short:8-12,sink.open:1,sink.write:2-3,sink.send:2-3",
}, ",")

local function descriptors(pid)
  local count = 0
  local pipe = assert(io.popen(("ls /proc/%d/fd"):format(pid)))
  for _ in pipe:lines() do
    count = count + 1
  end
  pipe:close()
  return count
end

describe("a process that serves", function()
  local up, tcp

  before_each(function()
    up = http.service(function(request)
      local path = request.target:gsub("%?.*", "")
      return { body = request.method == "POST" and request.body or "answer to " .. path }
    end)
    tcp = http.service()
  end)

  after_each(function()
    up:close()
    tcp:close()
    moongate.stop_all()
  end)

  local LARGE = ("0123456789"):rep(10000)

  -- One request; whether all went well. What came as a whole must be right.
  local function try(gw, nth)
    local method, path, body = "GET", "/plain", nil
    if nth % 3 == 1 then path = "/hooked" end
    if nth % 3 == 2 then
      method, path, body = "POST", "/hooked", LARGE
    end
    local made, conn = pcall(gw.connect, gw)
    if not made then return false end
    conn:send(http.request_bytes(method, path, { body = body }))
    local response = http.read_response(conn, { method = method, seconds = 20 })
    assert(response or conn.ended, "neither an answer nor an end")
    conn:close()
    if not response or response.cut or response.how then return false end
    if response.status ~= 200 then
      assert.is_true(response.status >= 500, "an error that is not ours: " .. response.status)
      return false
    end
    assert.equal(path == "/plain" and "answer to /" or body or "ANSWER TO /", response.body)
    return true
  end

  local function start(plan)
    return moongate.start {
      yaml = SERVING,
      vars = { up = up.port, tcp = tcp.port, file = moongate.folder() .. "/requests.log" },
      files = {
        ["plugins/asks/handler.lua"] = ASKS,
        ["plugins/asks/schema.lua"] = "return require('moongate.schema').record {}",
      },
      env = { GW_FAULT = plan },
    }
  end

  -- What a process has open besides its connections to services, which it keeps.
  local function own_descriptors(gw)
    local count = descriptors(gw:worker())
    for _, service in ipairs { up, tcp } do
      for _, conn in ipairs(service.conns) do
        if conn.fd then count = count - 1 end
      end
    end
    return count
  end

  local function usual_descriptors()
    local gw = start("")
    for nth = 1, 12 do
      assert.is_true(try(gw, nth))
    end
    gw:reload()
    local count = own_descriptors(gw)
    gw:stop()
    return count
  end

  it("serves again after everything has failed, with nothing left", function()
    local usual = usual_descriptors()
    local gw = start(PLAN)
    local good, failed = 0, 0
    for nth = 1, 400 do
      local well = try(gw, nth)
      good = well and good + 1 or 0
      failed = failed + (well and 0 or 1)
      if nth % 40 == 20 then pcall(gw.reload, gw) end
      if good >= 40 and nth >= 80 then break end
    end
    assert.is_true(good >= 40, gw:stderr())
    assert.is_true(failed > 0, "nothing failed")
    for point in PLAN:gmatch("%f[%a]([%a.]+)[:=]") do
      if point:find("%l") then assert.matches("fault " .. point:gsub("%.", "%%.") .. ":", gw:stderr()) end
    end
    assert.equal(200, (gw:reload()))
    assert.is_truthy(wire.wait(function()
      local status = gw:status()
      return #status.generations == 1
    end))
    assert.is_truthy(wire.wait(function() return own_descriptors(gw) <= usual end))
    gw:stop()
    check_sound(gw:stderr())
  end)
end)
