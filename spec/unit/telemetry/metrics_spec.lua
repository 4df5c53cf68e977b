local ffi = require("ffi")
local c = require("support.c")

describe("the metrics", function()
  local metrics

  before_each(function() metrics = c.gw_metrics_new(3) end)
  after_each(function() c.gw_metrics_free(metrics) end)

  local function family(name, kind, labels, options)
    local def = ffi.new("struct gw_metric_def")
    local keep = { name, (options or {}).help or "What it counts." }
    def.name, def.help, def.kind = keep[1], keep[2], c["GW_METRIC_" .. kind]
    for i, label in ipairs(labels or {}) do
      keep[#keep + 1] = label
      def.labels[i - 1] = label
    end
    def.max_series = (options or {}).max_series or 0
    local bounds = (options or {}).bounds
    if bounds then
      keep[#keep + 1] = ffi.new("double[?]", #bounds, bounds)
      def.bounds, def.bound_count = keep[#keep], #bounds
    end
    local made = c.gw_metrics_family(metrics, def)
    return made ~= nil and made or nil
  end

  local function series(of, ...)
    local values = { ... }
    local slices = ffi.new("struct gw_slice[?]", math.max(#values, 1))
    for i, value in ipairs(values) do
      slices[i - 1].ptr, slices[i - 1].len = value, #value
    end
    return c.gw_metric_series(of, slices)
  end

  local function render(max)
    local buf = ffi.new("struct gw_buf")
    c.gw_buf_init(buf, max or 10 * 1024 * 1024)
    local good = c.gw_metrics_render(metrics, buf)
    local text = buf.data ~= nil and ffi.string(buf.data, buf.len) or ""
    c.gw_buf_deinit(buf)
    return good and text or nil
  end

  local function line(start)
    for one in render():gmatch("[^\n]+") do
      if one:sub(1, #start) == start then return one:sub(#start + 2) end
    end
  end

  local function value(of) return tonumber(c.gw_metric_value(metrics, of)) end

  it("sum what each writer counted", function()
    local requests = series(family("requests_total", "COUNTER", { "route", "code" }), "users", "200")
    c.gw_metric_add(metrics, requests, 0, 1)
    c.gw_metric_add(metrics, requests, 1, 10)
    c.gw_metric_add(metrics, requests, 2, 100)
    c.gw_metric_add(metrics, requests, 2, 100)
    assert.equal(211, value(requests))
    assert.equal("211", line('requests_total{route="users",code="200"}'))
  end)

  it("give the same name the same place, for ever", function()
    local one = series(family("a_total", "COUNTER", { "x" }), "1")
    c.gw_metric_add(metrics, one, 0, 5)
    assert.equal(one, series(family("a_total", "COUNTER", { "x" }), "1"))
    assert.is_true(one ~= series(family("a_total", "COUNTER", { "x" }), "2"))
    assert.is_true(one ~= series(family("b_total", "COUNTER", { "x" }), "1"))
    assert.equal(5, value(one))
  end)

  it("keep apart what only looks alike when put together", function()
    local f = family("a_total", "COUNTER", { "x", "y" })
    assert.is_true(series(f, "a", "bc") ~= series(f, "ab", "c"))
    assert.is_true(series(f, "", "a") ~= series(f, "a", ""))
  end)

  it("refuse a name that is in use otherwise", function()
    assert.truthy(family("a_total", "COUNTER", { "x" }))
    assert.is_nil(family("a_total", "GAUGE", { "x" }))
    assert.is_nil(family("a_total", "COUNTER", { "y" }))
    assert.is_nil(family("a_total", "COUNTER", { "x", "y" }))
    assert.is_nil(family("a_total", "COUNTER"))
  end)

  it("refuse names Prometheus would not take", function()
    for _, name in ipairs({ "", "1a", "a-b", "a b", "ä", "a{", ("a"):rep(201) }) do
      assert.is_nil(family(name, "COUNTER"), name)
    end
    for _, label in ipairs({ "", "1a", "a-b", "a:b", "__name", "ä" }) do
      assert.is_nil(family("a_total", "COUNTER", { label }), label)
    end
    assert.is_nil(family("a_total", "COUNTER", { "x", "x" }))
    assert.is_nil(family("a_seconds", "HISTOGRAM", { "le" }))
    assert.truthy(family("a:b_c1", "COUNTER", { "_x" }))
  end)

  it("count nowhere without a series", function()
    assert.equal(0, c.gw_metric_series(nil, nil))
    c.gw_metric_add(metrics, 0, 0, 1)
    c.gw_metric_set(metrics, 0, 0, 1)
    c.gw_metric_observe_us(metrics, 0, 0, 1)
    assert.equal(0, value(0))
    assert.equal(0, tonumber(c.gw_metric_quantile_us(metrics, 0, 0.5)))
  end)

  it("have gauges that go up, down and are set", function()
    local g = series(family("connections", "GAUGE"))
    c.gw_metric_add(metrics, g, 0, 5)
    c.gw_metric_add(metrics, g, 0, -2)
    c.gw_metric_set(metrics, g, 1, 40)
    c.gw_metric_set(metrics, g, 1, 39)
    assert.equal(42, value(g))
    assert.equal("42", line("connections"))
    c.gw_metric_add(metrics, g, 2, -50)
    assert.equal("-8", line("connections"))
  end)

  it("write help, type and escaped labels", function()
    local f = family("a_total", "COUNTER", { "x" }, { help = 'A "line"\nwith a \\ in it' })
    series(f, 'a"b\\c\nd')
    series(f, "ü\255\237\160\128") -- not UTF-8: a lone byte, half of a surrogate pair
    assert.equal(
      table.concat({
        '# HELP a_total A "line"\\nwith a \\\\ in it',
        "# TYPE a_total counter",
        'a_total{x="a\\"b\\\\c\\nd"} 0',
        'a_total{x="ü' .. ("\239\191\189"):rep(4) .. '"} 0',
        '# HELP moongate_metrics_overflow_total Look-ups of a series past its metric\'s maximum, counted as "other".',
        "# TYPE moongate_metrics_overflow_total counter",
        "",
      }, "\n"),
      render()
    )
  end)

  it("do not mention a family nobody looked up", function()
    family("never_total", "COUNTER")
    assert.is_nil(render():find("never_total"))
  end)

  it("cut label values", function()
    local f = family("a_total", "COUNTER", { "x" })
    assert.equal(series(f, ("a"):rep(256)), series(f, ("a"):rep(10000)))
  end)

  it("count what is too much as other, and say how often", function()
    local f = family("a_total", "COUNTER", { "x", "y" }, { max_series = 3 })
    for i = 1, 3 do
      series(f, "v" .. i, "w")
    end
    local other = series(f, "v4", "w")
    assert.equal(other, series(f, "v5", "w"))
    assert.equal(other, series(f, "other", "other"))
    assert.is_true(other ~= series(f, "v3", "w"))
    c.gw_metric_add(metrics, other, 0, 7)
    assert.equal("7", line('a_total{x="other",y="other"}'))
    assert.equal("2", line('moongate_metrics_overflow_total{metric="a_total"}'))
  end)

  it("are bounded altogether, and plugins leave room for the gateway's own", function()
    local bounds = {}
    for i = 1, 30 do
      bounds[i] = i
    end
    local f = family("a", "BUCKETS", { "x" }, { max_series = 1000000, bounds = bounds })
    local last
    for i = 1, 12300 do
      last = series(f, "v" .. i)
    end
    assert.equal(series(f, "other"), last)
    assert.is_true(c.gw_metric_is_other(f, last))
    assert.is_nil(family("b", "BUCKETS", nil, { bounds = bounds }))
    c.gw_metric_bucket_observe(f, last, 0, 1)
    assert.is_nil(render(1000)) -- and so is the text
    for i = 1, 1100 do
      family("p" .. i, "SUM")
    end
    assert.is_nil(family("p1101", "SUM"))
    assert.truthy(family("c1", "COUNTER"))
    for i = 1, 1100 do
      family("h" .. i, "HISTOGRAM")
    end
    assert.is_nil(family("h1101", "HISTOGRAM"))
    assert.truthy(family("h1", "HISTOGRAM"))
  end)

  describe("of plugins", function()
    it("sum numbers with fractions over the writers", function()
      local sum = series(family("a_total", "SUM", { "x" }), "1")
      c.gw_metric_sum_add(metrics, sum, 0, 0.5)
      c.gw_metric_sum_add(metrics, sum, 2, 0.1)
      assert.equal(0.6, c.gw_metric_number(metrics, sum))
      assert.equal("0.6", line('a_total{x="1"}'))
    end)

    it("have levels with one place: what was set last is it", function()
      local level = series(family("level", "LEVEL"))
      c.gw_metric_level_set(metrics, level, 7)
      c.gw_metric_level_set(metrics, level, 1e21)
      assert.equal("1e+21", line("level"))
      c.gw_metric_level_set(metrics, level, 2)
      c.gw_metric_level_add(metrics, level, -2.25)
      assert.equal("-0.25", line("level"))
    end)

    it("have histograms with bounds of their own", function()
      local f = family("size", "BUCKETS", { "x" }, { bounds = { 0.5, 1, 250 } })
      local one = series(f, "1")
      for i, observed in ipairs { -1, 0.5, 0.51, 250, 250.5, 1e9 } do
        c.gw_metric_bucket_observe(f, one, i % 3, observed)
      end
      for name, expected in pairs {
        ['size_bucket{x="1",le="0.5"}'] = "2",
        ['size_bucket{x="1",le="1"}'] = "3",
        ['size_bucket{x="1",le="250"}'] = "4",
        ['size_bucket{x="1",le="+Inf"}'] = "6",
        ['size_count{x="1"}'] = "6",
        ['size_sum{x="1"}'] = "1000000500.51",
      } do
        assert.equal(expected, line(name), name)
      end
      assert.matches("# TYPE size histogram", render())
    end)

    it("refuse bounds that do not ascend", function()
      for _, bounds in ipairs { {}, { 1, 1 }, { 2, 1 }, { 0 / 0 }, { 1, 1 / 0 } } do
        assert.is_nil(family("b", "BUCKETS", nil, { bounds = bounds }))
      end
      assert.is_nil(family("b", "BUCKETS", { "le" }, { bounds = { 1 } }))
    end)

    it("give a name to the newest definition, and never one of the gateway's", function()
      local before = family("a_total", "SUM", { "x" })
      c.gw_metric_sum_add(metrics, series(before, "1"), 0, 1)
      local after = family("a_total", "SUM", { "y" })
      c.gw_metric_sum_add(metrics, series(after, "1"), 0, 2)
      c.gw_metric_sum_add(metrics, series(before, "1"), 0, 1) -- of an older generation, counts on unseen
      assert.is_nil(line('a_total{x="1"}'))
      assert.equal("2", line('a_total{y="1"}'))
      assert.is_true(after == family("a_total", "SUM", { "y" }))
      family("core", "COUNTER")
      assert.is_nil(family("core", "SUM"))
    end)
  end)

  describe("as histograms", function()
    it("write cumulative buckets, exact at their bounds", function()
      local h = series(family("latency_seconds", "HISTOGRAM", { "route" }), "users")
      for _, us in ipairs({ 0, 1000, 1001, 20000, 20001, 59999999, 60000000, 60000001, 500000000 }) do
        c.gw_metric_observe_us(metrics, h, us % 3, us)
      end
      local function bucket(le) return tonumber(line('latency_seconds_bucket{route="users",le="' .. le .. '"}')) end
      assert.equal(2, bucket("0.001"))
      assert.equal(3, bucket("0.002"))
      assert.equal(4, bucket("0.02"))
      assert.equal(5, bucket("0.05"))
      assert.equal(5, bucket("30"))
      assert.equal(7, bucket("60"))
      assert.equal(9, bucket("+Inf"))
      assert.equal("9", line('latency_seconds_count{route="users"}'))
      assert.equal("680.042002", line('latency_seconds_sum{route="users"}'))
      assert.equal(9, value(h))
    end)

    it("have buckets in order, each at most ten per cent wide", function()
      local before = 0
      for bucket = 0, 254 do
        local bound = tonumber(c.gw_histogram_bound_us(bucket))
        assert.is_true(bound > before)
        if bound > 10 then assert.is_true(bound - before <= before * 0.1 + 0.001, bound) end
        assert.equal(bucket, c.gw_histogram_bucket(bound))
        assert.equal(bucket, c.gw_histogram_bucket(before + 1))
        before = bound
      end
      assert.equal(1e8, before)
      assert.equal(255, c.gw_histogram_bucket(1e8 + 1))
      assert.equal(255, c.gw_histogram_bucket(0xffffffffffffffffULL))
    end)

    it("know quantiles to five per cent", function()
      local h = series(family("latency_seconds", "HISTOGRAM"))
      assert.equal(0, tonumber(c.gw_metric_quantile_us(metrics, h, 0.5)))
      math.randomseed(7)
      local all = {}
      for i = 1, 20000 do
        all[i] = math.floor(10 ^ (math.random() * 7)) -- 1 µs … 10 s, as much of each size
        c.gw_metric_observe_us(metrics, h, i % 3, all[i])
      end
      table.sort(all)
      for _, part in ipairs({ 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1 }) do
        local exact = all[math.max(1, math.ceil(part * #all))]
        local told = tonumber(c.gw_metric_quantile_us(metrics, h, part))
        assert.is_true(
          math.abs(told - exact) <= math.max(1, exact * 0.05),
          part .. ": " .. told .. " for " .. exact
        )
      end
    end)

    it("know them of a million that lie on two hills", function()
      local h, observe = series(family("latency_seconds", "HISTOGRAM")), c.gw_metric_observe_us
      local times, n = {}, 1000000
      math.randomseed(11)
      for i = 1, n do
        local spread = 0.7 + 0.6 * math.random()
        local us = math.floor(spread * (i % 50 == 0 and 800000 or 1500)) -- two in a hundred are slow
        times[us] = (times[us] or 0) + 1
        observe(metrics, h, i % 3, us)
      end
      local values = {}
      for us in pairs(times) do
        values[#values + 1] = us
      end
      table.sort(values)
      for _, part in ipairs { 0.5, 0.95, 0.975, 0.985, 0.99, 0.999 } do
        local seen, exact = 0, nil
        for _, us in ipairs(values) do
          seen, exact = seen + times[us], us
          if seen >= part * n then break end
        end
        local told = tonumber(c.gw_metric_quantile_us(metrics, h, part))
        assert.is_true(math.abs(told - exact) <= exact * 0.05, part .. ": " .. told .. " for " .. exact)
      end
    end)
  end)

  it("count while others look, without losing one", function()
    ffi.cdef(
      [[unsigned gw_spec_count_and_scrape(struct gw_metrics *, unsigned counter, unsigned histogram, unsigned level,
      unsigned);]]
    )
    local counter = series(family("a_total", "COUNTER"))
    local histogram = series(family("b_seconds", "HISTOGRAM"))
    local level = series(family("c", "LEVEL"))
    assert.is_true(ffi.C.gw_spec_count_and_scrape(metrics, counter, histogram, level, 100000) > 0)
    assert.equal(300000, c.gw_metric_number(metrics, level))
    assert.equal(300000, value(counter))
    assert.equal(300000, value(histogram))
  end)
end)
