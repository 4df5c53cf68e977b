--- What clients see of names whose servers change, fail, say nothing, cut and lie: the real binary, with requests on their
--- way all the time.
local cjson = require("cjson")
local dns_server = require("support.dns_server")
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

local RULES = "servers: ['{{dns}}'], timeout: 200ms, tries: 1, min_ttl: 200ms, max_ttl: 300ms"

local YAML = [[
workers: 3
dns: { %s }
services:
  - name: s
    host: pool
    retries: 0
    connect_timeout: 2000
    routes: [{ name: r, paths: [/], strip_path: false }]
upstreams:
  - name: pool
    targets: [{ target: "pool.test:{{port}}" }]
]]

describe("names under load", function()
  local dns, gw, service, got, clients

  -- A service on every address of this machine; who waits at /held is answered by `let_go`.
  before_each(function()
    dns = dns_server.new()
    dns:join(wire)
    got, clients = { held = {} }, {}
    service = http.service(function(request, conn)
      local address = conn:address()
      got[address] = (got[address] or 0) + 1
      if request.target == "/held" then
        got.held[address] = conn
        return nil
      end
      return { body = address }
    end, { any = true })
  end)
  after_each(function()
    for _, client in ipairs(clients) do
      client.conn:close()
    end
    service:close()
    dns:close()
    moongate.stop_all()
  end)

  local function start(yaml, vars)
    vars = vars or {}
    vars.dns, vars.port = dns.address, service.port
    gw = moongate.start { yaml = yaml or YAML:format(RULES), vars = vars }
  end

  local function ask(client) client.conn:send(http.request_bytes("GET", client.path, { headers = { Host = "a" } })) end

  -- So many connections that ask again as soon as they have their answer, while anybody waits.
  local function load(count, path)
    local seen = { statuses = {}, total = 0 }
    for _ = 1, count do
      local client = { conn = gw:connect(), path = path or "/" }
      clients[#clients + 1] = client
      client.conn.on_change = function(conn)
        local answer = conn:peek()
        local _, head_end = answer:find("\r\n\r\n", 1, true)
        local length = head_end and tonumber(answer:lower():match("\r\ncontent%-length: (%d+)"))
        if not length or #answer < head_end + length then return end
        conn:take(head_end + length)
        local status = tonumber(answer:match("^HTTP/1.1 (%d+)"))
        seen.statuses[status] = (seen.statuses[status] or 0) + 1
        seen.total = seen.total + 1
        ask(client)
      end
      ask(client)
    end
    return seen
  end

  local function addresses(upstream)
    local list = {}
    for _, entry in ipairs(cjson.decode(gw:ask("GET", "/upstreams").body)) do
      for _, target in ipairs(entry.upstream == (upstream or "pool") and entry.targets or {}) do
        list[#list + 1] = target.address:match("^[^:]+")
      end
    end
    table.sort(list)
    return table.concat(list, " ")
  end

  local function becomes(list, upstream)
    assert.is_truthy(wire.wait(function() return addresses(upstream) == list end, 15), addresses(upstream))
  end

  -- So many more requests are answered.
  local function go_on(seen, count)
    local before = seen.total
    assert.is_truthy(wire.wait(function() return seen.total >= before + count end, 20), "requests do not go on")
  end

  it("follow an answer that grows and shrinks: nobody fails, and who is gone gets nothing new (2.12.5)", function()
    dns.names["pool.test"] = { A = { "127.0.0.1", "127.0.0.2" }, ttl = 0 }
    start()
    becomes("127.0.0.1 127.0.0.2")
    local seen = load(6)
    go_on(seen, 100)
    dns.names["pool.test"] = { A = { "127.0.0.1", "127.0.0.2", "127.0.0.3" }, ttl = 0 }
    becomes("127.0.0.1 127.0.0.2 127.0.0.3")
    go_on(seen, 100)
    assert.is_true((got["127.0.0.3"] or 0) > 0)
    local held = {}
    while not got.held["127.0.0.2"] do -- one that is on its way when its target goes
      held[#held + 1] = gw:connect()
      held[#held]:send(http.request_bytes("GET", "/held"))
      wire.pass(0.02)
    end
    for round = 1, 4 do
      dns.names["pool.test"] = { A = round % 2 == 1 and { "127.0.0.1" } or { "127.0.0.3", "127.0.0.1" }, ttl = 0 }
      becomes(round % 2 == 1 and "127.0.0.1" or "127.0.0.1 127.0.0.3")
      go_on(seen, 50)
    end
    local before = got["127.0.0.2"]
    go_on(seen, 200)
    assert.equal(before, got["127.0.0.2"])
    assert.same({ [200] = seen.total }, seen.statuses)
    for _, conn in pairs(got.held) do
      conn:send(http.response_bytes { body = "late" })
    end
    local late = 0
    for _, conn in ipairs(held) do
      local response = http.read_response(conn, { method = "GET", seconds = 1 })
      if response then
        assert.equal("late", response.body)
        late = late + 1
      end
      conn:close()
    end
    assert.is_true(late > 0)
    gw:stop()
  end)

  it(
    "keep their addresses while they are said to be gone, until that was said often and for long enough",
    function()
      dns.names["pool.test"] = { A = { "127.0.0.1" }, ttl = 0 }
      start(YAML:format(RULES .. ", empty_answers: 3, empty_hold: 2s"))
      becomes("127.0.0.1")
      local seen = load(4)
      local before = #dns.asked
      dns.names["pool.test"] = { rcode = "NXDOMAIN" }
      assert.is_truthy(wire.wait(function() return #dns.asked >= before + 4 end)) -- A and AAAA, twice
      go_on(seen, 100)
      assert.same({ [200] = seen.total }, seen.statuses)
      dns.names["pool.test"] = { A = { "127.0.0.1" }, ttl = 0 } -- a moment of a deployment
      assert.is_truthy(wire.wait(function() return gw:metric('moongate_dns_stale{name="pool.test"') == 0 end))
      assert.same({ [200] = seen.total }, seen.statuses)
      dns.names["pool.test"] = {}
      becomes("")
      assert.is_truthy(gw:wait_log("upstream: pool.test has no addresses any more"))
      local response = gw:get("/")
      assert.same({ 502, "resolve" }, { response.status, cjson.decode(response.body).reason })
      dns.names["pool.test"] = { A = { "127.0.0.4" }, ttl = 0 }
      becomes("127.0.0.4")
      assert.equal("127.0.0.4", gw:get("/").body)
      gw:stop()
    end
  )

  local FAILURES = {
    servfail = { rcode = "SERVFAIL" },
    refused = { rcode = "REFUSED" },
    silent = { silent = true },
    id = { A = { "127.0.0.66" }, lie = "id" },
    question = { A = { "127.0.0.66" }, lie = "question" },
    owner = { A = { "127.0.0.66" }, lie = "owner" },
    loop = { A = { "127.0.0.66" }, lie = "loop" },
    short = { A = { "127.0.0.66" }, lie = "short" },
    garbage = { A = { "127.0.0.66" }, lie = "garbage" },
    cut = { A = { "127.0.0.66" }, truncated = true, lie = "short" },
  }

  it("keep the last good answer whatever the server does wrong, and say so (2.12.6)", function()
    local services, upstreams = {}, {}
    for name in pairs(FAILURES) do
      dns.names[name .. ".test"] = { A = { "127.0.0.1" }, ttl = 0 }
      services[#services + 1] = ("  - { name: %s, host: %s, retries: 0, routes: [{ name: %s, paths: [/%s] }] }"):format(
        name,
        name,
        name,
        name
      )
      upstreams[#upstreams + 1] = ("  - { name: %s, targets: [{ target: '%s.test:{{port}}' }] }"):format(
        name,
        name
      )
    end
    start(
      ("workers: 2\ndns: { %s }\nservices:\n%s\nupstreams:\n%s\n"):format(
        RULES,
        table.concat(services, "\n"),
        table.concat(upstreams, "\n")
      )
    )
    local function stale(name) return gw:metric(('moongate_dns_stale{name="%s.test"'):format(name)) end
    local seen = {}
    for name, failure in pairs(FAILURES) do
      becomes("127.0.0.1", name)
      seen[name] = load(1, "/" .. name)
      dns.names[name .. ".test"] = failure
    end
    for name in pairs(FAILURES) do
      assert.is_truthy(wire.wait(function() return stale(name) == 1 end, 15), name)
    end
    for name, one in pairs(seen) do
      go_on(one, 20)
      assert.equal("127.0.0.1", addresses(name))
      assert.same({ [200] = one.total }, one.statuses, name)
      dns.names[name .. ".test"] = { A = { "127.0.0.5" }, ttl = 0 }
    end
    for name, one in pairs(seen) do
      becomes("127.0.0.5", name)
      assert.equal(0, stale(name))
      assert.same({ [200] = one.total }, one.statuses, name)
    end
    assert.is_nil(got["127.0.0.66"])
    gw:stop()
  end)

  for _, spoof in ipairs { "id", "question" } do
    it("are not taken in by who answers faster than the server, with a wrong " .. spoof .. " (2.12.6)", function()
      dns.names["pool.test"] = { A = { "127.0.0.1" }, ttl = 0, spoof = spoof }
      start()
      becomes("127.0.0.1")
      local seen = load(2)
      local before = #dns.asked
      assert.is_truthy(wire.wait(function() return #dns.asked >= before + 6 end))
      go_on(seen, 20)
      assert.same({ [200] = seen.total }, seen.statuses)
      assert.equal(0, gw:metric('moongate_dns_stale{name="pool.test"'))
      gw:stop()
    end)
  end

  it("are asked for over TCP where an answer is cut: 200 records, by weight and priority (2.12.3)", function()
    local records, hosts = {}, {}
    for i = 1, 200 do
      local name = ("h%d.test"):format(i)
      hosts[name] = ("127.0.1.%d"):format(i)
      -- One of them has half of all the weight, twenty are backups.
      records[i] = { i > 180 and 20 or 10, i == 1 and 179 or 1, service.port, name }
      dns.names[name] = { A = { hosts[name] }, ttl = 60 }
    end
    dns.names["_http._tcp.pool.test"] = { SRV = records, ttl = 60 }
    start((YAML:format(RULES):gsub("pool.test:{{port}}", "_http._tcp.pool.test")))
    assert.is_truthy(wire.wait(function() return #addresses():gsub("%S+ ?", "x") == 200 end, 15), addresses())
    assert.is_true(dns.over_tcp >= 1)
    local seen = load(6)
    assert.is_truthy(wire.wait(function() return seen.total >= 1074 end, 30))
    assert.same({ [200] = seen.total }, seen.statuses)
    local share = got["127.0.1.1"] / seen.total
    assert.is_true(share > 0.47 and share < 0.53, share)
    for i = 2, 180 do
      assert.is_true((got["127.0.1." .. i] or 0) >= 1, i .. " got nothing")
    end
    for i = 181, 200 do
      assert.is_nil(got["127.0.1." .. i])
    end
    gw:stop()
  end)

  it("are asked for again neither at once nor never, whatever the answer's time is", function()
    local names = { none = 0, much = 2147483647, odd = 4294967295 }
    local upstreams = {}
    for name, ttl in pairs(names) do
      dns.names[name .. ".test"] = { A = { "127.0.0.1" }, ttl = ttl }
      upstreams[#upstreams + 1] = ("  - { name: %s, targets: [{ target: '%s.test:{{port}}' }] }"):format(
        name,
        name
      )
    end
    -- Floor and ceiling are one, so all of them come equally often: by any clock.
    start(
      ("dns: { servers: ['{{dns}}'], min_ttl: 250ms, max_ttl: 250ms }\nupstreams:\n%s\n"):format(
        table.concat(upstreams, "\n")
      )
    )
    local function asked(name)
      local count = 0
      for _, question in ipairs(dns.asked) do
        if question == name .. ".test A" then count = count + 1 end
      end
      return count
    end
    assert.is_truthy(
      wire.wait(function() return math.max(asked("none"), asked("much"), asked("odd")) >= 12 end, 20)
    )
    for name in pairs(names) do
      assert.is_true(asked(name) >= 7, ("%s.test was asked for %d times"):format(name, asked(name)))
    end
    gw:stop()
  end)
end)
