--- Texts of certificates, keys and lists in a configuration: they stand in the file, as Kong has them, or in files of
--- their own. What does not begin as PEM does is a path. The folders of files that were read are kept in
--- `state.folders`, to be watched.
local ffi = require("ffi")
local files = require("moongate.config.files")
local native = require("moongate.config.native")
local report = require("moongate.config.report")
local words = require("moongate.schema.words")

local C = native.available and require("moongate.cdef") or nil

local M = {}

local SOON_SECONDS = 14 * 24 * 3600
local LIST_SOON_SECONDS = 24 * 3600

--- The text itself, or what is in the file.
---@param state table   from collect.lua
---@param config table  the normal form so far
---@param value? string
---@param path (string|integer)[]
---@param binary? boolean  it is always a file
---@return string? text  nil, with an error in the report, when there is none
function M.text(state, config, value, path, binary)
  if value == nil or (not binary and value:find("^%s*%-%-%-%-%-BEGIN")) then return value end
  if value:find("[\n%z]") then
    report.error(state.report, path, "is neither PEM (-----BEGIN …) nor a path")
    return nil
  end
  local place = value:sub(1, 1) == "/" and value or config.folder .. "/" .. value
  local text, reason = files.read(place)
  if not text then
    report.error(
      state.report,
      path,
      ("%s cannot be read: %s"):format(words.quote(value), tostring(reason):gsub("^.-: ", ""))
    )
    return nil
  end
  state.folders[files.folder(place)] = true
  return text
end

--- What one of net/tls_pem.h's checks says, as an error.
---@param state table
---@param path (string|integer)[]
---@param name string  of the function
---@param ... any      its arguments
---@return boolean good  true, too, where the core is not there
function M.check(state, path, name, ...)
  if not C then return true end
  local why = C[name](...)
  if why == nil then return true end
  report.error(state.report, path, ffi.string(why))
  return false
end

--- Whether both certificates have keys of the same kind.
---@param one string
---@param other string
---@return boolean
function M.same_kind(one, other) return C ~= nil and C.gw_tls_same_kind(one, #one, other, #other) end

--- Whether this system names anybody that is trusted; true, too, where the core is not there.
---@return boolean
function M.system_trusts() return C == nil or C.gw_tls_system_trusts() end

local function day(at) return os.date("!%Y-%m-%d %H:%M UTC", at) end

local function note(state, kind, name, at)
  local all, key = state.expiries, kind .. "\0" .. name
  if not all[key] then -- one place in /metrics each
    all[key] = true
    all[#all + 1] = { kind = kind, name = name, at = at }
  end
end

--- Warns of a certificate that is not good now, or not for long; keeps its end for /metrics.
---@param state table
---@param path (string|integer)[]
---@param cert string
---@param name? string  what /metrics calls it; else by its path
function M.warn_of_time(state, path, cert, name)
  if not C then return end
  local validity = ffi.new("struct gw_tls_validity")
  C.gw_tls_validity(cert, #cert, validity)
  local now, from, till = os.time(), tonumber(validity.from), tonumber(validity["until"])
  note(state, "certificate", name or report.path_text(path), till)
  if till < now then
    report.warn(state.report, path, ("the certificate expired on %s"):format(day(till)))
  elseif from > now then
    report.warn(state.report, path, ("the certificate is not valid before %s"):format(day(from)))
  elseif till < now + SOON_SECONDS then
    report.warn(state.report, path, ("the certificate expires on %s"):format(day(till)))
  end
end

--- Warns of a revocation list past its time: whoever must be looked up in it is refused.
---@param state table
---@param path (string|integer)[]
---@param crl string
function M.warn_of_list(state, path, crl)
  if not C then return end
  local due, now = tonumber(C.gw_tls_list_until(crl, #crl)), os.time()
  if due == 0 then return end -- it does not say
  note(state, "revocation list", report.path_text(path), due)
  if due < now then
    report.warn(
      state.report,
      path,
      ("the list was to be replaced by %s: every client certificate of its issuer is refused"):format(day(due))
    )
  elseif due < now + LIST_SOON_SECONDS then
    report.warn(
      state.report,
      path,
      ("the list must be replaced by %s; after it clients are refused"):format(day(due))
    )
  end
end

return M
