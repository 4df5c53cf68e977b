--- What time it is, in seconds, and how times are written: in HTTP's fields (RFC 9110, 5.6.7) and in JSON (RFC 3339).
--- Both clocks stand still while a hook runs without waiting.
local core = require("moongate.core")

local C = require("moongate.cdef")
local floor = math.floor

local DAY = 86400
local LATEST = 253402300799 -- 9999-12-31T23:59:59Z: later years have more than four digits

local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }
local LENGTHS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
local MONTH_OF = {}
for i, name in ipairs(MONTHS) do
  MONTH_OF[name] = i
end

local M = {}

--- Since 1970, UTC.
---@return number
function M.now() return C.gw_pdk_time(core.script) end

--- Of a clock that only moves forward, for durations.
---@return number
function M.monotonic() return C.gw_pdk_monotonic(core.script) end

-- ── the calendar: years begin in March here, so that the leap day is the last of them ──

local function days_of(year, month, day)
  if month <= 2 then year = year - 1 end
  local in_year = floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  return 365 * year + floor(year / 4) - floor(year / 100) + floor(year / 400) + in_year - 719468
end

local function date_of(days)
  days = days + 719468
  local era = floor(days / 146097)
  local in_era = days - era * 146097
  local years = floor((in_era - floor(in_era / 1460) + floor(in_era / 36524) - floor(in_era / 146096)) / 365)
  local in_year = in_era - (365 * years + floor(years / 4) - floor(years / 100))
  local shifted = floor((5 * in_year + 2) / 153)
  local month = (shifted + 2) % 12 + 1
  local year = era * 400 + years + (month <= 2 and 1 or 0)
  return year, month, in_year - floor((153 * shifted + 2) / 5) + 1
end

local function length_of(month, year)
  local leap = month == 2 and year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return LENGTHS[month] + (leap and 1 or 0)
end

-- Seconds since 1970 of texts and numbers; nil when there is no such time. A leap second is the next second.
local function seconds_of(year, month, day, hour, minute, second)
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second)
  if month < 1 or month > 12 or day < 1 or day > length_of(month, year) then return nil end
  if hour > 23 or minute > 59 or second > 60 then return nil end
  return days_of(year, month, day) * DAY + hour * 3600 + minute * 60 + second
end

local function check(seconds, what)
  if type(seconds) ~= "number" or not (seconds >= 0 and seconds <= LATEST) then
    error(("%s takes seconds since 1970, up to the year 9999"):format(what), 3)
  end
  return seconds
end

-- ── HTTP's dates ──

--- A time as HTTP's fields have it: "Sun, 06 Nov 1994 08:49:37 GMT". Fractions are cut.
---@param seconds number  since 1970
---@return string
function M.http_date(seconds)
  seconds = floor(check(seconds, "time.http_date"))
  local days, left = floor(seconds / DAY), seconds % DAY
  local year, month, day = date_of(days)
  local hour, minute, second = floor(left / 3600), floor(left / 60) % 60, left % 60
  return ("%s, %02d %s %04d %02d:%02d:%02d GMT"):format(
    DAYS[(days + 4) % 7 + 1],
    day,
    MONTHS[month],
    year,
    hour,
    minute,
    second
  )
end

-- A year of two digits is the one that is not more than 50 years ahead (RFC 9110, 5.6.7).
local function full_year(short)
  local this = date_of(floor(M.now() / DAY))
  local year = this - this % 100 + tonumber(short)
  return year > this + 50 and year - 100 or year
end

--- The time that a field such as Last-Modified names, in any of the three forms that HTTP knows.
---@param text string
---@return number? seconds  since 1970
---@return string? reason
function M.parse_http_date(text)
  if type(text) ~= "string" then return nil, "not a string" end
  local day, month, year, hour, minute, second =
    text:match("^%a%a%a, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$")
  if not day then
    day, month, year, hour, minute, second =
      text:match("^%a+day, (%d%d)%-(%a%a%a)%-(%d%d) (%d%d):(%d%d):(%d%d) GMT$")
    year = year and full_year(year)
  end
  if not day then
    month, day, hour, minute, second, year =
      text:match("^%a%a%a (%a%a%a) ([ %d]%d) (%d%d):(%d%d):(%d%d) (%d%d%d%d)$")
  end
  local seconds = day and MONTH_OF[month] and seconds_of(year, MONTH_OF[month], day, hour, minute, second)
  if not seconds then return nil, "not a date of HTTP" end
  return seconds
end

-- ── RFC 3339 ──

--- A time as JSON has it, in UTC: "1994-11-06T08:49:37Z".
---@param seconds number  since 1970
---@param digits? integer  of the second's fraction, which is cut, not rounded: 0 to 6; 0 where nothing is said
---@return string
function M.rfc3339(seconds, digits)
  check(seconds, "time.rfc3339")
  digits = digits == nil and 0 or digits
  if type(digits) ~= "number" or digits < 0 or digits > 6 or digits % 1 ~= 0 then
    error("time.rfc3339: a second's fraction has 0 to 6 digits", 2)
  end
  local whole = floor(seconds)
  local left = whole % DAY
  local year, month, day = date_of(floor(whole / DAY))
  local text = ("%04d-%02d-%02dT%02d:%02d:%02d"):format(
    year,
    month,
    day,
    floor(left / 3600),
    floor(left / 60) % 60,
    left % 60
  )
  if digits > 0 then text = ("%s.%0" .. digits .. "d"):format(text, floor((seconds - whole) * 10 ^ digits)) end
  return text .. "Z"
end

local function offset_of(zone)
  if zone == "Z" or zone == "z" then return 0 end
  local sign, hours, minutes = zone:match("^([+-])(%d%d):(%d%d)$")
  if not sign or tonumber(hours) > 23 or tonumber(minutes) > 59 then return nil end
  local seconds = tonumber(hours) * 3600 + tonumber(minutes) * 60
  return sign == "-" and -seconds or seconds
end

--- The time that a text of RFC 3339 names, with its offset and fraction.
---@param text string
---@return number? seconds  since 1970
---@return string? reason
function M.parse_rfc3339(text)
  if type(text) ~= "string" then return nil, "not a string" end
  local year, month, day, hour, minute, second, fraction, zone =
    text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)[Tt ](%d%d):(%d%d):(%d%d)([.%d]*)([Zz+-].*)$")
  local offset = zone and offset_of(zone)
  if not offset or not (fraction == "" or fraction:find("^%.%d+$")) then return nil, "not a time of RFC 3339" end
  local seconds = seconds_of(year, month, day, hour, minute, second)
  if not seconds then return nil, "there is no such time" end
  return seconds + (tonumber("0" .. fraction) or 0) - offset
end

return M
