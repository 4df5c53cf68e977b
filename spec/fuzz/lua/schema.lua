-- Any JSON value against the schemas of all bundled plugins: errors that name a place, or a value, and the input stays.
local source_dir = ...
local cjson = require("cjson").new()
local t = require("moongate.schema")

cjson.encode_invalid_numbers(true) -- 1e999 is read as infinity

local schemas = {}

local function load_schemas()
  package.path = source_dir .. "/plugins/?.lua;" .. package.path -- their own modules
  local pipe = assert(io.popen("ls '" .. source_dir .. "/plugins'"))
  for name in pipe:lines() do
    schemas[name] = dofile(source_dir .. "/plugins/" .. name .. "/schema.lua")
  end
  pipe:close()
  assert(next(schemas), "no plugins")
end

load_schemas()

return function(bytes)
  local ok, value = pcall(cjson.decode, bytes)
  if not ok then return end
  local before = cjson.encode { value }
  for name, kind in pairs(schemas) do
    local result, errors = t.validate(kind, value)
    for _, err in ipairs(errors) do
      assert(type(err.path) == "table" and type(err.message) == "string" and err.message ~= "", name)
      assert(not err.message:find("[%z\1-\31\127]"), name .. ": " .. ("%q"):format(err.message))
    end
    assert(#errors > 0 or type(result) == "table", name)
  end
  assert(cjson.encode { value } == before, "the input was changed")
end
