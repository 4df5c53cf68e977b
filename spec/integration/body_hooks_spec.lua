-- Body hooks and produced bodies through the real binary, over real sockets.
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

-- Each plugin does what its configuration says with every chunk, in both directions.
local HANDLER = [[
local M = { version = "1.0.0", priority = 1000 }

local function work(conf, ctx, chunk, last)
  if conf.fails == "always" or (conf.fails == "last" and last) then error("broken on purpose") end
  if conf.sleep > 0 then ctx:sleep(conf.sleep) end
  if last and conf.asks ~= "" then
    local answer, why = ctx:fetch { service = "up", path = conf.asks }
    return answer and answer.body or why
  end
  if last then return conf.tail end
  if conf.wrap ~= "" then return conf.wrap .. chunk .. conf.wrap end
end

if DIRECTION == "body" then
  function M.body(conf, ctx, chunk, last)
    ctx.shared.bytes = (ctx.shared.bytes or 0) + #chunk
    return work(conf, ctx, chunk, last)
  end

  function M.log(conf, ctx) ctx.log:notice("NAME saw ", ctx.shared.bytes or 0, " bytes") end
else
  M.request_body = work
end

return M
]]

local SCHEMA = [[
local t = require("moongate.schema")
return t.record {
  wrap = t.string { default = "", len_min = 0, about = "Put around each chunk." },
  tail = t.string { default = "", len_min = 0, about = "Given at the end." },
  asks = t.string { default = "", len_min = 0, about = "A path whose body is given at the end." },
  sleep = t.number { default = 0, about = "Seconds that each chunk waits." },
  fails = t.string { default = "never", about = "always, last or never." },
}
]]

local STREAMER = [[
local M = { version = "1.0.0", priority = 900 }

function M.access(_, ctx)
  local count = tonumber(ctx.request:get_query_arg("count"))
  if not count then return end
  return ctx.response:stream(200, { ["content-type"] = "application/x-ndjson" }, function(send)
    for i = 1, count do
      if ctx.request:get_query_arg("slow") then ctx:sleep(0.02) end
      send(('{"n":%d}\n'):format(i))
    end
    if ctx.request:get_query_arg("broken") then error("broken on purpose") end
  end)
end

return M
]]

local YAML = [[
workers: 1
log: { level: notice }
plugin_paths: [./plugins]
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    retries: 1
    routes:
      - { name: plain, paths: [/plain], strip_path: false }
      - name: piped
        paths: [/piped]
        strip_path: false
        plugins:
          - { name: first, config: { wrap: "(", tail: "!" } }
          - { name: second, priority: 10, config: { wrap: "[", tail: "." } }
          - { name: up-first, config: { wrap: "<", tail: "!" } }
      - name: slow
        paths: [/slow]
        strip_path: false
        plugins:
          - { name: first, config: { sleep: 0.02, tail: "!" } }
          - { name: up-first, config: { sleep: 0.02, tail: "!" } }
      - name: asking
        paths: [/asking]
        strip_path: false
        plugins: [{ name: first, config: { asks: /asked } }]
      - name: broken
        paths: [/broken]
        strip_path: false
        plugins: [{ name: first, config: { fails: last } }]
      - name: up-broken
        paths: [/up-broken]
        strip_path: false
        plugins: [{ name: up-first, config: { fails: always } }]
      - name: skipped
        paths: [/skipped]
        strip_path: false
        plugins:
          - { name: first, on_error: skip, config: { fails: always } }
          - { name: second, priority: 10, config: { wrap: "[" } }
      - { name: stream, paths: [/stream], strip_path: false, plugins: [{ name: streamer }] }
]]

describe("body hooks in the real gateway", function()
  local gw, up, service

  local function plugin(name, direction)
    return (HANDLER:gsub("DIRECTION", ("%q"):format(direction)):gsub("NAME", name))
  end

  setup(function()
    up = wire.listen()
    gw = moongate.start {
      yaml = YAML,
      vars = { up = up.port },
      files = {
        ["plugins/first/handler.lua"] = plugin("first", "body"),
        ["plugins/first/schema.lua"] = SCHEMA,
        ["plugins/second/handler.lua"] = plugin("second", "body"),
        ["plugins/second/schema.lua"] = SCHEMA,
        ["plugins/up-first/handler.lua"] = plugin("up-first", "request_body"),
        ["plugins/up-first/schema.lua"] = SCHEMA,
        ["plugins/streamer/handler.lua"] = STREAMER,
        ["plugins/streamer/schema.lua"] = 'return require("moongate.schema").record {}',
      },
    }
  end)

  teardown(function()
    up:close()
    gw:stop()
    moongate.stop_all()
  end)

  after_each(function()
    if service then service:close() end
    service = nil
  end)

  -- Sends a request and reads it at the service, on a connection of its own.
  local function arrive(bytes)
    local conn = gw:connect()
    conn:send(bytes)
    service = assert(up:accept(), "no connection to the service")
    return conn, assert(http.read_request(service))
  end

  local function get(path, headers)
    return ("GET %s HTTP/1.1\r\nhost: a\r\nconnection: close\r\n%s\r\n"):format(path, headers or "")
  end

  local function answer(conn, bytes, opts)
    service:send(bytes)
    local response = http.read_response(conn, opts)
    conn:close()
    return response
  end

  local PLAIN = 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\netag: "x"\r\n\r\nplain'

  it("leave other routes alone", function()
    local conn = arrive(get("/plain"))
    local response = answer(conn, PLAIN)
    assert.same(
      { "plain", "5", '"x"' },
      { response.body, response.headers["content-length"], response.headers.etag }
    )
  end)

  it("pipe a response with a length", function()
    local conn = arrive(get("/piped"))
    local response = answer(conn, PLAIN)
    assert.equal("[(plain(![.", (response.body:gsub("%[%[", "[")))
    assert.same({ "chunked", 'W/"x"' }, { response.headers["transfer-encoding"], response.headers.etag })
    assert.is_nil(response.headers["content-length"])
  end)

  it("pipe chunks both ways, with trailers", function()
    local conn, request = arrive(
      "POST /piped HTTP/1.1\r\nhost: a\r\nconnection: close\r\n"
        .. "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-up: 1\r\n\r\n"
    )
    assert.same({ "<abc<!", { ["x-up"] = "1" } }, { request.body, request.trailers })
    local response = answer(
      conn,
      "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        .. "3\r\nabc\r\n0\r\nx-down: 1\r\n\r\n"
    )
    assert.equal("abc", response.body:match("%a+"))
    assert.same({ ["x-down"] = "1" }, response.trailers)
  end)

  for _, case in ipairs {
    { "HEAD", "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\n" },
    { "GET", "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n" },
    { "GET", 'HTTP/1.1 304 Not Modified\r\nconnection: close\r\netag: "x"\r\n\r\n' },
  } do
    it(("have nothing to do for %s and %s"):format(case[1], case[2]:match("%d%d%d")), function()
      local conn = arrive((get("/piped"):gsub("^GET", case[1])))
      local response = answer(conn, case[2], { method = case[1] })
      assert.equal("", response.body)
      assert.is_nil(response.headers["content-length"])
    end)
  end

  it("answer HTTP/1.0 until the connection ends", function()
    local conn = arrive("GET /piped HTTP/1.0\r\nhost: a\r\n\r\n")
    local response = answer(conn, PLAIN)
    assert.is_nil(response.headers["transfer-encoding"])
    assert.equal("plain", response.body:match("%a+"))
  end)

  it("keep a pipeline in order while they wait", function()
    local conn = gw:connect()
    local request = "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n"
    conn:send(request .. request .. request:gsub("slow", "plain"))
    service = up:accept()
    for i = 1, 3 do
      assert(http.read_request(service))
      service:send(("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbody%d"):format(i))
    end
    assert.same({ "body1!", "body2!", "body3" }, {
      http.read_response(conn).body,
      http.read_response(conn).body,
      http.read_response(conn).body,
    })
    conn:close()
  end)

  it("pass a large body whole, both ways, at their own pace", function()
    local sent = {}
    for i = 1, 200000 do
      sent[i] = ("%07d\n"):format(i)
    end
    local text = table.concat(sent)
    local conn = gw:connect()
    conn:send(("POST /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"):format(#text))
    service = up:accept()
    for at = 1, #text, 100000 do
      conn:send(text:sub(at, at + 99999))
    end
    local request = assert(http.read_request(service, 20))
    assert.is_true(request.body == text .. "!")
    service:send(("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"):format(#text))
    service:send(text)
    local response = http.read_response(conn, { seconds = 20 })
    assert.is_true(response.body == text .. "!")
    conn:close()
  end)

  it("see encoded bytes as they are", function()
    local bytes = "\31\139\8\0\0\0\0\0\255"
    local conn = arrive(get("/slow", "accept-encoding: gzip\r\n"))
    local response = answer(
      conn,
      ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-encoding: gzip\r\n" .. "content-length: %d\r\n\r\n%s"):format(
        #bytes,
        bytes
      )
    )
    assert.same({ "gzip", bytes .. "!" }, { response.headers["content-encoding"], response.body })
  end)

  it("may ask other services meanwhile", function()
    local conn = arrive(get("/asking"))
    service:send(PLAIN)
    local other = assert(up:accept())
    assert.equal("/asked", assert(http.read_request(other)).target)
    other:send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 6\r\n\r\nbehind")
    local response = http.read_response(conn)
    assert.equal("plainbehind", response.body)
    other:close()
    conn:close()
  end)

  it("cut what they fail in, so that it can be seen", function()
    local conn = arrive(get("/broken"))
    local response = answer(conn, PLAIN)
    assert.is_true(response == nil or response.cut)
    assert.truthy(gw:wait_log("plugin first, body, route broken, request %S+: .*broken on purpose"))
  end)

  it("answer 500 when they fail before there is an answer", function()
    local conn = gw:connect()
    conn:send("POST /up-broken HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello")
    local response = http.read_response(conn)
    assert.equal(500, response.status)
    conn:close()
    service = up:accept(1)
  end)

  it("are left out where their use says so", function()
    local conn = arrive(get("/skipped"))
    assert.equal("[plain[", answer(conn, PLAIN).body)
  end)

  it("end quietly with a client that goes away", function()
    local conn = arrive(get("/slow"))
    service:send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 100000\r\n\r\n" .. ("x"):rep(1000))
    conn:close()
    assert.truthy(gw:wait_log("first saw %d+ bytes"))
  end)

  it("survive a hundred thousand chunks of one byte", function()
    local conn = arrive(get("/piped"))
    service:send("HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")
    for _ = 1, 100 do
      service:send(("1\r\na\r\n"):rep(1000))
    end
    service:send("0\r\n\r\n")
    local response = http.read_response(conn, { seconds = 30 })
    assert.equal(100000, select(2, response.body:gsub("a", "")))
    conn:close()
  end)

  describe("beside ctx.response:stream", function()
    it("a body comes as it is made", function()
      local response = gw:get("/stream?count=3")
      assert.equal('{"n":1}\n{"n":2}\n{"n":3}\n', response.body)
      assert.equal("application/x-ndjson", response.headers["content-type"])
    end)

    it("slowly too, line by line", function()
      local conn = gw:connect()
      conn:send("GET /stream?count=3&slow=1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
      assert(http.read_head(conn))
      assert.truthy(conn:read_until('{"n":1}\n'))
      assert.is_nil(conn:take():find('"n":3', 1, true))
      assert.truthy(conn:read_until('{"n":3}\n'))
      conn:close()
    end)

    it("of many small lines too", function()
      local response = gw:get("/stream?count=100000")
      assert.equal(100000, select(2, response.body:gsub("\n", "")))
    end)

    it("is cut visibly when the function fails", function()
      local conn = gw:connect()
      conn:send(get("/stream?count=2&broken=1"))
      local response = http.read_response(conn)
      assert.is_true(response.cut)
      conn:close()
      assert.truthy(gw:wait_log("plugin streamer, stream, route stream, request %S+: .*broken on purpose"))
    end)

    it("ends with a client that goes away", function()
      local conn = gw:connect()
      conn:send(get("/stream?count=100000&slow=1"))
      assert(http.read_head(conn))
      conn:close()
    end)
  end)
end)
