local keys = require("moongate.limit.keys")

local function problem(record)
  local message, field = keys.problem(record)
  return message and field .. ": " .. message
end

describe("moongate.limit.keys", function()
  it("reads every way to say whom a limit counts", function()
    for _, value in ipairs {
      "consumer",
      "credential",
      "ip",
      "route",
      "service",
      "path",
      { "consumer", "route" },
      { header = "X-A" },
      { claim = "org.id" },
      { expression = "request.query.region" },
      { path = "/login" },
      { "ip", { header = "X-A" }, { expression = "request.method" } },
    } do
      assert.is_nil(problem { limit_by = value })
    end
    assert.is_nil(problem {})
    assert.is_nil(problem { limit_by = "header", header_name = "X-A" })
  end)

  it("says what is wrong, and what was meant", function()
    for reason, value in pairs {
      ['must be one of claim, consumer, credential, expression, header, ip, path, route, service, got "user"'] = "user",
      ["needs header_name, or is written { header: NAME }"] = "header",
      ["claim says of what as a map: { claim: … }"] = "claim",
      ['knows no { headr: … } (did you mean "header"?)'] = { headr = "x" },
      ["{ header: … } needs a text"] = { header = 5 },
      ['a path must begin with "/"'] = { path = "login" },
      ["a part of a key is one word or a map of one"] = { { header = "a", claim = "b" } },
      ["must not be empty"] = {},
      ["must be a word, a map of one, or a list of them"] = 5,
      ['the expression knows no "reqest" (did you mean "request"?)'] = { expression = "reqest.path" },
    } do
      assert.equal("limit_by: " .. reason, problem { limit_by = value })
    end
  end)
end)
