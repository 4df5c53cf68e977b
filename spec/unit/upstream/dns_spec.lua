--- What becomes of an upstream while its name server changes, fails, says nothing and lies.
local ffi = require("ffi")
local c = require("support.c")
local dns_server = require("support.dns_server")
local proxy = require("support.proxy")

local NAME = "pool.test"
local SERVICE = "_http._tcp.pool.test"

describe("an upstream by name", function()
  local world, server

  before_each(function()
    world = proxy.new()
    server = dns_server.new()
    assert.is_true(c.gw_resolver_set_servers(world.loop.c, server.address))
  end)

  after_each(function()
    world:free()
    server:close()
  end)

  local function targets()
    local out = ffi.new("struct gw_buf")
    c.gw_buf_init(out, 1e7)
    c.gw_registry_describe(world.registry, out)
    local list = require("cjson").decode(ffi.string(out.data, out.len))
    c.gw_buf_deinit(out)
    return list
  end

  local function addresses()
    local list = {}
    for i, target in ipairs(targets()) do
      list[i] = target.address
    end
    table.sort(list)
    return list
  end

  local function run()
    local told = false
    local done = ffi.cast("void (*)(void *)", function() told = true end)
    c.gw_registry_run(world.registry, world.loop.c, done, nil)
    server:until_true(world.loop, function() return told end)
    done:free()
  end

  -- Time passes until the server was asked so many times more, and its answers were taken.
  local function ask_again(times)
    for _ = 1, times or 1 do
      local asked = #server.asked
      server:until_true(world.loop, function()
        if #server.asked > asked then return true end
        c.gw_loop_advance(world.loop.c, 0.25e6)
        return false
      end)
      for _ = 1, 20 do
        world.loop:turn(false)
        server:serve()
        ffi.C.poll(nil, 0, 1)
      end
    end
  end

  local function start(target, options)
    options = options or {}
    options.routes = {
      { name = "a", targets = { target }, use_srv_name = options.use_srv_name, algorithm = options.algorithm },
    }
    world:start(options)
    run()
  end

  it("follows its addresses", function()
    server.names[NAME] = { A = { "127.0.0.2", "127.0.0.3" }, ttl = 5 }
    start { host = NAME, port = 9001 }
    assert.same({ "127.0.0.2:9001", "127.0.0.3:9001" }, addresses())
    server.names[NAME] = { A = { "127.0.0.3", "127.0.0.4" }, ttl = 5 }
    ask_again()
    assert.same({ "127.0.0.3:9001", "127.0.0.4:9001" }, addresses())
  end)

  for how, failure in pairs {
    failing = { rcode = "SERVFAIL" },
    refusing = { rcode = "REFUSED" },
    cutting = { A = { "127.6.6.6" }, lie = "short" },
    ["lying about the question"] = { A = { "127.6.6.6" }, lie = "question" },
    ["lying about the owner"] = { A = { "127.6.6.6" }, lie = "owner" },
  } do
    it("keeps its addresses while the server is " .. how, function()
      server.names[NAME] = { A = { "127.0.0.2" }, ttl = 1 }
      start { host = NAME, port = 9001 }
      server.names[NAME] = failure
      ask_again(2)
      assert.same({ "127.0.0.2:9001" }, addresses())
      server.names[NAME] = { A = { "127.0.0.3" }, ttl = 5 }
      ask_again(2)
      assert.same({ "127.0.0.3:9001" }, addresses())
    end)
  end

  it("believes that it has no addresses when it was told often and for long enough", function()
    server.names[NAME] = { A = { "127.0.0.2" }, ttl = 1 }
    start({ host = NAME, port = 9001 }, { empty_answers = 3, empty_hold = 10 })
    server.names[NAME] = { rcode = "NXDOMAIN" }
    local from = tonumber(world.loop.c.clock.now_us)
    ask_again(3)
    assert.same({ "127.0.0.2:9001" }, addresses()) -- often, but not for long
    ask_again(3)
    assert.is_true(tonumber(world.loop.c.clock.now_us) - from >= 10e6)
    assert.same({}, addresses())
    assert.equal(502, world:client():ask("GET / HTTP/1.1\nhost: x").status)
    server.names[NAME] = { A = { "127.0.0.3" }, ttl = 1 }
    ask_again()
    assert.same({ "127.0.0.3:9001" }, addresses())
  end)

  it("begins to count again when an answer has something", function()
    server.names[NAME] = { A = { "127.0.0.2" }, ttl = 1 }
    start({ host = NAME, port = 9001 }, { empty_answers = 2, empty_hold = 0 })
    for _ = 1, 3 do
      server.names[NAME] = {} -- no error, no records
      ask_again()
      server.names[NAME] = { A = { "127.0.0.2" }, ttl = 1 }
      ask_again()
      assert.same({ "127.0.0.2:9001" }, addresses())
    end
  end)

  it(
    "keeps the state of a target that stays, and lets what runs on one that goes come to its end (2.12.5)",
    function()
      local up = world:upstream(function() end)
      server.names[NAME] = { A = { "127.0.0.1", "127.0.0.250" }, ttl = 1 }
      start { host = NAME, port = up.port }
      local clients = { world:client(), world:client() }
      for _, client in ipairs(clients) do
        client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      end
      world:until_true(function() return #up.requests >= 1 end)
      local before
      for _, target in ipairs(targets()) do
        if target.address:find("^127.0.0.1:") then before = target.inFlight end
      end
      assert.is_true(before >= 1)
      server.names[NAME] = { A = { "127.0.0.1" }, ttl = 1 }
      ask_again()
      assert.equal(1, #targets())
      assert.is_true(targets()[1].inFlight >= before)
      server.names[NAME] = { A = { "127.0.0.9" }, ttl = 1 }
      ask_again()
      assert.same({ "127.0.0.9:" .. up.port }, addresses())
      for _, conn in ipairs(up.conns) do
        conn:write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
      end
      world:until_true(function() return clients[1]:text() ~= "" or clients[2]:text() ~= "" end)
    end
  )

  it("fails no request to those that stay while a thousand others come and go (2.12.5)", function()
    local up = world:upstream(
      function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") end,
      false,
      "0.0.0.0:0"
    )
    local function set(seed)
      local list = { "127.0.0.1" }
      for i = 1, 999 do
        list[i + 1] = ("127.%d.%d.%d"):format(1 + seed, i / 200, i % 200 + 1)
      end
      return { SRV = { { 1, 1, up.port, "all.test" } }, ttl = 1 }, { A = list, ttl = 1 }
    end
    server.names[SERVICE], server.names["all.test"] = set(1)
    start({ host = SERVICE, services = true, port = 80 }, { use_srv_name = true })
    assert.equal(1000, #targets())
    local client = world:client()
    for round = 1, 4 do
      server.names[SERVICE], server.names["all.test"] = set(1 + round % 2)
      ask_again(2)
      assert.equal(1000, #targets())
      for _ = 1, 5 do -- every address of 127/8 is this machine, and all answer
        assert.equal(200, client:ask("GET / HTTP/1.1\nhost: x").status)
      end
    end
  end)

  describe("of services", function()
    local function answer(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") end

    it("takes ports, weights and priorities of the records", function()
      local a, b, backup = world:upstream(answer), world:upstream(answer), world:upstream(answer)
      server.names[SERVICE] = {
        SRV = { { 1, 30, a.port, "a.test" }, { 1, 10, b.port, "b.test" }, { 2, 100, backup.port, "a.test" } },
      }
      server.names["a.test"], server.names["b.test"] = { A = { "127.0.0.1" } }, { A = { "127.0.0.1" } }
      start { host = SERVICE, services = true, port = 80 }
      local client = world:client()
      for _ = 1, 40 do
        client:ask("GET / HTTP/1.1\nhost: a")
      end
      assert.same({ 30, 10, 0 }, { #a.requests, #b.requests, #backup.requests })
    end)

    it("spreads evenly over records without weights, and says their names where it is told to", function()
      local a, b = world:upstream(answer), world:upstream(answer)
      server.names[SERVICE] = { SRV = { { 1, 0, a.port, "a.test" }, { 1, 0, b.port, "b.test" } } }
      server.names["a.test"], server.names["b.test"] = { A = { "127.0.0.1" } }, { A = { "127.0.0.1" } }
      start({ host = SERVICE, services = true, port = 80 }, { use_srv_name = true })
      local client = world:client()
      for _ = 1, 10 do
        client:ask("GET / HTTP/1.1\nhost: x")
      end
      assert.same({ 5, 5 }, { #a.requests, #b.requests })
      assert.truthy(a.requests[1]:find(("\r\nhost: a.test:%d\r\n"):format(a.port)))
    end)

    it("is told of by name, and when nobody answers", function()
      server.names[SERVICE] = { SRV = { { 1, 0, 9001, "a.test" } }, ttl = 1 }
      server.names["a.test"] = { A = { "127.0.0.1" }, ttl = 1 }
      start { host = SERVICE, services = true, port = 80 }
      local seen
      local visit = ffi.cast(
        "void (*)(const struct gw_name_info *, void *)",
        function(info) seen = { ffi.string(info.host), info.services, info.addresses, info.stale } end
      )
      c.gw_registry_names(world.registry, visit, nil)
      assert.same({ SERVICE, true, 1, false }, seen)
      server.names[SERVICE] = { rcode = "SERVFAIL" }
      ask_again()
      c.gw_registry_names(world.registry, visit, nil)
      assert.same({ SERVICE, true, 1, true }, seen)
      visit:free()
    end)
  end)
end)
