--- `moongate new plugin NAME --from FOLDER`: a plugin that was written for Kong, moved by moongate.kong.move. The rules
--- stand in docs/kong.md.
local files = require("moongate.config.files")
local move = require("moongate.kong.move")
local words = require("moongate.schema.words")

local M = {}

-- What belongs to Kong's database.
local LEFT_OUT = { ["daos.lua"] = true, ["api.lua"] = true, ["status_api.lua"] = true }

-- The functions of the PDK, as its files have them.
local function known_of(home)
  local texts = {}
  return function(file, name)
    texts[file] = texts[file] or files.read(("%s/lua/moongate/pdk/%s.lua"):format(home, file)) or ""
    return texts[file]:find(("\nfunction M:%s("):format(name), 1, true) ~= nil
  end
end

local function add_notes(moved, path, notes, text)
  for _, note in ipairs(notes) do
    moved.notes[#moved.notes + 1] = ("%s:%d: %s"):format(path, note.line, note.text)
  end
  local ok, reason = loadstring(text, "=" .. path)
  if not ok then moved.notes[#moved.notes + 1] = ("%s (as it was moved)"):format(reason) end
end

--- The files as they shall be, and what is left to do.
---@param folder string
---@param name string  the plugin's, here
---@param home string
---@return { texts: table<string, string>, notes: string[] }? moved
---@return string? reason
function M.read(folder, name, home)
  local moved, known = { texts = {}, notes = {} }, known_of(home)
  for _, file in ipairs { "handler.lua", "schema.lua" } do
    if not files.exists(folder .. "/" .. file) then
      return nil, ("%s has no %s: it is no plugin for Kong"):format(folder, file)
    end
  end
  for _, file in ipairs(files.list(folder)) do
    local path = folder .. "/" .. file
    if file:find("%.lua$") and not files.is_folder(path) then
      local text, reason = files.read(path)
      if not text then return nil, ("%s: %s"):format(path, reason) end
      if LEFT_OUT[file] then
        moved.notes[#moved.notes + 1] = path .. ": was left out, it belongs to Kong's database"
      elseif file == "schema.lua" then
        moved.texts[file] = text
      else
        local notes
        moved.texts[file], notes = move.file(text, known, name)
        add_notes(moved, path, notes, moved.texts[file])
      end
    end
  end
  return moved
end

--- Says what was made.
function M.tell(moved, folder)
  print(("made %s: %s"):format(folder, table.concat(words.keys(moved.texts), ", ")))
  for _, note in ipairs(moved.notes) do
    print("by hand: " .. note)
  end
  print(
    ("next: %s`moongate check` loads it, once moongate.yaml uses it"):format(
      moved.notes[1] and "see to these lines; " or ""
    )
  )
end

return M
