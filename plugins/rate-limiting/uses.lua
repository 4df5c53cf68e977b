--- Makes ready what each use of the plugin needs for a request: its limits with their rules, the functions that make
--- their keys, its counter, and the texts of its headers. All of it in `init`: a request makes none of it.
local crypto = require("moongate.crypto")
local entities = require("moongate.entities")
local expression = require("moongate.expression")
local keys = require("moongate.limit.keys")
local limit = require("moongate.limit")
local of_limits = require("moongate.limit.uses")
local limit_headers = require("moongate.limit_headers")
local rules = require("rate-limiting.rules")
local words = require("moongate.schema.words")

local M = {}

local COUNTERS = { ["local"] = "uses", redis = "uses_redis", file = "uses_file" }

-- ── one limit ────────────────────────────────────────────────────────────────

local COST_MOST = 1e9

-- A cost that an expression says; what is no number from 0 on is 1, so that nobody can give themselves something.
local function cost_of(text)
  local evaluate = expression.compile(text)
  return function(ctx)
    local value = tonumber(evaluate(ctx))
    if not value or value ~= value or value < 0 then return 1 end
    return value < COST_MOST and value or COST_MOST
  end
end

local NUMBERS = { "capacity", "refill_rate", "queue_size", "drain_rate", "limit", "align", "approximate" }

-- Who counts the same thing in the same way under the same name meets, also after a reload that changed how many it
-- may be.
local function rule_of(made, scope)
  local rule = { algorithm = made.algorithm, window = made.window, name = scope .. "/" .. made.name }
  for _, name in ipairs(NUMBERS) do
    rule[name] = made[name]
  end
  return limit.rule(rule)
end

local function finish(made, scope)
  made.key, made.by = keys.maker(made)
  made.cost_of = type(made.cost) == "string" and cost_of(made.cost) or nil
  made.cost = type(made.cost) == "number" and made.cost or 1
  made.rule = rule_of(made, scope)
  made.reconciles = made.cost_from ~= nil
  return made
end

-- In a dry run nobody waits: there the bucket is only counted.
local function shapes(made, conf) return made.algorithm == "leaky-bucket" and not made.nodelay and not conf.dry_run end

-- ── the limits of a request ──────────────────────────────────────────────────

-- One limit that is put right afterwards needs no more than its own key.
local function keeps(set, conf)
  return set.shaper ~= nil or set.n > 1 and (set.reconciles == true or conf.policy ~= "local")
end

local function set_of(conf, tier, scope)
  local limits = rules.limits(conf, tier)
  local set =
    { limits = limits, n = #limits, asks = {}, answers = {}, problems = {}, told = limit_headers.new(limits) }
  for i, made in ipairs(limits) do
    finish(made, scope)
    set.asks[i] = { "", made.rule, made.cost }
    set.reconciles = set.reconciles or made.reconciles
    if shapes(made, conf) then set.shaper = i end
  end
  set.keeps = keeps(set, conf)
  return set
end

-- ── a use ────────────────────────────────────────────────────────────────────

local function use_of(conf)
  for _, use in ipairs(entities.uses) do
    if use.conf == conf then return use end
  end
end

-- What two uses that share a counter must agree on, as text.
local function signature(made)
  return ("%s by %s, window %s, align %s, capacity %s, refill_rate %s, queue_size %s, drain_rate %s"):format(
    made.algorithm,
    made.by,
    tostring(made.window),
    tostring(made.align or "clock"),
    tostring(made.capacity),
    tostring(made.refill_rate),
    tostring(made.queue_size),
    tostring(made.drain_rate)
  )
end

-- Limits of one name in one counter are one limit: they must count the same things in the same way.
local function check_shared(shared, conf, where, set, tier)
  local known = shared[conf.counter] or { size = conf.size, where = where, limits = {} }
  shared[conf.counter] = known
  if known.size ~= conf.size then
    error(("%s: the counter %q has another size at %s"):format(where, conf.counter, known.where), 0)
  end
  for _, made in ipairs(set.limits) do
    local place = made.name .. "\0" .. tier
    local other = known.limits[place]
    if other and other.signature ~= signature(made) then
      error(
        ("%s: %q of the counter %q is %s, and at %s it is %s: give one of them another name"):format(
          where,
          made.name,
          conf.counter,
          signature(made),
          other.where,
          other.signature
        ),
        0
      )
    end
    known.limits[place] = other or { signature = signature(made), where = where }
  end
end

-- ── where it counts ──────────────────────────────────────────────────────────

local REDIS = { "host", "port", "timeout", "username", "password", "database", "ssl", "ssl_verify", "server_name" }

-- Where a Redis is: the name of a connection, a record, or what Kong's older files have in a field for each.
local function text_of(value)
  if type(value) ~= "table" then return tostring(value) end
  local names, parts = {}, {}
  for name in pairs(value) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    parts[i] = name .. "=" .. text_of(value[name])
  end
  return table.concat(parts, ";")
end

-- Equal records are one, so that uses which say the same share a counter.
local records = {}

local function same_record(record)
  local text = text_of(record)
  records[text] = records[text] or record
  return records[text]
end

local function redis_of(conf)
  if type(conf.redis) == "string" then return conf.redis end
  if type(conf.redis) == "table" and conf.redis.host then return same_record(conf.redis) end
  local record = {}
  for _, name in ipairs(REDIS) do
    record[name] = conf["redis_" .. name]
  end
  return record.host and same_record(record) or nil
end

local function on_failure(conf) return conf.on_failure or (conf.fault_tolerant and "open" or "closed") end

-- Kong's sync_rate: -1 asks for each request, seconds are how long a node may count for itself.
local function sync(conf) return conf.sync or (conf.sync_rate > 0 and "leased" or "strict") end

-- What the store of each policy is told beside the size.
local STORES = {
  ["local"] = function() return {} end,
  redis = function(conf)
    return {
      store = "redis",
      redis = redis_of(conf),
      sync = sync(conf),
      on_failure = on_failure(conf),
      timeout = conf.timeout,
    }
  end,
  file = function(conf) return { store = "file", on_failure = on_failure(conf) } end,
}

-- Uses without a counter of their own share one for each policy: what they count is apart by their rules' names.
local function counter_of(conf)
  local options = STORES[conf.policy](conf)
  options.size = conf.size
  if conf.counter then options.shared = true end
  local name = conf.counter or COUNTERS[conf.policy]
  if conf.policy == "redis" and not conf.counter then
    -- Who asks another Redis, or in another way, has another counter; in Redis all of them count in one place.
    name = ("%s_%s"):format(name, crypto.hex_encode(crypto.md5(text_of(options)):sub(1, 6)))
    options.prefix = "rate-limiting"
  end
  return limit.counter(name, options)
end

local function tell(conf)
  if conf.hide_client_headers or conf.dry_run then return false end
  return limit_headers.STYLES[conf.headers] or false
end

-- Where groups are declared, a tier is one of them; else any name may come with a request.
local function check_tiers(names, where)
  if #entities.groups == 0 then return end
  local known = {}
  for _, group in ipairs(entities.groups) do
    known[group] = true
  end
  for _, name in ipairs(names) do
    if not known[name] then
      local meant = words.did_you_mean(name, entities.groups)
      error(("%s: tiers: no consumer group named %s%s"):format(where, words.quote(name), meant), 0)
    end
  end
end

--- Everything a use needs.
---@param conf table
---@param shared table  what uses with a `counter` have said so far
---@return table
function M.prepare(conf, shared)
  local use = use_of(conf) or { id = "?", where = "?" }
  local scope = conf.counter or use.id
  local made = {
    conf = conf,
    label = of_limits.label(use),
    counter = counter_of(conf),
    set = set_of(conf, nil, scope),
    tell = tell(conf),
  }
  made.sets = { made.set }
  if conf.counter then check_shared(shared, conf, use.where, made.set, "") end
  local tiers = rules.tiers(conf)
  check_tiers(tiers, use.where)
  for _, name in ipairs(tiers) do
    made.tiers = made.tiers or {}
    made.tiers[name] = set_of(conf, name, scope)
    made.sets[#made.sets + 1] = made.tiers[name]
    if conf.counter then check_shared(shared, conf, use.where, made.tiers[name], name) end
  end
  return made
end

return M
