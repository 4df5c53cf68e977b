--- Background work of a plugin, declared in `init`. It belongs to the generation: it begins when the generation becomes
--- current and is cancelled when the next one does. A function gets `t`, which waits as `ctx` does: `t:sleep`,
--- `t:fetch`, `t:fetch_all`, `t:race`, and writes with `t.log`. An error is a line of the log; the next time comes.
local core = require("moongate.core")
local entities = require("moongate.entities")

local most = core.tasks_max ~= 0 and core.tasks_max or math.huge -- lua.tasks

local M = {}

local counts = {} -- by plugin

local function use_of(plugin)
  for index, use in ipairs(entities.uses) do
    if use.plugin == plugin then return index end
  end
  return 0
end

local function seconds(value, what, name, least, level)
  if type(value) ~= "number" or not (value >= least and value <= 86400 * 30) then
    error(("%s: %s must be seconds, from %g to 30 days"):format(what, name, least), level)
  end
  return value
end

local KNOWN = { worker = true, first = true }

local function declare(what, fn, options, every)
  local plugin = core.declaring
  if not plugin then error(what .. " can only be called in init", 3) end
  if type(fn) ~= "function" then error(what .. ": the task must be a function", 3) end
  if options ~= nil and type(options) ~= "table" then error(what .. ": options must be a table", 3) end
  options = options or {}
  for key in pairs(options) do
    if not KNOWN[key] then error(("%s: %q means nothing"):format(what, tostring(key)), 3) end
  end
  local worker = options.worker or "one"
  if worker ~= "one" and worker ~= "each" then error(what .. ': worker must be "one" or "each"', 3) end
  local first = seconds(options.first or every or 0, what, "first", 0, 4)
  counts[plugin] = (counts[plugin] or 0) + 1
  if counts[plugin] > most then error(("%s: at most %d tasks a plugin (lua.tasks)"):format(what, most), 3) end
  if core.for_events or worker == "one" and core.worker ~= 0 then return end -- control has none
  core.task(fn, use_of(plugin), every or 0, first, require("moongate.ctx").new_task)
end

---@class moongate.TaskOptions
---@field worker? "one"|"each"  in one worker of the process (the default), or in each of them
---@field first? number         seconds until the first time; of `every` else its interval, of `once` else 0

--- Work again and again: the next time comes so many seconds after the last one ended.
---@phase init
---@param interval number  seconds, at least 0.01
---@param fn fun(t: moongate.Task)
---@param options? moongate.TaskOptions
function M.every(interval, fn, options)
  seconds(interval, "task.every", "the interval", 0.01, 3)
  declare("task.every", fn, options, interval)
end

--- Work once, when the generation becomes current. It may go on as long as the generation: `t:sleep` in a loop is fine.
---@phase init
---@param fn fun(t: moongate.Task)
---@param options? moongate.TaskOptions
function M.once(fn, options) declare("task.once", fn, options, nil) end

return M
