--- The script that decides in Redis, in Redis' own time: core/policy/limit*.c once more, with the same answers. Numbers
--- there are doubles, so what may be larger than 2^53 is kept in two parts or computed digit by digit.
---
---     KEYS      a cell for each ask
---     ARGV[1]   "take", "look", "adjust", or "lease": takes more than the cost where there is plenty
---     ARGV      seven numbers an ask: algorithm, align (enums of policy/limit.h), most (millionths), rate (millionths
---               a second) or entries of a log, window (µs), cost and what is wanted (millionths)
---     →         now (µs), then for each ask: allowed, room (millionths), reset (µs), retry (µs; -1: never), taken
return [[
if redis.replicate_commands then redis.replicate_commands() end
local call, floor, ceil, fmod, max, min = redis.call, math.floor, math.ceil, math.fmod, math.max, math.min
local TOKEN_BUCKET, LEAKY_BUCKET, FIXED, SLIDING = 0, 1, 2, 3
local FIRST, DAY, WEEK, MONTH, YEAR = 1, 2, 3, 4, 5
local EXACT, DAY_US = 9e15, 86400000000

local time = call('TIME')
local now = time[1] * 1e6 + time[2]
local mode = ARGV[1]

-- floor(a * b / c) and what is left; a, b, c whole and from 0 on
local function muldiv(a, b, c)
  if a * b < EXACT then
    local p = a * b
    local rest = fmod(p, c)
    return (p - rest) / c, rest
  end
  local digits, base = {}, c < 5e14 and b < 3e13 and 16 or 2
  while a > 0 do
    local d = fmod(a, base)
    digits[#digits + 1] = d
    a = (a - d) / base
  end
  local q, r = 0, 0
  for i = #digits, 1, -1 do
    r = r * base + digits[i] * b
    local rest = fmod(r, c)
    q = q * base + (r - rest) / c
    r = rest
  end
  return q, r
end

local function read(key, n)
  local text = call('GET', key)
  if not text then return end
  local a, b, c = text:match('^([^;]*);([^;]*);?(.*)$')
  return tonumber(a), tonumber(b), tonumber(c)
end

local function write(key, ttl_us, a, b, c)
  if ttl_us <= 0 then
    call('DEL', key)
  else
    call('SET', key, string.format('%.0f;%.0f;%.0f', a, b, c), 'PX', string.format('%.0f', ceil(ttl_us / 1e3) + 1000))
  end
end

-- buckets: level (millionths), rest (millionths of millionths), at
local bucket = {}

function bucket.enter(s)
  local level, rest, at = read(s.key)
  if not level then level, rest, at = s.most, 0, now end
  local passed = now - at
  if passed > 0 then
    at = now
    if passed * s.rate > 2e6 * (s.most - level) + 1e12 then
      level, rest = s.most, 0
    else
      local low, rate_low = fmod(passed, 1e6), fmod(s.rate, 1e6)
      local high, rate_high = (passed - low) / 1e6, (s.rate - rate_low) / 1e6
      local pico = low * rate_low + rest
      rest = fmod(pico, 1e6)
      level = level + high * s.rate + low * rate_high + (pico - rest) / 1e6
    end
  end
  if level >= s.most then level, rest = s.most, 0 end
  return { level, rest, at }
end

function bucket.room(s) return s.cell[1] end

function bucket.charge(s, micro)
  local cell = s.cell
  cell[1] = cell[1] - micro
  if cell[1] >= s.most then cell[1], cell[2] = s.most, 0 end
end

local function ceil_div(p, r)
  if p > 0 then return (p - 1 - fmod(p - 1, r)) / r + 1 end
  return -((-p - fmod(-p, r)) / r)
end

local function until_level(s, level)
  local m, rest = level - s.cell[1], s.cell[2]
  if m <= 0 then return 0 end
  local b = fmod(m, s.rate)
  local q, more = muldiv(b, 1e6, s.rate)
  return (m - b) / s.rate * 1e6 + q + ceil_div(more - rest, s.rate)
end

function bucket.reset(s) return until_level(s, s.most) end
function bucket.retry(s, micro) return until_level(s, micro) end
function bucket.keep(s) write(s.key, until_level(s, s.most), s.cell[1], s.cell[2], s.cell[3]) end

-- windows: end, count, before
local function leap(y) return (y % 4 == 0 and (y % 100 ~= 0 or y % 400 == 0)) and 1 or 0 end

local function next_day(day, of_year)
  local at, y = 0, 1970
  while at + 365 + leap(y) <= day do
    at, y = at + 365 + leap(y), y + 1
  end
  if of_year then return at + 365 + leap(y) end
  local days = { 31, 28 + leap(y), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
  for month = 1, 12 do
    at = at + days[month]
    if at > day then return at end
  end
end

local function window_end(s)
  local day = floor(now / DAY_US)
  if s.align == DAY then return (day + 1) * DAY_US end
  if s.align == WEEK then return (day + 7 - (day + 3) % 7) * DAY_US end
  if s.align == MONTH then return next_day(day, false) * DAY_US end
  if s.align == YEAR then return next_day(day, true) * DAY_US end
  if s.align == FIRST then return now + s.window end
  return now - fmod(now, s.window) + s.window
end

local fixed, estimate = {}, {}

function fixed.enter(s)
  local finish, count = read(s.key)
  if not finish or now >= finish then
    return { s.align ~= FIRST and window_end(s) or 0, 0, 0 }
  end
  return { finish, count, 0 }
end

function fixed.room(s) return s.most - s.cell[2] end

function fixed.charge(s, micro)
  local cell = s.cell
  if cell[1] == 0 and micro > 0 then cell[1] = window_end(s) end
  cell[2] = max(cell[2] + micro, 0)
end

function fixed.reset(s) return max(s.cell[1] - now, 0) end
fixed.retry = fixed.reset
function fixed.keep(s) write(s.key, s.cell[1] - now, s.cell[1], s.cell[2], 0) end

function estimate.enter(s)
  local finish, count, before = read(s.key)
  if not finish then finish, count, before = 0, 0, 0 end
  if now < finish then return { finish, count, before } end
  local follows = finish > 0 and now < finish + s.window
  return { window_end(s), 0, follows and count or 0 }
end

local function left_of(s) return min(max(s.cell[1] - now, 0), s.window) end

function estimate.room(s)
  local q, rest = muldiv(max(s.cell[3], 0), left_of(s), s.window)
  return s.most - s.cell[2] - q - (rest > 0 and 1 or 0)
end

estimate.charge = fixed.charge

local function left_for(s, micro, room)
  if room < 0 then return 0 end
  if micro <= room then return s.window end
  return (muldiv(room, s.window, micro))
end

function estimate.retry(s, micro)
  local cell = s.cell
  local room = s.most - micro - cell[2]
  if room >= 0 then return max(cell[1] - left_for(s, cell[3], room) - now, 0) end
  return max(cell[1] + s.window - left_for(s, cell[2], s.most - micro) - now, 0)
end

function estimate.reset(s)
  local cell = s.cell
  if cell[2] > 0 then return max(cell[1] + s.window - now, 0) end
  return cell[3] > 0 and max(cell[1] - now, 0) or 0
end

function estimate.keep(s) write(s.key, s.cell[1] + s.window - now, s.cell[1], s.cell[2], s.cell[3]) end

-- logs: sum, count, and beside it a list of "at;micro"
local log = {}

local function entry(s, at)
  local text = call('LINDEX', s.log, at)
  local when, micro = text:match('^(.-);(.*)$')
  return tonumber(when), tonumber(micro)
end

local function text_of(at, micro) return string.format('%.0f;%.0f', at, micro) end

local function shift(s, micro)
  call('LPOP', s.log)
  s.cell[1], s.cell[2] = s.cell[1] - micro, s.cell[2] - 1
end

function log.enter(s)
  s.log = s.key .. ':log'
  local sum, count = read(s.key)
  local known = call('LLEN', s.log)
  if not sum or known ~= count then
    if known > 0 then call('DEL', s.log) end
    sum, count = 0, 0
  end
  s.cell = { sum, count }
  local before = count
  while s.cell[2] > 0 do
    local at, micro = entry(s, 0)
    if at + s.window > now then break end
    shift(s, micro)
  end
  s.changed = s.cell[2] ~= before
  return s.cell
end

function log.room(s) return s.most - s.cell[1] end

local function give_back(s, micro)
  while s.cell[2] > 0 do
    local at, own = entry(s, 0)
    if micro < own then
      call('LSET', s.log, 0, text_of(at, own - micro))
      s.cell[1] = s.cell[1] - micro
      return
    end
    micro = micro - own
    shift(s, own)
  end
end

function log.charge(s, micro)
  local cell = s.cell
  if micro <= 0 then return give_back(s, -micro) end
  micro = min(micro, 281474976710655 - cell[1])
  cell[1] = cell[1] + micro
  local at, own
  if cell[2] > 0 then at, own = entry(s, -1) end
  if at and (at >= now or cell[2] >= s.rate) then
    call('LSET', s.log, -1, text_of(max(at, now), own + micro))
  else
    call('RPUSH', s.log, text_of(now, micro))
    cell[2] = cell[2] + 1
  end
end

function log.reset(s)
  if s.cell[2] == 0 then return 0 end
  return max(entry(s, -1) + s.window - now, 0)
end

function log.retry(s, micro)
  local missing = micro - log.room(s)
  for from = 0, s.cell[2] - 1, 100 do
    for _, text in ipairs(call('LRANGE', s.log, from, from + 99)) do
      local at, own = text:match('^(.-);(.*)$')
      missing = missing - own
      if missing <= 0 then return max(at + s.window - now, 0) end
    end
  end
  return 0
end

function log.keep(s)
  local ttl = log.reset(s)
  write(s.key, ttl, s.cell[1], s.cell[2], 0)
  if ttl > 0 then call('PEXPIRE', s.log, string.format('%.0f', ceil(ttl / 1e3) + 1000)) else call('DEL', s.log) end
end

local KINDS = { [TOKEN_BUCKET] = bucket, [LEAKY_BUCKET] = bucket, [FIXED] = fixed, [SLIDING] = log }

local steps, first_of, all = {}, {}, true
for i = 1, #KEYS do
  local at = 2 + (i - 1) * 7
  local s = { key = KEYS[i], before = 0 }
  s.algorithm, s.align, s.most = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  s.rate, s.window, s.micro = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  s.want = tonumber(ARGV[at + 6])
  s.kind = KINDS[s.algorithm] or estimate
  local first = first_of[s.key]
  if first then
    s.cell, s.log, s.same = first.cell, first.log, true
    s.before = first.taken
    first.taken = first.taken + s.micro
  else
    s.cell = s.kind.enter(s)
    s.taken = s.micro
    first_of[s.key] = s
  end
  s.allowed = mode == 'adjust' or s.before + s.micro <= s.kind.room(s)
  all = all and s.allowed
  steps[i] = s
end

local charged = mode ~= 'look' and all
if charged then
  for _, s in ipairs(steps) do
    s.grant = s.micro
    if mode == 'lease' and s.want > s.micro and s.micro > 0 then
      local plenty = floor((s.kind.room(s) - s.before) / 8 / s.micro) * s.micro
      s.grant = max(s.micro, min(s.want, plenty))
    end
    s.kind.charge(s, s.grant)
  end
end
local out = { now }
for _, s in ipairs(steps) do
  local wanted = s.micro + s.before
  if mode == 'adjust' then
    wanted = 0
    s.allowed = s.kind.room(s) >= 0
  end
  out[#out + 1] = s.allowed and 1 or 0
  out[#out + 1] = s.kind.room(s)
  out[#out + 1] = s.kind.reset(s)
  out[#out + 1] = s.allowed and 0 or wanted > s.most and -1 or s.kind.retry(s, wanted)
  out[#out + 1] = s.grant or 0
end
for _, s in ipairs(steps) do
  if not s.same and (charged or s.changed) then s.kind.keep(s) end
end
return out
]]
