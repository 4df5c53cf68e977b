---@meta moongate.metrics
-- Written by ./dev docs from the sources. Do not change it here.

---What a plugin counts, beside the gateway's own metrics on /metrics: counters, gauges and histograms, with labels.
---They are declared in `init` and kept over reloads. A metric `hits` of the plugin `geo` is called
---`moongate_plugin_geo_hits_total` there (counters end in `_total`).
---
---    local hits, took
---
---    function M.init()
---      hits = metrics.counter { name = "hits", about = "Requests by country.", labels = { "country" } }
---      took = metrics.histogram { name = "lookup_seconds", about = "How long a lookup takes." }
---    end
---
---    function M.log(conf, ctx)
---      hits:add(1, ctx.shared.country)
---    end
---
---Values of labels come from outside more often than one thinks: past `max_series` combinations (1000) what is new is
---counted under "other". Counting costs a few nanoseconds; a new combination of label values takes a lock once.
---@class moongate.metrics
local M = {}

---@class moongate.metrics.Counter
local Counter = {}

---@class moongate.metrics.Gauge
local Gauge = {}

---@class moongate.metrics.Histogram
local Histogram = {}

---@class moongate.metrics.Series
local Series = {}

---Counts.
---
---In every hook.
---@param n? number # not below 0; 1 where nothing is said
---@param ... string|number|boolean # the values of the labels
function Counter:add(n, ...) end

---Counts.
---
---In every hook.
---@param n? number # not below 0; 1 where nothing is said
function Series:add(n) end

---Sets the value; the last one counts, whichever worker set it.
---
---In every hook.
---@param value number
---@param ... string|number|boolean # the values of the labels
function Gauge:set(value, ...) end

---Moves the value up, or down by a negative number.
---
---In every hook.
---@param by? number # 1 where nothing is said
---@param ... string|number|boolean # the values of the labels
function Gauge:add(by, ...) end

---Notes a value: how long something took in seconds, how large it was …
---
---In every hook.
---@param value number
---@param ... string|number|boolean # the values of the labels
function Histogram:observe(value, ...) end

---The numbers of a counter under one combination of labels, for hot paths: what it is called is looked up once.
---
---In init.
---@param ... string|number|boolean # the values of the labels
---@return moongate.metrics.Series
function Counter:series_of(...) end

---A number that only grows.
---
---In init.
---@param options { name: string, about: string, labels: string[]?, max_series: integer? }
---@return moongate.metrics.Counter
function M.counter(options) end

---A number that goes up and down.
---
---In init.
---@param options { name: string, about: string, labels: string[]?, max_series: integer? }
---@return moongate.metrics.Gauge
function M.gauge(options) end

---How values are spread: how many were at most each of the bounds, and their sum. Without `bounds` they are those of
---latencies in seconds, from 1 ms to a minute.
---
---In init.
---@param options { name: string, about: string, labels: string[]?, max_series: integer?, bounds: number[]? }
---@return moongate.metrics.Histogram
function M.histogram(options) end

return M
