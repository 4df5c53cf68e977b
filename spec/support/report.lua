--- How gw-spec tells what happened: nothing but what went wrong, then one line of numbers, for people and for ./dev.
local host = require("support.host")

local function message_of(failure)
  local message = failure.message
  if message == nil then return "an error without a message" end
  if type(message) ~= "string" then return require("pl.pretty").write(message) end
  return message
end

local function describe(failure)
  local trace = failure.element.trace or failure.trace
  local place = trace and trace.short_src and ("%s:%s: "):format(trace.short_src, trace.currentline) or ""
  local lines = { ("FAILED %s%s"):format(place, failure.name) }
  for line in (message_of(failure) .. "\n"):gmatch("([^\n]*)\n") do
    lines[#lines + 1] = "    " .. line
  end
  return table.concat(lines, "\n")
end

local function write_counts(line)
  local path = os.getenv("GW_SPEC_COUNTS")
  if not path then return end
  local file = assert(io.open(path, "w"))
  file:write(line, "\n")
  file:close()
end

return function(options)
  local busted = require("busted")
  local handler = require("busted.outputHandlers.base")()

  function handler.testStart(element)
    host.set_running(handler.getFullName(element))
    return nil, true
  end

  -- At once, not at the end: a later spec may end the process.
  function handler.failed(element, parent, message, debug)
    local failure = handler.format(element, parent, message, debug)
    io.stdout:write(describe(failure), "\n")
    if options.verbose and debug and debug.traceback then io.stdout:write(debug.traceback, "\n") end
    io.stdout:flush()
    return nil, true
  end

  function handler.suiteEnd()
    for _, pending in ipairs(handler.pendings) do
      io.stdout:write("PENDING ", pending.name, "\n")
    end
    local line = ("%d passed, %d failed"):format(
      handler.successesCount,
      handler.failuresCount + handler.errorsCount
    )
    if handler.pendingsCount > 0 then line = ("%s, %d skipped"):format(line, handler.pendingsCount) end
    io.stdout:write(line, "\n")
    io.stdout:flush()
    write_counts(line)
    return nil, true
  end

  busted.subscribe({ "test", "start" }, handler.testStart)
  busted.subscribe({ "failure" }, handler.failed)
  busted.subscribe({ "error" }, handler.failed)
  busted.subscribe({ "suite", "end" }, handler.suiteEnd)

  return handler
end
