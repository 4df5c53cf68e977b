-- What systemd and the supervisor say to each other; the spec plays systemd.
local datagrams = require("support.datagrams")
local host = require("support.host")
local moongate = require("support.moongate")
local process = require("support.process")
local wire = require("support.wire")

local HELLO = "routes: [{ name: r, paths: [/], plugins: [{ name: request-termination, config: { status_code: 200, "
  .. "message: hello } }] }]\n"

local function listening_on(...)
  local list = {}
  for _, port in ipairs { ... } do
    list[#list + 1] = ("{ address: 127.0.0.1:%d }"):format(port)
  end
  return ("listeners: [%s]\n"):format(table.concat(list, ", ")) .. HELLO
end

describe("socket activation", function()
  local sockets = {}

  local function bind()
    sockets[#sockets + 1] = assert(wire.listen())
    wire.unwatch(sockets[#sockets].fd) -- it listens, and we never accept
    return sockets[#sockets]
  end

  after_each(function()
    moongate.stop_all()
    for _, socket in ipairs(sockets) do
      socket:close()
    end
    sockets = {}
  end)

  it("gives a listener its socket, which all workers share", function()
    local socket = bind()
    local early = assert(wire.connect(socket.port)) -- before anybody was started
    early:send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    local gw = moongate.start { yaml = "workers: 3\n" .. listening_on(socket.port), sockets = { socket } }
    assert.equal(socket.port, gw.port)
    assert.is_truthy(early:read_until("hello"))
    early:close()
    for _ = 1, 10 do
      assert.equal(200, gw:get("/").status)
    end
    gw:stop()
  end)

  it("outlives restarts, upgrades and reloads without that listener", function()
    local first, second = bind(), bind()
    local gw = moongate.start { yaml = listening_on(first.port, second.port), sockets = { first, second } }
    process.signal(gw:worker(), "KILL")
    assert.is_truthy(gw:wait_log("restart 1"))
    assert.equal(200, gw:get("/").status)
    gw:configure(listening_on(second.port))
    assert.equal(200, (gw:reload()))
    gw:configure(listening_on(first.port, second.port))
    assert.equal(200, (gw:reload()))
    assert.equal(200, gw:get("/").status)
    gw.process:kill("USR2")
    assert.is_truthy(gw:wait_log("the supervisor is moongate", 20))
    assert.equal(200, gw:get("/").status)
    gw:stop()
  end)

  it("binds what was not passed, and says which sockets nobody wants", function()
    local wanted, unwanted, free = bind(), bind(), assert(wire.listen())
    free:close()
    local gw = moongate.start { yaml = listening_on(wanted.port, free.port), sockets = { wanted, unwanted } }
    assert.equal(200, gw:request("GET", "/", { port = free.port }).status)
    assert.is_truthy(
      gw:wait_log("127.0.0.1:" .. unwanted.port .. " was passed by socket activation, but no listener")
    )
    gw:stop()
  end)

  it("refuses what is no listening socket", function()
    local udp = datagrams.udp()
    local ok, message = pcall(moongate.start, { yaml = HELLO, sockets = { udp } })
    assert.is_false(ok)
    assert.matches("descriptor 3 is no listening stream socket", message)
    udp:close()
  end)

  it("is not for a process that inherited the environment", function()
    local gw = moongate.start { yaml = HELLO, env = { LISTEN_PID = "1", LISTEN_FDS = "1" } }
    assert.equal(200, gw:get("/").status)
    gw:stop()
  end)
end)

describe("the service manager", function()
  after_each(moongate.stop_all)

  for _, kind in ipairs { "a path", "the abstract namespace" } do
    it("hears on " .. kind .. " when it serves, reloads and stops", function()
      local name = kind == "a path" and moongate.folder() .. "/notify" or "@moongate-spec-" .. math.random(1e9)
      local notify = datagrams.unix(name)
      local heard = {}
      local function hears(text)
        return assert(
          wire.wait(function()
            local line = notify:read()
            while line do
              heard[#heard + 1] = line
              line = notify:read()
            end
            for i, message in ipairs(heard) do
              if message:find(text, 1, true) then
                table.remove(heard, i)
                return message
              end
            end
          end),
          text
        )
      end
      local gw = moongate.start { yaml = HELLO, env = { NOTIFY_SOCKET = name, WATCHDOG_USEC = "400000" } }
      assert.equal("READY=1\nSTATUS=generation 1 serves", hears("READY=1"))
      hears("WATCHDOG=1")
      gw:reload()
      assert.matches("^RELOADING=1\nMONOTONIC_USEC=%d+\nSTATUS=", hears("RELOADING=1"))
      assert.equal("READY=1\nSTATUS=generation 2 serves", hears("READY=1"))
      gw:configure("nonsense: 1\n")
      gw:reload()
      hears("STATUS=generation 2 serves; the last reload failed")
      gw:configure(HELLO)
      process.signal(gw:worker(), "KILL")
      hears("STATUS=the worker process was killed by signal 9")
      hears("READY=1\nSTATUS=generation 1 serves")
      gw:stop()
      hears("STOPPING=1")
      notify:close()
    end)
  end
end)

describe("examples/systemd", function()
  after_each(moongate.stop_all)

  local function read(name)
    local file = assert(io.open(host.source_dir .. "/examples/systemd/" .. name))
    local text = file:read("*a")
    file:close()
    return text
  end

  local function words(unit, key)
    local list = {}
    for word in assert(unit:match("\n" .. key .. "=([^\n]*)"), key):gmatch("%S+") do
      list[#list + 1] = word
    end
    assert.equal("/usr/bin/moongate", list[1])
    assert.same({ "-c", "/etc/moongate/moongate.yaml" }, { list[3], list[4] })
    return list
  end

  it("starts, reloads and stops as the units say", function()
    local service, socket = read("moongate.service"), read("moongate.socket")
    assert.matches("\nType=notify\n", service)
    assert.equal("run", words(service, "ExecStart")[2])
    local yaml, sockets = read("moongate.yaml"), {}
    for address in socket:gmatch("\nListenStream=([^\n]+)") do
      -- The spec can bind 127.0.0.1 only: the configuration's addresses become those of its sockets.
      local listener = assert(wire.listen())
      wire.unwatch(listener.fd)
      sockets[#sockets + 1] = listener
      local changed
      yaml, changed =
        yaml:gsub('address: "?' .. address:gsub("%p", "%%%0") .. '"?', "address: 127.0.0.1:" .. listener.port)
      assert.equal(1, changed, address .. " is no listener of moongate.yaml")
    end
    yaml = yaml:gsub("127%.0%.0%.1:9090", "127.0.0.1:0")
    local notify = datagrams.unix(moongate.folder() .. "/notify")
    local gw = moongate.start { yaml = yaml, sockets = sockets, env = { NOTIFY_SOCKET = notify.path } }
    for _, listener in ipairs(sockets) do
      assert.equal(
        "hello from systemd",
        gw:request("GET", "/hello", { port = listener.port }).body:match("hello[%w ]+")
      )
    end
    assert.equal(2, #gw.ports)
    local reload = words(service, "ExecReload")[2]
    local result = moongate.command({ reload, "-c", gw.config }, gw.folder)
    assert.equal(0, result.code, result.stderr)
    gw:stop()
    notify:close()
    for _, listener in ipairs(sockets) do
      listener:close()
    end
  end)
end)
