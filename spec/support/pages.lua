--- Pages of documentation, tried out: every fenced block of a page is run in one scratch folder, from top to bottom, as a
--- reader would. What a block is, the words behind its ``` say:
---
---     lua file=plugins/x/handler.lua   written there, as every other language with file=
---     lua                              must compile · yaml: must be readable · json, text, nothing: not looked at
---     sh                               run with sh; must end with 0 (or with N, where it says exit=N)
---     sh background                    started on a terminal and kept until the page ends; stopped cleanly then
---     sh norun                         only shown
---     output                           what the sh block before it prints; "…" stands for anything, alone on a line for
---                                      any lines
---     output from=background           lines that the background block prints, in this order, now or soon
---
--- `moongate` is the binary under test. Ports 8000 and 9001 are exchanged for free ones, on the way in and out.
local ffi = require("ffi")
local host = require("support.host")
local moongate = require("support.moongate")
local process = require("support.process")
local wire = require("support.wire")
local yaml = require("moongate.config.yaml")

local M = {}

pcall(ffi.cdef, [[int pages_symlink(const char *, const char *) __asm__("symlink");]])

-- ── reading ─────────────────────────────────────────────────────────────────────

local function read_info(text)
  local info = { language = text:match("^%S+") or "" }
  for word in text:gmatch("%S+") do
    local key, value = word:match("^(%w+)=(.+)$")
    if key then
      info[key] = value
    else
      info[word] = true
    end
  end
  return info
end

--- The fenced blocks of a page: { line, info, text }.
function M.blocks(text)
  local blocks, open, number = {}, nil, 0
  for line in (text .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    if open then
      if line:find("^```%s*$") then
        open.text = table.concat(open.lines, "\n") .. "\n"
        blocks[#blocks + 1], open = open, nil
      else
        open.lines[#open.lines + 1] = line
      end
    elseif line:find("^```") then
      open = { line = number, info = read_info(line:sub(4)), lines = {} }
    end
  end
  return blocks
end

-- ── a page's folder ─────────────────────────────────────────────────────────────

local Page = {}
Page.__index = Page

local function free_port()
  local socket = wire.listen()
  local port = socket.port
  socket:close()
  return tostring(port)
end

local PORTS = { "8000", "9001" }

local function inward(page, text)
  for _, port in ipairs(PORTS) do
    text = text:gsub(":" .. port .. "%f[%D]", ":" .. page.ports[port])
  end
  return text
end

local function outward(page, text)
  for _, port in ipairs(PORTS) do
    text = text:gsub(":" .. page.ports[port] .. "%f[%D]", ":" .. port)
  end
  return text:gsub("\r", "")
end

local function environment(page)
  return {
    PATH = page.folder .. "/.bin:" .. os.getenv("PATH"),
    MOONGATE_HOME = host.source_dir,
    NO_COLOR = "1",
    TERM = "xterm",
    RUNTIME_DIRECTORY = page.folder .. "/.run",
    ASAN_OPTIONS = "detect_leaks=1:exitcode=99",
    HOME = page.folder,
  }
end

--- A page that begins: its folder with `moongate` on the path.
function M.open(files)
  local folder = moongate.folder(files)
  local page = setmetatable({ folder = folder, ports = {} }, Page)
  for _, port in ipairs(PORTS) do
    page.ports[port] = free_port()
  end
  moongate.write(folder .. "/.bin/keep", "")
  ffi.C.pages_symlink(moongate.binary, folder .. "/.bin/moongate")
  return page
end

-- ── comparing ───────────────────────────────────────────────────────────────────

local function lines_of(text)
  local lines = {}
  for line in (text:gsub("%s+$", "") .. "\n"):gmatch("(.-)\n") do
    lines[#lines + 1] = (line:gsub("%s+$", ""))
  end
  return lines
end

local function matches(wanted, line)
  local pattern = wanted:gsub("…", "\0"):gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0"):gsub("%z", ".*")
  return line:find("^" .. pattern .. "$") ~= nil
end

-- Whether the lines are those that are shown, from i and j on.
local function same(wanted, got, i, j)
  while wanted[i] do
    if wanted[i] == "…" then
      for at = j, #got + 1 do
        if same(wanted, got, i + 1, at) then return true end
      end
      return false
    elseif not got[j] or not matches(wanted[i], got[j]) then
      return false
    end
    i, j = i + 1, j + 1
  end
  return got[j] == nil
end

-- Whether the lines come in this order, among others; where the last one stood.
local function found_in_order(wanted, got, from)
  local at = from
  for _, line in ipairs(wanted) do
    while got[at] and not matches(line, got[at]) do
      at = at + 1
    end
    if not got[at] then return nil end
    at = at + 1
  end
  return at
end

-- ── running ─────────────────────────────────────────────────────────────────────

local function fault(page, block, text, ...)
  error(("%s:%d: %s"):format(page.name, block.line, text:format(...)), 0)
end

local function run_shell(page, block)
  local result = process.run(
    { "/usr/bin/env", "-C", page.folder, "/bin/sh", "-ec", inward(page, block.text) },
    page.folder,
    environment(page),
    60
  )
  page.output = outward(page, result.stdout .. result.stderr)
  local wanted = tonumber(block.info.exit or 0)
  if result.code ~= wanted then
    fault(page, block, "ended with %s instead of %d:\n%s", tostring(result.code), wanted, page.output)
  end
end

local function start(page, block)
  page:stop()
  local command = inward(page, block.text):gsub("%s+$", "")
  page.background = process.start({
    "/usr/bin/env",
    "-C",
    page.folder,
    "/usr/bin/script",
    "-qefc",
    "exec " .. command,
    "/dev/null",
  }, page.folder, environment(page))
  page.seen = 1
  local up = wire.wait(
    function() return page.background.code or page.background:stdout():find("serves: generation", 1, true) end,
    20
  )
  if not up or page.background.code then fault(page, block, "does not serve:\n%s", page.background:stdout()) end
end

local function compare(page, block)
  if block.info.from == "background" then
    local wanted = lines_of(block.text)
    local at = wire.wait(
      function() return found_in_order(wanted, lines_of(outward(page, page.background:stdout())), page.seen) end,
      10
    )
    if not at then fault(page, block, "was not printed; this was:\n%s", page.background:stdout()) end
    page.seen = at
  elseif not same(lines_of(block.text), lines_of(page.output or ""), 1, 1) then
    fault(page, block, "what was printed is:\n%s", page.output or "")
  end
end

local function check(page, block)
  local language = block.info.language
  if language == "lua" then
    local ok, reason = loadstring(block.text, "=" .. page.name)
    if not ok then fault(page, block, "%s", reason) end
  elseif language == "yaml" then
    local doc = yaml.read(block.text, function() return "x" end)
    if #doc.errors > 0 then fault(page, block, "%s", tostring(doc.errors[1].message)) end
  end
end

--- Runs the blocks of a text.
---@param name string  for messages
---@param text string
function Page:run(name, text)
  self.name = name
  for _, block in ipairs(M.blocks(text)) do
    local info = block.info
    if info.file then
      moongate.write(self.folder .. "/" .. info.file, inward(self, block.text))
    elseif info.language == "sh" and not info.norun then
      (info.background and start or run_shell)(self, block)
    elseif info.language == "output" then
      compare(self, block)
    else
      check(self, block)
    end
  end
end

--- Ends what runs in the background, cleanly.
function Page:stop()
  local running = self.background
  if not running then return end
  self.background = nil
  running:kill("TERM")
  running:wait()
  local text = running:stdout()
  if text:find("Sanitizer", 1, true) or text:find("still open", 1, true) then error(text, 0) end
end

return M
