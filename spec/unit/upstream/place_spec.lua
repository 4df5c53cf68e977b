local c = require("support.c")
local ffi = require("ffi")
local json = require("cjson")
local proxy = require("support.proxy")

local OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"

describe("an upstream's concurrency", function()
  local world, up, held

  -- Holds every request until it is let go.
  before_each(function()
    world, held = proxy.new(), {}
    up = world:upstream(function(conn) held[#held + 1] = conn end)
  end)
  after_each(function() world:free() end)

  local function start(concurrency, more)
    local route = { name = "r", targets = { up }, concurrency = concurrency }
    for key, value in pairs(more or {}) do
      route[key] = value
    end
    world:start { routes = { route } }
  end

  local function ask()
    local client = world:client()
    client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    world:settle(3)
    return client
  end
  local function let_go(nth)
    held[nth]:write(OK)
    world:settle(3)
  end
  local function at_upstream(count)
    world:until_true(function() return #held >= count end, count .. " requests to arrive")
    world:settle(5)
    assert.equal(count, #held)
  end
  local function reason(client)
    local response = client:response()
    return { response.status, json.decode(response.body).reason, response.headers["retry-after"] }
  end
  -- { at the upstream, waiting, full, late }
  local function numbers()
    local found
    local visit = ffi.cast(
      "void (*)(const struct gw_line_info *, void *)",
      function(info) found = { info.active, info.waiting, tonumber(info.full), tonumber(info.late) } end
    )
    c.gw_registry_lines(world.registry, visit, nil)
    visit:free()
    return found
  end

  it("lets so many through, and the others in the order they came", function()
    start { max_requests = 2, max_pending = 3 }
    local clients = {}
    for i = 1, 5 do
      clients[i] = ask()
    end
    at_upstream(2)
    assert.same({ 2, 3, 0, 0 }, numbers())
    for i = 1, 5 do
      let_go(i)
      assert.equal(200, clients[i]:response().status)
      at_upstream(math.min(i + 2, 5))
    end
    assert.same({ 0, 0, 0, 0 }, numbers())
  end)

  it("refuses at once when the line is full, and says when to come again", function()
    start { max_requests = 1, max_pending = 1, pending_timeout = 3 }
    local first, second = ask(), ask()
    assert.same({ 503, "upstream_full", "3" }, reason(ask()))
    let_go(1)
    assert.equal(200, first:response().status)
    at_upstream(2)
    let_go(2)
    assert.equal(200, second:response().status)
    assert.same({ 0, 0, 1, 0 }, numbers())
  end)

  it("refuses all that find no room where none may wait", function()
    start { max_requests = 1 }
    local first = ask()
    assert.same({ 503, "upstream_full", "1" }, reason(ask()))
    let_go(1)
    assert.equal(200, first:response().status)
  end)

  it("lets nobody wait longer than pending_timeout", function()
    start { max_requests = 1, max_pending = 5, pending_timeout = 2 }
    local first, second = ask(), ask()
    at_upstream(1)
    world:advance(2.1)
    assert.same({ 503, "upstream_wait", "2" }, reason(second))
    let_go(1)
    assert.equal(200, first:response().status)
    assert.same({ 0, 0, 0, 1 }, numbers())
  end)

  it("bounds each target, and passes over those that are full", function()
    local other = world:upstream(function(conn) held[#held + 1] = conn end)
    start({ max_requests_per_target = 2, max_pending = 10 }, { targets = { up, other } })
    for _ = 1, 6 do
      ask()
    end
    at_upstream(4)
    assert.same({ 2, 2 }, { #up.requests, #other.requests })
    let_go(1)
    at_upstream(5)
    for i = 2, 5 do
      let_go(i)
    end
    at_upstream(6)
    let_go(6)
    world:until_true(function() return world:active() == 0 end)
    assert.same({ 0, 0, 0, 0 }, numbers())
  end)

  it("finds out how many there may be, by how long they take, and tells", function()
    start { adaptive = { initial = 4, min = 2 }, max_pending = 10, pending_timeout = 100, max_requests = 7 }
    local function limit()
      local found
      local visit = ffi.cast(
        "void (*)(const struct gw_line_info *, void *)",
        function(info) found = { tonumber(info.limit), info.adaptive, tonumber(info.baseline_us) } end
      )
      c.gw_registry_lines(world.registry, visit, nil)
      visit:free()
      return unpack(found)
    end
    -- Four at a time, each as long.
    local function rounds(count, seconds, status)
      for _ = 1, count do
        local clients, before = {}, #held
        for i = 1, 4 do
          clients[i] = ask()
        end
        world:until_true(function() return #held >= before + math.min(4, (limit())) end)
        world:advance(seconds)
        for i = 1, 4 do
          world:until_true(function() return #held >= before + i end)
          held[before + i]:write(status and OK:gsub("200 OK", status) or OK)
          world:until_true(function() return clients[i]:text() ~= "" end)
        end
      end
    end
    for _ = 1, 5 do
      ask()
    end
    at_upstream(4)
    assert.same({ 4, 1, 0, 0 }, numbers())
    assert.same({ 4, true, 0 }, { limit() })
    world:advance(0.05)
    let_go(1)
    at_upstream(5)
    world:advance(0.05)
    for i = 2, 5 do
      let_go(i)
    end
    rounds(12, 0.05)
    local grown, _, baseline = limit()
    assert.equal(7, grown) -- more than max_requests it never is
    assert.is_true(baseline > 45000 and baseline < 55000, baseline)
    rounds(4, 0.001, "500 Broken")
    assert.equal(baseline, select(3, limit())) -- errors that come fast say nothing
    rounds(60, 1)
    assert.is_true((limit()) < 7, (limit()))
  end)

  it("takes a place in the line away with its client, and gives a place at the upstream to the next", function()
    start { max_requests = 1, max_pending = 5 }
    local first, second, third = ask(), ask(), ask()
    at_upstream(1)
    second:close()
    world:until_true(function() return world:active() == 2 end)
    assert.same({ 1, 1, 0, 0 }, numbers())
    first:close()
    at_upstream(2)
    let_go(2)
    assert.equal(200, third:response().status)
    assert.same({ 0, 0, 0, 0 }, numbers())
  end)

  it("passes a place on when its client leaves in the moment it is called", function()
    start { max_requests = 1, max_pending = 5 }
    local first, second, third = ask(), ask(), ask()
    at_upstream(1)
    first:close()
    second:close()
    at_upstream(2)
    let_go(2)
    assert.equal(200, third:response().status)
    assert.same({ 0, 0, 0, 0 }, numbers())
  end)

  it("gives places back whatever ends a request", function()
    start({ max_requests = 1, max_pending = 5, pending_timeout = 100 }, { service = { response_timeout = 5 } })
    local client = ask() -- a reset
    at_upstream(1)
    held[1]:close()
    assert.equal(502, client:response().status)
    client = ask() -- a timeout
    at_upstream(2)
    world:advance(5.1)
    assert.equal(504, client:response().status)
    client = ask() -- an answer that is cut
    at_upstream(3)
    held[3]:write("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhi")
    held[3]:close_gently(1)
    world:until_true(function() return world:active() == 0 end)
    client:close()
    assert.same({ 0, 0, 0, 0 }, numbers())
  end)

  it("holds no place while it pauses before another try", function()
    start({ max_requests = 1, max_pending = 5, pending_timeout = 100 }, { retry = {} })
    local first = ask()
    at_upstream(1)
    held[1]:write("HTTP/1.1 503 Busy\r\nretry-after: 2\r\ncontent-length: 0\r\n\r\n")
    world:until_true(function() return world:in_flight() == 0 end)
    local second = ask()
    at_upstream(2)
    world:advance(2.1)
    assert.same({ 1, 1, 0, 0 }, numbers())
    let_go(2)
    assert.equal(200, second:response().status)
    at_upstream(3)
    let_go(3)
    assert.equal(200, first:response().status)
  end)

  it("keeps its count over a reload, and takes the new bound", function()
    start { max_requests = 1, max_pending = 5, pending_timeout = 100 }
    local first, second = ask(), ask()
    at_upstream(1)
    world:use(world:configure {
      routes = {
        {
          name = "r",
          targets = { up },
          concurrency = { max_requests = 3, max_pending = 1, pending_timeout = 100 },
        },
      },
    })
    assert.same({ 1, 1, 0, 0 }, numbers())
    assert.same({ 503, "upstream_full", "100" }, reason(ask())) -- nobody overtakes
    let_go(1)
    at_upstream(2)
    local third = ask()
    at_upstream(3)
    let_go(2)
    let_go(3)
    for _, client in ipairs { first, second, third } do
      assert.equal(200, client:response().status)
    end
    assert.same({ 0, 0, 1, 0 }, numbers())
  end)

  it("says nothing about the service to its breaker", function()
    start({ max_requests = 1 }, { breaker = { failure_threshold = 1 } })
    local first = ask()
    at_upstream(1)
    assert.equal("upstream_full", reason(ask())[2])
    assert.equal("upstream_full", reason(ask())[2])
    let_go(1)
    assert.equal(200, first:response().status)
  end)
end)
