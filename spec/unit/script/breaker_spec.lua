local within = require("support.inside")

local INIT =
  [[own.b = m.breaker.new("b", { failure_threshold = 2, half_open_after = 30, half_open_timeout = 20 })]]

local function inside(body, options)
  options = options or {}
  options.init = options.init or INIT
  return within(body, options)
end

describe("moongate.breaker", function()
  it(
    "lets calls through, and stops them after failures in a row",
    function()
      assert.same({ "true", "closed", "nil", "30", "open" }, {
        inside [[
      local b = own.b
      b:failure(b:allow()) b:success(b:allow())
      b:failure(b:allow())
      local allowed, state = b:allow() ~= nil, b:state()
      b:failure(b:allow())
      local pass, wait = b:allow()
      return allowed, state, pass, wait, b:state()]],
      })
    end
  )

  it(
    "lets a probe through after its time, by the clock that waits use, and closes",
    function()
      assert.same({ "true", "nil", "half_open", "closed" }, {
        inside [[
      local b = own.b
      b:failure(b:allow()) b:failure(b:allow())
      ctx:sleep(30)
      local probe = b:allow()
      local second, state = b:allow(), b:state()
      b:success(probe)
      return probe ~= nil, second, state, b:state()]],
      })
    end
  )

  it(
    "gives the place of a cancelled probe to the next",
    function()
      assert.same({ "true" }, {
        inside [[
      local b = own.b
      b:failure(b:allow()) b:failure(b:allow())
      ctx:sleep(30)
      b:cancel(b:allow())
      return b:allow() ~= nil]],
      })
    end
  )

  it(
    "is not held up by a probe that never ends",
    function()
      assert.same({ "open", "true" }, {
        inside [[
      local b = own.b
      b:failure(b:allow()) b:failure(b:allow())
      ctx:sleep(30)
      b:allow()
      ctx:sleep(20)
      b:allow()
      local state = b:state()
      ctx:sleep(60)
      return state, b:allow() ~= nil]],
      })
    end
  )

  it(
    "bears a pass that is ended twice",
    function()
      assert.same({ "half_open", "true", "nil" }, {
        inside [[
      local b = own.b
      b:failure(b:allow()) b:failure(b:allow())
      ctx:sleep(30)
      local probe = b:allow()
      b:cancel(probe) b:cancel(probe) b:cancel(probe)
      return b:state(), b:allow() ~= nil, (b:allow())]],
      })
    end
  )

  it(
    "is the plugin's own by its name: the same one however often it is declared",
    function()
      assert.same({ "true", "false" }, {
        inside("return own.b == own.again, own.b == own.other", {
          init = INIT .. [[ own.again, own.other = m.breaker.new("b"), m.breaker.new("c")]],
        }),
      })
    end
  )

  it("says what is misused", function()
    for text, wanted in pairs {
      ["own.b.allow()"] = "breaker:allow is a method: call it with a colon",
      ["own.b:success()"] = "breaker:success: the pass must be what breaker:allow gave",
      ["own.b:failure('x')"] = "breaker:failure: the pass must be what breaker:allow gave",
      ["m.breaker.new('b')"] = "breaker.new: declare it in the plugin's init",
    } do
      local answer = inside(text)
      assert.truthy(answer:find(wanted, 1, true), answer)
    end
    for init, wanted in pairs {
      ["m.breaker.new()"] = "breaker.new: the name must be a string, not nil",
      ["m.breaker.new('b', { treshold = 1 })"] = 'breaker.new: the option "treshold" means nothing',
      ["m.breaker.new('b', { half_open_after = '30s' })"] = "breaker.new: half_open_after must be a number from 0.001 on",
      ["m.breaker.new('b', { failure_ratio = 2 })"] = "breaker.new: failure_ratio must be between 0 and 1",
      ["m.shared.dict('b', { size = '64k' }) m.breaker.new('b')"] = 'the name is in use for a zone of the kind "dict"',
    } do
      local answer = within("", { init = init })
      assert.truthy(answer:find(wanted, 1, true), answer)
    end
  end)

  it(
    "is there for code that is not trusted",
    function()
      assert.same({ "nil", "open", "nil" }, {
        inside(
          [[
      local b = own.b
      b:failure(b:allow()) b:failure(b:allow())
      local pass = b:allow()
      return pass, b:state(), b[1] ]],
          { script = { uses = { { plugin = "p", conf = {}, on_error = "reply", untrusted = true } } } }
        ),
      })
    end
  )
end)
