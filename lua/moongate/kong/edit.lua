--- What moving a file does to its tokens (moongate.kong.move), and to `state`: { tokens, notes, … }.
local tokens = require("moongate.kong.tokens")

local after, before, is = tokens.after, tokens.before, tokens.is

local M = {}

--- Something for people to do, at the line of a token.
function M.note(state, at, text, ...)
  state.notes[#state.notes + 1] = { line = state.tokens[at].line, text = text:format(...) }
end

--- Takes the text of tokens away.
function M.erase(list, from, to)
  for i = from, to do
    list[i].text = ""
  end
end

--- The names that follow one another from `at`, and where the last stands: kong.request.get_path.
function M.chain_at(list, at)
  local parts, last = { list[at].text }, at
  while true do
    local dot = after(list, last)
    local name = is(list, dot, ".") and after(list, dot)
    if not name or list[name].kind ~= "name" then return parts, last end
    parts[#parts + 1], last = list[name].text, name
  end
end

--- Whether a name stands at `i` that is no field of something.
function M.starts_chain(list, i)
  local last = before(list, i)
  return list[i].kind == "name" and not is(list, last, ".") and not is(list, last, ":")
end

--- ctx as the first of what stands in brackets.
function M.add_ctx(list, open)
  local first = after(list, open)
  list[open].text = is(list, first, ")") and "(ctx" or "(ctx, "
end

return M
