--- Says the answers of a running gateway to the person at the terminal. Each function prints and returns the exit code.
local json = require("cjson.safe")

local M = {}

local GOOD, BAD = 0, 1

local function complain(text, ...)
  io.stderr:write("moongate: ", text:format(...), "\n")
  return BAD
end

-- What is neither the answer nor one of its known errors: a problem of the admin listener.
local function other(what, status, body)
  local problem = json.decode(body)
  local detail = type(problem) == "table" and problem.detail or body:sub(1, 200)
  if status == "401" then
    return complain("%s: %s (admin.token of the configuration, or --token)", what, detail)
  end
  return complain("%s: the gateway answered %s: %s", what, status, detail)
end

---@param status string  HTTP status of POST /reload
---@param body string
---@return integer code
function M.reload(status, body)
  local answer = json.decode(body)
  if (status ~= "200" and status ~= "422") or type(answer) ~= "table" then return other("reload", status, body) end
  if status == "200" then
    print(("generation %d serves"):format(answer.generation))
    return GOOD
  end
  for _, text in ipairs(answer.errors) do
    io.stderr:write(text, "\n")
  end
  return complain(
    "not reloaded: %d error%s, generation %d keeps serving",
    #answer.errors,
    #answer.errors == 1 and "" or "s",
    answer.generation
  )
end

local function print_list(title, list)
  if #list == 0 then return end
  print(title)
  for _, text in ipairs(list) do
    print("  " .. text)
  end
end

-- "targets      5, 1 unhealthy"; nothing where there are none.
local function print_counts(title, all, kinds)
  if all == 0 then return end
  local text = ("%-12s %d"):format(title, all)
  for _, kind in ipairs(kinds) do
    if kind[1] > 0 then text = ("%s, %d %s"):format(text, kind[1], kind[2]) end
  end
  print(text)
end

local function print_reload(last)
  if last.ok then
    print(("last reload  good, at %s, %.1f ms"):format(last.at, last.tookMs))
    return
  end
  print(("last reload  failed at %s; the generation before it keeps serving"):format(last.at))
  print_list("errors", last.errors)
end

---@param status string  HTTP status of GET /status
---@param body string
---@return integer code
function M.status(status, body)
  local answer = json.decode(body)
  if status ~= "200" or type(answer) ~= "table" then return other("status", status, body) end
  print(("state        %s (moongate %s)"):format(answer.state, answer.version))
  print(("started      %s"):format(answer.started))
  print(("generation   %d (%d alive)"):format(answer.generation, #answer.generations))
  print(("workers      %d"):format(answer.workers))
  for _, listener in ipairs(answer.listeners) do
    print(("listener     %s, %d connections"):format(listener.address, listener.connections))
  end
  print_counts("targets", answer.health.targets, {
    { answer.health.unhealthy, "unhealthy" },
    { answer.health.ejected, "ejected" },
    { answer.health.unchecked, "unchecked" },
    { answer.health.panics, "upstreams in panic" },
  })
  print_counts("breakers", answer.breakers.all, {
    { answer.breakers.open, "open" },
    { answer.breakers.halfOpen, "half open" },
  })
  print_list("failing", answer.failing)
  print_reload(answer.lastReload)
  print_list("warnings", answer.warnings)
  return answer.lastReload.ok and GOOD or BAD
end

--- Makes what `moongate new KIND NAME` asks for.
---@param home string
---@param kind string
---@param name string
---@param hooks? string  "access,response"
---@param dir? string
---@param from? string
---@return integer code
function M.new(home, kind, name, hooks, dir, from)
  return require("moongate.new").run { home = home, kind = kind, name = name, hooks = hooks, dir = dir, from = from }
end

--- Says what a configuration leaves open.
---@param home string
---@param path string
---@return integer code
function M.audit(home, path) return require("moongate.audit").run(home, path) end

return M
