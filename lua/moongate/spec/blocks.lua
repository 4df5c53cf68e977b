--- Which block of a spec a gateway belongs to, and what happens at its end. Knows busted; without it gateways live
--- until they are closed.
local core = require("moongate.spec.core")

local M = {}

-- One for the process: busted loads modules anew for every file.
core.kept.blocks = core.kept.blocks
  or {
    stack = {}, -- describes and files that run
    test = nil, -- the `it` that runs
    each = setmetatable({}, { __mode = "k" }), -- functions of before_each
    owned = {}, -- gateways by block; false: the next test
  }
local state = core.kept.blocks
local NEXT_TEST, NO_BLOCK = "the next test", "the whole run"

-- A gateway made in before_each belongs to the test that follows.
local function in_before_each()
  for level = 3, 40 do
    local info = debug.getinfo(level, "f")
    if not info then return false end
    if state.each[info.func] then return true end
  end
  return false
end

local function list_of(block)
  state.owned[block] = state.owned[block] or {}
  return state.owned[block]
end

--- The gateway is closed when the block ends that runs now.
---@param gateway table
function M.own(gateway)
  gateway.block = state.test or in_before_each() and NEXT_TEST or state.stack[#state.stack] or NO_BLOCK
  table.insert(list_of(gateway.block), gateway)
end

--- It was closed.
function M.forget(gateway)
  local list = gateway.block and state.owned[gateway.block] or {}
  for i = #list, 1, -1 do
    if list[i] == gateway then table.remove(list, i) end
  end
end

local function close_all(block)
  local list, problems = state.owned[block] or {}, {}
  state.owned[block] = nil
  for i = #list, 1, -1 do
    local ok, reason = pcall(list[i].close, list[i])
    if not ok then problems[#problems + 1] = reason end
  end
  if #problems > 0 then error(table.concat(problems, "\n"), 0) end
end

local function blocks_left()
  local list = {}
  for block in pairs(state.owned) do
    list[#list + 1] = block
  end
  return list
end

local function each_gateway(visit)
  for _, list in pairs(state.owned) do
    for _, gateway in ipairs(list) do
      visit(gateway)
    end
  end
end

local function stories()
  local out = {}
  each_gateway(function(gateway)
    if not gateway.story:empty() then out[#out + 1] = gateway.story:text() end
  end)
  return table.concat(out, "\n\n")
end

-- ── busted's events ─────────────────────────────────────────────────────────────

local function subscribe_failures(busted)
  local telling = false
  for _, status in ipairs { "failure", "error" } do
    busted.subscribe({ status, "it" }, function(element, parent, message, trace)
      local text = not telling and stories() or ""
      if text == "" then return nil, true end
      telling = true -- the same again with the story behind it, for everybody who listens
      message = (type(message) == "string" and message or tostring(message)) .. "\n\n" .. text
      busted.publish({ status, "it" }, element, parent, message, trace)
      telling = false
      return nil, false
    end, { priority = 1 })
  end
end

local function subscribe_blocks(busted)
  for _, kind in ipairs { "file", "describe" } do
    busted.subscribe({ kind, "start" }, function(element)
      table.insert(state.stack, element)
      return nil, true
    end, { priority = 1 })
    busted.subscribe({ kind, "end" }, function(element)
      if state.stack[#state.stack] == element then table.remove(state.stack) end
      close_all(NEXT_TEST)
      close_all(element)
      return nil, true
    end, { priority = 1 })
  end
end

local function subscribe_tests(busted)
  busted.subscribe({ "test", "start" }, function(element)
    state.test = element
    for _, gateway in ipairs(list_of(NEXT_TEST)) do
      gateway.block = element
      table.insert(list_of(element), gateway)
    end
    state.owned[NEXT_TEST] = nil
    each_gateway(function(gateway) gateway.story:clear() end)
    return nil, true
  end, { priority = 1 })
  busted.subscribe({ "test", "end" }, function(element)
    state.test = nil
    close_all(element)
    return nil, true
  end, { priority = 1 })
end

--- Listens to a run of busted.
function M.install()
  local busted = require("busted")
  busted.subscribe({ "register", "before_each" }, function(_, fn)
    if fn then state.each[fn] = true end
    return nil, true
  end, { priority = 1 }) -- busted's own lets nobody hear of it afterwards
  if core.kept.coverage then
    local coverage = require("moongate.spec.coverage")
    coverage.start()
    busted.subscribe({ "exit" }, function()
      print(coverage.report())
      return nil, true
    end)
  end
  busted.subscribe({ "exit" }, function()
    for _, block in ipairs(blocks_left()) do
      close_all(block)
    end -- also where tests are only listed
    return nil, true
  end)
  -- Later than everybody else, so that "first" means before the output.
  busted.subscribe({ "suite", "start" }, function()
    if not state.installed then
      state.installed = true
      subscribe_failures(busted)
      subscribe_blocks(busted)
      subscribe_tests(busted)
    end
    return nil, true
  end)
end

return M
