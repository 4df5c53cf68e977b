--- The fields of pre-function and post-function: a list of Lua chunks for each phase.
local t = require("moongate.schema")
local later = require("moongate.config.later")

local M = {}

local FIELDS = {
  { "rewrite", "Before the route's access plugins; of a global use before routing." },
  { "access", "Before the service is called." },
  { "request_body", "For each piece of the request's body: `local ctx, piece, last = ...`." },
  { "response", "When the response's head is there." },
  { "header_filter", "Kong's name for `response`." },
  { "body", "For each piece of the response's body: `local ctx, piece, last = ...`; a string takes its place." },
  { "body_filter", "Kong's name for `body`." },
  { "log", "After the response." },
}

local LATER = { "certificate", "ws_handshake", "ws_client_frame", "ws_upstream_frame", "ws_close" }

local function check(text)
  local chunk, reason = loadstring(text, "=line")
  if text:sub(1, 1) == "\27" then return nil, "must be Lua's text, not bytecode" end
  if not chunk then return nil, "is not Lua: " .. reason:gsub("^line:", "line ") end
  return true
end

function M.schema()
  local fields = {
    t.mutually_exclusive { "response", "header_filter" },
    t.mutually_exclusive { "body", "body_filter" },
  }
  for _, field in ipairs(FIELDS) do
    fields[field[1]] = t.array { t.string { check = check }, about = field[2] }
  end
  for _, name in ipairs(LATER) do
    fields[name] = t.array {
      t.string {},
      default = {},
      check = function(list)
        if #list == 0 then return true end
        return nil, "is " .. later.MESSAGE
      end,
      about = "Kong's; not in this version.",
    }
  end
  return t.record(fields)
end

return M
