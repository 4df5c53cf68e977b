local c = require("support.c")
local ffi = require("ffi")
local inside = require("support.inside")

describe("moongate.metrics", function()
  local metrics

  before_each(function() metrics = c.gw_metrics_new(1) end)
  after_each(function() c.gw_metrics_free(metrics) end)

  local function render()
    local buf = ffi.new("struct gw_buf")
    c.gw_buf_init(buf, 10 * 1024 * 1024)
    assert.is_true(c.gw_metrics_render(metrics, buf))
    local text = ffi.string(buf.data, buf.len)
    c.gw_buf_deinit(buf)
    return text
  end

  local function line(start)
    for one in render():gmatch("[^\n]+") do
      if one:sub(1, #start) == start then return one:sub(#start + 2) end
    end
  end

  local function run(init, body) return inside(body, { init = init, script = { metrics = metrics } }) end

  it("counts", function()
    assert.equal(
      "nil",
      run(
        [[own.hits = m.metrics.counter { name = "hits", about = "How often." }]],
        [[own.hits:add() own.hits:add(2) own.hits:add(0.5) own.hits:add(0)]]
      )
    )
    assert.equal("3.5", line("moongate_plugin_p_hits_total"))
    assert.matches(
      "# HELP moongate_plugin_p_hits_total How often.\n# TYPE moongate_plugin_p_hits_total counter",
      render()
    )
  end)

  it("shows what has no labels from the beginning on", function()
    run([[m.metrics.counter { name = "hits_total", about = "How often." }]], "")
    assert.equal("0", line("moongate_plugin_p_hits_total"))
  end)

  it("counts by labels, whatever stands in them", function()
    run(
      [[own.hits = m.metrics.counter { name = "hits", about = "x", labels = { "country", "code" } }]],
      [[
      own.hits:add(1, "de", 200) own.hits:add(1, "de", "200") own.hits:add(1, 'a"\n\\', true) own.hits:add(1, 0 / 0, "")
    ]]
    )
    assert.equal("2", line('moongate_plugin_p_hits_total{country="de",code="200"}'))
    assert.equal("1", line('moongate_plugin_p_hits_total{country="a\\"\\n\\\\",code="true"}'))
    assert.equal("1", line('moongate_plugin_p_hits_total{country="nan",code=""}'))
  end)

  it("counts one combination of labels without looking for it again", function()
    run(
      [[own.hits = m.metrics.counter { name = "hits", about = "x", labels = { "code" } } own.ok = own.hits:series_of(200)]],
      [[own.ok:add() own.ok:add(2) own.hits:add(1, 200)]]
    )
    assert.equal("4", line('moongate_plugin_p_hits_total{code="200"}'))
    assert.matches(
      "a finite number, not below 0",
      run(
        [[
      own.hits = m.metrics.counter { name = "hits", about = "x" } own.all = own.hits:series_of()
    ]],
        "own.all:add(-1)"
      )
    )
    assert.matches(
      "declare it in the plugin's init",
      run([[own.hits = m.metrics.counter { name = "hits", about = "x" }]], "own.hits:series_of()")
    )
  end)

  it("keeps gauges that are set and moved", function()
    run(
      [[own.a = m.metrics.gauge { name = "a", about = "x", labels = { "x" } } own.b = m.metrics.gauge { name = "b", about = "x" }]],
      [[own.a:set(5, "1") own.a:add(-2, "1") own.b:add() own.b:add() own.b:add(-0.5)]]
    )
    assert.equal("3", line('moongate_plugin_p_a{x="1"}'))
    assert.equal("1.5", line("moongate_plugin_p_b"))
  end)

  it("notes values in histograms, of seconds unless bounds say otherwise", function()
    run(
      [[
      own.took = m.metrics.histogram { name = "took_seconds", about = "x" }
      own.size = m.metrics.histogram { name = "size", about = "x", bounds = { 10, 100 }, labels = { "x" } }]],
      [[own.took:observe(0.003) own.took:observe(100) own.size:observe(10, "1") own.size:observe(11, "1")]]
    )
    assert.equal("1", line('moongate_plugin_p_took_seconds_bucket{le="0.005"}'))
    assert.equal("1", line('moongate_plugin_p_took_seconds_bucket{le="60"}'))
    assert.equal("2", line("moongate_plugin_p_took_seconds_count"))
    assert.equal("100.003", line("moongate_plugin_p_took_seconds_sum"))
    assert.equal("1", line('moongate_plugin_p_size_bucket{x="1",le="10"}'))
    assert.equal("2", line('moongate_plugin_p_size_bucket{x="1",le="100"}'))
  end)

  it("puts what comes past max_series under other, and remembers none of it", function()
    assert.equal(
      "true",
      run(
        [[own.hits = m.metrics.counter { name = "hits", about = "x", labels = { "x" }, max_series = 10 }]],
        [[
      for i = 1, 100 do own.hits:add(1, "v" .. i) end
      collectgarbage() collectgarbage()
      local before = collectgarbage("count")
      for i = 1, 20000 do own.hits:add(1, "more" .. i) end
      for i = 1, 20000 do own.hits:add(1, i % 10 + 1 + i / 1e16) end
      collectgarbage() collectgarbage()
      return collectgarbage("count") - before < 64]]
      )
    )
    assert.equal("1", line('moongate_plugin_p_hits_total{x="v10"}'))
    assert.is_nil(line('moongate_plugin_p_hits_total{x="v11"}'))
    assert.equal("40090", line('moongate_plugin_p_hits_total{x="other"}'))
  end)

  it("keeps what was counted over a reload", function()
    local init = [[own.hits = m.metrics.counter { name = "hits", about = "x" }]]
    run(init, "own.hits:add()")
    run(init, "own.hits:add()")
    assert.equal("2", line("moongate_plugin_p_hits_total"))
  end)

  it("takes another definition after a reload", function()
    run([[own.hits = m.metrics.counter { name = "hits", about = "x" }]], "own.hits:add()")
    run([[own.hits = m.metrics.counter { name = "hits", about = "x", labels = { "x" } }]], "own.hits:add(1, 'a')")
    assert.is_nil(line("moongate_plugin_p_hits_total "))
    assert.equal("1", line('moongate_plugin_p_hits_total{x="a"}'))
  end)

  it(
    "makes no garbage when it counts",
    function()
      assert.equal(
        "true",
        run(
          [[
      own.a = m.metrics.counter { name = "a", about = "x" }
      own.b = m.metrics.counter { name = "b", about = "x", labels = { "x" } }
      own.c = m.metrics.counter { name = "c", about = "x", labels = { "x", "y", "z" } }
      own.d = m.metrics.histogram { name = "d", about = "x", labels = { "x", "y" } }]],
          [[
      local a, b, c, d = own.a, own.b, own.c, own.d
      local function count() a:add(1) b:add(1, "v") c:add(1, "v", "w", 7) d:observe(0.1, "v", true) end
      for _ = 1, 200 do count() end
      collectgarbage() collectgarbage() collectgarbage("stop")
      local before = collectgarbage("count")
      for _ = 1, 10000 do count() end
      return collectgarbage("count") - before < 16]]
        )
      )
    end
  )

  local HITS = [[own.hits = m.metrics.counter { name = "hits", about = "x", labels = { "x" } }
    own.plain = m.metrics.gauge { name = "plain", about = "x" }]]

  it("points at mistakes", function()
    for body, message in pairs {
      ["own.hits:add(1)"] = 'metric moongate_plugin_p_hits_total: the label "x" must be a string, not nil',
      ["own.hits:add(1, 'a', 'b')"] = "metric moongate_plugin_p_hits_total has 1 label (x), not 2",
      ["own.plain:set(1, 'a')"] = "metric moongate_plugin_p_plain has 0 labels (), not 1",
      ["own.hits:add(1, {})"] = 'the label "x" must be a string, not table',
      ["own.hits:add(-1, 'a')"] = "a counter only grows; what goes up and down is a gauge",
      ["own.hits:add('1', 'a')"] = "add takes a finite number",
      ["own.plain:set(0/0)"] = "set takes a finite number",
      ["own.plain:set(1/0)"] = "set takes a finite number",
      ["own.plain:set()"] = "set takes a finite number",
      ["own.plain.set(1)"] = "metric:set is a method: call it with a colon",
      ["m.metrics.counter { name = 'a', about = 'x' }"] = "metrics.counter: declare it in the plugin's init",
    } do
      local said = run(HITS, body)
      assert.is_truthy(said:find(message, 1, true), body .. ": " .. said)
      assert.matches("handler.lua:6: ", said, body)
    end
  end)

  it("refuses declarations that make no sense", function()
    for init, message in pairs {
      ["m.metrics.counter()"] = "metrics: takes a table",
      ["m.metrics.counter { about = 'x' }"] = '"nil" is no name',
      ["m.metrics.counter { name = 'a-b', about = 'x' }"] = '"a-b" is no name (letters, digits and _, at most 64 of them)',
      ["m.metrics.counter { name = 'a' }"] = "a: say in `about` what it counts",
      ["m.metrics.gauge { name = 'a', about = 'x', lables = {} }"] = 'the option "lables" means nothing',
      ["m.metrics.gauge { name = 'a', about = 'x', bounds = {} }"] = 'the option "bounds" means nothing',
      ["m.metrics.gauge { name = 'a', about = 'x', labels = 'x' }"] = "labels must be a list of names",
      ["m.metrics.gauge { name = 'a', about = 'x', labels = { 'le' } }"] = 'labels[1]: "le" is no name of a label',
      ["m.metrics.gauge { name = 'a', about = 'x', labels = { 'x', 'x' } }"] = 'labels: "x" stands there twice',
      ["m.metrics.gauge { name = 'a', about = 'x', labels = { 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i' } }"] = "at most 8 labels",
      ["m.metrics.gauge { name = 'a', about = 'x', max_series = 0 }"] = "max_series must be a whole number from 1 to 10000",
      ["m.metrics.histogram { name = 'a', about = 'x', bounds = { 2, 1 } }"] = "bounds must be finite numbers that ascend (at 2)",
      ["m.metrics.histogram { name = 'a', about = 'x', bounds = {} }"] = "bounds must be a list of 1 to 30 numbers",
      ["for i = 1, 2000 do m.metrics.gauge { name = 'a' .. i, about = 'x' } end"] = "there are too many metrics",
    } do
      local said = run(init, "")
      assert.is_truthy(said:find(message, 1, true), init .. ": " .. said)
      assert.matches("^refused: plugin p, init: .*handler.lua:3: ", said)
    end
  end)
end)
