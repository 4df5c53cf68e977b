local scripts = require("support.scripts")

-- Runs `body` in a plugin that has moongate.json as `json`, and gives what it returns, as text.
local function inside(body)
  scripts.catch()
  local s = scripts.new {
    plugins = {
      p = ([[
      local json = require("moongate.json")
      local M = {}
      function M.log(_, ctx) ctx.log:notice("says ", tostring((function() %s end)())) end
      return M]]):format(body),
    },
    uses = { { plugin = "p", conf = {}, on_error = "reply" } },
    plans = { {}, { { use = 1 } } },
  }
  assert.is_nil(s.why)
  local x = s:exchange()
  x:run_all()
  local said = scripts.caught():match("says ([^\n]*)")
  x:free()
  s:free()
  scripts.release()
  return said
end

describe("moongate.json", function()
  it("writes slashes as they are, also behind a backslash", function()
    assert.equal([["a/b"]], inside [[return json.encode("a/b")]])
    assert.equal([["\\/"]], inside [[return json.encode("\\/")]])
  end)

  it("keeps empty arrays and objects apart on the way through", function()
    assert.equal([==[[]]==], inside [[return json.encode(json.decode("[]"))]])
    assert.equal("{}", inside [[return json.encode(json.decode("{}"))]])
    assert.equal([==[[]]==], inside [[return json.encode(json.array())]])
  end)

  it("keeps null and long whole numbers", function()
    assert.equal("null", inside [[return json.encode(json.null)]])
    assert.equal("9007199254740992", inside [[return json.encode(9007199254740992)]])
  end)

  it("says why a text is no JSON, without an error", function()
    assert.matches("^nil", inside [[return json.decode("{")]])
    assert.matches("not a string", inside [[local _, why = json.decode(nil) return why]])
    assert.matches("^nil", inside [[return json.decode(("["):rep(1000) .. ("]"):rep(1000))]])
    assert.matches("^nil", inside [[return json.decode("NaN")]])
  end)

  it("refuses to write what JSON has no words for", function()
    assert.matches("^nil", inside [[return json.encode(function() end)]])
    assert.matches("^nil", inside [[local t = {} t.t = t return json.encode(t)]])
  end)
end)
