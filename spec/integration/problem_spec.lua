--- Problems (RFC 9457) that plugins answer with.
local gateway = require("moongate.spec")

describe("ctx.response:error", function()
  local function answer(fn)
    local gw = gateway.new { plugins = { fn } }
    return gw:get("/a"), gw
  end

  it("makes a problem of the status alone", function()
    local res = answer(function(_, ctx) return ctx.response:error(403) end)
    local problem = res:json()
    assert.equal("application/problem+json", res.headers["content-type"])
    assert.equal(
      (
        '{"type":"about:blank","title":"Forbidden","status":403,"detail":"Forbidden","instance":"/a",'
        .. '"correlationId":"%s","reason":"forbidden"}'
      ):format(problem.correlationId),
      res.body
    )
  end)

  it("takes a type, a title, a reason and members of the plugin's own", function()
    local res = answer(
      function(_, ctx)
        return ctx.response:error(429, nil, { ["retry-after"] = 3 }, {
          type = "https://example.com/too-often",
          title = 'Too "often"',
          reason = "too_often",
          limits = { "a", "b" },
        })
      end
    )
    local problem = res:json()
    assert.equal("3", res.headers["retry-after"])
    assert.equal(
      (
        '{"type":"https://example.com/too-often","title":"Too \\"often\\"","status":429,'
        .. '"detail":"Too \\"often\\"","instance":"/a","correlationId":"%s","reason":"too_often","limits":["a","b"]}'
      ):format(problem.correlationId),
      res.body
    )
  end)

  for what, members in pairs {
    ['must not hold "status"'] = { status = 200 },
    ['must not hold "1"'] = { "x" },
    ['the member "type" must be a string'] = { type = 5 },
    ["cannot be JSON"] = { x = print },
    ["members must be a table"] = "x",
  } do
    it("says what is wrong with members: " .. what, function()
      local res, gw = answer(function(_, ctx) return ctx.response:error(400, "x", nil, members) end)
      assert.equal(500, res.status)
      assert.is_truthy(gw.log[1].text:find(what, 1, true), gw.log[1].text)
    end)
  end
end)
