local gateway = require("moongate.spec")

local APP = "https://app.example.com"

describe("cors", function()
  local gw = gateway.new {
    config = [[
default_access: allow
consumers:
  - { username: alice, keyauth_credentials: [{ key: k-alice }] }
services:
  - name: up
    url: http://up.test
    routes:
      - { name: open, paths: [/open], plugins: [{ name: cors }] }
      - { name: named, paths: [/named], plugins: [{ name: cors, config: { origins: ['https://.*'], credentials: true } }] }
      - { name: one, paths: [/one], plugins: [{ name: cors, config: { origins: ["https://app.example.com"] } }] }
      - name: many
        paths: [/many]
        plugins:
          - name: cors
            config:
              origins: ["https://app.example.com", 'https://(a|b)\.example\.net', '(?:[a-z]+\.)?example\.org', "https://s.example:8443"]
              credentials: true
              methods: [GET, PUT]
              headers: [X-One, X-Two]
              exposed_headers: [X-Three, X-Four]
              max_age: 600
              private_network: true
      - { name: null, paths: [/null], plugins: [{ name: cors, config: { origins: ["null"], credentials: true } }] }
      - { name: absent, paths: [/absent], plugins: [{ name: cors, config: { allow_origin_absent: false } }] }
      - { name: through, paths: [/through], plugins: [{ name: cors, config: { preflight_continue: true } }] }
      - { name: key, paths: [/key], plugins: [{ name: cors, config: { origins: ["https://app.example.com"] } }, { name: key-auth }] }
  - name: dead
    url: http://dead.test
    retries: 0
    routes:
      - { name: dead, paths: [/dead], plugins: [{ name: cors }] }
      - { name: small, paths: [/small], limits: { body: 1k }, plugins: [{ name: cors }] }
]],
  }

  gw.upstream:reply {
    body = "fine",
    headers = {
      Vary = "Accept-Encoding",
      ["Access-Control-Allow-Origin"] = "*",
      ["Access-Control-Allow-Credentials"] = "true",
    },
  }
  gw.upstreams.dead:refuse()

  local function get(path, origin)
    local res = gw:get(path, { headers = { Origin = origin } })
    return res.headers, res
  end

  local function preflight(path, origin, more)
    local headers = { Origin = origin, ["Access-Control-Request-Method"] = "PUT" }
    for name, value in pairs(more or {}) do
      headers[name] = value
    end
    local res = gw:request("OPTIONS", path, { headers = headers })
    return res.headers, res
  end

  local function allowed(path, origin) return get(path, origin)["access-control-allow-origin"] end

  it("allows everybody when nothing is configured, without credentials", function()
    local headers = get("/open", APP)
    assert.equal("*", headers["access-control-allow-origin"])
    assert.is_nil(headers["access-control-allow-credentials"])
    assert.equal("Accept-Encoding", headers.vary)
  end)

  it("names the origin, never *, where credentials are allowed", function()
    local headers = get("/named", APP)
    assert.equal(APP, headers["access-control-allow-origin"])
    assert.equal("true", headers["access-control-allow-credentials"])
    assert.equal("Accept-Encoding, Origin", headers.vary)
    headers = get("/named")
    assert.is_nil(headers["access-control-allow-origin"])
    assert.equal("Accept-Encoding, Origin", headers.vary)
  end)

  it("allows origins by name, by regex of the whole and by regex of the host", function()
    for _, origin in ipairs {
      APP,
      "https://a.example.net",
      "https://b.example.net",
      "http://www.example.org",
      "https://example.org:8080",
      "https://s.example:8443",
    } do
      local headers = get("/many", origin)
      assert.equal(origin, headers["access-control-allow-origin"])
      assert.equal("true", headers["access-control-allow-credentials"])
      assert.equal("X-Three, X-Four", headers["access-control-expose-headers"])
    end
  end)

  it("refuses what only looks like them", function()
    for _, origin in ipairs {
      "https://evil-app.example.com",
      "https://app.example.com.evil.example",
      "http://app.example.com",
      "https://app.example.com:444",
      "https://c.example.net",
      "https://a.example.net.evil",
      "http://a.example.net",
      "https://evilexample.org",
      "https://www.example.org.evil",
      "https://s.example",
      "null",
      "https://app.example.com/",
      "app.example.com",
      "*",
      "",
      "https://www.example.org@evil.example",
      "https://evil.example/www.example.org",
      "https://[www.example.org]:x",
    } do
      local headers = get("/many", origin)
      assert.is_nil(headers["access-control-allow-origin"], origin)
      assert.is_nil(headers["access-control-allow-credentials"], origin)
      assert.equal("Accept-Encoding, Origin", headers.vary)
    end
  end)

  it("sees through case and the scheme's own port", function()
    assert.equal("https://APP.example.com:443", allowed("/one", "https://APP.example.com:443"))
    assert.is_nil(allowed("/one", "https://app.example.com:80"))
  end)

  it("tells a lone origin also to requests without one", function()
    assert.equal(APP, allowed("/one"))
    assert.is_nil(allowed("/many"))
  end)

  it("says nothing without an origin where it shall not, and that it depends on it", function()
    local headers = get("/absent")
    assert.equal("*", headers["access-control-allow-origin"]) -- the service's own
    assert.equal("Accept-Encoding, Origin", headers.vary)
    assert.equal("*", allowed("/absent", APP))
  end)

  it("takes the origin null for nobody, unless it is named", function()
    assert.equal("*", allowed("/open", "null"))
    assert.is_nil(allowed("/named", "null"))
    assert.is_nil(allowed("/many", "null"))
    assert.equal("null", allowed("/null", "null"))
    assert.is_nil(allowed("/null", "https://null"))
  end)

  it("answers preflights itself", function()
    local before = #gw.upstream.requests
    local headers, res = preflight("/many", APP)
    assert.equal(200, res.status)
    assert.equal("", res.body)
    assert.equal(APP, headers["access-control-allow-origin"])
    assert.equal("true", headers["access-control-allow-credentials"])
    assert.equal("GET, PUT", headers["access-control-allow-methods"])
    assert.equal("X-One, X-Two", headers["access-control-allow-headers"])
    assert.equal("600", headers["access-control-max-age"])
    assert.matches("Origin", headers.vary)
    assert.is_nil(headers["access-control-expose-headers"])
    assert.is_nil(headers["access-control-allow-private-network"])
    assert.equal(before, #gw.upstream.requests)
  end)

  it("allows the headers a preflight asks for when none are configured", function()
    local headers = preflight("/open", APP, { ["Access-Control-Request-Headers"] = "x-a,x-b" })
    assert.equal("x-a,x-b", headers["access-control-allow-headers"])
    assert.equal("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", headers["access-control-allow-methods"])
    assert.is_nil(preflight("/open", APP)["access-control-allow-headers"])
  end)

  it("lets pages into a private network only where it is told to", function()
    local ask = { ["Access-Control-Request-Private-Network"] = "true" }
    assert.equal("true", preflight("/many", APP, ask)["access-control-allow-private-network"])
    assert.is_nil(preflight("/open", APP, ask)["access-control-allow-private-network"])
  end)

  it("allows an unknown origin nothing in a preflight", function()
    local headers, res = preflight("/many", "https://evil.example")
    assert.equal(200, res.status)
    for name in pairs(headers) do
      assert.is_nil(name:find("^access%-control"), name)
    end
    assert.matches("Origin", headers.vary)
  end)

  it("lets OPTIONS requests that are no preflight go their way", function()
    local before = #gw.upstream.requests
    gw:request("OPTIONS", "/open", { headers = { Origin = APP } })
    gw:request("OPTIONS", "/open", { headers = { ["Access-Control-Request-Method"] = "PUT" } })
    gw:get("/open", { headers = { Origin = APP, ["Access-Control-Request-Method"] = "PUT" } })
    assert.equal(before + 3, #gw.upstream.requests)
  end)

  it("leaves preflights to the service where it is told to, and their headers too", function()
    local before = #gw.upstream.requests
    local headers = preflight("/through", APP)
    assert.equal(before + 1, #gw.upstream.requests)
    assert.equal("true", headers["access-control-allow-credentials"])
    assert.is_nil(get("/through", APP)["access-control-allow-credentials"])
  end)

  it("answers a preflight before anybody asks for a key", function()
    local headers, res = preflight("/key", APP)
    assert.equal(200, res.status)
    assert.equal(APP, headers["access-control-allow-origin"])
  end)

  it("lets pages read refusals, too: 401, 413, 502", function()
    local headers, res = get("/key", APP)
    assert.equal(401, res.status)
    assert.equal(APP, headers["access-control-allow-origin"])
    headers, res = get("/dead", APP)
    assert.equal(502, res.status)
    assert.equal("*", headers["access-control-allow-origin"])
    res = gw:post("/small", { headers = { Origin = APP }, body = ("x"):rep(2000) })
    assert.equal(413, res.status)
    assert.equal("*", res.headers["access-control-allow-origin"])
  end)

  it("lets pages read what is made after it: another plugin's answer, an error", function()
    local own = gateway.new {
      plugins = {
        "cors",
        {
          name = "late",
          response = function(_, ctx)
            if ctx.request:get_path() == "/bad" then error("oops") end
            return ctx.response:exit(409, "late")
          end,
        },
      },
    }
    for path, status in pairs { ["/"] = 409, ["/bad"] = 500 } do
      local res = own:get(path, { headers = { Origin = APP } })
      assert.equal(status, res.status)
      assert.equal("*", res.headers["access-control-allow-origin"])
    end
  end)

  it("is on a 404, too, where it is used for everything", function()
    local own = gateway.new { config = [[
default_access: allow
plugins: [{ name: cors }]
]] }
    local res = own:get("/", { headers = { Origin = APP } })
    assert.equal(404, res.status)
    assert.equal("*", res.headers["access-control-allow-origin"])
  end)

  it("does not load with what cannot work", function()
    for _, case in ipairs {
      { { origins = { "https://(a" } }, "origins%[0%].-is no regular expression: missing closing parenthesis" },
      { { credentials = true }, "credentials.-need named origins" },
      { { credentials = true, origins = { APP, "*" } }, "credentials.-need named origins" },
      { { methods = { "get" } }, "methods%[0%]" },
      { { headers = { "a b" } }, "headers%[0%]" },
    } do
      assert.error_matches(
        function() gateway.new { plugins = { { name = "cors", config = case[1] } } } end,
        case[2]
      )
    end
  end)

  it("takes Kong's defaults in a Kong file, where all origins may send credentials", function()
    local own = gateway.new {
      config = [[
_format_version: "3.0"
services:
  - name: s
    url: http://s.test
    routes: [{ name: r, paths: [/], plugins: [{ name: cors, config: { credentials: true } }] }]
]],
    }
    assert.equal(APP, own:get("/", { headers = { Origin = APP } }).headers["access-control-allow-origin"])
  end)
end)
