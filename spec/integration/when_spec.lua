-- Conditions at plugins' uses, on the whole way.
local gateway = require("moongate.spec")

-- A plugin that says in headers and bodies which of its hooks ran.
local TELLTALE = {
  name = "telltale",
  handler = {
    access = function(_, ctx) ctx.service.request:set_header("x-access", "ran") end,
    request_body = function(_, _, chunk) return chunk:upper() end,
    response = function(_, ctx) ctx.response:set_header("x-response", "ran") end,
    body = function(_, _, chunk) return chunk:upper() end,
    log = function(_, ctx) ctx.log:notice("telltale logs") end,
  },
}

local function use(when, more)
  local plugin = { when = when }
  for key, value in pairs(TELLTALE) do
    plugin[key] = value
  end
  for key, value in pairs(more or {}) do
    plugin[key] = value
  end
  return plugin
end

-- What of it ran: its hooks, by their traces.
local function traces(gw, options)
  gw.log:clear()
  gw.upstream:reply { body = "said" }
  local res = gw:post("/", options)
  local seen, ran = gw.upstream.last_request, {}
  if seen.headers["x-access"] then ran[#ran + 1] = "access" end
  if seen.body == "ASKED" then ran[#ran + 1] = "request_body" end
  if res.headers["x-response"] then ran[#ran + 1] = "response" end
  if res.body == "SAID" then ran[#ran + 1] = "body" end
  if gw.log:find("telltale logs") then ran[#ran + 1] = "log" end
  return table.concat(ran, " "), res
end

describe("a plugin with a condition", function()
  local gw = gateway.new { plugins = { use('request.headers["x-on"] == "1"') } }

  it(
    "runs in all its hooks where the condition holds",
    function()
      assert.equal(
        "access request_body response body log",
        (traces(gw, { body = "asked", headers = { ["X-On"] = "1" } }))
      )
    end
  )

  it("runs in none where it does not", function()
    local ran, res = traces(gw, { body = "asked", headers = { ["X-On"] = "2" } })
    assert.equal("", ran)
    assert.equal("said", res.body)
  end)
end)

describe("a condition that fails", function()
  local gw = gateway.new { plugins = { use("request.headers.none > 1") } }

  it("is a 500 of its plugin", function()
    local res = gw:get("/")
    assert.equal(500, res.status)
    assert.truthy(gw.log:find("plugin telltale, access, .*when:%d+: attempt to compare"))
  end)

  local lenient = gateway.new { plugins = { use("request.headers.none > 1", { on_error = "skip" }) } }

  it(
    "leaves the plugin out where on_error says so",
    function() assert.equal("", (traces(lenient, { body = "asked" }))) end
  )
end)

describe("a condition over the client", function()
  local gw = gateway.new {
    trusted_proxies = { "192.0.2.1" },
    plugins = {
      { name = "key-auth", config = { anonymous = "guest" } },
      use(
        'client.ip == "198.51.100.7" or '
          .. '(consumer and consumer.groups.gold and route.name == "all" and request.query.x == "1")'
      ),
    },
    consumers = {
      { username = "anna", groups = { "gold" }, keyauth_credentials = { { key = "k1" } } },
      { username = "guest" },
    },
    route = { name = "all" },
  }

  it("sees the address behind trusted proxies", function()
    assert.truthy(
      traces(gw, { body = "asked", headers = { ["X-Forwarded-For"] = "198.51.100.7" } }):find("access")
    )
    assert.equal("", (traces(gw, { body = "asked", headers = { ["X-Forwarded-For"] = "198.51.100.8" } })))
  end)

  it("sees the consumer, its groups, the route and the query", function()
    assert.truthy(traces(gw, { body = "asked", query = "x=1", headers = { apikey = "k1" } }):find("access"))
    assert.equal("", (traces(gw, { body = "asked", headers = { apikey = "k1" } })))
    assert.equal("", (traces(gw, { body = "asked", query = "x=1" })))
  end)
end)
