--- Credentials: `consumers[].keyauth_credentials` and Kong's other collections, nested or at the top, and for any
--- plugin `consumers[].credentials.<plugin>`. What a credential is made of, its plugin says (credentials.lua in its
--- folder); key-auth's is known here.
local collect = require("moongate.config.collect")
local entities = require("moongate.config.entities")
local later = require("moongate.config.later")
local report = require("moongate.config.report")
local t = require("moongate.schema")
local uses = require("moongate.config.uses")
local uuid = require("moongate.config.uuid")
local words = require("moongate.schema.words")

local M = {}

--- Credentials of bundled plugins whose folder has no credentials.lua.
M.BUILT_IN = {
  ["key-auth"] = t.record {
    key = t.string {
      required = true,
      len_min = 1,
      len_max = 512,
      unique = true,
      secret = true,
      about = "What the client sends; no two consumers have the same.",
    },
    ttl = t.any { later = "Who you are" },
  },
}

--- The type of a plugin's credentials, or nil and a reason.
---@param plugins fun(name: string): table?, string?
---@param name string
---@param trusted boolean  its code may be run
---@return table?
---@return string?
function M.kind_of(plugins, name, trusted)
  local info, reason = plugins(name, trusted)
  if not info then return nil, later.plugin_reason(name, reason) end
  return info.credentials or M.BUILT_IN[name], ("the plugin %s has no credentials"):format(words.quote(name))
end

-- Splits a raw credential into what belongs to every credential and what belongs to its plugin.
local function split(rep, raw)
  local extras, own = {}, {}
  for key, value in pairs(raw) do
    own[key] = value
  end
  for _, key in ipairs(entities.CREDENTIAL_EXTRAS) do
    extras[key], own[key] = raw[key], nil
  end
  rep.doc.marks[own], rep.doc.marks[extras] = rep.doc.marks[raw], rep.doc.marks[raw]
  return extras, own
end

local function check_unique(job, kind, value, path)
  for field, of in pairs(kind.fields or {}) do
    local text = of.unique and value[field]
    if text then
      local seen = job.seen[field] or {}
      job.seen[field] = seen
      if seen[text] then
        local line = report.line(job.state.report, seen[text])
        report.error(
          job.state.report,
          report.join(path, field),
          ("another credential has the same %s (line %d)"):format(field, line)
        )
      end
      seen[text] = seen[text] or report.join(path, field)
    end
  end
end

local function add(job, kind, raw, path, owner)
  local rep = job.state.report
  if type(raw) ~= "table" or rep.kind_of(raw) == "array" then
    report.error(rep, path, ("expected a credential (a map), got %s"):format(words.value(raw, rep.kind_of(raw))))
    return
  end
  local extras, own = split(rep, raw)
  local common = report.check(rep, entities.credential_extras, extras, path)
  local value, good = report.check(rep, kind, own, path)
  if extras.consumer ~= nil then
    local found = collect.resolve(job.state, "consumers", extras.consumer, report.join(path, "consumer"))
    if owner and found and found ~= owner then
      report.error(rep, report.join(path, "consumer"), "contradicts the consumer this stands in")
    end
    owner = owner or found
  elseif not owner then
    report.error(rep, path, "needs a consumer")
  end
  if good and owner then
    check_unique(job, kind, value, path)
    local list = job.consumers[owner.index].credentials
    list[job.plugin] = list[job.plugin] or {}
    local at = #list[job.plugin] + 1
    value.id = common and common.id or uuid.of(job.plugin, ("%s:%d"):format(owner.id, at))
    value.tags = common and common.tags
    list[job.plugin][at] = value
  end
end

local function add_all(job, list, path, owner)
  local rep = job.state.report
  if type(list) ~= "table" or rep.kind_of(list) ~= "array" or #list == 0 then return end
  local kind, reason = M.kind_of(job.plugins, job.plugin, uses.is_trusted(job.state, job.plugin))
  if not kind then
    report.error(rep, path, reason)
    return
  end
  for i, raw in ipairs(list) do
    add(job, kind, raw, report.join(path, i - 1), owner)
  end
end

--- Puts every credential under its consumer: `consumers[i].credentials[plugin] = list`.
---@param state table    from collect.lua
---@param consumers table[]
---@param plugins fun(name: string): table?, string?
function M.run(state, consumers, plugins)
  local jobs = {}
  local function job(name)
    jobs[name] = jobs[name]
      or { state = state, consumers = consumers, plugins = plugins, plugin = name, seen = {} }
    return jobs[name]
  end
  for _, item in ipairs(state.items.consumers) do
    for _, collection in ipairs(words.keys(entities.COLLECTIONS)) do
      add_all(
        job(entities.COLLECTIONS[collection]),
        item.raw[collection],
        report.join(item.path, collection),
        item
      )
    end
    local own = item.raw.credentials
    if type(own) == "table" and state.report.kind_of(own) == "map" then
      for _, name in ipairs(words.keys(own)) do
        add_all(job(name), own[name], report.join(item.path, "credentials", name), item)
      end
    end
  end
  local root = state.report.doc.root or {}
  for _, collection in ipairs(words.keys(entities.COLLECTIONS)) do
    add_all(job(entities.COLLECTIONS[collection]), root[collection], { collection }, nil)
  end
end

return M
