--- Specs of plugins: the real gateway inside the process that runs the specs, on a clock that the spec moves. Run by
--- `moongate test`.
---
---     local gateway = require("moongate.spec")
---
---     describe("key-auth", function()
---       local gw = gateway.new { plugins = { { name = "key-auth" } }, consumers = { … } }
---
---       it("hides the key from the upstream", function()
---         local res = gw:get("/", { headers = { apikey = "k1" } })
---         assert.equal(200, res.status)
---         assert.is_nil(gw.upstream.last_request.headers.apikey)
---       end)
---     end)
---
--- Nothing listens and nothing is dialled: clients and upstreams are ends of connections in memory, with real HTTP/1 on
--- them. Time stands still while something can happen and jumps to the next timer when nothing can.
local gateway = require("moongate.spec.gateway")
local place = require("moongate.spec.place")

require("moongate.spec.assertions").install()

local M = {}

---@class moongate.spec.Options: the keys of a configuration, and
---@field plugins? (string|function|table)[]  uses as in a configuration, for all routes; also a name alone, a
---   function (an
---   access hook), or a plugin that stands here: { name, handler = { … }, schema = { … } } or { name, access =
--- function … }
---@field config? string|table     a whole configuration instead: a file, YAML text, or a table
---@field service? table           more keys of the service that is made where none is given
---@field route? table             more keys of its route (paths: { "/" })
---@field upstreams? table<string, moongate.spec.Reply|function>  what answers, by the name of an upstream or
---   service, by
---   "host" or "host:port"; everything else is `gw.upstream`
---@field auto_advance? boolean    false: time moves by gw.clock:advance() only
---@field seed? integer            of ids and whatever else is random
---@field log_level? string        the least that gw.log keeps ("info")
---@field network? boolean         real names, real connections, real time
---@field wire? boolean            always so: what clients and upstreams say is HTTP/1, byte by byte (gw:connect())

--- Makes a gateway. It is closed at the end of the block it was made in (`describe`, or `it`; before_each: the `it`
--- that follows), and the spec fails when something was left in it. With `plugins` alone there is a service behind a
--- route for everything; `default_access` is "allow". A configuration that is not good is an error.
---@param options? moongate.spec.Options
---@return moongate.spec.Gateway
function M.new(options)
  local made, reason = gateway.new(options or {}, place.folder())
  if not made then place.raise("the configuration is not good:\n" .. reason) end
  return made
end

return M
