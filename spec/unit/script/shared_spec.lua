local c = require("support.c")
local scripts = require("support.scripts")
local within = require("support.inside")

local INIT = [[own.d = m.shared.dict("d", { size = "64k" })]]

local function inside(body, options)
  options = options or {}
  options.init = options.init or INIT
  return within(body, options)
end

local function refused(init, options)
  options = options or {}
  options.init = init
  return within("", options)
end

describe("moongate.shared", function()
  it("keeps strings, numbers and booleans by key", function()
    assert.same({ "text", "1.5", "false", "9000", "nil" }, { inside [[
      local d = own.d
      d:set("a", "text") d:set("b", 1.5) d:set("c", false) d:set("e", ("x"):rep(9000))
      return d:get("a"), d:get("b"), d:get("c"), #d:get("e"), (d:get("other"))]] })
  end)

  it("deletes, also by setting nil", function()
    assert.same({ "true", "false", "true", "nil" }, { inside [[
      own.d:set("a", 1) own.d:set("b", 1)
      local was, again = own.d:delete("a"), own.d:delete("a")
      return was, again, own.d:set("b", nil), (own.d:get("b"))]] })
  end)

  it("adds what is missing and replaces what is there", function()
    assert.same({ "true", "exists", "1", "not found", "true", "2" }, { inside [[
      local d = own.d
      local added, _, exists = d:add("a", 1), d:add("a", 2)
      local value = d:get("a")
      local _, missing = d:replace("b", 1)
      return added, exists, value, missing, d:replace("a", 2), d:get("a")]] })
  end)

  it("forgets after the time to live, by the clock that waits use", function()
    assert.same({ "1", "2", "60", "nil", "2" }, { inside [[
      local d = own.d
      d:set("a", 1, 60) d:set("b", 2)
      local first, second, left = d:get("a"), d:get("b"), d:ttl("a")
      ctx:sleep(60)
      return first, second, left, (d:get("a")), d:get("b")]] })
  end)

  it("tells and changes the time to live", function()
    assert.same({ "60", "5", "0", "not found", "not found" }, { inside [[
      local d = own.d
      d:set("a", 1, 60)
      local before = d:ttl("a")
      d:expire("a", 5)
      local after = d:ttl("a")
      d:expire("a", 0)
      local _, missing = d:ttl("b")
      local _, nothing = d:expire("b", 1)
      return before, after, d:ttl("a"), missing, nothing]] })
  end)

  it("counts", function()
    assert.same({ "not found", "1", "3.5", "-1", "another type" }, { inside [[
      local d = own.d
      local _, missing = d:incr("a")
      local one, more, less = d:incr("a", 1, 0), d:incr("a", 2.5), d:incr("b", -1, 0, 60)
      d:set("c", "text")
      local _, other = d:incr("c", 1, 0)
      return missing, one, more, less, other]] })
  end)

  it("keeps lists", function()
    assert.same({ "1", "2", "3", "3", "a", "true", "2", "nil", "0", "another type" }, { inside [[
      local d = own.d
      local one, two, three = d:rpush("l", 2), d:lpush("l", "a"), d:rpush("l", true)
      local len, first, last, rest = d:llen("l"), d:lpop("l"), d:rpop("l"), d:lpop("l")
      local none, empty = d:lpop("l"), d:llen("l")
      d:set("v", 1)
      local _, other = d:lpush("v", 1)
      return one, two, three, len, first, last, rest, none, empty, other]] })
  end)

  it("lists keys, is flushed, says how full it is", function()
    assert.same({ "3", "1", "3", "65536", "0" }, { inside [[
      local d = own.d
      for _, key in ipairs { "a", "b", "c" } do d:set(key, 1) end
      local all, one, stats = d:keys(), d:keys(1), d:stats()
      d:flush()
      return #all, #one, stats.entries, stats.size, #d:keys()]] })
  end)

  it("never gets larger than it was declared", function()
    assert.same({ "true", "true", "true", "nil", "too large" }, { inside [[
      local d = own.d
      for i = 1, 5000 do d:set("k" .. i, ("x"):rep(i % 500)) end
      local stats = d:stats()
      return stats.bytes <= 65536, stats.evicted > 4000, d:get("k5000") ~= nil, d:set("k", ("x"):rep(70000))]] })
  end)

  it("takes keys of any bytes, but not of any length", function()
    assert.same({ "1", "the key is empty or longer than 1024 bytes", "the key is empty or longer than 1024 bytes" },
      { inside [[
        local d = own.d
        d:set("a\0b", 1)
        local _, empty = d:set("", 1)
        local _, long = d:get(("k"):rep(1025))
        return d:get("a\0b"), empty, long]] })
  end)

  it("points at mistakes", function()
    for body, message in pairs {
      ["local a = own.d.get('a')"] = "dict:get is a method: call it with a colon",
      ["local a = own.d:get(1)"] = "dict:get: the key must be a string, not a number",
      ["local a = own.d:get()"] = "dict:get: the key must be a string, not nil",
      ["local a = own.d:set('a', {})"] = "dict:set: a value is a string, a number or a boolean, not table",
      ["local a = own.d:add('a')"] = "dict:add: a value is a string, a number or a boolean, not nil",
      ["local a = own.d:rpush('a', print)"] = "dict:rpush: a value is a string, a number or a boolean, not function",
      ["local a = own.d:set('a', 1, -1)"] = "dict:set: a time to live is a number of seconds, 0 or more",
      ["local a = own.d:set('a', 1, 0/0)"] = "dict:set: a time to live is a number of seconds, 0 or more",
      ["local a = own.d:incr('a', 'x')"] = "dict:incr: what is added must be a number",
      ["local a = own.d:incr('a', 1, 'x')"] = "dict:incr: the first value must be a number",
      ["local a = own.d:expire('a')"] = "dict:expire: the time to live is missing",
      ["local a = own.d:keys(-1)"] = "dict:keys: 0 to 1000000 keys can be listed",
      ["local a = m.shared.dict('d', { size = '64k' })"] = "shared.dict: declare it in the plugin's init",
    } do
      local said = inside(body)
      assert.is_truthy(said:find(message, 1, true), body .. ": " .. said)
      assert.matches("handler.lua:5: ", said, body)
    end
  end)

  it("refuses declarations that make no sense", function()
    for init, message in pairs {
      ["m.shared.dict()"] = "the name must be a string, not nil",
      ["m.shared.dict('a-b')"] = '"a-b" is no name (letters, digits and _, at most 64 of them)',
      ["m.shared.dict('d')"] = 'say how large "d" may get: { size = "10m" }',
      ["m.shared.dict('d', { size = '1k' })"] = 'size must be bytes or a text such as "10m", from 64k to 1024g',
      ["m.shared.dict('d', { size = 'big' })"] = 'size must be bytes or a text such as "10m"',
      ["m.shared.dict('d', { sise = '1m' })"] = 'the option "sise" means nothing',
      ["m.shared.dict('d', 5)"] = "options must be a table",
      ["m.shared.dict('d', { size = '1m' }) m.shared.dict('d', { size = '2m' })"] = "is declared with another size already",
      ["for i = 1, 1025 do m.shared.dict('d' .. i, { size = '64k' }) end"] = "there are too many zones (1024)",
    } do
      local said = refused(init)
      assert.is_truthy(said:find(message, 1, true), init .. ": " .. said)
      assert.matches("^refused: plugin p, init: .*handler.lua:3: ", said)
    end
  end)

  it("gives the same dictionary to who declares it twice", function()
    assert.equal("true", inside([[return own.d == own.e]], { init = [[
      own.d = m.shared.dict("d", { size = "64k" })
      own.e = m.shared.dict("d", { size = 65536 })]] }))
  end)

  it("takes another size from the configuration", function()
    assert.equal("131072", inside([[return own.d:stats().size]], { script = { zone_sizes = { ["p/d"] = { size = 131072 } } } }))
  end)

  it("refuses a size for what nobody declares", function()
    assert.equal('refused: zones: no plugin in use declares "p/other" (declared: p/d)',
      inside("", { script = { zone_sizes = { ["p/other"] = { size = 131072 } } } }))
  end)

  describe("over workers and generations", function()
    local zones

    before_each(function() zones = c.gw_zones_new() end)
    after_each(function() c.gw_zones_free(zones) end)

    local function new(size, name)
      local s = scripts.new {
        plugins = { [name or "p"] = ([[
          local shared = require("moongate.shared")
          local M, d = {}
          function M.init() d = shared.dict("d", { size = %q }) end
          function M.log(_, ctx) ctx.log:notice("says ", d:incr("count", 1, 0), " of ", d:stats().size) end
          return M]]):format(size) },
        uses = { { plugin = name or "p", conf = {}, on_error = "reply" } }, plans = { {}, { { use = 1 } } }, zones = zones,
      }
      assert.is_nil(s.why)
      return s
    end

    local function run(s)
      scripts.catch()
      local x = s:exchange()
      x:run_all()
      x:free()
      local said = scripts.caught():match("says ([^\n]*)")
      scripts.release()
      return said
    end

    it("is one dictionary for all workers", function()
      local one, two = new("1m"), new("1m")
      assert.equal("1 of 1048576", run(one))
      assert.equal("2 of 1048576", run(two))
      one:free()
      assert.equal("3 of 1048576", run(two))
      two:free()
    end)

    it("stays over a reload, and takes the new size", function()
      local before = new("1m")
      run(before)
      local after = new("2m")
      before:free()
      assert.equal("2 of 2097152", run(after))
      after:free()
    end)

    it("belongs to one plugin", function()
      local one, other = new("1m"), new("1m", "q")
      run(one)
      assert.equal("1 of 1048576", run(other))
      one:free()
      other:free()
    end)
  end)
end)
