---@meta moongate.task
-- Written by ./dev docs from the sources. Do not change it here.

---Background work of a plugin, declared in `init`. It belongs to the generation: it begins when the generation becomes
---current and is cancelled when the next one does. A function gets `t`, which waits as `ctx` does: `t:sleep`,
---`t:fetch`, `t:fetch_all`, `t:race`, and writes with `t.log`. An error is a line of the log; the next time comes.
---@class moongate.task
local M = {}

---@class moongate.TaskOptions
---@field worker? "one"|"each" # in one worker of the process (the default), or in each of them
---@field first? number # seconds until the first time; of `every` else its interval, of `once` else 0

---Work again and again: the next time comes so many seconds after the last one ended.
---
---In init.
---@param interval number # seconds, at least 0.01
---@param fn fun(t: moongate.Task)
---@param options? moongate.TaskOptions
function M.every(interval, fn, options) end

---Work once, when the generation becomes current. It may go on as long as the generation: `t:sleep` in a loop is fine.
---
---In init.
---@param fn fun(t: moongate.Task)
---@param options? moongate.TaskOptions
function M.once(fn, options) end

return M
