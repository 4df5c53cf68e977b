--- The first message of a TLS client, byte by byte, and what comes back: for what no library would say.
local M = {}

local function u8(n) return string.char(n) end
local function u16(n) return string.char(math.floor(n / 256), n % 256) end
local function u24(n) return u8(math.floor(n / 65536)) .. u16(n % 65536) end
local function in8(text) return u8(#text) .. text end
local function in16(text) return u16(#text) .. text end

local function list16(numbers)
  local out = {}
  for i, n in ipairs(numbers) do
    out[i] = u16(n)
  end
  return table.concat(out)
end

local function extension(kind, text) return u16(kind) .. in16(text) end

M.SUITES = { 0xc02b, 0xc02f, 0xc02c, 0xc030 } -- ECDHE with AES-GCM
local SIGNATURES = { 0x0403, 0x0804, 0x0401, 0x0503, 0x0203, 0x0201 }

--- The message. Options: version (0x0303), suites, name, raw_name (the extension's text), protocols, groups,
--- compressions.
---@return string
function M.message(opts)
  local extensions = {
    extension(10, in16(list16(opts.groups or { 23, 24 }))),
    extension(11, in8("\0")),
    extension(13, in16(list16(SIGNATURES))),
  }
  if opts.name then extensions[#extensions + 1] = extension(0, in16("\0" .. in16(opts.name))) end
  if opts.raw_name then extensions[#extensions + 1] = extension(0, opts.raw_name) end
  if opts.protocols then
    local names = {}
    for i, name in ipairs(opts.protocols) do
      names[i] = in8(name)
    end
    extensions[#extensions + 1] = extension(16, in16(table.concat(names)))
  end
  local body = u16(opts.version or 0x0303)
    .. ("r"):rep(32)
    .. in8("")
    .. in16(list16(opts.suites or M.SUITES))
    .. in8(opts.compressions or "\0")
    .. in16(table.concat(extensions))
  return "\1" .. u24(#body) .. body
end

--- Records of at most `most` bytes each.
---@param message string
---@param most? integer
---@return string
function M.records(message, most)
  local out = {}
  for at = 1, #message, most or 16384 do
    out[#out + 1] = "\22\3\1" .. in16(message:sub(at, at + (most or 16384) - 1))
  end
  return table.concat(out)
end

local function number(text, at, size)
  local n = 0
  for i = at, at + size - 1 do
    n = n * 256 + text:byte(i)
  end
  return n
end

-- Takes one record off the front of what came.
local function next_record(conn, seconds)
  local head = conn:read(5, seconds)
  if not head or #head < 5 then return nil end
  local body = conn:read(number(head, 4, 2), seconds)
  return head:byte(1), body
end

--- What the server says first: { alert = N } · { suite = N, certificate = bytes } · {} when it only closed.
---@param conn table
---@param seconds? number
---@return table
function M.answer(conn, seconds)
  local said, messages = {}, ""
  while true do
    local kind, body = next_record(conn, seconds or 10)
    if not kind then return said end
    if kind == 21 then
      said.alert = body:byte(2)
      return said
    end
    messages = messages .. body
    while #messages >= 4 and #messages >= 4 + number(messages, 2, 3) do
      local message = messages:sub(1, 4 + number(messages, 2, 3))
      messages = messages:sub(#message + 1)
      if message:byte(1) == 2 then
        said.version = number(message, 5, 2)
        said.suite = number(message, 5 + 2 + 32 + 1 + message:byte(39), 2)
      elseif message:byte(1) == 11 then
        said.certificate = message
      elseif message:byte(1) == 14 then
        return said
      end
    end
  end
end

return M
