--- Whom a limit counts: what `limit_by` says, compiled to a function that makes the key of a request.
---
--- A key is bytes. Those of one limit never mean two things: what may hold any byte (claims, expressions) begins with
--- "=", a fallback with a NUL, which neither addresses nor ids nor header values can have, and the parts of a
--- combination carry their lengths.
local t = require("moongate.schema")
local words = require("moongate.schema.words")

local M = {}

-- ── what may be written ──────────────────────────────────────────────────────

local KINDS = { "claim", "consumer", "credential", "expression", "header", "ip", "path", "route", "service" }

local PLAIN = { consumer = true, credential = true, ip = true, path = true, route = true, service = true }
local NAMED = { claim = true, expression = true, header = true, path = true }

local function part_of_text(text, conf)
  if text == "header" then
    if not conf.header_name then return nil, "needs header_name, or is written { header: NAME }" end
    return { kind = "header", name = conf.header_name }
  elseif text == "path" then
    return { kind = "path", name = conf.path }
  elseif PLAIN[text] then
    return { kind = text }
  elseif NAMED[text] then
    return nil, ("%s says of what as a map: { %s: … }"):format(text, text)
  end
  local meant = words.suggest(text, KINDS)
  return nil,
    ("must be one of %s, got %s%s"):format(
      table.concat(KINDS, ", "),
      words.quote(text),
      meant and (" (did you mean %s?)"):format(words.quote(meant)) or ""
    )
end

local function name_problem(kind, name)
  if type(name) ~= "string" or name == "" then
    return ("{ %s: … } needs a text"):format(kind)
  elseif kind == "header" and not name:find("^[%w!#$%%&'*+%-.^_`|~]+$") then
    return ("%s is not a header name"):format(words.quote(name))
  elseif kind == "path" and name:sub(1, 1) ~= "/" then
    return 'a path must begin with "/"'
  elseif kind == "expression" then
    local ok, reason = require("moongate.when").check(name)
    if not ok then return ("the expression %s"):format(reason) end
  end
end

local function part_of_map(map)
  local kind, name = next(map)
  if kind == nil or next(map, kind) ~= nil then return nil, "a part of a key is one word or a map of one" end
  if not NAMED[kind] then
    return nil,
      ("knows no { %s: … }%s"):format(tostring(kind), words.did_you_mean(tostring(kind), words.keys(NAMED)))
  end
  local problem = name_problem(kind, name)
  if problem then return nil, problem end
  return { kind = kind, name = name }
end

--- The parts that a key is made of.
---@param value string|table  as `limit_by` says it
---@param conf table          with header_name and path
---@return { kind: string, name: string? }[]? parts
---@return string? reason
function M.parts(value, conf)
  local list = value
  if type(value) ~= "table" or value[1] == nil and next(value) ~= nil then list = { value } end
  local parts = {}
  for i, entry in ipairs(list) do
    local part, reason
    if type(entry) == "string" then
      part, reason = part_of_text(entry, conf)
    elseif type(entry) == "table" then
      part, reason = part_of_map(entry)
    else
      reason = "must be a word, a map of one, or a list of them"
    end
    if not part then return nil, reason end
    parts[i] = part
  end
  if #parts == 0 then return nil, "must not be empty" end
  return parts
end

-- Who is missing there is told apart by the address, as Kong does; who leaves out what only they can write is not let
-- pass.
local FALLS_BACK = { consumer = true, credential = true, path = true, route = true, service = true, ip = true }

local function default_missing(parts)
  for _, part in ipairs(parts) do
    if not FALLS_BACK[part.kind] then return "deny" end
  end
  return "ip"
end

local function text_of(parts)
  local texts = {}
  for i, part in ipairs(parts) do
    texts[i] = part.name and ("%s %s"):format(part.kind, part.name) or part.kind
  end
  return table.concat(texts, " + ")
end

local function limit_by()
  local kind = t.any {
    about = "Whom it counts: `consumer` (without one: the credential), `credential`, `ip`, `header`, `path`, `route`, "
      .. "`service`, `{ header: NAME }`, `{ claim: NAME }`, `{ expression: … }`, or a list of them (consumer).",
    -- header_name stands beside it, and may come from elsewhere: problem() looks again.
    check = function(value)
      local parts, reason = M.parts(value, { header_name = "x" })
      return parts and true, reason
    end,
  }
  kind.noun = { "a key", "keys" }
  return kind
end

-- A misspelt word would be the name of a bucket that everybody shares.
local function no_near_miss(value)
  local meant = words.suggest(value:lower(), { "deny" }) or value:lower() == "ip" and "ip"
  if not meant or value == meant then return true end
  return nil, ("must not look like %s: write that, or another name"):format(words.quote(meant))
end

--- The fields of a plugin's schema that say whom it counts.
---@return table<string, table>
function M.fields()
  return {
    limit_by = limit_by(),
    header_name = t.header_name { about = "The header of `limit_by: header`." },
    path = t.path { about = "The one path of `limit_by: path`; without it each path is counted for itself." },
    ipv6_prefix = t.integer { between = { 1, 128 }, about = "Which part of an IPv6 address is one client (64)." },
    missing_key = t.string {
      match = "^[%w_.-]+$",
      len_max = 64,
      check = no_near_miss,
      about = "Who has no key: `deny` (403), `ip`, or any name: what they all share. Without it `deny` for headers, "
        .. "claims and expressions, else `ip`.",
    },
  }
end

--- What is wrong with the fields together, and which of them it belongs to.
---@param record table
---@return string? message, string? field
function M.problem(record)
  if record.limit_by == nil then return nil end
  local _, reason = M.parts(record.limit_by, record)
  if reason then return reason, "limit_by" end
end

-- ── making keys ──────────────────────────────────────────────────────────────

local MAKERS = {}

function MAKERS.ip(part, limit)
  local bits = limit.ipv6_prefix or 64
  return function(ctx)
    local network = ctx.client:get_forwarded_network(bits)
    return network ~= "" and network or nil
  end
end

-- One that `anonymous` names has no credential, and is everybody.
function MAKERS.consumer()
  return function(ctx)
    local credential = ctx.client:get_credential()
    if not credential then return nil end
    local consumer = ctx.client:get_consumer()
    local id = (consumer or credential).id
    return type(id) == "string" and id or nil
  end
end

function MAKERS.credential()
  return function(ctx)
    local credential = ctx.client:get_credential()
    local id = credential and credential.id
    return type(id) == "string" and id or nil
  end
end

-- What stands there twice is nobody's: which of both would the service read?
function MAKERS.header(part)
  local name = part.name
  return function(ctx)
    local request = ctx.request
    local value = request:get_header(name)
    if not value or value == "" or request:count_header(name) ~= 1 then return nil end
    return value
  end
end

function MAKERS.path(part)
  local only = part.name
  return function(ctx)
    local path = ctx.request:get_path()
    if only and path ~= only then return nil end
    return path
  end
end

function MAKERS.route()
  return function(ctx)
    local route = ctx.router:get_route()
    return route and route.id
  end
end

function MAKERS.service()
  return function(ctx)
    local service = ctx.router:get_service()
    return service and service.id
  end
end

local function bytes(value)
  local kind = type(value)
  if kind == "string" and value ~= "" then return "=" .. value end
  if kind == "number" and value == value or value == true then return "=" .. tostring(value) end
end

function MAKERS.claim(part)
  local name = part.name
  return function(ctx)
    local credential = ctx.client:get_credential()
    local claims = credential and credential.claims
    return type(claims) == "table" and bytes(claims[name]) or nil
  end
end

function MAKERS.expression(part)
  local evaluate = require("moongate.expression").compile(part.name)
  return function(ctx) return bytes(evaluate(ctx)) end
end

local function combined(makers)
  local n = #makers
  return function(ctx)
    local key = ""
    for i = 1, n do
      local part = makers[i](ctx)
      if not part then return nil end
      key = key .. #part .. ":" .. part
    end
    return key
  end
end

local function with_fallback(make, missing, limit)
  if missing == "deny" then return make end
  if missing ~= "ip" then
    local shared = "\0" .. missing
    return function(ctx) return make(ctx) or shared end
  end
  local ip = MAKERS.ip(nil, limit)
  return function(ctx)
    local key = make(ctx)
    if key then return key end
    local address = ip(ctx)
    return address and "\0\0" .. address
  end
end

--- A function that makes the key of a request; it answers nil for one that has none and may not pass.
---@param conf table  with the fields of M.fields()
---@return fun(ctx: table): string?
---@return string text  the key in words, for messages
function M.maker(conf)
  local parts = M.parts(conf.limit_by or "consumer", conf)
  local missing, makers = conf.missing_key or default_missing(parts), {}
  for i, part in ipairs(parts) do
    makers[i] = MAKERS[part.kind](part, conf)
  end
  local make = #makers == 1 and makers[1] or combined(makers)
  if #parts > 1 or parts[1].kind ~= "ip" or missing ~= "ip" then make = with_fallback(make, missing, conf) end
  return make, text_of(parts)
end

return M
