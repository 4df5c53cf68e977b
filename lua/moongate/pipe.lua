--- Runs body hooks: a piece of a body goes through those of a plan, each gets what the one before made of it. C enters
--- here once a piece; the only garbage is the strings themselves.
---
--- A hook gets (conf, ctx, chunk, last). Chunks are never empty but for the last call, which is always ("", true).
--- What it answers takes the chunk's place; nil keeps it, "" swallows it. ctx.response:get_raw_body() and
--- set_raw_body() answer in its place (moongate.pdk.response).
local ffi = require("ffi")
local check = require("moongate.pdk.check")
local context = require("moongate.ctx")

local begin, hold = context.begin, context.hold
local ffi_string = ffi.string

local M = {}

-- What is in a pipe of which a hook may be skipped when it fails: the error takes the coroutine, and C comes back for
-- the hooks behind it. `skipped[i]`: it failed before.
local function load_of(ctx, list)
  local state = hold(ctx)
  local pipes = state.pipes
  if not pipes then
    pipes = {}
    state.pipes = pipes
  end
  local load = pipes[list]
  if not load then
    load = { chunk = "", last = false, skipped = {} }
    pipes[list] = load
  end
  return load
end

---@param plans table  the compiled plans
---@param pick function  the consumer's variant of a choice
---@param name string  of the hook, and of its list in a plan
---@param phase integer  what the handle's phase is while they run
---@return function runner
function M.runner(plans, pick, name, phase)
  local of_response = phase == check.BODY

  local function call(h, ctx, list, i, chunk, last)
    local choice = list.choices and list.choices[i]
    local conf
    if choice then
      local variant = pick(h, ctx, choice)
      if not variant then return chunk end
      h.use, conf = variant.use, variant.conf
    else
      h.use, conf = list.uses[i], list.confs[i]
    end
    local state = of_response and ctx[3]
    if state then
      state.chunk, state.last, state.out = chunk, last, nil -- for get_raw_body() and set_raw_body()
    end
    local out = list.fns[i](conf, ctx, chunk, last)
    if out == nil and state then
      out, state.chunk, state.out = state.out, nil, nil
    end
    if out == nil then return chunk end
    if type(out) ~= "string" then
      error(("%s must return a string or nil, not a %s"):format(name, type(out)), 0)
    end
    return out
  end

  -- A hook gets the last of what came before it, then its own end; what it gives at its end follows what it gave
  -- before.
  local function pipe(h, ctx, list, load, from, chunk, last)
    for i = from, list.n do
      if not (load and load.skipped[i]) then
        h.at = i
        if chunk ~= "" then
          if load then load.chunk = chunk end
          chunk = call(h, ctx, list, i, chunk, false)
        end
        if last then
          if load then load.chunk = chunk end
          local tail = call(h, ctx, list, i, "", true)
          chunk = chunk == "" and tail or tail == "" and chunk or chunk .. tail
        elseif chunk == "" then
          break
        end
      end
    end
    if load then load.chunk = "" end
    return chunk
  end

  -- From 1: a new piece, in the handle; `ends` is 1 with the last. Else the hooks behind one that failed.
  return function(slot)
    local h, ctx = begin(slot)
    local list, ends, from = plans[h.plan][name], h.stage, h.from
    local load = list.skips and load_of(ctx, list)
    local chunk, last
    if from == 1 then
      chunk, last = ffi_string(h.ptr, h.len), ends == 1
      if load then load.last = last end
    else
      chunk, last = load.chunk, load.last
      load.skipped[from - 1] = true
    end
    h.phase = phase
    chunk = pipe(h, ctx, list, load, from, chunk, last)
    h.ptr, h.len = chunk, #chunk -- C takes it before any Lua runs again
  end
end

return M
