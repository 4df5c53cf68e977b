--- What a plugin counts, beside the gateway's own metrics on /metrics: counters, gauges and histograms, with labels.
--- They are declared in `init` and kept over reloads. A metric `hits` of the plugin `geo` is called
--- `moongate_plugin_geo_hits_total` there (counters end in `_total`).
---
---     local hits, took
---
---     function M.init()
---       hits = metrics.counter { name = "hits", about = "Requests by country.", labels = { "country" } }
---       took = metrics.histogram { name = "lookup_seconds", about = "How long a lookup takes." }
---     end
---
---     function M.log(conf, ctx)
---       hits:add(1, ctx.shared.country)
---     end
---
--- Values of labels come from outside more often than one thinks: past `max_series` combinations (1000) what is new is
--- counted under "other". Counting costs a few nanoseconds; a new combination of label values takes a lock once.
local ffi = require("ffi")
local core = require("moongate.core")
local declaring = require("moongate.declaring")

local C = require("moongate.cdef")
local script = core.script
local select, type = select, type

local COUNTER, GAUGE, HISTOGRAM = 0, 1, 2
local LABELS_MOST, BOUNDS_MOST, SERIES_DEFAULT, SERIES_MOST = 8, 30, 1000, 10000
local HUGE = math.huge

-- Latencies in seconds.
local BOUNDS = { 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60 }

local M = {}

local labels = ffi.new("struct gw_pdk_labels") -- for the length of one call

local HERE = debug.getinfo(1, "S").source

-- An error of whoever called into this file.
local function misuse(text, ...)
  local level = 2
  local info = debug.getinfo(level, "S")
  while info and info.source == HERE do
    level = level + 1
    info = debug.getinfo(level, "S")
  end
  error(text:format(...), level)
end

---@class moongate.metrics.Counter
local Counter = {}
Counter.__index = Counter

---@class moongate.metrics.Gauge
local Gauge = {}
Gauge.__index = Gauge

---@class moongate.metrics.Histogram
local Histogram = {}
Histogram.__index = Histogram

-- ── series ──

local function text_of(metric, value, place)
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "number" or kind == "boolean" then return tostring(value) end
  misuse("metric %s: the label %q must be a string, not %s", metric.name, metric.labels[place], kind)
end

local function count_mismatch(metric, count)
  misuse(
    "metric %s has %d label%s (%s), not %d",
    metric.name,
    metric.label_count,
    metric.label_count == 1 and "" or "s",
    table.concat(metric.labels, ", "),
    count
  )
end

-- Remembered by the values as they came, in tables of tables; what is "other" is not, or a stream of new values would
-- fill the memory.
local function look_up(metric, ...)
  local keep, odd = { ... }, false
  for i = 1, metric.label_count do
    odd = odd or keep[i] ~= keep[i] -- NaN cannot be a key
    keep[i] = text_of(metric, keep[i], i)
    labels.ptr[i - 1], labels.len[i - 1] = keep[i], #keep[i]
  end
  local series = C.gw_pdk_metric_series(metric.family, labels)
  if labels.is_other == 1 or odd then return series end
  metric.remembered = metric.remembered + 1
  if metric.remembered > 2 * metric.max_series then -- 1 and "1" are one series, but two values
    metric.cache, metric.remembered = {}, 1
  end
  local at = metric.cache
  for i = 1, metric.label_count - 1 do
    local value = select(i, ...)
    at[value] = at[value] or {}
    at = at[value]
  end
  at[(select(metric.label_count, ...))] = series
  return series
end

local function find(metric, ...)
  local count = metric.label_count
  if select("#", ...) ~= count then count_mismatch(metric, select("#", ...)) end
  local at = metric.cache
  for i = 1, count do
    local value = select(i, ...)
    if value == nil then text_of(metric, value, i) end
    at = at[value]
    if not at then return look_up(metric, ...) end
  end
  return at
end

-- The series of a metric; the usual counts of labels go without varargs.
local function series_of(metric, first, ...)
  if metric.label_count == 0 then
    if first ~= nil then count_mismatch(metric, 1 + select("#", ...)) end
    return metric.series
  elseif metric.label_count == 1 and first ~= nil and select("#", ...) == 0 then
    return metric.cache[first] or look_up(metric, first)
  end
  return find(metric, first, ...)
end

local function check(self, kind, what)
  if type(self) ~= "table" or getmetatable(self) ~= kind then
    misuse("metric:%s is a method: call it with a colon", what)
  end
end

local function finite(metric, value, what)
  if type(value) ~= "number" or value ~= value or value == HUGE or value == -HUGE then
    misuse("metric %s: %s takes a finite number", metric.name, what)
  end
  return value
end

--- Counts.
---@phase any
---@param n? number  not below 0; 1 where nothing is said
---@param ... string|number|boolean  the values of the labels
function Counter:add(n, ...)
  check(self, Counter, "add")
  n = n == nil and 1 or finite(self, n, "add")
  if n < 0 then misuse("metric %s: a counter only grows; what goes up and down is a gauge", self.name) end
  C.gw_pdk_metric_count(script, series_of(self, ...), n)
end

---@class moongate.metrics.Series
local Series = {}
Series.__index = Series

--- Counts.
---@phase any
---@param n? number  not below 0; 1 where nothing is said
function Series:add(n)
  n = n == nil and 1 or n
  if not (n >= 0 and n < HUGE) then misuse("series:add takes a finite number, not below 0") end
  C.gw_pdk_metric_count(script, self.series, n)
end

--- Sets the value; the last one counts, whichever worker set it.
---@phase any
---@param value number
---@param ... string|number|boolean  the values of the labels
function Gauge:set(value, ...)
  check(self, Gauge, "set")
  C.gw_pdk_metric_set(script, series_of(self, ...), finite(self, value, "set"))
end

--- Moves the value up, or down by a negative number.
---@phase any
---@param by? number  1 where nothing is said
---@param ... string|number|boolean  the values of the labels
function Gauge:add(by, ...)
  check(self, Gauge, "add")
  C.gw_pdk_metric_move(script, series_of(self, ...), by == nil and 1 or finite(self, by, "add"))
end

--- Notes a value: how long something took in seconds, how large it was …
---@phase any
---@param value number
---@param ... string|number|boolean  the values of the labels
function Histogram:observe(value, ...)
  check(self, Histogram, "observe")
  C.gw_pdk_metric_observe(script, self.family, series_of(self, ...), finite(self, value, "observe"))
end

-- ── declaring ──

local KNOWN = { name = true, about = true, labels = true, max_series = true }
local KNOWN_OF_HISTOGRAM = { name = true, about = true, labels = true, max_series = true, bounds = true }

local def = ffi.new("struct gw_pdk_metric")

-- What stands for the plugin's name in the names of its metrics, where that is not `moongate_plugin_NAME`.
local PREFIXES = { ["rate-limiting"] = "moongate_ratelimit" }

-- Who has which name on /metrics, in this worker: "a_b" of "c" looks like "b" of "c_a".
local owners = {}

local function read_labels(names)
  if names == nil then return {} end
  if type(names) ~= "table" then misuse("metrics: labels must be a list of names") end
  if #names > LABELS_MOST then misuse("metrics: at most %d labels", LABELS_MOST) end
  local list = {}
  for i = 1, #names do
    local name = names[i]
    if type(name) ~= "string" or not name:find("^%a[%w_]*$") or #name > 64 or name == "le" then
      misuse("metrics: labels[%d]: %q is no name of a label (letters, digits and _)", i, tostring(name))
    end
    for k = 1, i - 1 do
      if names[k] == name then misuse("metrics: labels: %q stands there twice", name) end
    end
    list[i], def.labels[i - 1] = name, name
  end
  return list
end

local function read_bounds(bounds)
  bounds = bounds or BOUNDS
  if type(bounds) ~= "table" or #bounds == 0 or #bounds > BOUNDS_MOST then
    misuse("metrics: bounds must be a list of 1 to %d numbers", BOUNDS_MOST)
  end
  for i = 1, #bounds do
    local bound = bounds[i]
    if
      type(bound) ~= "number"
      or bound ~= bound
      or bound == HUGE
      or bound == -HUGE
      or (i > 1 and bound <= bounds[i - 1])
    then
      misuse("metrics: bounds must be finite numbers that ascend (at %d)", i)
    end
    def.bounds[i - 1] = bound
  end
  def.bound_count = #bounds
end

local function full_name(plugin, name, kind)
  local prefix = PREFIXES[plugin] or "moongate_plugin_" .. plugin:gsub("[^%w_]", "_")
  local full = prefix .. "_" .. name
  return kind == COUNTER and not full:find("_total$") and full .. "_total" or full
end

local function declare(plugin, kind, class, options)
  if type(options) ~= "table" then misuse("metrics: takes a table") end
  for key in pairs(options) do
    local known = kind == HISTOGRAM and KNOWN_OF_HISTOGRAM or KNOWN
    if not known[key] then misuse("metrics: the option %q means nothing", tostring(key)) end
  end
  local name, about = options.name, options.about
  if type(name) ~= "string" or not name:find("^%a[%w_]*$") or #name > 64 then
    misuse("metrics: %q is no name (letters, digits and _, at most 64 of them)", tostring(name))
  end
  if type(about) ~= "string" or about == "" then misuse("metrics: %s: say in `about` what it counts", name) end
  local most = options.max_series or SERIES_DEFAULT
  if type(most) ~= "number" or most % 1 ~= 0 or most < 1 or most > SERIES_MOST then
    misuse("metrics: %s: max_series must be a whole number from 1 to %d", name, SERIES_MOST)
  end
  ffi.fill(def, ffi.sizeof(def))
  local full = full_name(plugin, name, kind)
  if owners[full] and owners[full] ~= plugin then
    misuse("metrics: %s is the name of a metric of the plugin %s already", full, owners[full])
  end
  owners[full] = plugin
  local metric = { name = full, max_series = most, cache = {}, remembered = 0 }
  metric.labels = read_labels(options.labels)
  metric.label_count = #metric.labels
  if kind == HISTOGRAM then read_bounds(options.bounds) end
  def.kind, def.name, def.help, def.max_series = kind, full, about, most
  metric.family = C.gw_pdk_metric(script, def)
  if metric.family == nil then misuse("metrics: %s: there are too many metrics", full) end
  if metric.label_count == 0 then metric.series = C.gw_pdk_metric_series(metric.family, labels) end
  return declaring.keep(setmetatable(metric, class))
end

--- A number that only grows.
---@phase init
---@param options { name: string, about: string, labels: string[]?, max_series: integer? }
---@return moongate.metrics.Counter
function M.counter(options)
  local metric = declare(declaring.plugin("metrics.counter"), COUNTER, Counter, options)
  return metric
end

--- The numbers of a counter under one combination of labels, for hot paths: what it is called is looked up once.
---@phase init
---@param ... string|number|boolean  the values of the labels
---@return moongate.metrics.Series
function Counter:series_of(...)
  check(self, Counter, "series_of")
  declaring.plugin("counter:series_of")
  return declaring.keep(setmetatable({ series = series_of(self, ...) }, Series))
end

--- A number that goes up and down.
---@phase init
---@param options { name: string, about: string, labels: string[]?, max_series: integer? }
---@return moongate.metrics.Gauge
function M.gauge(options)
  local metric = declare(declaring.plugin("metrics.gauge"), GAUGE, Gauge, options)
  return metric
end

--- How values are spread: how many were at most each of the bounds, and their sum. Without `bounds` they are those of
--- latencies in seconds, from 1 ms to a minute.
---@phase init
---@param options { name: string, about: string, labels: string[]?, max_series: integer?, bounds: number[]? }
---@return moongate.metrics.Histogram
function M.histogram(options)
  local metric = declare(declaring.plugin("metrics.histogram"), HISTOGRAM, Histogram, options)
  return metric
end

return M
