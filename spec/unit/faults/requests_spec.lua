-- What the gateway does when reading and writing fail, at each place where they can: nothing is left, nothing hangs, the next
-- request is served, and no client takes a wrong answer for a whole one.
local faults = require("support.faults")
local h2 = require("support.h2")
local proxy = require("support.proxy")

local POINTS =
  { "conn.read", "conn.read.short", "conn.write", "conn.write.short", "conn.write.full", "conn.write.later" }

local function ok(body) return ("HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s"):format(#body, body) end

local function chunked(...)
  local parts = { "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" }
  for _, body in ipairs { ... } do
    parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#body, body)
  end
  return table.concat(parts) .. "0\r\n\r\n"
end

local function routes(...) return { routes = { { name = "all", targets = { ... } } } } end

local LARGE = ("0123456789abcdef"):rep(20000) -- 320 000 bytes

local SCENARIOS = {
  ["a plain request"] = {
    start = function(world)
      local up = world:upstream(function(conn) conn:write(ok("hi")) end)
      world:start(routes(up))
    end,
    talk = function(_, client) client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n") end,
    answers = 1,
    good = function(response) return response.status == 200 and response.body == "hi" end,
  },
  ["bodies both ways"] = {
    start = function(world)
      local up = world:upstream(function(conn, request)
        local _, count = request:gsub("z", "")
        conn:write(chunked("got ", tostring(count), LARGE))
      end)
      world:start(routes(up))
    end,
    talk = function(_, client)
      client:write("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
      client:write(("%x\r\n%s\r\n"):format(100000, ("z"):rep(100000)))
      client:write("3\r\nzzz\r\n0\r\n\r\n")
    end,
    answers = 1,
    good = function(response)
      return response.status == 200 and response.body:find("^got 100003") and #response.body == #LARGE + 10
    end,
  },
  ["pipelined requests on one connection"] = {
    start = function(world)
      local up = world:upstream(
        function(conn, request) conn:write(ok("answer " .. request:match("GET /(%d)"))) end
      )
      world:start(routes(up))
    end,
    talk = function(_, client)
      for i = 1, 3 do
        client:write(("GET /%d HTTP/1.1\r\nhost: a\r\n\r\n"):format(i))
      end
    end,
    answers = 3,
    good = function(response, nth) return response.body == "answer " .. nth end,
  },
  ["a second target after the first did not answer"] = {
    start = function(world)
      local up = world:upstream(function(conn) conn:write(ok("second")) end)
      world:start(routes(proxy.closed_port(), up))
    end,
    talk = function(_, client) client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n") end,
    answers = 1,
    good = function(response) return response.body == "second" end,
  },
  ["a tunnel"] = {
    start = function(world)
      local up = world:upstream(function(conn, bytes)
        conn.head = (conn.head or "") .. bytes
        if conn.agreed then
          conn:write("<" .. bytes .. ">")
        elseif conn.head:find("\r\n\r\n", 1, true) then
          conn.agreed = true
          conn:write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
        end
      end, true)
      world:start(routes(up))
    end,
    talk = function(_, client)
      client:write("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
    end,
    answers = 1,
    good = function(response) return response.status == 101 end,
    finish = function(world, client)
      if client:ended() then return end
      client:write("ping")
      world:settle(50)
    end,
  },
}

--- What came for each stream up to its end, in the streams' order.
local function parse_h2(text)
  local streams, answers = {}, {}
  for _, frame in ipairs(h2.read(text)) do
    local stream = streams[frame.stream] or { parts = {} }
    streams[frame.stream] = stream
    if frame.kind == h2.HEADERS and not stream.status then stream.status = tonumber(frame.head[1][2]) end
    if frame.kind == h2.DATA then stream.parts[#stream.parts + 1] = frame.payload end
    local ends = (frame.kind == h2.DATA or frame.kind == h2.HEADERS) and frame.flags % 2 == 1
    if ends or frame.kind == h2.RST_STREAM then
      -- A cut one is no answer, but nothing more comes.
      answers[#answers + 1] = { status = ends and stream.status or 499, body = table.concat(stream.parts) }
    end
  end
  return answers
end

local function open_h2(world)
  local client = world:client_h2()
  client:write(h2.hello { { 4, 2 ^ 20 } }, h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.u32(2 ^ 20)))
  return client
end

local H2_SCENARIOS = {
  ["requests over HTTP/2"] = {
    start = SCENARIOS["a plain request"].start,
    open = open_h2,
    parse = parse_h2,
    talk = function(_, client) client:write(h2.ask(1) .. h2.ask(3), h2.ask(5)) end,
    answers = 3,
    good = function(response) return response.status == 200 and response.body == "hi" end,
  },
  ["bodies both ways over HTTP/2"] = {
    start = SCENARIOS["bodies both ways"].start,
    open = open_h2,
    parse = parse_h2,
    talk = function(_, client)
      client:write(h2.ask_with_body(1))
      for _ = 1, 4 do
        client:write(h2.data(1, ("z"):rep(15000)))
      end
      client:write(h2.data(1, "zzz", true))
    end,
    answers = 1,
    good = function(response)
      return response.status == 200 and response.body:find("^got 60003") and #response.body == #LARGE + 9
    end,
  },
}

local TLS_POINTS = { "tls", "tls.engine", unpack(POINTS) }

local function over_tls(...) return { routes = { { name = "all", targets = { ... }, service = { tls = {} } } } } end

local TLS_SCENARIOS = {
  ["a request to a service over TLS"] = {
    start = function(world)
      local up = world:upstream(function(conn) conn:write(ok("hi")) end, false, nil, true)
      world:start(over_tls(up))
    end,
    talk = function(_, client) client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n") end,
    answers = 1,
    good = function(response) return response.status == 200 and response.body == "hi" end,
  },
  ["bodies both ways over TLS"] = {
    start = function(world)
      local up = world:upstream(function(conn, request)
        local _, count = request:gsub("z", "")
        conn:write(chunked("got ", tostring(count), LARGE))
      end, false, nil, true)
      world:start(over_tls(up))
    end,
    talk = function(_, client)
      client:write("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
      client:write(("%x\r\n%s\r\n"):format(100000, ("z"):rep(100000)))
      client:write("3\r\nzzz\r\n0\r\n\r\n")
    end,
    answers = 1,
    good = function(response)
      return response.status == 200 and response.body:find("^got 100003") and #response.body == #LARGE + 10
    end,
  },
}

describe("a fault in", function()
  for name, scenario in pairs(TLS_SCENARIOS) do
    for _, point in ipairs(TLS_POINTS) do
      it(("%s, at each pass of %s"):format(name, point), function() faults.each(point, scenario) end)
    end
  end

  for name, scenario in pairs(H2_SCENARIOS) do
    for _, point in ipairs(POINTS) do
      it(("%s, at each pass of %s"):format(name, point), function() faults.each(point, scenario) end)
    end
  end

  for name, scenario in pairs(SCENARIOS) do
    for _, point in ipairs(POINTS) do
      it(("%s, at each pass of %s"):format(name, point), function() faults.each(point, scenario) end)
    end
  end
end)
