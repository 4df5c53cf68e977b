--- Groups of consumers as requests meet them: a file as decK writes it, whose groups have uses of plugins.
local gateway = require("moongate.spec")

local FILE = [[
_format_version: "3.0"
_info: { select_tags: [shop] }
consumer_groups:
  - name: gold
    id: 9b2a4d6e-1111-4000-8000-00000000000a
    tags: [shop]
    plugins:
      - name: request-termination
        enabled: true
        protocols: [grpc, grpcs, http, https]
        config: { status_code: 418, message: gold }
  - name: staff
consumers:
  - { username: ann, groups: [{ name: gold }], keyauth_credentials: [{ key: k-ann }] }
  - { username: bob, groups: [{ name: staff }, { name: gold }], keyauth_credentials: [{ key: k-bob }] }
  - { username: cy, keyauth_credentials: [{ key: k-cy }] }
services:
  - name: shop
    host: 127.0.0.1
    port: 1
    routes: [{ name: shop, paths: [/] }]
    plugins: [{ name: key-auth }]
plugins:
  - { name: request-termination, consumer_group: staff, config: { status_code: 203, message: staff } }
  - { name: request-termination, config: { status_code: 201, message: anybody } }
]]

describe("the use of a plugin for a group", function()
  local gw

  before_each(function() gw = gateway.new { config = FILE } end)

  local function status(key) return gw:get("/", { headers = { apikey = key } }).status end

  it("runs for those in the group, the first group of theirs winning", function()
    assert.equal(418, status("k-ann"))
    assert.equal(203, status("k-bob"))
    assert.equal(201, status("k-cy"))
  end)

  it(
    "needs somebody who is known: others have the use for everybody",
    function() assert.equal(401, status("k-dan")) end
  )
end)
