local c = require("support.c")
local proxy = require("support.proxy")
local scripts = require("support.scripts")

-- What a request wants to happen stands in its headers: x-body and x-request-body.
local HANDLER = [[
local M = {}

local function work(ctx, want, chunk, last)
  if want == "sleep" then
    ctx:sleep(2)
  elseif want == "upper" then
    return last and "!" or chunk:upper()
  elseif want == "calls" then
    return ("[%s,%s]"):format(chunk, tostring(last))
  elseif want == "double" then
    return chunk .. chunk
  elseif want == "swallow" then
    return ""
  elseif want == "fail" then
    error("broken")
  elseif want == "late" then
    if last then error("broken") end
  elseif want == "fail slowly" then
    ctx:sleep(2)
    error("broken")
  elseif want == "trailer" then
    ctx.shared.len = (ctx.shared.len or 0) + #chunk
    if last then
      ctx.response:set_trailer("x-len", ctx.shared.len)
      ctx.response:set_trailer("x-both", "ours " .. (ctx.service.response:get_trailer("X-Both") or "alone"))
    end
  elseif want == "grow" then
    return last and "" or chunk:rep(100000)
  end
end

function M.access(_, ctx)
  local want = ctx.request:get_header("x-access")
  if want == "exit" then
    return ctx.response:exit(403, "no")
  elseif want == "empty" then
    return ctx.response:exit(200)
  elseif want == "read" then
    ctx.request:get_raw_body()
  elseif want == "replace" then
    ctx.service.request:set_raw_body("other")
  end
end

function M.response(_, ctx)
  local want = ctx.request:get_header("x-response")
  if want == "read" then
    ctx.response:get_raw_body()
  elseif want == "replace" then
    ctx.response:set_raw_body("other")
  elseif want == "exit" then
    ctx.response:exit(418, "tea")
  elseif want == "sleep" then
    ctx:sleep(2)
  elseif want == "trailer" then
    ctx.response:set_trailer("X-Early", 1)
  elseif want == "bad trailer" then
    ctx.response:set_trailer("Content-Length", 1)
  end
end

function M.request_body(_, ctx, chunk, last)
  return work(ctx, ctx.request:get_header("x-request-body"), chunk, last)
end

-- As body_filter of Kong's plugins does.
local function whole(ctx, want)
  local body, why = ctx.response:get_raw_body(tonumber(want:match("%d+")))
  if body then ctx.response:set_raw_body("<" .. body .. ">") end
  if why then ctx.log:notice("whole: ", why) end
  assert(body or why or ctx.response:get_status() == 200)
end

function M.body(_, ctx, chunk, last)
  ctx.shared.calls = (ctx.shared.calls or 0) + 1
  local want = ctx.request:get_header("x-body")
  if want and want:find("^whole") then return whole(ctx, want) end
  if want == "set" and not last then return ctx.response:set_raw_body("piece;") end
  return work(ctx, ctx.request:get_header("x-body"), chunk, last)
end

function M.log(_, ctx)
  ctx.log:notice("body hooks ran ", ctx.shared.calls or 0, " times")
end

return M
]]

describe("body hooks on the request's way", function()
  local world, up

  before_each(function()
    scripts.catch()
    world = proxy.new()
  end)

  after_each(function()
    world:free()
    scripts.release()
  end)

  local function start(on_request, limits, raw)
    if type(on_request) == "string" then
      local text = on_request
      on_request = function(conn) conn:write(text) end
    end
    up = world:upstream(on_request, raw)
    world:start {
      routes = { { name = "all", targets = { up }, limits = limits } },
      limits = limits,
      plugin = HANDLER,
    }
  end

  local function get(headers, method)
    return world:client():ask((method or "GET") .. " / HTTP/1.1\nhost: a\n" .. headers)
  end

  local function post(headers, body) return world:client():ask("POST / HTTP/1.1\nhost: a\n" .. headers, body) end

  local function wait_quiet()
    world:until_true(function() return world:is_quiet() end, "quiet")
  end

  local function body_calls()
    wait_quiet()
    return tonumber(scripts.caught():match("body hooks ran (%d+) times"))
  end

  local PLAIN = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nplain"

  describe("of the response", function()
    it("change it, and its length is told by chunks", function()
      start(PLAIN)
      local response = get("x-body: upper")
      assert.equal("PLAIN!", response.body)
      assert.is_nil(response.headers["content-length"])
      assert.equal("chunked", response.headers["transfer-encoding"])
    end)

    it("may take the pieces in and give the whole", function()
      start("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
      local client = world:client()
      for _ = 1, 2 do
        assert.equal("<abcde>", client:ask("GET / HTTP/1.1\nhost: a\nx-body: whole").body)
      end
    end)

    it("may take an empty body", function()
      start("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
      assert.equal("<>", get("x-body: whole").body)
    end)

    it("pass on a body that is too large to take in", function()
      start("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
      assert.equal("abcde", get("x-body: whole of 4").body)
      wait_quiet()
      assert.truthy(scripts.caught():find("whole: too large", 1, true))
    end)

    it("may set each piece", function()
      start(PLAIN)
      assert.equal("piece;", get("x-body: set").body)
    end)

    it("leave the connection to the next request", function()
      start(PLAIN)
      local client = world:client()
      for _ = 1, 3 do
        assert.equal("PLAIN!", client:ask("GET / HTTP/1.1\nhost: a\nx-body: upper").body)
      end
      assert.equal(1, #up.conns)
    end)

    it("get each chunk as it came, then the end", function()
      start("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
      local body = get("x-body: calls").body
      assert.equal("[,true]", body:match("%[,true%]$"))
      assert.equal("abcde", (body:gsub("%[(%l*),%a+%]", "%1")))
    end)

    it("are told the end of an empty one", function()
      start("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
      assert.equal("[,true]", get("x-body: calls").body)
    end)

    it("are told the end of one that the connection ends", function()
      start(function(conn)
        conn:write("HTTP/1.1 200 OK\r\n\r\nplain")
        conn:close_gently(1)
      end)
      assert.equal("PLAIN!", get("x-body: upper").body)
    end)

    it("end before the trailers", function()
      start("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n")
      local response = get("x-body: upper")
      assert.equal("ABC!", response.body)
      assert.same({ ["x-sum"] = "7" }, response.trailers)
    end)

    it("may add trailers, and know those that came", function()
      start("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\nx-both: 1\r\n\r\n")
      assert.same({ ["x-sum"] = "7", ["x-len"] = "3", ["x-both"] = "ours 1" }, get("x-body: trailer").trailers)
    end)

    it("may add trailers where none came", function()
      start(PLAIN)
      local response = get("x-body: trailer\nx-response: trailer")
      assert.same(
        { "plain", { ["x-len"] = "5", ["x-both"] = "ours alone", ["x-early"] = "1" } },
        { response.body, response.trailers }
      )
      assert.same({ ["x-len"] = "0", ["x-both"] = "ours alone" }, get("x-body: trailer\nx-access: empty").trailers)
      assert.equal(500, get("x-response: bad trailer").status)
      assert.truthy(scripts.caught():find('the core writes "Content-Length" itself', 1, true))
    end)

    it("hold the trailers back while they wait", function()
      start("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n")
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\nx-body: sleep\r\n\r\n")
      for _ = 1, 2 do
        world:settle()
        assert.is_nil(client:text():find("x-sum", 1, true))
        world:advance(2.1)
      end
      local response = client:response()
      assert.same({ "abc", { ["x-sum"] = "7" } }, { response.body, response.trailers })
    end)

    for _, case in ipairs {
      { "HEAD", 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: "a"\r\n\r\n' },
      { "GET", 'HTTP/1.1 204 No Content\r\netag: "a"\r\n\r\n' },
      { "GET", 'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\netag: "a"\r\n\r\n' },
    } do
      it(("do not run for %s and %s"):format(case[1], case[2]:match("%d%d%d [%a ]+")), function()
        start(case[2])
        local response = get("x-body: calls", case[1])
        assert.equal("", response.body)
        assert.is_nil(response.headers["content-length"])
        assert.equal('W/"a"', response.headers.etag)
        assert.equal(0, body_calls())
      end)
    end

    it("do not see interim heads", function()
      start("HTTP/1.1 103 Early Hints\r\n\r\n" .. PLAIN)
      local client = world:client()
      assert.equal(103, client:ask("GET / HTTP/1.1\nhost: a\nx-body: upper").status)
      assert.equal("PLAIN!", client:response().body)
    end)

    it("do not see a tunnel", function()
      start(
        function(conn)
          conn:write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nhello")
        end
      )
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\nx-body: upper\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")
      world:until_true(function() return client:text():find("hello", 1, true) end)
      client:close()
      assert.equal(0, body_calls())
    end)

    it("take away what was said of the bytes", function()
      start(
        'HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: "a"\r\ncontent-md5: x\r\ndigest: x\r\n'
          .. "content-digest: x\r\nrepr-digest: x\r\naccept-ranges: bytes\r\nlast-modified: x\r\n\r\nplain"
      )
      local headers = get("x-body: upper").headers
      headers.date, headers.via = nil, nil
      assert.same({ etag = 'W/"a"', ["last-modified"] = "x", ["transfer-encoding"] = "chunked" }, headers)
    end)

    it("keep a weak ETag and drop one that is none", function()
      start(
        function(conn, request)
          conn:write(
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\netag: %s\r\n\r\n"):format(request:match("x%-tag: (%S+)"))
          )
        end
      )
      assert.equal('W/"b"', get('x-tag: W/"b"').headers.etag)
      assert.is_nil(get("x-tag: b").headers.etag)
    end)

    it("ask for the whole body, never for a range of it", function()
      start(PLAIN)
      get('range: bytes=1-2\nif-range: "a"\nx-body: upper')
      assert.is_nil(up.requests[1]:find("range", 1, true))
    end)

    it("see encoded bytes as they are", function()
      local bytes = "\31\139\8\0\0\0\0\0\0\3\0\1\255\254"
      start(("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%s"):format(#bytes, bytes))
      local response = get("x-body: double")
      assert.equal("gzip", response.headers["content-encoding"])
      assert.equal(bytes .. bytes, response.body)
    end)

    it("see what response hooks read", function()
      start(PLAIN)
      assert.equal("PLAIN!", get("x-body: upper\nx-response: read").body)
    end)

    it("see what response hooks put in its place", function()
      start(PLAIN)
      assert.equal("OTHER!", get("x-body: upper\nx-response: replace").body)
    end)

    it("see the answers of hooks, whenever these came", function()
      start(PLAIN)
      assert.equal("NO!", get("x-body: upper\nx-access: exit").body)
      local response = get("x-body: upper\nx-response: exit")
      assert.same({ 418, "TEA!" }, { response.status, response.body })
    end)

    it("see the problems of the gateway", function()
      start(function(conn) conn:close() end)
      local response = get("x-body: upper")
      assert.equal(502, response.status)
      assert.truthy(response.body:find('"REASON":"RESET"', 1, true))
    end)

    it("may give more than they got", function()
      start(PLAIN)
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\nx-body: grow\r\n\r\n")
      assert.equal(("plain"):rep(100000), client:response().body)
    end)

    it("may swallow everything", function()
      start(PLAIN)
      assert.equal("", get("x-body: swallow").body)
    end)

    it("may wait, and hold the flow meanwhile", function()
      start("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\nx-body: sleep\r\n\r\n")
      world:until_true(function() return client:text():find("\r\n\r\n") or world:active() == 1 end)
      for _ = 1, 5 do
        world:settle()
        world:advance(2.1)
      end
      assert.equal("abcde", client:response().body)
    end)

    it("may wait while the next request of the pipeline is here", function()
      start(PLAIN)
      local client = world:client()
      local request = "GET / HTTP/1.1\r\nhost: a\r\nx-body: sleep\r\n\r\n"
      client:write(request .. request .. request:gsub("sleep", "upper"))
      for _ = 1, 8 do
        world:settle()
        world:advance(2.1)
      end
      assert.equal("plain", client:response().body)
      assert.equal("plain", client:response().body)
      assert.equal("PLAIN!", client:response().body)
    end)

    it("that fail cut the body visibly", function()
      start(PLAIN)
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\nx-body: fail\r\n\r\n")
      client:wait_end()
      assert.is_nil(client:text():find("0\r\n\r\n", 1, true))
      wait_quiet()
      assert.truthy(scripts.caught():find("plugin tried, body, route all", 1, true))
      assert.equal("plugin", world.access().error)
      assert.equal(0, world:idle())
    end)

    for _, want in ipairs { "late", "fail slowly" } do
      it(("that %s cut it too"):format(want), function()
        start(PLAIN)
        local client = world:client()
        client:write(("GET / HTTP/1.1\r\nhost: a\r\nx-body: %s\r\n\r\n"):format(want))
        world:settle()
        world:advance(2.1)
        client:wait_end()
        assert.is_nil(client:text():find("0\r\n\r\n", 1, true))
        wait_quiet()
        assert.equal("plugin", world.access().error)
      end)
    end

    it("that fail cut an answer to HTTP/1.0 with a reset", function()
      start(PLAIN)
      local client = world:client()
      client:write("GET / HTTP/1.0\r\nhost: a\r\nx-body: late\r\n\r\n")
      assert.truthy(client:wait_end() ~= 0)
      wait_quiet()
    end)

    it("answer HTTP/1.0 until the connection ends", function()
      start(PLAIN)
      local client = world:client()
      client:write("GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\nx-body: upper\r\n\r\n")
      client:wait_end()
      local text = client:text()
      assert.equal("PLAIN!", text:match("\r\n\r\n(.*)$"))
      assert.is_nil(text:lower():find("transfer-encoding", 1, true))
      assert.is_nil(text:lower():find("content-length", 1, true))
      assert.truthy(text:lower():find("connection: close", 1, true))
    end)

    it("end when the client goes away while they wait", function()
      start(PLAIN)
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\nx-body: sleep\r\n\r\n")
      world:settle()
      client:close()
      wait_quiet()
      assert.equal("client_gone", world.access().error)
    end)

    it("end when the service goes away while they wait", function()
      start(function(conn)
        conn:write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        world.later = conn
      end)
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\nx-body: sleep\r\n\r\n")
      world:settle()
      world.later:close()
      world:settle()
      world:advance(2.1) -- nobody reads of it before
      client:wait_end()
      wait_quiet()
      assert.truthy(world.access().error)
    end)

    it("end with the total time of the request", function()
      start(PLAIN, { total_timeout = 1 })
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\nx-body: sleep\r\n\r\n")
      world:settle()
      world:advance(1.1)
      client:wait_end()
      wait_quiet()
      assert.equal("total_timeout", world.access().error)
    end)

    it("end when the worker stops", function()
      start(PLAIN)
      world:client():write("GET / HTTP/1.1\r\nhost: a\r\nx-body: sleep\r\n\r\n")
      world:settle()
      c.gw_proxy_abort(world.proxy, c.GW_E_SHUTDOWN)
      wait_quiet()
    end)

    it("may wait for longer than anybody else may", function()
      up = world:upstream(function(conn) conn:write(PLAIN) end)
      world:start {
        routes = {
          {
            name = "all",
            targets = { up },
            service = { read_timeout = 1, write_timeout = 1 },
            limits = { idle_timeout = 1 },
          },
        },
        limits = { idle_timeout = 1 },
        plugin = HANDLER,
      }
      local client = world:client()
      client:write("GET / HTTP/1.1\r\nhost: a\r\nx-body: sleep\r\n\r\n")
      for _ = 1, 4 do
        world:settle()
        world:advance(2.1)
      end
      assert.equal("plain", client:response().body)
    end)

    it("pass a hundred thousand chunks of one byte", function()
      start(
        function(conn)
          conn:write(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" .. ("1\r\na\r\n"):rep(100000) .. "0\r\n\r\n"
          )
        end
      )
      assert.equal(("A"):rep(100000) .. "!", get("x-body: upper").body)
    end)
  end)

  describe("of the request", function()
    -- The body of the n-th request at the service, without its chunks' frames; and whether it had any.
    local function received(n)
      local head, body = up.requests[n]:match("^(.-\r\n\r\n)(.*)$")
      if not head:find("\r\ntransfer-encoding: chunked\r\n", 1, true) then return body, false, head end
      return body, true, head
    end

    local function unchunk(body)
      local out, at = {}, 1
      while true do
        local size, stop = body:match("^(%x+)\r\n()", at)
        size = tonumber(size, 16)
        if size == 0 then return table.concat(out), body:sub(stop) end
        out[#out + 1] = body:sub(stop, stop + size - 1)
        at = stop + size + 2
      end
    end

    it("change it, and send it in chunks", function()
      start(PLAIN)
      assert.equal(200, post("x-request-body: upper\ncontent-md5: x\ndigest: x", "hello").status)
      local body, chunked, head = received(1)
      assert.is_true(chunked)
      assert.equal("HELLO!", (unchunk(body)))
      assert.is_nil(head:find("content-length", 1, true))
      assert.is_nil(head:find("digest", 1, true) or head:find("md5", 1, true))
    end)

    it("send one that was read before whole, with its new length", function()
      start(PLAIN)
      post("x-access: read\nx-request-body: upper", "hello")
      local body, chunked, head = received(1)
      assert.same({ "HELLO!", false }, { body, chunked })
      assert.truthy(head:find("content-length: 6", 1, true))
    end)

    it("wait with one that was read before", function()
      start(PLAIN)
      local client = world:client()
      client:write(
        "POST / HTTP/1.1\r\nhost: a\r\nx-access: read\r\nx-request-body: sleep\r\n"
          .. "content-length: 5\r\n\r\nhello"
      )
      for _ = 1, 2 do
        world:settle()
        assert.equal(0, #up.requests)
        world:advance(2.1)
      end
      assert.equal(200, client:response().status)
      assert.equal("hello", (received(1)))
    end)

    it("see what access put in its place, also where there was none", function()
      start(PLAIN)
      post("x-access: replace\nx-request-body: upper", "hello")
      assert.equal("OTHER!", (received(1)))
      get("x-access: replace\nx-request-body: upper")
      assert.equal("OTHER!", (received(2)))
    end)

    it("do not run where there is none", function()
      start(PLAIN)
      assert.equal(200, get("x-request-body: fail").status)
      assert.equal("", (received(1)))
    end)

    it("are told the end of an empty one", function()
      start(PLAIN)
      post("x-request-body: calls", "")
      local body, chunked = received(1)
      assert.same({ "[,true]", false }, { body, chunked })
    end)

    it("end before the trailers", function()
      start(PLAIN)
      local client = world:client()
      client:write(
        "POST / HTTP/1.1\r\nhost: a\r\nx-request-body: upper\r\ntransfer-encoding: chunked\r\n\r\n"
          .. "3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n"
      )
      world:until_true(function() return #up.conns > 0 and up.conns[1]:text():find("x-sum", 1, true) end)
      local body, rest = unchunk(up.conns[1]:text():match("\r\n\r\n(.*)$"))
      assert.same({ "ABC!", "x-sum: 7\r\n\r\n" }, { body, rest })
      client:close()
    end)

    it("may wait, piece by piece", function()
      start(PLAIN)
      local client = world:client()
      client:write("POST / HTTP/1.1\r\nhost: a\r\nx-request-body: sleep\r\ncontent-length: 6\r\n\r\nabc")
      world:settle()
      world:advance(2.1)
      client:write("def")
      for _ = 1, 3 do
        world:settle()
        world:advance(2.1)
      end
      assert.equal(200, client:response().status)
      assert.equal("abcdef", (unchunk((received(1)))))
    end)

    it("pass the client's wish to be asked", function()
      start(function(conn, text)
        if text:find("expect: 100-continue", 1, true) and not conn.asked then
          conn.asked = true
          conn:write("HTTP/1.1 100 Continue\r\n\r\n")
        end
        if text:find("\r\n0\r\n\r\n", 1, true) then conn:write(PLAIN) end
      end, nil, true)
      local client = world:client()
      client:write(
        "POST / HTTP/1.1\r\nhost: a\r\nx-request-body: upper\r\nexpect: 100-continue\r\n"
          .. "content-length: 5\r\n\r\n"
      )
      assert.equal(100, client:response().status)
      client:write("hello")
      assert.equal(200, client:response().status)
    end)

    it("that fail are a 500 while there is no answer", function()
      start(PLAIN)
      assert.equal(500, post("x-request-body: fail", "hello").status)
      wait_quiet()
      assert.equal("plugin", world.access().error)
      assert.equal(500, post("x-request-body: late", "hello").status)
      assert.equal(500, post("x-access: read\nx-request-body: fail", "hello").status)
      wait_quiet()
      assert.equal(0, world:idle())
    end)

    it("that fail after a wait are so too", function()
      start(PLAIN)
      for _, access in ipairs { "none", "read" } do
        local client = world:client()
        client:write(
          (
            "POST / HTTP/1.1\r\nhost: a\r\nx-access: %s\r\nx-request-body: fail slowly\r\n"
            .. "content-length: 5\r\n\r\nhello"
          ):format(access)
        )
        world:settle()
        world:advance(2.1)
        assert.equal(500, client:response().status)
      end
    end)

    -- Answers the head, whatever becomes of the body.
    local function answer_early(length)
      start(function(conn)
        if conn.answered then return end
        conn.answered = true
        conn:write(("HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\nplain"):format(length))
      end, nil, true)
    end

    local function post_early(want)
      local client = world:client()
      client:write(("POST / HTTP/1.1\r\nhost: a\r\nx-request-body: %s\r\ncontent-length: 10\r\n\r\n"):format(want))
      world:settle()
      client:write("hello")
      return client
    end

    it("that fail behind the response's head cut it", function()
      answer_early(10)
      local client = post_early("fail")
      client:wait_end()
      assert.truthy(client:text():find("plain", 1, true))
      wait_quiet()
      assert.equal("plugin", world.access().error)
    end)

    it("end with an answer that came early", function()
      answer_early(5)
      local client = post_early("sleep")
      assert.equal("plain", client:response().body)
      world:settle()
      client:close()
      wait_quiet()
    end)

    it("go on while response hooks wait", function()
      start(function(conn, text)
        if not conn.answered then
          conn.answered = true
          conn:write(PLAIN)
        end
        conn.seen = (conn.seen or "") .. text
      end, nil, true)
      local client = world:client()
      client:write(
        "POST / HTTP/1.1\r\nhost: a\r\nx-request-body: upper\r\nx-response: sleep\r\n"
          .. "content-length: 10\r\n\r\n"
      )
      world:settle()
      client:write("helloworld")
      world:until_true(function() return up.conns[1].seen:find("HELLOWORLD", 1, true) end)
      world:advance(2.1)
      assert.equal("plain", client:response().body)
    end)

    it("end when the client goes away while they wait", function()
      start(PLAIN)
      for _, access in ipairs { "none", "read" } do
        local client = world:client()
        client:write(
          (
            "POST / HTTP/1.1\r\nhost: a\r\nx-access: %s\r\nx-request-body: sleep\r\n"
            .. "content-length: 5\r\n\r\nhello"
          ):format(access)
        )
        world:settle()
        client:close()
        wait_quiet()
        assert.equal("client_gone", world.access().error)
      end
    end)

    it("end with the total time of the request, with an answer", function()
      start(PLAIN, { total_timeout = 1 })
      for _, access in ipairs { "none", "read" } do
        local client = world:client()
        client:write(
          (
            "POST / HTTP/1.1\r\nhost: a\r\nx-access: %s\r\nx-request-body: sleep\r\n"
            .. "content-length: 5\r\n\r\nhello"
          ):format(access)
        )
        world:settle()
        world:advance(1.1)
        assert.equal(504, client:response().status)
      end
    end)

    it("are not the fault of a client that is held", function()
      up = world:upstream(function(conn) conn:write(PLAIN) end)
      local limits = { idle_timeout = 1, body_min_rate = 100000 }
      world:start {
        routes = {
          {
            name = "all",
            targets = { up },
            limits = limits,
            service = { read_timeout = 1, write_timeout = 1 },
          },
        },
        limits = limits,
        plugin = HANDLER:gsub("sleep%(2%)", "sleep(20)"),
      }
      local client = world:client()
      client:write("POST / HTTP/1.1\r\nhost: a\r\nx-request-body: sleep\r\ncontent-length: 6\r\n\r\nabc")
      world:settle()
      world:advance(15)
      world:advance(6)
      client:write("def")
      for _ = 1, 4 do
        world:settle()
        world:advance(11)
      end
      assert.equal(200, client:response().status)
    end)

    describe("and tries of the call:", function()
      -- A kept connection that dies with the second request on it.
      local function die_on_second(method, headers)
        local seen = 0
        start(function(conn)
          seen = seen + 1
          if seen == 2 then
            conn:close()
          else
            conn:write(PLAIN)
          end
        end)
        local client = world:client()
        assert.equal(200, client:ask("GET / HTTP/1.1\nhost: a").status)
        return client:ask(method .. " / HTTP/1.1\nhost: a\n" .. headers, "hello")
      end

      it("what they made is sent again", function()
        local response = die_on_second("PUT", "x-request-body: upper")
        assert.equal(200, response.status)
        assert.equal("HELLO!", (unchunk((received(3)))))
      end)

      it("what they made of a whole body is sent again", function()
        local response = die_on_second("PUT", "x-access: read\nx-request-body: upper")
        assert.equal(200, response.status)
        assert.equal("HELLO!", (received(3)))
      end)

      it("a target that cannot be reached costs nothing", function()
        up = world:upstream(function(conn) conn:write(PLAIN) end)
        world:start {
          routes = { { name = "all", targets = { world.closed_port(), up } } },
          plugin = HANDLER,
        }
        for _ = 1, 4 do
          assert.equal(200, post("x-request-body: upper", "hello").status)
        end
        for i = 1, 4 do
          assert.equal("HELLO!", (unchunk((received(i)))))
        end
      end)
    end)

    it("pass a hundred thousand chunks of one byte", function()
      start(PLAIN)
      local client = world:client()
      client:write("POST / HTTP/1.1\r\nhost: a\r\nx-request-body: upper\r\ntransfer-encoding: chunked\r\n\r\n")
      for _ = 1, 100 do
        client:write(("1\r\na\r\n"):rep(1000))
        world:settle(2)
      end
      client:write("0\r\n\r\n")
      assert.equal(200, client:response().status)
      assert.equal(("A"):rep(100000) .. "!", (unchunk((received(1)))))
    end)
  end)
end)
