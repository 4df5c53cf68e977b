-- Hostile clients of HTTP/2 against the real binary: it lets them go, grows by no more than it says, serves others meanwhile, and has
-- nothing left of them in the end. What each attack gets for an answer is in spec/unit/http and spec/unit/proxy/h2_spec.lua.
local h2 = require("support.h2")
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

local YAML = [[
workers: 1
listeners: [{ address: 127.0.0.1:0, http2: true }]
limits: { idle_timeout: 2s }
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes: [{ name: up, paths: [/], strip_path: false, public: true }]
]]

local MIB = 1024 * 1024

describe("a hostile client of HTTP/2", function()
  local gw, service, before, memory

  local function descriptors()
    local pipe = io.popen("ls /proc/" .. gw:worker() .. "/fd | wc -l")
    local count = pipe:read("*n")
    pipe:close()
    return count
  end

  local function resident()
    local file = assert(io.open("/proc/" .. gw:worker() .. "/statm"))
    local pages = tonumber(file:read("*a"):match("^%d+ (%d+)"))
    file:close()
    return pages * 4096
  end

  local function is_quiet()
    return gw:metric("moongate_connections{") == 0
      and gw:metric("moongate_active_requests") == 0
      and gw:metric("moongate_upstream_active_requests") == 0
  end

  local function connect(settings)
    local conn = gw:connect()
    conn:send(h2.hello(settings))
    return conn
  end

  --- Waits until the connection is over; says what it heard of itself.
  local function last_words(conn)
    assert.is_truthy(wire.wait(function() return conn.ended or conn.broken end, 20), "it goes on")
    return h2.describe(conn:peek(), 0)
  end

  setup(function()
    service = http.service(function(request)
      if request.target == "/big" then return { body = ("x"):rep(MIB) } end
      if request.target == "/never" then return "" end
      return { body = "hello" }
    end)
    gw = moongate.start { yaml = YAML, vars = { up = service.port } }
    gw:get("/")
    gw:get("/big")
    assert.is_truthy(wire.wait(is_quiet))
    before, memory = descriptors(), resident()
  end)

  teardown(function()
    gw:stop()
    service:close()
    moongate.stop_all()
  end)

  after_each(function()
    assert.equal("hello", gw:get("/").body)
    assert.is_truthy(wire.wait(is_quiet, 20), gw:ask("GET", "/metrics").body)
    local idle = gw:metric("moongate_upstream_idle_connections") or 0
    assert.is_true(descriptors() <= before + idle, "descriptors are left")
  end)

  --- The sanitizers' allocators keep what is freed for a while: the bound is a wide one.
  local function assert_small(most)
    local grown = resident() - memory
    assert.is_true(grown < most, ("grown by %d MiB"):format(grown / MIB))
  end

  local floods = {
    ["resets"] = function(conn)
      for i = 1, 999, 2 do
        conn:send(
          h2.headers(
            i,
            { { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/never" }, { ":authority", "a" } },
            true
          )
        )
        conn:send(h2.reset(i))
      end
    end,
    ["pings"] = function(conn) conn:send(h2.frame(h2.PING, 0, 0, "12345678"):rep(2000)) end,
    ["settings"] = function(conn) conn:send(h2.settings({ { 4, 70000 } }):rep(2000)) end,
    ["empty frames"] = function(conn) conn:send(h2.ask_with_body(1) .. h2.data(1, ""):rep(20000)) end,
    ["priorities"] = function(conn) conn:send(h2.frame(h2.PRIORITY, 0, 1, h2.u32(0) .. "\1"):rep(20000)) end,
    ["continuations"] = function(conn)
      conn:send(h2.frame(h2.HEADERS, h2.END_STREAM, 1, h2.block(h2.get)))
      conn:send(h2.frame(h2.CONTINUATION, 0, 1, h2.block { { "x", ("y"):rep(1000) } }):rep(1000))
    end,
    ["a head of a hundred megabytes"] = function(conn) -- HPACK: 4 KB of table, a byte a reference
      local block = h2.block(h2.get) .. h2.block({ { "x", ("y"):rep(4000) } }, true) .. ("\190"):rep(12000)
      for i = 1, 39, 2 do
        conn:send(h2.frame(h2.HEADERS, h2.END_HEADERS + h2.END_STREAM, i, block))
      end
    end,
    ["crumbs of cookies"] = function(conn)
      local block = h2.block(h2.get) .. h2.block({ { "cookie", ("a"):rep(3000) } }, true) .. ("\190"):rep(12000)
      conn:send(h2.frame(h2.HEADERS, h2.END_HEADERS + h2.END_STREAM, 1, block))
    end,
  }
  for name, flood in pairs(floods) do
    it("that floods with " .. name .. " is let go", function()
      local conn = connect()
      flood(conn)
      local words = last_words(conn)
      -- Who goes on sending for long after that gets a reset, which can overtake the words.
      if words ~= "" or not (conn.broken or conn.ended == "reset") then
        assert.is_truthy(words:find("goaway ENHANCE_YOUR_CALM", 1, true), words)
      end
      conn:close()
      assert_small(48 * MIB)
    end)
  end

  it("that asks for much and opens no window is held, and so is the service, until its time is over", function()
    local conn = connect { { 4, 0 } }
    for i = 1, 199, 2 do
      conn:send(
        h2.headers(
          i,
          { { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/big" }, { ":authority", "a" } },
          true
        )
      )
    end
    assert.is_truthy(wire.wait(function() return gw:metric("moongate_active_requests") == 100 end))
    assert_small(100 * MIB) -- of 100 MiB in answers; a read each, and what the allocator keeps
    conn:reset()
  end)

  it("that begins a hundred uploads and vanishes leaves nothing", function()
    for _, how in ipairs { "close", "reset" } do
      local conn = connect()
      for i = 1, 199, 2 do
        conn:send(h2.ask_with_body(i) .. h2.data(i, ("x"):rep(8000)))
      end
      assert.is_truthy(wire.wait(function() return gw:metric("moongate_active_requests") >= 50 end))
      conn[how](conn)
      assert.is_truthy(wire.wait(is_quiet, 20))
    end
  end)
end)
