--- moongate.expression and ctx.client:get_forwarded_network, as a plugin meets them.
local gateway = require("moongate.spec")

local function ask(access, opts, more)
  local gw = gateway.new {
    plugins = { { access = access } },
    trusted_proxies = { "10.0.0.0/8" },
    consumers = more,
  }
  return (opts and opts.body and gw.post or gw.get)(gw, "/a/b?x=1&y=%00", opts), gw
end

describe("moongate.expression", function()
  local function value(text, opts)
    local compiled
    local res = ask(function(_, ctx)
      compiled = compiled or require("moongate.expression").compile(text)
      local got = compiled(ctx)
      return ctx.response:exit(200, type(got) .. " " .. tostring(got))
    end, opts)
    assert.equal(200, res.status)
    return res.body
  end

  it("says what the request has", function()
    assert.equal("string GET /a/b", value('request.method .. " " .. request.path'))
    assert.equal("number 2", value("request.query.x + 1"))
    assert.equal("string \0", value("request.query.y"))
    assert.equal("nil nil", value("request.query.none"))
    assert.equal("string all", value("route.name"))
    assert.equal("nil nil", value("consumer and consumer.id"))
    assert.equal("number 5", value("request.content_length", { body = "12345" }))
    assert.equal("nil nil", value("request.content_length"))
  end)

  it("is refused where it is no expression", function()
    local res, gw = ask(function() require("moongate.expression").compile("reqest.path") end)
    assert.equal(500, res.status)
    assert.matches('the expression knows no "reqest" %(did you mean "request"%?%)', gw.log[1].text)
  end)
end)

describe("ctx.client:get_forwarded_network", function()
  local function network(from, bits, headers)
    local res = ask(
      function(_, ctx) return ctx.response:exit(200, ctx.client:get_forwarded_network(bits)) end,
      { from = from, headers = headers }
    )
    return res.body
  end

  it("is the address of IPv4 and the /64 of IPv6", function()
    assert.equal("192.0.2.7", network("192.0.2.7"))
    assert.equal("2001:db8:0:1::/64", network("2001:db8:0:1:2:3:4:5"))
    assert.equal("2001:db8::/64", network("2001:DB8::ffff"))
  end)

  it("takes as many bits as asked for", function()
    assert.equal("2001:db8:fe00::/39", network("2001:db8:ff12::1", 39))
    assert.equal("8000::/1", network("ffff::1", 1))
    assert.equal("2001:db8::1", network("2001:db8::1", 128))
    assert.equal("2001:db8::2/127", network("2001:db8::3", 127))
  end)

  it("believes X-Forwarded-For of trusted proxies alone", function()
    local headers = { ["X-Forwarded-For"] = "2001:db8:0:9::1" }
    assert.equal("2001:db8:0:9::/64", network("10.0.0.1", nil, headers))
    assert.equal("192.0.2.1", network("192.0.2.1", nil, headers))
  end)

  it(
    "knows an IPv4 address in the clothes of IPv6",
    function() assert.equal("192.0.2.7", network("10.0.0.1", nil, { ["X-Forwarded-For"] = "::ffff:192.0.2.7" })) end
  )
end)
