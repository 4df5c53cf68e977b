--- lua/moongate/types/: what lua-language-server needs to complete `ctx.` and the modules, as definition files.
local modules = require("moongate.docs.modules")
local pdk = require("moongate.docs.pdk")
local schema_types = require("moongate.schema.types")
local words = require("moongate.schema.words")

local M = {}

local HEAD = "---@meta %s\n-- Written by ./dev docs from the sources. Do not change it here.\n"

local PLUGIN = [[
---What handler.lua returns: hooks, each as it is needed, and facts about the plugin.
---@class moongate.Handler
---@field version? string            "1.0.0"
---@field priority? integer          higher runs first (1000)
---@field authenticates? boolean     it says who the client is
---@field init? fun(configs: table[])  once a worker, before it serves: may declare, may not wait
---@field rewrite? fun(conf: table, ctx: moongate.Ctx)  used globally: before a route is chosen
---@field access? fun(conf: table, ctx: moongate.Ctx)  the route is known; may answer and change what the service gets
---@field request_body? fun(conf: table, ctx: moongate.Ctx, chunk: string, last: boolean): string?  nil keeps the chunk
---@field response? fun(conf: table, ctx: moongate.Ctx)  the head of the answer is there
---@field body? fun(conf: table, ctx: moongate.Ctx, chunk: string, last: boolean): string?  nil keeps the chunk
---@field log? fun(conf: table, ctx: moongate.Ctx)  the answer is sent
---@field event? fun(conf: table, event: table)

---What a function of moongate.task gets.
---@class moongate.Task
---@field log moongate.Log
---@field sleep fun(self: moongate.Task, seconds: number)
---@field fetch fun(self: moongate.Task, request: moongate.FetchRequest): moongate.FetchResponse?, string?
---@field fetch_all fun(self: moongate.Task, requests: table): table<any, moongate.FetchResponse>
---@field race fun(self: moongate.Task, ...): any
]]

local function comment(out, text)
  for line in (text .. "\n"):gmatch("(.-)\n") do
    out[#out + 1] = ("---" .. line):gsub("%s+$", "")
  end
end

local function arguments(block)
  local list = {}
  for name in block.args:gmatch("[%w_.]+") do
    if name ~= "self" then list[#list + 1] = name end
  end
  return table.concat(list, ", ")
end

local function write_function(out, block, called)
  local hooks = pdk.hooks(block.phases)
  out[#out + 1] = ""
  comment(out, block.text .. (hooks and "\n\nIn " .. hooks .. "." or ""))
  for _, param in ipairs(block.params) do
    out[#out + 1] = ("---@param %s%s %s%s"):format(
      param.name,
      param.optional and "?" or "",
      param.type,
      param.text ~= "" and " # " .. param.text or ""
    )
  end
  for _, value in ipairs(block.returns) do
    local name = value.name or value.text ~= "" and "_" or nil
    out[#out + 1] = ("---@return %s%s%s"):format(
      value.type,
      name and " " .. name or "",
      value.text ~= "" and " # " .. value.text or ""
    )
  end
  out[#out + 1] = ("function %s(%s) end"):format(called, arguments(block))
end

local function write_class(out, name, text, fields)
  out[#out + 1] = ""
  if text and text ~= "" then comment(out, text) end
  out[#out + 1] = "---@class " .. name
  for _, field in ipairs(fields or {}) do
    out[#out + 1] = ("---@field %s%s %s%s"):format(
      field.name,
      field.optional and "?" or "",
      field.type,
      (field.text or "") ~= "" and " # " .. field.text or ""
    )
  end
end

local function last_word(name) return name:match("([%w_]+)$") end

-- The parts below one: ctx.service has .request and .response.
local function parts_of(name)
  local fields = {}
  if name == "ctx" then
    for _, field in ipairs(modules.CTX_FIELDS) do
      fields[#fields + 1] = { name = field[1], type = field[2], text = field[3] }
    end
  end
  for _, part in ipairs(modules.CTX) do
    local rest = part.name:match("^" .. name:gsub("%.", "%%.") .. "%.([%w_]+)$")
    if rest then fields[#fields + 1] = { name = rest, type = part.class } end
  end
  return fields
end

local function ctx_file(sources)
  local out = { HEAD:format("_") }
  for _, part in ipairs(modules.CTX) do
    local parsed = sources[part.file]
    local variable = last_word(part.class)
    write_class(out, part.class, part.about or parsed.intro, parts_of(part.name))
    out[#out + 1] = ("local %s = {}"):format(variable)
    for _, block in ipairs(parsed.functions) do
      local own = block.owner == "M" and block.separator == ":" and block.name
        or part.name == "ctx" and block.owner == "local" and block.name:match("^ctx_(.+)")
      if own then write_function(out, block, variable .. ":" .. own) end
    end
    for _, class in ipairs(parsed.classes) do
      if #class.fields > 0 then write_class(out, class.name, class.text, class.fields) end
    end
  end
  return table.concat(out, "\n") .. "\n"
end

-- Classes of a module, with the functions they have; a table without `---@class` gets a name all the same.
local function module_classes(out, name, parsed)
  local known = {}
  for _, class in ipairs(parsed.classes) do
    known[class.variable or class.name] = true
    write_class(out, class.name, class.text, class.fields)
    if class.variable and class.variable ~= "M" then out[#out + 1] = ("local %s = {}"):format(class.variable) end
  end
  for _, block in ipairs(parsed.functions) do
    local owner = block.owner
    if owner ~= "M" and owner ~= "local" and owner ~= "field" then
      if not known[owner] then
        known[owner] = true
        write_class(out, ("moongate.%s.%s"):format(name, owner), "", {})
        out[#out + 1] = ("local %s = {}"):format(owner)
      end
      write_function(out, block, owner .. block.separator .. block.name)
    end
  end
end

local function module_file(name, parsed)
  local out = { HEAD:format("moongate." .. name) }
  comment(out, parsed.intro)
  out[#out + 1] = "---@class moongate." .. name
  out[#out + 1] = "local M = {}"
  module_classes(out, name, parsed)
  for _, block in ipairs(parsed.functions) do
    if block.owner == "M" then write_function(out, block, "M" .. block.separator .. block.name) end
  end
  out[#out + 1] = "\nreturn M"
  return table.concat(out, "\n") .. "\n"
end

local METHOD = [[

---Sends a request and waits for its response.
---@param path string
---@param options? moongate.spec.RequestOptions
---@return moongate.spec.Response
function Gateway:%s(path, options) end]]

-- Beside what the definitions of luassert have.
local ASSERTIONS = [[

---@class luassert
---@field has_status fun(response: moongate.spec.Response, status: integer)
---@field has_header fun(message: table, name: string, value?: string) # of a response or of a request an upstream got
---@field is_problem fun(response: moongate.spec.Response, status?: integer, detail?: string)
---@field has_json fun(response: moongate.spec.Response, expected: any) # the whole body
---@field upstream_saw fun(what: moongate.spec.Gateway|moongate.spec.Upstream, expected: table)
---@field logged fun(gw: moongate.spec.Gateway, pattern: string) # a Lua pattern, in a line of the error log]]

local function spec_file(sources)
  local out = { HEAD:format("moongate.spec") }
  comment(out, sources["spec/init"].intro)
  out[#out + 1] = "---@class moongate.spec\nlocal M = {}"
  for _, file in ipairs(modules.SPEC) do
    local parsed = { classes = sources[file].classes, functions = {} }
    for _, block in ipairs(sources[file].functions) do
      if not modules.SPEC_INTERNAL[block.owner .. ":" .. block.name] and block.owner ~= "M" then
        parsed.functions[#parsed.functions + 1] = block
      end
    end
    module_classes(out, "spec", parsed)
  end
  for _, name in ipairs(modules.SPEC_METHODS) do
    out[#out + 1] = METHOD:format(name)
  end
  for _, block in ipairs(sources["spec/init"].functions) do
    if block.owner == "M" then write_function(out, block, "M." .. block.name) end
  end
  out[#out + 1] = ASSERTIONS
  out[#out + 1] = "\nreturn M"
  return table.concat(out, "\n") .. "\n"
end

local LUA_TYPES = {
  any = "any",
  type = "moongate.schema.Type",
  list = "any[]",
  pattern = "string",
  count = "integer",
  range = "number[]",
  number = "number",
  unit = '"s"|"ms"',
  ["function"] = "fun(value: any): boolean?, string?",
}

local function attributes_class(out, kind)
  local fields = {}
  for _, name in ipairs(words.keys(schema_types.KINDS[kind].attributes)) do
    local is = schema_types.KINDS[kind].attributes[name]
    fields[#fields + 1] = { name = name, optional = true, type = LUA_TYPES[is] or is }
  end
  if kind == "string" then -- the values of one_of
    fields[#fields + 1] = { name = "[integer]", type = "string|number" }
  end
  for i = 1, schema_types.KINDS[kind].holds or 0 do
    fields[#fields + 1] = { name = ("[%d]"):format(i), optional = true, type = "moongate.schema.Type" }
  end
  write_class(out, "moongate.schema." .. kind:gsub("^%l", string.upper) .. "Attributes", "", fields)
end

local function schema_file(sources)
  local out = { HEAD:format("moongate.schema") }
  comment(out, sources.schema.intro)
  out[#out + 1] = "---@class moongate.schema\n---@field none any # default = t.none: no default here\nlocal t = {}"
  out[#out + 1] = "\n---@class moongate.schema.Type"
  for _, kind in ipairs(words.keys(schema_types.KINDS)) do
    attributes_class(out, kind)
  end
  local function constructor(name, kind, about)
    out[#out + 1] = (
      "\n---%s\n---@param spec moongate.schema.%sAttributes\n---@return moongate.schema.Type\n"
      .. "function t.%s(spec) end"
    ):format(about, kind:gsub("^%l", string.upper), name)
  end
  for _, name in ipairs(words.keys(schema_types.SCALARS)) do
    constructor(name, schema_types.SCALARS[name].kind, schema_types.SCALARS[name].noun[1])
  end
  for _, name in ipairs { "any", "array", "json", "map", "one_of", "set" } do
    local kind = ({ json = "any", one_of = "string" })[name] or name
    constructor(name, kind, name == "one_of" and "one of the given values" or name)
  end
  for _, block in ipairs(sources.schema.functions) do
    if block.owner == "M" and #block.params > 0 then write_function(out, block, "t." .. block.name) end
  end
  for _, name in ipairs { "at_least_one_of", "only_one_of", "mutually_required", "mutually_exclusive" } do
    out[#out + 1] = ("\n---@param fields string[]\n---@return table\nfunction t.%s(fields) end"):format(name)
  end
  out[#out + 1] = "\n---@param rule table\n---@return table\nfunction t.conditional(rule) end"
  out[#out + 1] = "\n---@param rule fun(record: table): boolean?, string?, string?\n---@return table\n"
    .. "function t.check(rule) end"
  out[#out + 1] = "\nreturn t"
  return table.concat(out, "\n") .. "\n"
end

--- The files, by their path below lua/moongate/types/.
---@param sources table<string, table>  what annotations.parse made of each file
---@return table<string, string>
function M.files(sources)
  local files = {
    ["ctx.lua"] = ctx_file(sources),
    ["plugin.lua"] = HEAD:format("_") .. "\n" .. PLUGIN,
    ["moongate/schema.lua"] = schema_file(sources),
    ["moongate/spec.lua"] = spec_file(sources),
  }
  for _, name in ipairs(modules.PUBLIC) do
    if sources[name] then files["moongate/" .. name .. ".lua"] = module_file(name, sources[name]) end
  end
  return files
end

return M
