--- The short form of `./dev bench resilience`: two slow services, one flapping, one resetting, one dead, and clients that notice nothing.
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

local CAP = 4
local REQUESTS = 600

describe("one good upstream out of five bad services:", function()
  local services = {}

  after_each(function()
    for _, service in ipairs(services) do
      service:close()
    end
    services = {}
    moongate.stop_all()
  end)

  -- answer(conn, nth, seen): true when it is done with the request.
  local function service(answer)
    local seen = { requests = 0, now = 0, most = 0 }
    local one
    one = wire.listen {
      on_conn = function(conn)
        conn.on_change = function()
          while conn:peek():find("\r\n\r\n", 1, true) do
            conn:read_until("\r\n\r\n")
            seen.requests, seen.now = seen.requests + 1, seen.now + 1
            seen.most = math.max(seen.most, seen.now)
            if answer(conn, seen.requests) then seen.now = seen.now - 1 end
            if not conn.fd then return end
          end
          if conn.ended then conn:close() end
        end
      end,
    }
    seen.port = one.port
    services[#services + 1] = one
    return seen
  end

  local OK = http.response_bytes { body = "hi" }

  -- Answers when as many turns of the spec went by.
  local function slow(turns)
    local held, seen = {}
    seen = service(function(conn)
      held[#held + 1] = { conn = conn, left = turns }
      return false
    end)
    function seen.turn()
      while held[1] and held[1].left <= 0 do
        local conn = table.remove(held, 1).conn
        seen.now = seen.now - 1
        if conn.fd and not conn.ended then conn:send(OK) end
      end
      for _, one in ipairs(held) do
        one.left = one.left - 1
      end
    end
    return seen
  end

  it("no request fails, no service has more than its cap, and retries stay in their budget", function()
    local first, second = slow(3), slow(10)
    local flapping = service(function(conn, nth)
      conn:send(nth % 40 < 20 and OK or http.response_bytes { status = 503 })
      return true
    end)
    local resetting = service(function(conn)
      conn:close()
      return true
    end)
    local dead = wire.listen {}
    local dead_port = dead.port
    dead:close()
    local gw = moongate.start {
      yaml = ([[
workers: 2
upstreams:
  - name: five
    algorithm: least-connections
    panic_threshold: 0
    concurrency: { max_requests_per_target: %d, max_pending: 100, pending_timeout: 60s }
    ejection: { consecutive_failures: 3, time: 60s, max_ejected: 60 }
    targets:
      - { target: "127.0.0.1:{{first}}" }
      - { target: "127.0.0.1:{{second}}" }
      - { target: "127.0.0.1:{{flapping}}" }
      - { target: "127.0.0.1:{{resetting}}" }
      - { target: "127.0.0.1:{{dead}}" }
services:
  - name: five
    host: five
    retry: { backoff: { base: 1ms, max: 5ms }, budget: { ratio: 0.2, min: 50 } }
    routes: [{ name: all, paths: [/], strip_path: false }]
]]):format(CAP),
      vars = {
        first = first.port,
        second = second.port,
        flapping = flapping.port,
        resetting = resetting.port,
        dead = dead_port,
      },
    }
    local counts, asked, ended = {}, 0, 0
    local clients = {}
    for i = 1, 12 do
      clients[i] = { conn = gw:connect() }
    end
    while ended < REQUESTS do
      for _, client in ipairs(clients) do
        if client.waits and client.conn:peek():find("\r\n\r\n", 1, true) then
          local response = assert(http.read_response(client.conn, { method = "GET" }))
          counts[response.status] = (counts[response.status] or 0) + 1
          client.waits, ended = false, ended + 1
        end
        if not client.waits and asked < REQUESTS then
          client.conn:send(http.request_bytes("GET", "/"))
          client.waits, asked = true, asked + 1
        end
      end
      first.turn()
      second.turn()
      wire.pass(0.001)
    end
    assert.same({ [200] = REQUESTS }, counts)
    for name, seen in pairs { first = first, second = second, flapping = flapping, resetting = resetting } do
      assert.is_true(seen.requests > 0 and seen.most <= CAP, ("%s: %d at a time"):format(name, seen.most))
    end
    local retries = gw:metric("moongate_upstream_retries_total{")
    assert.is_true(retries > 0 and retries <= math.max(50, REQUESTS * 0.2), retries .. " retries")
    assert.is_true(gw:metric("moongate_upstream_ejections_total{") >= 2)
    assert.equal(0, gw:metric("moongate_upstream_concurrency{"))
    assert.equal(0, gw:metric("moongate_upstream_pending{"))
  end)
end)
