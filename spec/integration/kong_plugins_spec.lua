-- Plugins that were written for Kong, at work: as they are (spec/kong/original), and moved by the rules of docs/kong.md
-- (spec/kong/moved).
local files = require("moongate.config.files")
local gateway = require("moongate.spec")
local host = require("support.host")
local json = require("cjson")
local move = require("moongate.kong.move")

local FOLDER = host.source_dir .. "/spec/kong"

local function read(path) return assert(files.read(FOLDER .. "/" .. path)) end

local function known(file, name)
  local text = assert(files.read(("%s/lua/moongate/pdk/%s.lua"):format(host.source_dir, file)))
  return text:find(("\nfunction M:%s("):format(name), 1, true) ~= nil
end

describe("a plugin moved from Kong", function()
  local names = files.list(FOLDER .. "/original")

  it("is one of eleven", function() assert.equal(11, #names) end)

  for _, name in ipairs(names) do
    it(name .. " differs by the renames only", function()
      local text, notes = move.file(read("original/" .. name .. "/handler.lua"), known)
      assert.same({}, notes)
      assert.equal(text, read("moved/" .. name .. "/handler.lua"))
      assert.equal(read("original/" .. name .. "/schema.lua"), read("moved/" .. name .. "/schema.lua"))
    end)
  end
end)

for _, form in ipairs { "original", "moved" } do
  -- One plugin of the ten in a gateway of its own, for the block around it.
  local function start(name, config, options)
    options = options or {}
    options.plugin_paths = { FOLDER .. "/" .. form }
    options.plugins = options.plugins or {}
    table.insert(options.plugins, { name = name, config = config })
    return gateway.new(options)
  end

  describe("header-rules, " .. form, function()
    local gw = start("header-rules", {
      request = { add = { "X-Team: blue" }, rename = { "X-Old: X-New" }, remove = { "x-secret" } },
      response = { add = { "X-Served-By: us", "X-Served-By: them" }, remove = { "Server" } },
    })

    it("changes headers both ways", function()
      gw.upstream:reply { headers = { Server = "x" } }
      local res = gw:get("/", { headers = { ["X-Old"] = "1", ["X-Secret"] = "s" } })
      local headers = gw.upstream.last_request.headers
      assert.same({ "blue", "1" }, { headers["x-team"], headers["x-new"] })
      assert.is_nil(headers["x-old"])
      assert.is_nil(headers["x-secret"])
      assert.equal("us, them", res.headers["x-served-by"])
      assert.is_nil(res.headers.server)
    end)

    it("has the schema that was written for Kong", function()
      assert.error_matches(
        function() start("header-rules", { request = { add = { "no colon" } } }) end,
        'request%.add%[0%]: "no colon" does not match the pattern'
      )
      assert.error_matches(
        function() start("header-rules", { request = { remove = { "a b" } } }) end,
        "request%.remove%[0%].- is not a header name"
      )
      assert.error_matches(function() start("header-rules", { rekwest = {} }) end, 'did you mean "request"%?')
    end)
  end)

  describe("claims-to-headers, " .. form, function()
    local gw = start(
      "claims-to-headers",
      { required = true, mapping = { sub = "X-User", ["address.country"] = "X-Country" } }
    )

    it("gives claims to the service", function()
      gw:get("/", {
        headers = {
          ["X-Userinfo"] = json.encode { sub = "u-1", address = { country = "CH" } },
          ["X-Country"] = "forged",
        },
      })
      assert.equal("u-1", gw.upstream.last_request.headers["x-user"])
      assert.equal("CH", gw.upstream.last_request.headers["x-country"])
      gw:get("/", { headers = { ["X-Userinfo"] = "{}", ["X-Country"] = "forged" } })
      assert.is_nil(gw.upstream.last_request.headers["x-country"])
    end)

    it("refuses who has none", function()
      local res = gw:get("/")
      assert.same(
        { 401, "Bearer", { message = "Unauthorized", reason = "no user information" } },
        { res.status, res.headers["www-authenticate"], res:json() }
      )
      assert.equal(401, gw:get("/", { headers = { ["X-Userinfo"] = "{" } }).status)
      assert.truthy(gw.log:find("the user information cannot be read"))
    end)
  end)

  describe("external-auth, " .. form, function()
    local answer
    local gw = start("external-auth", {
      url = "http://auth.test:81/check",
      copy_headers = { "X-User" },
      forward_headers = { "authorization" },
    }, {
      fetch = { allow = { "auth.test" } },
      upstreams = { ["auth.test:81"] = function() return answer end },
    })

    it("lets pass what the service lets pass, with its headers", function()
      answer = { status = 200, headers = { ["X-User"] = "anna" } }
      assert.equal(200, gw:get("/a?b=c", { headers = { Authorization = "x" } }).status)
      assert.equal("anna", gw.upstream.last_request.headers["x-user"])
    end)

    it("answers what the service answers otherwise", function()
      answer = { status = 403, headers = { ["Content-Type"] = "text/x-no" }, body = "no" }
      local res = gw:get("/")
      assert.same({ 403, "no", "text/x-no" }, { res.status, res.body, res.headers["content-type"] })
    end)

    it("is closed when the service is not there", function()
      answer = { delay = 60 }
      local res = gw:get("/")
      assert.same({ 503, 5 }, { res.status, math.floor(res.took + 0.5) })
    end)
  end)

  describe("response-merger, " .. form, function()
    local gw = start("response-merger", { url = "http://prices.test/1", field = "price" }, {
      fetch = { allow = { "prices.test" } },
      upstreams = {
        ["prices.test:80"] = function(request)
          return request.headers.accept == "application/json" and { body = { eur = 5 } } or { status = 400 }
        end,
      },
    })

    it("puts the second answer into the first", function()
      gw.upstream:reply { headers = { ["content-type"] = "application/json" }, chunks = { '{"name":', '"x"}' } }
      local res = gw:get("/")
      assert.same({ name = "x", price = { eur = 5 } }, res:json())
      assert.equal("price", res.headers["x-merged"])
    end)

    it("leaves what is no JSON alone", function()
      gw.upstream:reply { body = "plain" }
      assert.equal("plain", gw:get("/").body)
    end)
  end)

  describe("idempotency, " .. form, function()
    local gw = start("idempotency", { ttl = 60 })

    it("answers the same key as before, for a while", function()
      local count = 0
      gw.upstream:reply(function()
        count = count + 1
        return { status = 201, headers = { ["content-type"] = "text/x-order" }, body = "order " .. count }
      end)
      local function post(key) return gw:post("/orders", { body = "x", headers = { ["Idempotency-Key"] = key } }) end
      assert.equal("order 1", post("a").body)
      local again = post("a")
      assert.same(
        { 201, "order 1", "text/x-order", "true" },
        { again.status, again.body, again.headers["content-type"], again.headers["x-idempotent-replay"] }
      )
      assert.equal("order 2", post("b").body)
      gw.clock:advance(61)
      assert.equal("order 3", post("a").body)
    end)

    it(
      "refuses what is no key",
      function()
        assert.equal(400, gw:post("/orders", { headers = { ["Idempotency-Key"] = ("x"):rep(129) } }).status)
      end
    )
  end)

  describe("url-rewrite, " .. form, function()
    local gw = start(
      "url-rewrite",
      { path = "/v2/$(id)/items", query = { from = "$(query.from)", who = "$(header.x-who)" } },
      {
        route = { paths = { "/users/{id}" } },
      }
    )

    it("makes path and query of a template", function()
      gw:get("/users/7?from=a%20b", { headers = { ["X-Who"] = "me" } })
      assert.equal("/v2/7/items?from=a%20b&who=me", gw.upstream.last_request.target)
    end)
  end)

  describe("request-id, " .. form, function()
    local gw = start("request-id", { trust_client = true })

    it("makes one or takes the client's, and echoes it", function()
      local res = gw:get("/")
      assert.matches("^%x+%-%x+%-%x+%-%x+%-%x+$", res.headers["x-request-id"])
      assert.equal(res.headers["x-request-id"], gw.upstream.last_request.headers["x-request-id"])
      assert.equal("mine", gw:get("/", { headers = { ["X-Request-ID"] = "mine" } }).headers["x-request-id"])
      assert.is_not.equal("a b", gw:get("/", { headers = { ["X-Request-ID"] = "a b" } }).headers["x-request-id"])
    end)
  end)

  describe("maintenance-mode, " .. form, function()
    local gw = start("maintenance-mode", {
      password = "sesame",
      allowed_ips = { "192.0.2.9" },
      allowed_paths = { "/health" },
      retry_after = 60,
    })

    it("answers 503, to browsers in HTML", function()
      local res = gw:get("/")
      assert.same(
        { 503, "60", { message = "We are working on it." } },
        { res.status, res.headers["retry-after"], res:json() }
      )
      res = gw:get("/", { headers = { Accept = "text/html" } })
      assert.same(
        { "<h1>We are working on it.</h1>", "text/html; charset=utf-8" },
        { res.body, res.headers["content-type"] }
      )
    end)

    it("lets the few pass", function()
      assert.equal(200, gw:get("/health/live").status)
      assert.equal(200, gw:get("/", { from = "192.0.2.9" }).status)
      assert.equal(200, gw:get("/?maintenance=sesame").status)
      assert.equal(503, gw:get("/?maintenance=other").status)
    end)
  end)

  describe("canary-routing, " .. form, function()
    local options = {
      upstreams = { ["canary.test:80"] = function() return { body = "canary" } end },
      consumers = { { username = "anna", keyauth_credentials = { { key = "k1" } } }, { username = "guest" } },
      plugins = { { name = "key-auth", config = { anonymous = "guest" } } },
    }
    local gw = start(
      "canary-routing",
      { host = "canary.test", port = 80, consumers = { "anna" }, percentage = 20 },
      options
    )

    it("sends who wants it, chosen consumers and a share of the rest to the other upstream", function()
      gw.upstream:reply { body = "stable" }
      local function get(headers) return gw:get("/", { headers = headers }) end
      assert.equal("canary", get({ ["X-Canary"] = "always" }).body)
      assert.equal("stable", get({ ["X-Canary"] = "never", apikey = "k1" }).body)
      local res = get({ apikey = "k1" })
      assert.same({ "canary", "true" }, { res.body, res.headers["x-canary"] })
    end)

    it("has rules over its fields", function()
      assert.error_matches(
        function() start("canary-routing", {}) end,
        "at least one of these fields must be set: upstream, host"
      )
      assert.error_matches(function() start("canary-routing", { host = "a" }) end, "all or none of these fields")
      assert.error_matches(
        function() start("canary-routing", { host = "a", port = 1, upstream = "u" }) end,
        "exactly one of these fields must be set: upstream, host"
      )
    end)
  end)

  describe("audit-log, " .. form, function()
    local gw = start("audit-log", { tags = { "a", "b" } })

    it("writes a line for what changes something", function()
      gw:get("/read")
      gw:post("/write?x=1", { body = "four", headers = { Authorization = "secret", Cookie = "c=1" } })
      local lines = {}
      for _, line in ipairs(gw.log) do
        local text = line.text:match("audit ({.*})$")
        if text then lines[#lines + 1] = json.decode(text) end
      end
      assert.equal(1, #lines)
      local said = lines[1]
      assert.same({ "POST", "/write?x=1", "REDACTED", "***", 4 }, {
        said.request.method,
        said.request.uri,
        said.request.headers.authorization,
        said.request.headers.cookie,
        said.request.size,
      })
      assert.equal("a,b", said.audit.tags)
      assert.is_string(said.audit.node)
    end)
  end)

  describe("request-signer, " .. form, function()
    local crypto -- as the plugin has it
    local gw = start("request-signer", { key_id = "k1", secret = "hush", signed_headers = { "X-Team" } }, {
      plugins = {
        { name = "lends", handler = { access = function() crypto = require("moongate.crypto") end } },
      },
    })

    it("signs what the service gets, the body included", function()
      gw:post("/a?b=c", { body = "four", headers = { ["X-Team"] = "blue" } })
      local seen = gw.upstream.last_request
      assert.equal("four", seen.body)
      local digest = crypto.base64_encode(crypto.sha1("four"))
      local text = ("POST\n/a?b=c\n%s\nx-team:blue\n%s"):format(seen.headers["x-date"], digest)
      assert.equal(
        "HMAC k1:" .. crypto.base64_encode(crypto.hmac("sha1", "hush", text)),
        seen.headers.authorization
      )
    end)
  end)
end
