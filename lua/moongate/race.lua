--- ctx:race: several functions or requests at once, the first that comes back wins.
local core = require("moongate.core")
local fetch = require("moongate.fetch")
local request_of = require("moongate.fetch_request")

local RACERS_MAX = 16

local M = {}

-- Those of a list first, in order, then the others.
local function each(racers)
  local list = {}
  for i = 1, #racers do
    list[i] = i
  end
  for name in pairs(racers) do
    if type(name) ~= "number" or name < 1 or name > #racers or name % 1 ~= 0 then list[#list + 1] = name end
  end
  return list
end

-- Functions and jobs with their names. Or nil and what is wrong. What cannot be asked for has lost already.
local function read_all(racers)
  local members, names, lost = {}, {}, nil
  for _, name in ipairs(each(racers)) do
    local racer = racers[name]
    local reason, misuse
    if type(racer) ~= "function" then
      if type(racer) == "table" then
        racer, reason, misuse = request_of.read(racer)
      else
        misuse = "must be a function or a request, not a " .. type(racer)
      end
      if racer and not misuse and racer.stream then misuse = "stream is for ctx:fetch alone" end
      if misuse then return nil, ("%s: %s"):format(tostring(name), misuse) end
    end
    lost = lost or reason
    if racer then
      members[#members + 1], names[#names + 1] = racer, name
    end
  end
  return members, names, lost
end

local function give(name, code, ...)
  core.group_end()
  return name, ...
end

local function give_response(name, response)
  core.group_end()
  return name, response
end

-- Nobody came back: the error of the first function that raised one, else the first reason.
local function give_up(member, raised, failed, lost)
  if raised > 0 then
    local _, text = core.group_take(raised)
    core.group_end()
    error("ctx:race: all failed, the first with: " .. text, 0)
  end
  local _, reason = fetch.response(member, core.group_take(failed))
  core.group_end()
  return nil, lost or reason
end

--- The body of ctx:race, which calls it in its own place: misuse is an error of the caller.
function M.race(ctx, ...)
  local racers = select("#", ...) == 1 and type((...)) == "table" and (...) or { ... }
  local members, names, lost = read_all(racers)
  if not members then error("ctx:race: " .. names, 2) end
  if #members > RACERS_MAX then error(("ctx:race: at most %d at once"):format(RACERS_MAX), 2) end
  if #members == 0 then
    if lost then return nil, lost end
    error("ctx:race: takes functions or requests", 2)
  end
  local won, failed, raised = core.group(members, #members, true, ctx, "ctx:race")
  if won < 0 then error(("ctx:race: %s: %s"):format(tostring(names[-won]), failed), 2) end
  if won == 0 then return give_up(members[failed], raised, failed, lost) end
  if type(members[won]) == "function" then return give(names[won], core.group_take(won)) end
  return give_response(names[won], (fetch.response(members[won], core.group_take(won))))
end

return M
