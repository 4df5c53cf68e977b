--- The functions of a file that is moved: hooks get other names and (conf, ctx), helpers that ask the PDK get ctx.
local edit = require("moongate.kong.edit")
local names = require("moongate.kong.names")
local tokens = require("moongate.kong.tokens")

local after, before, is, closing, block_end =
  tokens.after, tokens.before, tokens.is, tokens.closing, tokens.block_end
local note, erase, chain_at, starts_chain, add_ctx =
  edit.note, edit.erase, edit.chain_at, edit.starts_chain, edit.add_ctx

local M = {}

-- The names before `function`: `M.f = function`; or behind it: `function M:f`.
local function function_name(list, at)
  local open = after(list, at)
  if not open then return {} end
  if list[open].kind == "name" then
    local parts, last = chain_at(list, open)
    local sign = after(list, last)
    local is_method = is(list, sign, ":")
    if is_method then
      last = after(list, sign)
      if not last then return parts end
      parts[#parts + 1] = list[last].text
    end
    return parts, after(list, last), is_method and sign or nil, last
  end
  local equals = before(list, at)
  local parts, first = {}, is(list, equals, "=") and before(list, equals)
  while first and list[first].kind == "name" and not is(list, first, "local") do
    table.insert(parts, 1, list[first].text)
    local dot = before(list, first)
    if not is(list, dot, ".") then break end
    first = before(list, dot)
  end
  return parts, open, nil, is(list, equals, "=") and before(list, equals)
end

-- The functions that stand in no other.
local function read_functions(list)
  local functions, i = {}, 1
  while i <= #list do
    if list[i].kind == "name" and list[i].text == "function" then
      local parts, open, colon, name = function_name(list, i)
      if is(list, open, "(") then
        functions[#functions + 1] = {
          at = i,
          parts = parts,
          open = open,
          close = closing(list, open),
          colon = colon,
          name = name,
          stop = block_end(list, i),
        }
        i = functions[#functions].stop
      end
    end
    i = i + 1
  end
  return functions
end

-- The table that the file returns.
local function handler_name(list)
  local last = before(list, #list + 1)
  if last and list[last].kind == "name" and is(list, before(list, last), "return") then return list[last].text end
end

local function params_of(list, f)
  local params = {}
  for i = f.open + 1, f.close - 1 do
    if list[i].kind == "name" or list[i].text == "..." then params[#params + 1] = list[i].text end
  end
  return params
end

local function set_params(list, f, text)
  erase(list, f.open + 1, f.close - 1)
  list[f.open].text = "(" .. text
end

local function rename_self(list, f, handler)
  for i = f.close, f.stop do
    if list[i].text == "self" and starts_chain(list, i) then list[i].text = handler end
  end
end

local function move_hook(state, f, hook, seen)
  local list, name = state.tokens, f.parts[#f.parts]
  local params = params_of(list, f)
  if not f.colon then table.remove(params, 1) end -- self
  if f.colon then list[f.colon].text = "." end
  list[f.name].text = hook[1]
  local given, wanted = {}, hook[2]
  for want in wanted:gmatch("[%w_]+") do
    given[#given + 1] = want
  end
  if given[1] then given[1] = params[1] or given[2] and "_" or given[1] end
  set_params(list, f, table.concat(given, ", "))
  rename_self(list, f, state.handler)
  if seen[hook[1]] then note(state, f.at, "%s and %s are one hook here: %s", seen[hook[1]], name, hook[1]) end
  seen[hook[1]] = name
  f.has_ctx = given[2] == "ctx"
end

local function move_hooks(state, functions)
  local seen = {}
  for _, f in ipairs(functions) do
    if f.parts[2] and f.parts[1] == state.handler then
      local name = f.parts[#f.parts]
      local hook = names.HOOKS[name]
      if hook then
        f.is_hook = true
        move_hook(state, f, hook, seen)
      elseif names.NO_HOOKS[name] then
        note(state, f.at, "the hook %s: %s", name, names.NO_HOOKS[name])
      end
    end
  end
end

local function needs_ctx(list, f)
  for i = f.close, f.stop do
    if list[i].needs then return true end
  end
end

-- Calls `visit(i, open)` where the function f is named; `open` is its bracket when it is called.
local function each_use(list, f, visit)
  local owner, name = f.parts[2] and f.parts[1], f.parts[#f.parts]
  for i = 1, #list do
    if list[i].kind == "name" and list[i].text == name and i ~= f.name then
      local last = before(list, i)
      local joined = is(list, last, ".") or is(list, last, ":")
      local of = joined and before(list, last)
      if (owner and of and (list[of].text == owner or list[of].text == "self")) or (not owner and not joined) then
        local open = after(list, i)
        visit(i, is(list, open, "(") and open or nil)
      end
    end
  end
end

-- A helper that asks the PDK, or calls one that does, takes ctx first.
local function find_helpers(list, functions)
  local helpers, found = {}, true
  local wants = {}
  for _, f in ipairs(functions) do
    wants[f] = not f.is_hook and f.parts[1] and needs_ctx(list, f) or nil
    if wants[f] then helpers[#helpers + 1] = f end
  end
  while found do
    found = false
    for n = 1, #helpers do
      each_use(list, helpers[n], function(i)
        for _, f in ipairs(functions) do
          if i > f.close and i < f.stop and not f.is_hook and f.parts[1] and not wants[f] then
            wants[f], found = true, true
            helpers[#helpers + 1] = f
          end
        end
      end)
    end
  end
  return helpers
end

local function give_helpers_ctx(state, functions)
  local list = state.tokens
  for _, f in ipairs(find_helpers(list, functions)) do
    add_ctx(list, f.open)
    each_use(list, f, function(i, open)
      local last = before(list, i)
      local protected = is(list, last, "(") and before(list, last)
      if open then
        add_ctx(list, open)
      elseif protected and list[protected].text == "pcall" then
        list[i].text = list[i].text .. ", ctx"
      elseif not is(list, after(list, i), "=") then
        note(state, i, "%s is given on: whoever calls it must give it ctx first", f.parts[#f.parts])
      end
    end)
    for i = f.close, f.stop do
      if list[i].answers then
        note(state, i, "exit and error return here: what calls %s goes on behind it", f.parts[#f.parts])
      end
    end
  end
end

-- What asks for the request where there is none.
local function check_places(state, functions)
  local list = state.tokens
  for i = 1, #list do
    if list[i].needs then
      local inside
      for _, f in ipairs(functions) do
        if i > f.at and i < f.stop then inside = f end
      end
      if not inside then
        note(state, i, "%s: there is no request outside of hooks", list[i].text)
      elseif inside.is_hook and not inside.has_ctx then
        note(state, i, "%s: there is no request in init", list[i].text)
      end
    end
  end
end

--- Does all of it.
function M.move(state)
  local list = state.tokens
  state.handler = handler_name(list)
  local functions = read_functions(list)
  move_hooks(state, functions)
  check_places(state, functions)
  give_helpers_ctx(state, functions)
end

return M
