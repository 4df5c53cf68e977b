--- docs/pdk.md: every function a plugin can call, from the comments above it.
local modules = require("moongate.docs.modules")

local M = {}

local HOOKS = { "rewrite", "access", "request_body", "response", "body", "log" }

local function has_all(set)
  for _, hook in ipairs(HOOKS) do
    if not set[hook] and not (hook == "rewrite" and set["rewrite after routing"]) then return false end
  end
  return true
end

--- Hooks as people read them: "any hook", "access, response".
---@param phases string[]?
---@return string?
function M.hooks(phases)
  if not phases then return nil end
  local set, list = {}, {}
  for _, name in ipairs(phases) do
    set[name] = true
  end
  if set.any then
    return set.init and "init and every hook" or "every hook"
  elseif has_all(set) then
    return (set.init and "init and every hook" or "every hook")
      .. (set.task and ", and in tasks" or "")
      .. (set["rewrite after routing"] and ", rewrite only after routing" or "")
  end
  for _, name in ipairs(phases) do
    list[#list + 1] = name == "rewrite after routing" and "rewrite (after routing)" or name
  end
  return table.concat(list, ", ")
end

-- "name, max?" of a signature, without self.
local function arguments(block)
  local known, list = {}, {}
  for _, param in ipairs(block.params) do
    known[param.name] = param
  end
  for name in block.args:gmatch("[%w_.]+") do
    if name ~= "self" then list[#list + 1] = name .. (known[name] and known[name].optional and "?" or "") end
  end
  return table.concat(list, ", ")
end

local function code(text) return "`" .. text .. "`" end

local function returns_line(block)
  local parts = {}
  for i, value in ipairs(block.returns) do
    local about = value.text == "" and ""
      or #block.returns == 1 and ": " .. value.text
      or (" (%s)"):format(value.text)
    parts[i] = code(value.type) .. (value.name and " " .. value.name or "") .. about
  end
  return "- returns " .. table.concat(parts, ", ")
end

--- One function.
---@param out string[]
---@param called string  "ctx.request:get_path"
---@param block table
function M.one(out, called, block)
  out[#out + 1] = ("### `%s(%s)`\n"):format(called, arguments(block))
  out[#out + 1] = block.text .. "\n"
  local hooks = M.hooks(block.phases)
  if hooks then out[#out + 1] = "In " .. hooks .. ".\n" end
  local facts = {}
  for _, param in ipairs(block.params) do
    facts[#facts + 1] = ("- `%s`: %s%s"):format(
      param.name .. (param.optional and "?" or ""),
      code(param.type),
      param.text ~= "" and ", " .. param.text or ""
    )
  end
  if #block.returns > 0 then facts[#facts + 1] = returns_line(block) end
  if #facts > 0 then out[#out + 1] = table.concat(facts, "\n") .. "\n" end
end

local function class(out, block)
  out[#out + 1] = ("### `%s`\n"):format(block.name)
  if block.text ~= "" then out[#out + 1] = block.text .. "\n" end
  local rows = {}
  for _, field in ipairs(block.fields) do
    rows[#rows + 1] = ("- `%s`: %s%s"):format(
      field.name .. (field.optional and "?" or ""),
      code(field.type),
      field.text ~= "" and ", " .. field.text or ""
    )
  end
  out[#out + 1] = table.concat(rows, "\n") .. "\n"
end

-- The introduction without "ctx.request: ", with its first letter large.
local function intro_of(text)
  local rest = text:gsub("^[%w_.]+: ", "")
  return rest:sub(1, 1):upper() .. rest:sub(2)
end

local function ctx_part(out, part, parsed)
  out[#out + 1] = ("## %s\n"):format(part.name)
  if part.name == "ctx" then
    for _, field in ipairs(modules.CTX_FIELDS) do
      out[#out + 1] = ("### `ctx.%s`\n\n%s\n"):format(field[1], field[3])
    end
  else
    out[#out + 1] = intro_of(parsed.intro) .. "\n"
  end
  for _, block in ipairs(parsed.functions) do
    local own = block.owner == "M" and block.separator == ":" and block.name
      or part.name == "ctx" and block.owner == "local" and block.name:match("^ctx_(.+)")
    if own then M.one(out, part.name .. ":" .. own, block) end
  end
  for _, block in ipairs(parsed.classes) do
    if #block.fields > 0 then class(out, block) end
  end
end

-- How the functions of a class in a module are called: by its last word, small.
local function variable_of(parsed, owner)
  for _, found in ipairs(parsed.classes) do
    if found.variable == owner then return found.name:match("([%w_]+)$"):lower() end
  end
  return owner:lower()
end

local function module_part(out, name, parsed)
  out[#out + 1] = ("## moongate.%s\n"):format(name)
  out[#out + 1] = parsed.intro .. "\n"
  for _, block in ipairs(parsed.functions) do
    if block.owner == "M" then M.one(out, name .. block.separator .. block.name, block) end
  end
  for _, block in ipairs(parsed.functions) do
    if block.owner ~= "M" and block.owner ~= "local" and block.owner ~= "field" then
      M.one(out, variable_of(parsed, block.owner) .. block.separator .. block.name, block)
    end
  end
  for _, block in ipairs(parsed.classes) do
    if #block.fields > 0 then class(out, block) end
  end
end

local function spec_functions(out, sources, owner, called)
  for _, file in ipairs(modules.SPEC) do
    for _, block in ipairs(sources[file].functions) do
      if block.owner == owner and not modules.SPEC_INTERNAL[owner .. ":" .. block.name] then
        M.one(out, called .. block.separator .. block.name, block)
      end
    end
  end
end

--- The generated part of docs/testing-plugins.md: everything the harness has.
---@param sources table<string, table>
---@return string
function M.spec_text(sources)
  local out = {}
  for _, block in ipairs(sources["spec/init"].functions) do
    if block.owner == "M" then M.one(out, "gateway." .. block.name, block) end
  end
  for _, entry in ipairs(modules.SPEC_CALLED) do
    spec_functions(out, sources, entry[1], entry[2])
    if entry[1] == "Gateway" then
      local list = {}
      for i, name in ipairs(modules.SPEC_METHODS) do
        list[i] = ("`gw:%s(path, options?)`"):format(name)
      end
      out[#out + 1] = ("### %s\n\n`gw:request()` with the method in its name.\n"):format(table.concat(list, ", "))
    end
  end
  for _, file in ipairs(modules.SPEC) do
    for _, block in ipairs(sources[file].classes) do
      if #block.fields > 0 then class(out, block) end
    end
  end
  return table.concat(out, "\n")
end

local function anchor(title) return (title:lower():gsub("[^%w_ -]", ""):gsub(" ", "-")) end

local function contents(parts)
  local list = {}
  for _, title in ipairs(parts) do
    list[#list + 1] = ("[%s](#%s)"):format(title, anchor(title))
  end
  return table.concat(list, " · ") .. "\n"
end

--- The whole generated part.
---@param sources table<string, table>  what annotations.parse made of each file
---@return string
function M.text(sources)
  local out, titles = {}, {}
  for _, part in ipairs(modules.CTX) do
    titles[#titles + 1] = part.name
    ctx_part(out, part, sources[part.file])
  end
  for _, name in ipairs(modules.PUBLIC) do
    if sources[name] then
      titles[#titles + 1] = "moongate." .. name
      module_part(out, name, sources[name])
    end
  end
  return contents(titles) .. "\n" .. table.concat(out, "\n")
end

return M
