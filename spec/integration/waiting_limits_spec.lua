-- What waits and what is held (concurrency-limiting, the queue of rate-limiting, bandwidth-limiting), with the real binary and several
-- workers: whatever clients, services and hooks do, nothing is left of it in the end (issue line 6).
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

local YAML = [[
workers: 3
default_access: allow
routes:
  - name: queue
    paths: [/queue]
    plugins:
      - name: rate-limiting
        config: { algorithm: leaky-bucket, queue_size: 4, drain_rate: 100, limit_by: route }
      - { name: request-termination, config: { status_code: 200, body: through } }
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    response_timeout: 300ms
    retries: 0
    plugins:
      - name: concurrency-limiting
        config: { limit: {{limit}}, queue_size: 6, queue_timeout: {{wait}}, limit_by: service, counter: all }
    routes:
      - { name: odd, paths: [/odd] }
      - name: refused
        paths: [/refused]
        plugins: [{ name: request-termination, config: { status_code: 403 } }]
      - name: broken
        paths: [/broken]
        plugins: [{ name: post-function, config: { access: ["error('no')"] } }]
      - name: slow
        paths: [/slow]
        plugins:
          - name: bandwidth-limiting
            config: { down: 20k, up: 20k, burst: 1k, limit_by: ip }
]]

-- Answers at once, in half, never, with a lot, or not at all; opens tunnels.
local function service()
  local turn = 0
  return http.service(function(request, conn)
    turn = turn + 1
    if request.headers.upgrade then
      return "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello"
    end
    local what = turn % 5
    if what == 0 then
      conn:close()
      return nil
    elseif what == 1 then
      return nil
    elseif what == 2 then
      return "HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\nhalf"
    end
    return { body = ("x"):rep(what == 3 and 3000 or 10) }
  end)
end

local REQUESTS = {
  "GET /odd HTTP/1.1\r\nhost: a\r\n\r\n",
  "GET /refused HTTP/1.1\r\nhost: a\r\n\r\n",
  "GET /broken HTTP/1.1\r\nhost: a\r\n\r\n",
  "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n",
  "GET /queue HTTP/1.1\r\nhost: a\r\n\r\n",
  "POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 3000\r\n\r\n" .. ("y"):rep(1500), -- and no more comes
  "GET /odd HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
}

describe("what waits and what is held", function()
  local gw, up

  before_each(function() up = service() end)

  after_each(function()
    moongate.stop_all()
    up:close()
  end)

  local function crowd() return gw:metric("moongate_zone_active{"), gw:metric("moongate_zone_waiting{") end

  it("is given back after a storm of aborts, timeouts, refusals, errors, tunnels and reloads", function()
    gw = moongate.start { yaml = YAML, vars = { up = up.port, limit = 3, wait = "200ms" } }
    math.randomseed(11)
    local open, seen = {}, 0
    for i = 1, 400 do
      local conn = gw:connect()
      conn:discard()
      conn:send(REQUESTS[math.random(#REQUESTS)])
      open[#open + 1] = conn
      while #open > 30 do
        local gone = table.remove(open, math.random(#open))
        if math.random(2) == 1 then
          gone:reset()
        else
          gone:close()
        end
      end
      wire.pass(0.002)
      if i % 100 == 0 then
        local active, waiting = crowd()
        assert.is_true(waiting <= 6 + 4, waiting)
        seen = seen + active + waiting
        gw:configure(YAML, { up = up.port, limit = i % 200 == 0 and 3 or 5, wait = "200ms" })
        assert.equal(200, (gw:reload()))
      end
    end
    assert.is_true(seen > 0) -- it was a storm
    for _, conn in ipairs(open) do
      conn:close()
    end
    assert(
      wire.wait(function()
        local active, waiting = crowd()
        return active == 0 and waiting == 0
      end, 10),
      ("%d active, %d waiting"):format(crowd())
    )
    gw:stop()
  end)

  it("is one limit for all workers", function()
    gw = moongate.start { yaml = YAML, vars = { up = up.port, limit = 4, wait = "2s" } }
    local open = {}
    for _ = 1, 12 do -- tunnels stay
      open[#open + 1] = gw:connect()
      open[#open]:send(REQUESTS[7])
    end
    assert(wire.wait(function()
      local tunnels, refused = 0, 0
      for _, conn in ipairs(open) do
        if conn:peek():find("hello", 1, true) then tunnels = tunnels + 1 end
        if conn:peek():find("HTTP/1.1 429", 1, true) then refused = refused + 1 end
      end
      return tunnels == 4 and refused == 8
    end, 10))
    local active, waiting = crowd()
    assert.same({ 4, 0 }, { active, waiting })
    -- Who waits gets the place of a tunnel that ends.
    local late = gw:connect()
    late:send(REQUESTS[7])
    assert(wire.wait(function() return select(2, crowd()) == 1 end, 10))
    for _, conn in ipairs(open) do
      conn:close()
    end
    assert(late:read_until("hello"))
    late:close()
    assert(wire.wait(function() return crowd() == 0 end, 10))
    gw:stop()
  end)

  it("leaves a queue one after the other, over all workers", function()
    gw = moongate.start { yaml = YAML, vars = { up = up.port, limit = 4, wait = "2s" } }
    local open, begin = {}, wire.now()
    for _ = 1, 5 do
      open[#open + 1] = gw:connect()
      open[#open]:send(REQUESTS[5])
    end
    for _, conn in ipairs(open) do
      assert(conn:read_until("through"))
    end
    assert.is_true(wire.now() - begin >= 0.039, tostring(wire.now() - begin)) -- four times 10 ms
    for _, conn in ipairs(open) do
      conn:close()
    end
    gw:stop()
  end)
end)
