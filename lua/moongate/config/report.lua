--- Collects what is wrong (and what is merely doubtful) with a configuration, each with its place.
local document = require("moongate.config.document")
local schema = require("moongate.schema")
local words = require("moongate.schema.words")

local M = {}

--- `{ "routes", 3, "config", "key" }` → `routes[3].config.key`. Indices count from 0.
---@param path (string|integer)[]
---@return string
function M.path_text(path)
  local out = {}
  for i, key in ipairs(path) do
    if type(key) == "number" then
      out[i] = ("[%d]"):format(key)
    elseif key:find("^[%w_-]+$") then
      out[i] = (i > 1 and "." or "") .. key
    else
      out[i] = "[" .. words.quote(key) .. "]"
    end
  end
  return table.concat(out)
end

--- A path with more keys at its end.
---@param path (string|integer)[]
---@param ... string|integer
---@return (string|integer)[]
function M.join(path, ...)
  local result = {}
  for i, key in ipairs(path) do
    result[i] = key
  end
  for i = 1, select("#", ...) do
    result[#path + i] = (select(i, ...))
  end
  return result
end

---@param doc table
---@param file string  as it is shown
---@param kong boolean
---@return table report
function M.new(doc, file, kong)
  local report = { doc = doc, file = file, errors = {}, warnings = {}, kong = kong }
  report.kind_of = function(value)
    local mark = doc.marks[value]
    return mark and mark.kind
  end
  return report
end

local function entry(report, path, message)
  return {
    path = M.path_text(path),
    line = document.line_of(report.doc, path),
    file = report.file,
    message = message,
  }
end

---@param report table
---@param path (string|integer)[]
---@param message string
function M.error(report, path, message) report.errors[#report.errors + 1] = entry(report, path, message) end

---@param report table
---@param path (string|integer)[]
---@param message string
function M.warn(report, path, message) report.warnings[#report.warnings + 1] = entry(report, path, message) end

--- The line a path stands at, for messages about two places.
function M.line(report, path) return document.line_of(report.doc, path) or 1 end

--- Validates `value`, which stands at `path`; what is wrong goes into the report.
---@param report table
---@param kind table
---@param value any
---@param path (string|integer)[]
---@return any value
---@return boolean good
function M.check(report, kind, value, path)
  local result, errors, warnings = schema.validate(kind, value, { kong = report.kong, kind_of = report.kind_of })
  for _, err in ipairs(errors) do
    M.error(report, M.join(path, unpack(err.path)), err.message)
  end
  for _, warning in ipairs(warnings) do
    M.warn(report, M.join(path, unpack(warning.path)), warning.message)
  end
  return result, #errors == 0
end

local function by_place(a, b)
  if (a.line or 0) ~= (b.line or 0) then
    return (a.line or 0) < (b.line or 0)
  elseif a.path ~= b.path then
    return a.path < b.path
  end
  return a.message < b.message
end

--- Every error in the order of the file, the readers' own included. What only follows from a
--- variable that is missing is left out.
---@param report table
---@return table[] errors
function M.finish(report)
  local all = {}
  for _, err in ipairs(report.doc.errors) do
    all[#all + 1] = { path = "", line = err.line, file = report.file, message = err.message }
  end
  for _, err in ipairs(report.errors) do
    if not report.doc.unresolved[err.line] then all[#all + 1] = err end
  end
  table.sort(all, by_place)
  table.sort(report.warnings, by_place)
  return all
end

--- `moongate.yaml:12: routes[3].paths[0]: message`.
---@param err { path: string, line: integer?, file: string, message: string }
---@return string
function M.format(err)
  local place = err.file .. (err.line and (":" .. err.line) or "")
  return ("%s: %s%s"):format(place, err.path ~= "" and (err.path .. ": ") or "", err.message)
end

return M
