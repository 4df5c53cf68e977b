local c = require("support.c")
local scripts = require("support.scripts")

describe("body hooks", function()
  local s, x

  -- Handlers by name, run in alphabetical order; `skip`: names whose uses say on_error: skip.
  local function start(plugins, skip, extra)
    local names, uses, entries = {}, {}, {}
    for name in pairs(plugins) do
      names[#names + 1] = name
    end
    table.sort(names)
    for i, name in ipairs(names) do
      uses[i] = { plugin = name, conf = {}, on_error = skip and skip[name] and "skip" or "reply" }
      entries[i] = { use = i }
    end
    local options = { plugins = plugins, uses = uses, plans = { {}, entries } }
    for key, value in pairs(extra or {}) do
      options[key] = value
    end
    s = scripts.new(options)
    assert.is_nil(s.why)
    x = s:exchange()
  end

  before_each(function() scripts.catch() end)

  after_each(function()
    scripts.release()
    if x and x.fake then x:free() end
    if s then s:free() end
    s, x = nil, nil
  end)

  local function body(text, hook)
    return ("return { %s = function(conf, ctx, chunk, last) %s end }"):format(hook or "body", text)
  end

  it("stand in the plan's bits", function()
    start { a = body("", "request_body"), b = body("") }
    assert.equal(2 ^ c.GW_PHASE_REQUEST_BODY + 2 ^ c.GW_PHASE_BODY, s:phases(0))
    assert.equal(0, s:phases())
  end)

  it("replace with a string, keep with nil, swallow with nothing", function()
    start { a = body [[ if chunk == "x" then return "yy" elseif chunk == "gone" then return "" end ]] }
    assert.same({ "done", "yy" }, { x:pipe("body", "x") })
    assert.same({ "done", "kept" }, { x:pipe("body", "kept") })
    assert.same({ "done", "" }, { x:pipe("body", "gone") })
  end)

  it("carry any bytes", function()
    start { a = body "" }
    local bytes = ("\0\r\n\255%s"):rep(10000)
    assert.same({ "done", bytes }, { x:pipe("body", bytes) })
  end)

  it("are told the end once, apart, with an empty chunk", function()
    start { a = body [[ return ("[%s,%s]"):format(chunk, last) ]] }
    assert.same({ "done", "[one,false]" }, { x:pipe("body", "one") })
    assert.same({ "done", "[two,false][,true]" }, { x:pipe("body", "two", true) })
  end)

  it("are told the end of an empty body", function()
    start { a = body [[ return last and "end" or "?" ]] }
    assert.same({ "done", "end" }, { x:pipe("body", "", true) })
  end)

  it("are piped in plan order, each behind what the one before gave", function()
    start {
      a = body [[ return last and "!" or chunk:upper() ]],
      b = body [[ return last and "." or "<" .. chunk .. ">" ]],
    }
    assert.same({ "done", "<ABC>" }, { x:pipe("body", "abc") })
    assert.same({ "done", "<DEF!>." }, { x:pipe("body", "def", true) })
  end)

  it("do not see what one before them swallowed, but its end", function()
    start {
      a = body [[ if not last then ctx.shared.kept = (ctx.shared.kept or "") .. chunk return "" end
        return ctx.shared.kept ]],
      b = body [[ ctx.log:notice("b got ", chunk, " ", tostring(last)) ]],
    }
    assert.same({ "done", "" }, { x:pipe("body", "one ") })
    assert.same({ "done", "" }, { x:pipe("body", "two") })
    assert.same({ "done", "one two" }, { x:pipe("body", "", true) })
    local text = scripts.caught()
    assert.truthy(text:find("b got one two false", 1, true))
    assert.truthy(text:find("b got  true", 1, true))
    assert.is_nil(text:find("b got one  ", 1, true))
  end)

  it("keep the two directions apart", function()
    start { a = [[return {
      body = function() return "down" end, request_body = function() return "up" end }]] }
    assert.same({ "done", "up" }, { x:pipe("request_body", "x") })
    assert.same({ "done", "down" }, { x:pipe("body", "x") })
  end)

  it("wait, and go on where they were", function()
    start {
      a = body [[ ctx:sleep(1) return chunk .. "a" ]],
      b = body [[ ctx:sleep(1) return chunk .. "b" ]],
    }
    assert.equal("waits", x:pipe("body", "x"))
    s:advance(1)
    assert.equal(0, x:finished())
    s:advance(1.1)
    assert.same({ 1, "xab" }, { x:finished(), x:piped() })
  end)

  it("wait in both directions at once, while another hook waits", function()
    start {
      a = [[return {
      request_body = function(_, ctx, chunk) ctx:sleep(1) return chunk .. "1" end,
      response = function(_, ctx) ctx:sleep(1) ctx.response:set_header("x-a", "1") end,
      body = function(_, ctx, chunk) ctx:sleep(2) return chunk .. "2" end }]],
    }
    assert.equal("waits", x:pipe("request_body", "up"))
    assert.equal("waits", x:run("response"))
    assert.equal("waits", x:pipe("body", "down"))
    s:advance(1.1)
    assert.same({ 2, "up1" }, { x:finished(), x:piped() })
    s:advance(1.1)
    assert.same({ 3, "down2" }, { x:finished(), x:piped() })
  end)

  it("never come back after they were cancelled", function()
    start { a = body [[ ctx:sleep(1) ctx.log:notice("woke") ]] }
    assert.equal("waits", x:pipe("body", "x"))
    x:cancel_pipe("body")
    s:advance(2)
    assert.equal(0, x:finished())
    assert.equal("", scripts.caught())
    assert.equal("waits", x:pipe("body", "y"))
    s:advance(2)
    assert.same({ 1, "y" }, { x:finished(), x:piped() })
  end)

  it("end with the exchange", function()
    start { a = body [[ ctx:sleep(1) ctx.log:notice("woke") ]] }
    assert.equal("waits", x:pipe("body", "x"))
    x:free()
    s:advance(2)
    assert.equal("", scripts.caught())
  end)

  describe("that fail", function()
    it("end the body, with a line that names them", function()
      start { a = body [[ error("broken") ]] }
      assert.equal("failed", (x:pipe("body", "x")))
      local text = scripts.caught()
      assert.truthy(text:find("plugin a, body, route r1, request id%-1: [^\n]*/a/handler.lua:1: broken"), text)
    end)

    it("after a wait do so too", function()
      start { a = body [[ ctx:sleep(1) error("broken") ]] }
      assert.equal("waits", x:pipe("body", "x"))
      s:advance(1.1)
      assert.same({ 1, true }, { x:finished(), x:pipe_failed() })
    end)

    it("by what they return are told what it must be", function()
      start { a = body [[ return 42 ]] }
      assert.equal("failed", (x:pipe("body", "x")))
      assert.truthy(scripts.caught():find("body must return a string or nil, not a number", 1, true))
    end)

    it("by yielding themselves are told so", function()
      start { a = body [[ coroutine.yield() ]] }
      assert.equal("failed", (x:pipe("body", "x")))
      assert.truthy(scripts.caught():find("a hook may not yield by itself", 1, true))
    end)

    it("by exit are told so", function()
      start { a = body [[ ctx.response:exit(200) ]] }
      assert.equal("failed", (x:pipe("body", "x")))
      assert.truthy(scripts.caught():find("ctx.response:exit cannot be called in body", 1, true))
      assert.is_nil(x:reply())
    end)

    it("are left out from then on where their use says so", function()
      start({
        a = body [[ return last and "A" or chunk .. "a" ]],
        b = body [[ if chunk:find("bad") then error("broken") end return last and "B" or chunk .. "b" ]],
        c = body [[ return last and "C" or chunk .. "c" ]],
      }, { b = true })
      assert.same({ "done", "1abc" }, { x:pipe("body", "1") })
      assert.same({ "done", "badac" }, { x:pipe("body", "bad") })
      assert.same({ "done", "3ac" }, { x:pipe("body", "3") })
      assert.same({ "done", "4aAcC" }, { x:pipe("body", "4", true) })
      local _, lines = scripts.caught():gsub("broken", "")
      assert.equal(1, lines)
    end)

    it("at the end are left out too, and what they gave before counts", function()
      start({
        a = body [[ if last then error("broken") end return chunk .. "a" ]],
        b = body [[ return last and "B" or chunk .. "b" ]],
      }, { a = true })
      assert.same({ "done", "1abB" }, { x:pipe("body", "1", true) })
    end)

    it("are left out after a wait too", function()
      start({ a = body [[ ctx:sleep(1) error("broken") ]], b = body [[ return chunk .. "b" ]] }, { a = true })
      assert.equal("waits", x:pipe("body", "1", true))
      s:advance(1.1)
      assert.same({ 1, false, "1bb" }, { x:finished(), x:pipe_failed(), x:piped() })
    end)

    it("are tried again by the next request", function()
      start({ a = body [[ if chunk == "bad" then error("broken") end return "a" ]] }, { a = true })
      x:pipe("body", "bad")
      assert.same({ "done", "x" }, { x:pipe("body", "x") })
      x:free()
      x = s:exchange()
      assert.same({ "done", "a" }, { x:pipe("body", "x") })
    end)

    it("do not take the other direction with them", function()
      start(
        { a = [[return { body = function() error("broken") end, request_body = function() return "up" end }]] },
        { a = true }
      )
      assert.same({ "done", "x" }, { x:pipe("body", "x") })
      assert.same({ "done", "up" }, { x:pipe("request_body", "x") })
    end)

    it("for want of memory do not take the process with them", function()
      start({ a = body [[ return chunk:rep(1000) ]] }, nil, { memory = 8 * 1024 * 1024 })
      assert.equal("failed", (x:pipe("body", ("x"):rep(100000))))
      assert.truthy(scripts.caught():find("not enough memory", 1, true))
      assert.equal("done", (x:pipe("body", "x")))
      assert.equal("failed", (x:pipe("body", ("x"):rep(20 * 1024 * 1024))))
      assert.equal("done", (x:pipe("body", "x")))
    end)
  end)

  it("follow the consumer's choice", function()
    local plugin = body [[ return conf.mark .. chunk ]]
    start({ a = plugin }, nil, {
      uses = {
        { plugin = "a", conf = { mark = "all:" }, on_error = "reply" },
        { plugin = "a", conf = { mark = "anna:" }, on_error = "reply" },
      },
      plans = { {}, { { use = 1, by_consumer = { ["c-1"] = 2 } } } },
      consumers = { { id = "c-1", username = "anna" } },
    })
    assert.same({ "done", "all:x" }, { x:pipe("body", "x") })
    x:free()
    x = s:exchange()
    x.fake.x.consumer = s.config.consumers
    assert.same({ "done", "anna:x" }, { x:pipe("body", "x") })
  end)

  it("leave no garbage that grows: hundreds of megabytes in large pieces", function()
    start { a = body "" }
    local piece = ("x"):rep(256 * 1024)
    local most = 0
    for i = 1, 1000 do
      x:pipe("body", i .. piece) -- equal strings would be one
      most = math.max(most, s:memory())
    end
    assert.is_true(most < 12 * 1024 * 1024, ("%.1f MB"):format(most / 1024 / 1024))
  end)
end)
