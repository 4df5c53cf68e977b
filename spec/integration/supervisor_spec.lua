-- The process above the worker process: it keeps the sockets and starts another when one dies.
local moongate = require("support.moongate")
local process = require("support.process")
local wire = require("support.wire")

local HELLO = "routes: [{ name: r, paths: [/], plugins: [{ name: request-termination, config: { status_code: 200, "
  .. "message: hello } }] }]\n"

local gw

local function start(yaml, opts)
  opts = opts or {}
  opts.yaml = yaml or HELLO
  gw = moongate.start(opts)
  return gw
end

-- Clients that ask again and again, each time on a new connection: how many were refused, answered, broken.
local function load_until(clients, done)
  local counts, conns = { refused = 0, answered = 0, broken = 0 }, {}
  local function count(conn)
    local kind = conn:peek():find("^HTTP/1.1 200") and "answered" or conn.refused and "refused" or "broken"
    counts[kind] = counts[kind] + 1
    conn:close()
  end
  local function ask(i)
    conns[i] = wire.connect(gw.port)
    if conns[i] then
      conns[i]:send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    else
      counts.refused = counts.refused + 1
    end
  end
  assert(
    wire.wait(function()
      for i = 1, clients do
        if conns[i] and conns[i].ended then
          count(conns[i])
          conns[i] = nil
        end
        if not conns[i] then ask(i) end
      end
      return done(counts)
    end, 60),
    "the load never came to its end"
  )
  for _, conn in pairs(conns) do
    wire.wait(function() return conn.ended end)
    count(conn)
  end
  return counts
end

local function is_refused(port)
  local conn = wire.connect(port)
  if not conn then return true end
  wire.wait(function() return conn.ended end, 0.2)
  conn:close()
  return conn.refused
end

describe("the supervisor", function()
  after_each(moongate.stop_all)

  it("has the worker process as its only child, and the status names it", function()
    start()
    assert.same({ gw:worker() }, process.children(gw.process.pid))
    assert.equal(0, gw:status().restarts)
    gw:stop()
  end)

  it("starts another worker process when one is killed, and says so", function()
    start()
    local first = gw:worker()
    process.signal(first, "KILL")
    assert.is_truthy(gw:wait_log("worker process " .. first .. " was killed by signal 9"))
    assert.equal("hello", gw:get("/").body:match("hello"))
    local status = gw:status()
    assert.not_equal(first, status.pid)
    assert.equal(1, status.restarts)
    assert.equal(1, gw:metric("moongate_restarts_total"))
    gw:stop()
  end)

  it("refuses nobody while the worker process is replaced", function()
    start()
    local first, killed = gw:worker(), false
    local counts = load_until(16, function(counts)
      if not killed and counts.answered > 50 then
        process.signal(first, "KILL")
        killed = counts.answered
      end
      return killed and counts.answered > killed + 100
    end)
    assert.equal(0, counts.refused)
    assert.is_true(counts.broken <= 16, counts.broken .. " broken") -- what was under way
    assert.is_true(counts.answered > 150)
    gw:stop()
  end)

  it("takes the configured number of sockets anew when the number of workers has changed", function()
    start("workers: 3\n" .. HELLO)
    gw:configure("workers: 1\n" .. HELLO)
    process.signal(gw:worker(), "KILL")
    assert.is_truthy(gw:wait_log("restart 1"))
    assert.equal(1, gw:status().workers)
    for _ = 1, 30 do -- a socket that nobody accepts on would keep a third of them
      assert.equal(200, gw:request("GET", "/", { seconds = 5 }).status)
    end
    gw:stop()
  end)

  it("ends as the first worker process ends when that cannot start", function()
    local result = moongate.command({ "run", "-c", "missing.yaml" })
    assert.equal(1, result.code)
    assert.matches("missing.yaml: No such file", result.stderr)
    local folder = moongate.folder { ["m.yaml"] = "nonsense: 1\n" }
    result = moongate.command({ "run", "-c", "m.yaml" }, folder)
    assert.equal(1, result.code)
    assert.matches("cannot start: 1 error\n$", result.stderr)
  end)

  it("tries again and again when a later one cannot start, and at once on SIGHUP", function()
    start()
    gw:configure("nonsense: 1\n")
    process.signal(gw:worker(), "KILL")
    assert.is_truthy(gw:wait_log("before it was ready: trying again in 0.1 s"))
    assert.is_truthy(gw:wait_log("before it was ready: trying again in 0.4 s"))
    gw:configure(HELLO)
    gw.process:kill("HUP")
    assert.equal(200, gw:request("GET", "/", { seconds = 20 }).status)
    gw:stop()
  end)

  it("lets requests end at SIGTERM, and a second one does not wait for them", function()
    local up = assert(wire.listen())
    start("services: [{ name: s, url: 'http://127.0.0.1:{{up}}', routes: [{ name: r, paths: [/] }] }]", {
      vars = { up = up.port },
    })
    local client = gw:connect()
    client:send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert(up:accept())
    gw.process:kill("TERM")
    assert.is_truthy(gw:wait_log("requests under way have 60.0 s to end"))
    assert.is_nil(gw.process:wait(0.3))
    gw.process:kill("TERM")
    assert.equal(0, gw.process:wait(10))
    client:close()
    up:close()
  end)

  it("counts Ctrl-C once, which the terminal sends to both processes", function()
    local up = assert(wire.listen())
    start("services: [{ name: s, url: 'http://127.0.0.1:{{up}}', routes: [{ name: r, paths: [/] }] }]", {
      vars = { up = up.port },
    })
    local client = gw:connect()
    client:send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    local service = assert(up:accept())
    process.signal(gw:worker(), "INT")
    gw.process:kill("INT")
    assert.is_truthy(gw:wait_log("requests under way have 60.0 s to end"))
    assert.is_nil(gw.process:wait(0.3))
    service:send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
    assert.matches("\r\n\r\nlate$", client:read_until("late"))
    assert.equal(0, gw.process:wait(10))
    client:close()
    service:close()
    up:close()
  end)

  it("puts another worker process in the place of one that somebody else told to end", function()
    local up = assert(wire.listen())
    start(
      "services: [{ name: s, url: 'http://127.0.0.1:{{up}}', routes: [{ name: up, paths: [/up] }] }]\n" .. HELLO,
      {
        vars = { up = up.port },
      }
    )
    local first, client = gw:worker(), gw:connect()
    client:send("GET /up HTTP/1.1\r\nHost: a\r\n\r\n")
    local service = assert(up:accept())
    process.signal(first, "TERM")
    assert.is_truthy(gw:wait_log("was told to end by somebody else: starting another"))
    assert.equal(200, gw:request("GET", "/", { seconds = 20 }).status)
    assert.is_true(process.alive(first))
    service:send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
    assert.is_truthy(client:read_until("late"))
    assert.is_truthy(wire.wait(function() return not process.alive(first) end, 20))
    assert.equal(200, gw:get("/").status)
    client:close()
    service:close()
    up:close()
    gw:stop()
  end)

  it("is missed by the worker process, which ends", function()
    start()
    local worker = gw:worker()
    gw.process:kill("KILL")
    gw.process:wait()
    assert.is_truthy(wire.wait(function() return not process.alive(worker) end, 20))
    assert.matches("the supervisor is gone", gw:stderr())
  end)

  it("opens and closes listeners of a reload", function()
    local free = assert(wire.listen())
    local port = free.port
    free:close()
    start(HELLO)
    assert.is_true(is_refused(port))
    gw:configure(("listeners: [{ address: 127.0.0.1:0 }, { address: 127.0.0.1:%d }]\n"):format(port) .. HELLO)
    assert.equal(200, (gw:reload()))
    assert.equal(200, gw:request("GET", "/", { port = port }).status)
    gw:configure(HELLO)
    assert.equal(200, (gw:reload()))
    assert.is_truthy(wire.wait(function() return is_refused(port) end))
    assert.equal(200, gw:get("/").status)
    gw:stop()
  end)

  it("is not needed: --no-supervisor is one process", function()
    start(HELLO, { args = { "--no-supervisor" } })
    assert.equal(gw.process.pid, gw:worker())
    assert.same({}, process.children(gw.process.pid))
    assert.equal(200, gw:get("/").status)
    gw:stop()
  end)
end)
