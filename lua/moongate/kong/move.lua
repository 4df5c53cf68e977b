--- Moves a plugin's file that was written for Kong: what is called otherwise here is renamed, and what nobody can
--- rename is said. Nothing else of the file changes. The rules stand in docs/kong.md, the names in moongate.kong.names.
local edit = require("moongate.kong.edit")
local functions = require("moongate.kong.functions")
local names = require("moongate.kong.names")
local tokens = require("moongate.kong.tokens")

local after, before, is, closing = tokens.after, tokens.before, tokens.is, tokens.closing
local note, erase, chain_at, starts_chain, add_ctx =
  edit.note, edit.erase, edit.chain_at, edit.starts_chain, edit.add_ctx

local M = {}

-- ── names with dots ─────────────────────────────────────────────────────────────

local function is_call(list, last)
  local at = after(list, last)
  return at and (list[at].text == "(" or list[at].text == "{" or list[at].kind == "string")
end

local function replace(list, from, last, text, needs)
  erase(list, from, last)
  list[from].text, list[from].needs = text, needs
end

-- What a chain of Kong's PDK (without "kong") is called here.
local function find_name(parts, called)
  local whole = table.concat(parts, ".")
  local other = names.OTHERS[whole]
  if other and (not other.call or called) then return other[1], other.ctx end
  if parts[1] == "ctx" and parts[3] then
    local field = names.OTHERS["ctx." .. parts[2]]
    if field then return field[1] .. "." .. table.concat(parts, ".", 3), true end
  end
  local space = table.concat(parts, ".", 1, #parts - 1)
  if names.NAMESPACES[space] and called then
    return ("ctx.%s:%s"):format(space, parts[#parts]), true, space, parts[#parts]
  end
end

local function move_pdk(state, from, prefix)
  local list = state.tokens
  local parts, last = chain_at(list, from)
  table.remove(parts, 1)
  for i = #prefix, 1, -1 do
    table.insert(parts, 1, prefix[i])
  end
  local whole = "kong." .. table.concat(parts, ".")
  local called = is_call(list, last)
  local text, needs, space, name = find_name(parts, called)
  if not text then
    local of_space = parts[2] and names.NAMESPACES[table.concat(parts, ".", 1, #parts - 1)]
    note(
      state,
      from,
      "%s: %s",
      whole,
      names.HINTS["kong." .. (parts[1] or "")]
        or (not called and of_space and "give it on in a function of yours, with ctx")
        or "has no like here"
    )
    return
  end
  if space and not state.known(names.NAMESPACES[space], name) then
    note(state, from, "%s: has no like here", whole)
  end
  replace(list, from, last, text, needs)
  list[from].answers = space == "response" and (name == "exit" or name == "error")
end

-- `local kong = kong` goes; `local get = kong.request.get_header` goes too, and get(…) is spelled out.
local function erase_statement(list, from, last)
  erase(list, from, last)
  local gap = list[last + 1]
  if gap and gap.kind == "space" then gap.text = gap.text:gsub("^[ \t]*\n", "", 1) end
end

local function take_aliases(state)
  local list, aliases = state.tokens, { kong = {} }
  for i = 1, #list do
    local name = list[i].text == "local" and after(list, i)
    local equals = name and list[name].kind == "name" and after(list, name)
    local value = is(list, equals, "=") and after(list, equals)
    if value and list[value].text == "kong" then
      local parts, last = chain_at(list, value)
      table.remove(parts, 1)
      local whole = table.concat(parts, ".")
      local space = table.concat(parts, ".", 1, #parts - 1)
      local keeps = names.OTHERS[whole] and not names.OTHERS[whole].ctx
      if
        not is_call(list, last)
        and not keeps
        and (whole == "" or names.NAMESPACES[whole] or names.NAMESPACES[space])
      then
        aliases[list[name].text] = parts
        erase_statement(list, i, last)
      end
    elseif value and list[value].text == "ngx" and list[name].text == "ngx" then
      local _, last = chain_at(list, value)
      if last == value then erase_statement(list, i, last) end
    end
  end
  return aliases
end

local function move_names(state)
  local list, aliases = state.tokens, take_aliases(state)
  for i = 1, #list do
    local prefix = aliases[list[i].text]
    if prefix and starts_chain(list, i) then
      local following = after(list, i)
      local is_key = is(list, following, "=")
        and (is(list, before(list, i), "{") or is(list, before(list, i), ","))
      if not is_key then move_pdk(state, i, prefix) end
    end
  end
end

-- ── nginx ───────────────────────────────────────────────────────────────────────

-- ngx.log(ngx.ERR, …) → ctx.log:err(…)
local function move_log(state, from, last)
  local list = state.tokens
  local open = after(list, last)
  local level = is(list, open, "(") and after(list, open)
  if not level or list[level].text ~= "ngx" then return false end
  local parts, stop = chain_at(list, level)
  local comma = after(list, stop)
  local name = names.LEVELS[parts[2] or ""]
  if not name or not is(list, comma, ",") then return false end
  erase(list, level, comma)
  local gap = list[comma + 1]
  if gap and gap.kind == "space" then gap.text = "" end
  replace(list, from, last, "ctx.log:" .. name, true)
  return true
end

local function move_nginx(state)
  local list = state.tokens
  for i = 1, #list do
    if list[i].text == "ngx" and starts_chain(list, i) then
      local parts, last = chain_at(list, i)
      local key = "ngx." .. (parts[2] or "")
      local like = names.NGINX[key]
      local own_name = is(list, before(list, i), "local") or is(list, after(list, last), "=") and not parts[2]
      local is_log = key == "ngx.log" and move_log(state, i, last)
      if like and (not like.call or is_call(list, last)) then
        local open = like.first and after(list, last)
        if is(list, open, "(") then list[open].text = "(" .. like.first end
        replace(list, i, last, like[1] .. (parts[3] and "." .. table.concat(parts, ".", 3) or ""), like.ctx)
      elseif not own_name and not is_log then
        note(state, i, "%s: %s", table.concat(parts, "."), names.HINTS[key] or "there is no nginx here")
      end
    end
  end
end

-- ── modules ─────────────────────────────────────────────────────────────────────

local function module_name(text) return text:match("^[\"'](.*)[\"']$") or text:match("^%[%[(.*)%]%]$") end

-- The name that `local NAME = require …` gives, whose `require` stands at i.
local function assigned_to(list, i)
  local equals = before(list, i)
  local name = is(list, equals, "=") and before(list, equals)
  return name and list[name].text
end

-- http.new() → http.new(ctx): it asks for the request.
local function give_ctx(list, name)
  for i = 1, #list do
    if list[i].text == name and starts_chain(list, i) then
      local parts, last = chain_at(list, i)
      if parts[2] == "new" and is(list, after(list, last), "(") then
        add_ctx(list, after(list, last))
        list[i].needs = true
      end
    end
  end
end

-- A module of the plugin itself: require("NAME.module").
local function own_module(state, name)
  local plugin, rest = name:match("^kong%.plugins%.([^.]+)%.(.+)$")
  return plugin and ("%s.%s"):format(state.name or plugin, rest)
end

local function move_modules(state)
  local list = state.tokens
  for i = 1, #list do
    local at = list[i].text == "require" and after(list, i)
    if is(list, at, "(") then at = after(list, at) end
    local name = at and list[at].kind == "string" and module_name(list[at].text)
    if name then
      local own = own_module(state, name)
      local like = names.MODULES[name] or own
      if like then
        list[at].text = (list[at].text:gsub(name:gsub("%p", "%%%0"), (like:gsub("%%", "%%%%"))))
        if name == "resty.http" then give_ctx(list, assigned_to(list, i)) end
      elseif
        not names.SAME_MODULES[name] and (name:find("^[%w_]+%.") or name == "multipart" or name == "socket")
      then
        note(state, i, "require %q: has no like here", name)
      end
    end
  end
end

-- ── statements and fields ───────────────────────────────────────────────────────

local ENDS = { ["end"] = true, ["else"] = true, ["elseif"] = true, ["until"] = true }
local GOES_ON = {}
for sign in ("return = ( , and or not .. == { ["):gmatch("%S+") do
  GOES_ON[sign] = true
end

-- In Kong nothing runs behind an exit; here it must be returned.
local function return_answers(state)
  local list = state.tokens
  for i = 1, #list do
    local last = before(list, i)
    if list[i].answers and not (last and GOES_ON[list[last].text]) then
      local open = after(list, i)
      local stop = is(list, open, "(") and closing(list, open) or open
      local following = after(list, stop)
      if not following or ENDS[list[following].text] then
        list[i].text = "return " .. list[i].text
      else
        note(state, i, "it returns here: write `do return … end` unless the rest shall run")
      end
    end
  end
end

local function move_fields(state)
  local list = state.tokens
  for i = 1, #list do
    local like = list[i].kind == "name" and names.FIELDS[list[i].text]
    local last = like and before(list, i)
    if
      like
      and is(list, after(list, i), "=")
      and (is(list, last, ".") or is(list, last, "{") or is(list, last, ","))
    then
      list[i].text = like
    end
  end
end

local function by_line(a, b)
  if a.line ~= b.line then return a.line < b.line end
  return a.text < b.text
end

--- The file with Moongate's names, and what is left to do by hand.
---@param text string
---@param known fun(file: string, name: string): boolean  whether lua/moongate/pdk/FILE.lua has that function
---@param name? string  the plugin's, where it gets another
---@return string text
---@return { line: integer, text: string }[] notes  by lines of the text that was given
function M.file(text, known, name)
  local state = { tokens = tokens.read(text), notes = {}, known = known, name = name }
  move_modules(state)
  move_names(state)
  move_nginx(state)
  functions.move(state)
  return_answers(state)
  move_fields(state)
  table.sort(state.notes, by_line)
  return tokens.text(state.tokens), state.notes
end

return M
