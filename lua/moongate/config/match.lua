--- What a route matches: paths, hosts, headers and query, taken apart for the router.
local address = require("moongate.config.address")
local protocols = require("moongate.config.protocols")
local report = require("moongate.config.report")
local types = require("moongate.schema.types")
local later = require("moongate.config.later")
local words = require("moongate.schema.words")

local M = {}

local MAX_CAPTURES = 16

local function plain_path(text)
  local ok, problem = types.SCALARS.path.parse(text)
  if not ok then
    return problem
  elseif text:find("//", 1, true) then
    return "holds // (requests have it folded away before they are routed)"
  elseif (text .. "/"):find("/%.%.?/") then
    return "holds . or .. (requests have them resolved before they are routed)"
  end
end

local function template_problem(text)
  local seen, count = {}, 0
  for segment in text:gmatch("[^/]+") do
    if segment:find("[{}]") then
      local name = segment:match("^{([%a_][%w_]*)}$")
      if not name then
        return ("%s is not a whole segment such as {id}"):format(words.quote(segment))
      elseif seen[name] then
        return ("{%s} stands there twice"):format(name)
      end
      seen[name], count = true, count + 1
    end
  end
  return count > MAX_CAPTURES and ("holds more than %d parameters"):format(MAX_CAPTURES) or nil
end

--- `/users` prefix · `=/users` exact · `~/users/\d+` regex · `/users/{id}` template. `text` is without "=" and "~".
---@param text string
---@param check_regex? fun(pattern: string): boolean?, string?
---@return { kind: string, text: string }?
---@return string? problem
function M.path(text, check_regex)
  local first, rest = text:sub(1, 1), text:sub(2)
  if first == "~" then
    if rest:sub(1, 1) ~= "/" and rest:sub(1, 2) ~= "^/" then
      return nil, 'a regex must begin with "~/"'
    elseif check_regex then
      local ok, problem = check_regex(rest)
      if not ok then return nil, "is not a regular expression: " .. tostring(problem) end
    end
    return { kind = "regex", text = rest }
  elseif first == "=" then
    local problem = plain_path(rest)
    return not problem and { kind = "exact", text = rest } or nil, problem
  end
  local problem = plain_path(text)
  if not problem and text:find("[{}]") then
    problem = template_problem(text)
    return not problem and { kind = "template", text = text } or nil, problem
  end
  if problem and first ~= "/" then problem = 'must begin with "/", or "=/" (exact) or "~/" (regex)' end
  return not problem and { kind = "prefix", text = text } or nil, problem
end

--- `example.com` exact · `*.example.com` leading · `example.*` trailing.
---@param text string
---@return { kind: string, text: string }?
---@return string? problem
function M.host(text)
  local lower = text:lower()
  local with_port = address.split(lower)
  if with_port and not types.is_ipv6(lower) then return nil, ("a port in a host is %s"):format(later.MESSAGE) end
  local kind, name = "exact", lower
  if lower:find("^%*%.") then
    kind, name = "leading", lower:sub(3)
  elseif lower:find("%.%*$") then
    kind, name = "trailing", lower:sub(1, -3)
  end
  local ok = types.SCALARS.host.parse(name)
  if name:find("*", 1, true) then
    return nil, 'takes one "*", as the first or the last label'
  elseif not ok then
    return nil, ("%s is not a host, *.host or host.*"):format(words.quote(text))
  end
  return { kind = kind, text = kind == "exact" and ok or lower }
end

-- { name = { values } } → a list in the order of the names. One value that begins with "~*" is a regex; no values mean
-- that it must be there, whatever it is.
local function pairs_of(map, lower, check_regex, complain)
  local list = {}
  for _, name in ipairs(words.keys(map or {})) do
    local values = map[name]
    local regex = #values == 1 and values[1]:match("^~%*(.+)$") or nil
    if regex and check_regex then
      local ok, problem = check_regex(regex)
      if not ok then complain(name, "is not a regular expression: " .. tostring(problem)) end
    end
    list[#list + 1] = {
      name = lower and name:lower() or name,
      values = not regex and values or nil,
      regex = regex,
    }
  end
  return list
end

local function list_of(rep, item, key, parse)
  local list, seen = {}, {}
  local raw = type(item.raw[key]) == "table" and item.raw[key] or {}
  for i, text in ipairs(raw) do
    if type(text) == "string" and text ~= "" and not seen[text] then
      seen[text] = true
      local entry, problem = parse(text)
      if problem and not entry then report.error(rep, report.join(item.path, key, i - 1), problem) end
      list[#list + 1] = entry
    end
  end
  return list
end

--- Takes a route's attributes apart; what is wrong goes into the report.
---@param rep table
---@param item table  from collect.lua
---@param check_regex? fun(pattern: string): boolean?, string?
---@return table match  { paths, hosts, headers, query, methods }
function M.of_route(rep, item, check_regex)
  local value = item.value or {}
  local match = {
    paths = list_of(rep, item, "paths", function(text) return M.path(text, check_regex) end),
    hosts = list_of(rep, item, "hosts", M.host),
    methods = value.methods or {},
  }
  for _, key in ipairs { "headers", "query", "cookies" } do
    match[key] = pairs_of(
      value[key],
      key == "headers",
      check_regex,
      function(name, problem) report.error(rep, report.join(item.path, key, name), problem) end
    )
  end
  local something = false
  local keys = { "paths", "hosts", "methods", "headers", "query", "cookies", "sources" }
  if protocols.is_https_only(value.protocols) then keys[#keys + 1] = "snis" end
  for _, key in ipairs(keys) do
    local raw = item.raw[key]
    something = something or (raw ~= nil and (type(raw) ~= "table" or next(raw) ~= nil))
  end
  if not something then
    report.error(
      rep,
      item.path,
      "needs at least one of paths, hosts, methods, headers, query, cookies, sources, or snis with "
        .. "protocols: [https] (paths: [/] takes every request)"
    )
  end
  return match
end

return M
