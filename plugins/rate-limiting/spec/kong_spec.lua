--- Files that were written for Kong, as decK dumps them.
local gateway = require("moongate.spec")

local function file(config)
  return ([[
_format_version: "3.0"
_info: { defaults: {}, select_tags: [shop] }
consumer_groups:
  - name: gold
    id: 9b2a4d6e-1111-4000-8000-00000000000a
consumers:
  - username: ann
    custom_id: c-1
    groups: [{ name: gold }]
    keyauth_credentials: [{ key: k-ann }]
  - username: bob
    keyauth_credentials: [{ key: k-bob }]
services:
  - name: shop
    connect_timeout: 60000
    enabled: true
    host: 127.0.0.1
    port: 1001
    protocol: http
    read_timeout: 60000
    retries: 5
    write_timeout: 60000
    plugins:
      - name: rate-limiting
        enabled: true
        protocols: [grpc, grpcs, http, https]
        config:
%s
    routes:
      - name: shop
        paths: [/shop]
        https_redirect_status_code: 426
        path_handling: v0
        preserve_host: false
        protocols: [http, https]
        regex_priority: 0
        request_buffering: true
        response_buffering: true
        strip_path: true
]]):format((config:gsub("[^\n]+", "          %0")))
end

local DUMP = [[
day: null
error_code: 429
error_message: API rate limit exceeded
fault_tolerant: true
header_name: null
hide_client_headers: false
hour: 10
limit_by: consumer
minute: 5
month: null
path: null
policy: local
redis:
  database: 0
  host: null
  password: null
  port: 6379
  server_name: null
  ssl: false
  ssl_verify: false
  timeout: 2000
  username: null
redis_database: 0
redis_host: null
redis_password: null
redis_port: 6379
redis_server_name: null
redis_ssl: false
redis_ssl_verify: false
redis_timeout: 2000
redis_username: null
second: null
sync_rate: -1
year: null]]

describe("rate-limiting in a file of Kong's", function()
  it("loads as decK dumps it, and says what Kong says", function()
    local gw = gateway.new { auto_advance = false, config = file(DUMP) }
    gw.clock:advance(15)
    local res = gw:get("/shop")
    assert.equal(200, res.status)
    for name, value in pairs {
      ["x-ratelimit-limit-minute"] = "5",
      ["x-ratelimit-remaining-minute"] = "4",
      ["x-ratelimit-limit-hour"] = "10",
      ["x-ratelimit-remaining-hour"] = "9",
      ["ratelimit-limit"] = "5",
      ["ratelimit-remaining"] = "4",
      ["ratelimit-reset"] = "45",
    } do
      assert.has_header(res, name, value)
    end
    for _ = 1, 4 do
      assert.equal(200, gw:get("/shop").status)
    end
    res = gw:get("/shop")
    assert.equal(429, res.status)
    assert.has_header(res, "retry-after", "45")
    assert.equal("API rate limit exceeded", res:json().detail)
    gw.clock:advance(45)
    for _ = 1, 5 do
      assert.equal(200, gw:get("/shop").status)
    end
    res = gw:get("/shop")
    assert.equal(429, res.status) -- both are over now
    assert.has_header(res, "retry-after", "3540")
  end)

  it("falls back to the address wherever the key is missing", function()
    for _, by in ipairs {
      "limit_by: header\nheader_name: X-Tenant",
      "limit_by: path\npath: /other",
      "limit_by: credential",
    } do
      local gw = gateway.new { auto_advance = false, config = file("minute: 1\n" .. by) }
      assert.equal(200, gw:get("/shop", { from = "192.0.2.1" }).status)
      assert.equal(429, gw:get("/shop", { from = "192.0.2.1" }).status)
      assert.equal(200, gw:get("/shop", { from = "192.0.2.2" }).status)
    end
  end)

  it("hides what it is told to hide, but not when to try again", function()
    local gw = gateway.new {
      auto_advance = false,
      config = file("minute: 1\nhide_client_headers: true\nerror_code: 503\nerror_message: slow down"),
    }
    assert.is_nil(gw:get("/shop").headers["x-ratelimit-limit-minute"])
    local res = gw:get("/shop")
    assert.equal(503, res.status)
    assert.is_nil(res.headers["ratelimit-limit"])
    assert.has_header(res, "retry-after", "60")
    assert.equal("slow down", res:json().detail)
  end)
end)
