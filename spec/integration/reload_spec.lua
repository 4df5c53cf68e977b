local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

-- A route whose plugin answers with what stands in its code, and one to a service.
local function yaml(extra)
  return [[
plugin_paths: [./plugins]
routes:
  - name: say
    paths: [/say]
    plugins: [{ name: say }]
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes: [{ name: up, paths: [/up] }]
]] .. (extra or "")
end

local function say(word)
  return ([[
local M = { version = "1.0.0", priority = 1000 }
function M.access(_, ctx)
  return ctx.response:exit(200, %q)
end
return M
]]):format(word)
end

local SCHEMA = 'local t = require("moongate.schema")\nreturn t.record {}\n'

describe("a reload", function()
  local gw, service

  before_each(function()
    service = http.service()
    gw = moongate.start {
      yaml = yaml(),
      vars = { up = service.port },
      files = { ["plugins/say/handler.lua"] = say("one"), ["plugins/say/schema.lua"] = SCHEMA },
    }
  end)

  after_each(function()
    service:close()
    moongate.stop_all()
  end)

  it("by POST /reload answers when the new code serves", function()
    assert.equal("one", gw:get("/say").body)
    gw:write("plugins/say/handler.lua", say("two"))
    local status, answer = gw:reload()
    assert.equal(200, status)
    assert.equal(2, answer.generation)
    assert.equal("two", gw:get("/say").body)
    gw:stop()
  end)

  it("by SIGHUP serves the new code", function()
    gw:write("plugins/say/handler.lua", say("two"))
    gw.process:kill("HUP")
    assert.is_truthy(gw:wait_log("generation 2 serves after [%d.]+ ms: SIGHUP"))
    assert.equal("two", gw:get("/say").body)
    gw:stop()
  end)

  it("reaches a kept-alive connection", function()
    local conn = gw:connect()
    assert.equal("one", gw:request("GET", "/say", { conn = conn }).body)
    gw:write("plugins/say/handler.lua", say("two"))
    gw:reload()
    assert.equal("two", gw:request("GET", "/say", { conn = conn }).body)
    conn:close()
    gw:stop()
  end)

  it("lets a running request end on the generation it began with", function()
    local slow = wire.listen()
    gw:configure(yaml(), { up = slow.port })
    gw:reload()
    local conn = gw:connect()
    conn:send(http.request_bytes("GET", "/up"))
    local up = assert(slow:accept())
    assert(http.read_request(up))
    gw:configure(yaml(), { up = service.port })
    gw:reload()
    assert.equal("hello", gw:get("/up").body)
    up:send(http.response_bytes { body = "late" })
    assert.equal("late", http.read_response(conn).body)
    conn:close()
    slow:close()
    gw:stop()
  end)

  it("with a wrong configuration changes nothing but says what is wrong", function()
    gw:configure(yaml("rotues: []\n"))
    local status, answer = gw:reload()
    assert.equal(422, status)
    assert.equal(1, answer.generation)
    assert.is_truthy(answer.errors[1]:find("rotues", 1, true), answer.errors[1])
    assert.equal("one", gw:get("/say").body)
    local last = gw:status().lastReload
    assert.is_false(last.ok)
    assert.same(answer.errors, last.errors)
    assert.is_truthy(gw:wait_log("not reloaded, generation 1 keeps serving: POST /reload"))
    gw:stop()
  end)

  it("with a plugin that does not compile changes nothing but says what is wrong", function()
    gw:write("plugins/say/handler.lua", "return {")
    local status, answer = gw:reload()
    assert.equal(422, status)
    assert.is_truthy(table.concat(answer.errors, "\n"):find("plugins/say/handler.lua:1", 1, true))
    assert.equal("one", gw:get("/say").body)
    gw:stop()
  end)

  it("with a port that is taken changes nothing", function()
    gw:configure(yaml(("listeners: [{ address: 127.0.0.1:0 }, { address: 127.0.0.1:%d }]\n"):format(service.port)))
    local status, answer = gw:reload()
    assert.equal(422, status)
    assert.is_truthy(
      answer.errors[1]:find("listeners: bind 127.0.0.1:" .. service.port, 1, true),
      answer.errors[1]
    )
    assert.equal("one", gw:get("/say").body)
    assert.equal(1, gw:status().generation)
    gw:stop()
  end)

  it("opens and closes listeners and keeps the others", function()
    local kept = gw:connect()
    gw:configure(yaml("listeners: [{ address: 127.0.0.1:0 }, { address: 127.0.0.2:0 }]\n"))
    assert.equal(200, (gw:reload()))
    assert.equal(2, #gw:status().listeners)
    gw:configure(yaml("listeners: [{ address: 127.0.0.2:0 }]\n"))
    assert.equal(200, (gw:reload()))
    local listeners = gw:status().listeners
    assert.equal(1, #listeners)
    assert.is_truthy(listeners[1].address:find("^127.0.0.2:"))
    assert.is_truthy(wire.wait(function() return kept.ended end)) -- it was idle
    kept:close()
    gw:stop()
  end)

  it("calls that come meanwhile share one later reload", function()
    local conns = {}
    for i = 1, 20 do
      conns[i] = wire.connect(gw.admin)
      conns[i]:send(http.request_bytes("POST", "/reload", { body = "" }))
    end
    for _, conn in ipairs(conns) do
      assert.equal(200, http.read_response(conn).status)
      conn:close()
    end
    local generation = gw:status().generation
    assert.is_true(generation < 20, "generation " .. generation)
    gw:stop()
  end)

  it("leaves one generation alive", function()
    for _ = 1, 5 do
      gw:reload()
    end
    local alive
    assert.is_truthy(wire.wait(function()
      alive = gw:status().generations
      return #alive == 1
    end))
    assert.equal(6, alive[1].generation)
    gw:stop()
  end)
end)

-- A client that sends one request after the other over one connection, as long as `load.on`.
local function keep_asking(load, conn, path)
  local request = http.request_bytes("GET", path)
  conn:send(request)
  conn.on_change = function()
    local bytes = conn:peek()
    local _, head_end = bytes:find("\r\n\r\n", 1, true)
    local length = head_end and tonumber(bytes:lower():match("\r\ncontent%-length: (%d+)"))
    if conn.ended then
      load.failures[#load.failures + 1] = path .. " " .. conn.ended
      conn.on_change = nil
    elseif length and #bytes >= head_end + length then
      conn:take(head_end + length)
      load.answers = load.answers + 1
      load.seen[bytes:sub(head_end + 1, head_end + length)] = true
      if bytes:sub(1, 12) ~= "HTTP/1.1 200" then load.failures[#load.failures + 1] = bytes end
      if load.on then conn:send(request) end
    end
  end
end

local RELOADS = 40

describe("reloads under load", function()
  after_each(moongate.stop_all)

  it("never fail a request, and the code really changes (./dev bench has the long run)", function()
    local service = http.service()
    local gw = moongate.start { -- no connection is to end because it carried enough requests
      yaml = yaml("workers: 1\nlimits: { requests_per_connection: off }\n"),
      vars = { up = service.port },
      files = { ["plugins/say/handler.lua"] = say("0"), ["plugins/say/schema.lua"] = SCHEMA },
    }
    local load, conns = { on = true, answers = 0, failures = {}, seen = {} }, {}
    for i = 1, 8 do
      conns[i] = gw:connect()
      keep_asking(load, conns[i], i % 2 == 0 and "/say" or "/up")
    end
    for i = 1, RELOADS do
      gw:write("plugins/say/handler.lua", say(tostring(i)))
      assert.equal(200, (gw:reload()))
    end
    load.on = false
    wire.pass(0.2)
    assert.same({}, load.failures)
    assert.is_true(load.answers > 100, load.answers .. " answers")
    local words = 0
    for _ in pairs(load.seen) do
      words = words + 1
    end
    assert.is_true(words > RELOADS / 4, words .. " different answers")
    assert.equal(RELOADS + 1, gw:status().generation)
    assert.is_truthy(wire.wait(function() return #gw:status().generations == 1 end))
    for _, conn in ipairs(conns) do
      conn:close()
    end
    service:close()
    gw:stop()
  end)
end)
