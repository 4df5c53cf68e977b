--- Replaces texts in answers while they stream through, however they are cut.
local replacer = require("stream-replace.replacer")

local M = { version = "1.0.0", priority = 790 }

-- [conf] = { rules, types: Lua patterns }
local uses = {}

local function pattern_of(media_type)
  return "^" .. media_type:lower():gsub("[%-.+]", "%%%0"):gsub("%*", "[^;]*") .. "$"
end

local function is_one_of(patterns, content_type)
  local media_type = content_type:match("^%s*([^;%s]*)"):lower()
  for i = 1, #patterns do
    if media_type:find(patterns[i]) then return true end
  end
  return false
end

function M.init(configs)
  for _, conf in ipairs(configs) do
    local types = {}
    for i, media_type in ipairs(conf.types) do
      types[i] = pattern_of(media_type)
    end
    uses[conf] = { rules = replacer.new(conf.replace), types = types }
  end
end

function M.access(conf, ctx)
  if conf.ask_plain then ctx.service.request:set_header("accept-encoding", "identity") end
end

function M.response(conf, ctx)
  local response = ctx.response
  local encoding, content_type = response:get_header("content-encoding"), response:get_header("content-type")
  local is_plain = not encoding or encoding:lower() == "identity"
  if is_plain and content_type and is_one_of(uses[conf].types, content_type) then ctx.plugin.kept = "" end
end

function M.body(conf, ctx, chunk, last)
  local state = ctx.plugin
  if not state.kept then return end
  local out
  out, state.kept = replacer.step(uses[conf].rules, state.kept, chunk, last)
  return out
end

return M
