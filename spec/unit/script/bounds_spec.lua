local scripts = require("support.scripts")

describe("the bounds of a plugin", function()
  local s, x

  before_each(function() scripts.catch() end)

  after_each(function()
    if x and x.fake then x:free() end
    x = nil
    if s then s:free() end
    s = nil
    scripts.release()
  end)

  local function start(body, options)
    options.plugins = { p = body, q = "return { access = function(_, ctx) ctx.log('from q') end }" }
    s = scripts.new(options)
    if s.why then return end
    x = s:exchange()
    x:run("access")
  end

  local function count(text, part) return select(2, text:gsub(part, "")) end

  it("drop log lines beyond lua.log_lines a second, and say so with the next second", function()
    start("return { access = function(_, ctx) for _ = 1, 10 do ctx.log('from p') end end }", { log_lines = 3 })
    assert.equal(3, count(scripts.caught(), "from p"))
    assert.equal(1, count(scripts.caught(), "from q"))
    x:free()
    s:advance(1.1)
    x = s:exchange()
    x:run("access")
    assert.matches("plugin p: 7 lines dropped, because it logged more than 3 a second", scripts.caught())
    assert.equal(6, count(scripts.caught(), "from p"))
  end)

  it("refuse a fetch beyond lua.fetches", function()
    start(
      [[return { access = function(_, ctx)
        local ok, why = pcall(ctx.fetch_all, ctx, { a = { service = "s1" }, b = { service = "s1" }, c = { service = "s1" } })
        ctx.response:exit(200, tostring(why))
      end }]],
      { fetches = 2 }
    )
    assert.matches("this plugin has too many requests under way %(lua.fetches%)", x:reply().body)
  end)

  it("refuse to collect a body beyond lua.bodies, until requests have ended", function()
    local body = [[return { access = function(_, ctx)
      local text, why = ctx.request:get_raw_body()
      ctx.response:exit(200, text or why)
    end }]]
    local function chunked()
      local made = s:exchange()
      made.fake.x.request.body_length = -2 -- GW_BODY_UNKNOWN
      return made, made:run("access")
    end
    s = scripts.new { plugins = { p = body }, bodies = 30 }
    x = chunked()
    assert.is_true(x:deliver("request", ("x"):rep(31)))
    assert.equal(("x"):rep(31), x:reply().body)
    local other = chunked()
    assert.equal("the gateway is at its limit", other:reply().body)
    assert.matches("its bodies are 31 bytes already, no more is collected %(lua.bodies: 30%)", scripts.caught())
    other:free()
    x:free()
    local state
    x, state = chunked()
    assert.equal("waits", state)
  end)

  it("refuse to declare more than lua.tasks", function()
    start(
      [[return { init = function()
        for _ = 1, 3 do require("moongate.task").once(function() end) end
      end }]],
      { tasks = 2 }
    )
    assert.matches("at most 2 tasks a plugin %(lua.tasks%)", s.why)
  end)
end)
