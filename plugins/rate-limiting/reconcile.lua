--- Costs that are known afterwards: what was taken before is put right by what the response says, or by the bytes that
--- went through.
local M = {}

local COST_MOST = 1e15

-- What was taken, by place in the set; ctx.plugin is a table of this request and this plugin.
function M.note(ctx, use, set, place, key, cost)
  local own = ctx.plugin
  own.use, own.set = use, set
  own[place] = { key, cost }
end

local function put_right(own, place, cost)
  local taken, limit = own[place], own.set.limits[place]
  if cost ~= taken[2] then own.use.counter:adjust(taken[1], limit.rule, cost - taken[2]) end
end

-- A header's cost; without one, or with one that is no cost, it stays at what was taken.
local function told(ctx, name)
  local cost = tonumber((ctx.service.response:get_header(name)))
  if cost and cost >= 0 and cost <= COST_MOST then return cost end
end

function M.response(_, ctx)
  local own = ctx.plugin
  for place = 1, own.set and own.set.n or 0 do
    local from = own[place] and own.set.limits[place].cost_from
    local cost = from and from.header and told(ctx, from.header)
    if cost then put_right(own, place, cost) end
  end
end

function M.log(_, ctx)
  local own = ctx.plugin
  for place = 1, own.set and own.set.n or 0 do
    local what = own[place] and own.set.limits[place].cost_from.bytes
    if what then
      local bytes = what ~= "response" and ctx.request:get_received_bytes() or 0
      if what ~= "request" then bytes = bytes + ctx.response:get_sent_bytes() end
      put_right(own, place, bytes)
    end
  end
end

--- Whether a use has costs of a header, and of bytes.
---@param conf table
---@return boolean header, boolean bytes
function M.wants(conf)
  local header, bytes = false, false
  local function look(from)
    header = header or from ~= nil and from.header ~= nil
    bytes = bytes or from ~= nil and from.bytes ~= nil
  end
  look(conf.cost_from)
  for _, limit in ipairs(conf.limits or {}) do
    look(limit.cost_from)
  end
  return header, bytes
end

return M
