-- The language of `when:`; what it sees stands in spec/unit/script/when_spec.lua.
local when = require("moongate.when")

describe("when:", function()
  for _, text in ipairs {
    'request.method == "POST"',
    'request.path:find("^/v1")',
    "consumer and consumer.username == 'anna'",
    'request.headers["x-a"] == nil or not client.trusted',
    "route.tags.beta",
    "#request.path > 10 and true",
    '(request.query.a or "") .. "b" == [[ab]]',
    "request.headers.x\n  and\n  request.port >= 0x10",
    '("POST PUT"):find(request.method, 1, true)',
    'request.headers["function"] == "a--b"',
    [[request.headers.a == "a\"b" and request.headers.b == '\\']],
    "client.ip ~= '::1' and 1.5e3 % 2 == 0",
    "request.headers.end_",
    "request.path:sub(1, 3) == '/a)'",
  } do
    it("takes " .. text, function()
      assert.is_table(when.check(text))
      assert.is_function(when.compile(text))
    end)
  end

  for text, reason in pairs {
    [""] = "must not be empty",
    ["  \n"] = "must not be empty",
    ["request.method =="] = "is no Lua expression: unexpected symbol near ')'",
    ["request.method = 'GET'"] = "cannot read \"= 'GET'\"",
    ["os.exit()"] = 'knows no "os" (known: client, consumer, request, route)',
    ["reqest.method"] = 'knows no "reqest" (did you mean "request"?)',
    ["request.metod == 'GET'"] = 'request has no field "metod" (did you mean "method"?)',
    ["consumer.name"] = 'consumer has no field "name" (known: id, username, custom_id, groups, tags)',
    ["(function() while true do end end)()"] = '"function" cannot stand here: it is one expression, no statement and no function',
    ["true end"] = '"end" cannot stand here: it is one expression, no statement and no function',
    ["true) or (true"] = 'has a ")" too many',
    ["(true"] = 'lacks a ")"',
    ["true, false"] = 'cannot have a "," here',
    ["{}"] = 'cannot have a "{" here',
    ["true -- always"] = 'cannot read "-- always"',
    ["'a"] = 'cannot read "\'a"',
    ["true; x"] = 'cannot read "; x"',
    ["_G.os"] = 'knows no "_G" (known: client, consumer, request, route)',
    ["request.path:find([=[a]])"] = 'cannot read "[=[a]])"',
  } do
    it("refuses " .. text, function()
      local ok, why = when.check(text)
      assert.is_nil(ok)
      assert.equal(reason, why)
    end)
  end

  it("refuses what is too long", function()
    local _, why = when.check(("x"):rep(1001))
    assert.equal("is longer than 1000 bytes", why)
  end)

  it("never raises, whatever the text", function()
    local pieces =
      { "request", ".", ":", "(", ")", "[", "]", '"', "'", "\\", " ", "\n", "and", "x", "1", "..", "=", "[[" }
    math.randomseed(7)
    for _ = 1, 5000 do
      local text = {}
      for i = 1, math.random(1, 12) do
        text[i] = pieces[math.random(#pieces)]
      end
      local whole = table.concat(text)
      local ok, why = when.check(whole)
      assert.is_true(type(ok) == "table" or type(why) == "string", whole)
      if ok then when.compile(whole) end
    end
  end)

  it("is warned about where it speaks of what its plugin cannot know yet", function()
    local schema = require("moongate.schema")
    local text = "default_access: allow\nplugins:\n  - { name: early, when: not consumer and not route }\n"
      .. "services:\n  - url: http://a\n    plugins:\n      - { name: early, when: route.name == 'consumer' }\n"
      .. "      - { name: late, when: consumer }\n"
    local normal = require("moongate.config").load("moongate.yaml", {
      text = text,
      folder = "/nowhere",
      env = function() end,
      check_regex = function() return true end,
      plugins = function(name)
        return {
          name = name,
          schema = schema.record {},
          hooks = { [name == "early" and "rewrite" or "access"] = true },
        }
      end,
    })
    local warnings = {}
    for i, warning in ipairs(normal.warnings) do
      warnings[i] = warning.line .. " " .. warning.message
    end
    table.remove(warnings, 1) -- nobody listens
    assert.same({
      "3 consumer is nil in rewrite, where early begins",
      "3 route is nil in rewrite, where early begins (a global use)",
    }, warnings)
  end)
end)
