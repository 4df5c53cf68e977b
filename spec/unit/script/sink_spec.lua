local gateway = require("moongate.spec")

describe("moongate.sink", function()
  -- A gateway with one plugin whose init gets the module; what init returns is called in log.
  local function new(init)
    local log
    return gateway.new {
      plugins = {
        {
          name = "sinking",
          handler = {
            init = function() log = init(require("moongate.sink")) end,
            log = function(_, ctx)
              if log then log(ctx) end
            end,
          },
          schema = {},
        },
      },
    }
  end

  local function misuse(init, reason)
    local ok, why = pcall(new, init)
    assert.is_false(ok)
    assert.matches(reason, tostring(why))
  end

  it("sends texts as they are and tables as JSON", function()
    local gw = new(function(sink)
      local logs = sink.tcp { host = "logs.test", port = 1 }
      return function()
        assert(logs:send("a text") == true)
        assert(logs:send { a = { 1, 2 } } == true)
      end
    end)
    local logs = gw.upstreams["logs.test"]:raw()
    gw:get("/")
    gw.clock:advance(1)
    assert.equal('a text\n{"a":[1,2]}\n', logs.received)
  end)

  it("says when it is full", function()
    local outcomes = {}
    local gw = new(function(sink)
      local logs = sink.udp { host = "logs.test", port = 1, queue = { max_entries = 2 } }
      return function()
        for i = 1, 3 do
          outcomes[i] = { logs:send("line") }
        end
      end
    end)
    gw.upstreams["logs.test"]:raw()
    gw:get("/")
    assert.same({ { true }, { true }, { nil, "full" } }, outcomes)
  end)

  it("says what cannot be JSON", function()
    local reason
    local gw = new(function(sink)
      local logs = sink.tcp { host = "logs.test", port = 1 }
      return function() reason = select(2, logs:send { print }) end
    end)
    gw:get("/")
    assert.is_string(reason)
  end)

  it("is closed for who keeps one longer than its gateway", function()
    local kept
    local gw = new(function(sink) kept = sink.tcp { host = "logs.test", port = 1 } end)
    gw:close()
    assert.same({ nil, "closed" }, { kept:send("late") })
  end)

  it("opens sinks in init only", function()
    local gw = new(function(sink)
      return function() sink.tcp { host = "logs.test", port = 1 } end
    end)
    gw:get("/")
    assert.is_truthy(gw.log:find("sinks are opened in init"))
  end)

  it("names what is misused", function()
    misuse(function(sink) sink.file {} end, "moongate.sink.file: path must be a text")
    misuse(function(sink) sink.file { path = "/tmp/x", mode = 1 } end, 'sink.file: "mode" means nothing')
    misuse(function(sink) sink.tcp { host = "h" } end, "sink.tcp: port must be a number")
    misuse(function(sink) sink.tcp { host = "h", port = 70000 } end, "port must be a number from 1 to 65535")
    misuse(function(sink) sink.udp { host = "h", port = 1, queue = { max = 1 } } end, "queue.max means nothing")
    misuse(
      function(sink) sink.udp { host = "h", port = 1, queue = { max_entries = 0 } } end,
      "queue.max_entries must be"
    )
    misuse(function(sink) sink.syslog { facility = "mine" } end, "no facility mine")
    misuse(function(sink) sink.http { url = "ftp://h/" } end, "must begin with http:// or https://")
    misuse(function(sink) sink.http { url = "nowhere" } end, "url is not an absolute URL")
    misuse(function(sink) sink.http { url = "http://h/a b" } end, "bytes that must be encoded")
    misuse(
      function(sink) sink.http { url = "http://h/", headers = { ["Content-Length"] = "1" } } end,
      "may not stand there"
    )
    misuse(
      function(sink) sink.http { url = "http://h/", headers = { ["X-A"] = "1\r\nX-B: 2" } } end,
      "control characters"
    )
    misuse(function(sink) sink.http { url = "http://h/", headers = { ["X A"] = "1" } } end, "may not stand there")
    local gw = new(function(sink)
      local logs = sink.syslog()
      return function() logs:send("text", "loud") end
    end)
    gw:get("/")
    assert.is_truthy(gw.log:find("no severity loud"))
  end)
end)
