local proxy = require("support.proxy")
local scripts = require("support.scripts")

local HEAD = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

local function chunk(text) return ("%x\r\n%s\r\n"):format(#text, text) end

describe("ctx:fetch { stream = true }", function()
  local world, back, held, client

  before_each(function()
    world, held = proxy.new(), {}
    scripts.catch()
  end)

  after_each(function()
    world:free()
    scripts.release()
  end)

  -- `body`: of the access hook. `on_request`, else connections are kept by path.
  local function start(body, more, options)
    options = options or {}
    back = world:upstream(
      options.on_request or function(conn, request) held[request:match("^%u+ (%S+)")] = conn end,
      options.raw
    )
    world:start {
      routes = {
        { name = "front", paths = { "/" }, targets = { back } },
        { name = "back", paths = { "/back" }, targets = { back } },
        { name = "down", paths = { "/down" }, targets = { proxy.closed_port() } },
      },
      plugin = ("local M = {} function M.access(_, ctx) %s end %s return M"):format(body, more or ""),
      limits = options.limits,
    }
    client = world:client()
    client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
  end

  local function asked(path)
    world:until_true(function() return held[path] end, path)
    return held[path]
  end

  it("gives the head when it came, then one piece after the other, then nil", function()
    start([[local res = ctx:fetch { service = "back", path = "/a", stream = true }
      ctx.log:notice("head ", res.status, res.ok, res.headers["transfer-encoding"])
      local out = {}
      while true do
        local piece, why = res:read()
        if not piece then out[#out + 1] = tostring(why) break end
        ctx.log:notice("piece ", piece)
        out[#out + 1] = piece
      end
      out[#out + 1] = tostring(res:read())
      ctx.response:exit(200, table.concat(out, ","))]])
    local conn = asked("/a")
    conn:write(HEAD)
    world:until_true(function() return scripts.caught():find("head 200true", 1, true) end)
    conn:write(chunk("one"))
    world:until_true(function() return scripts.caught():find("piece one", 1, true) end)
    conn:write(chunk("two"))
    world:until_true(function() return scripts.caught():find("piece two", 1, true) end)
    conn:write("0\r\n\r\n")
    assert.equal("one,two,nil,nil", client:response().body)
    assert.equal(1, world:idle()) -- the connection serves again
  end)

  it("reads in a loop", function()
    start([[local out = {}
      for piece in ctx:fetch({ service = "back", path = "/a", stream = true }):chunks() do out[#out + 1] = piece end
      ctx.response:exit(200, table.concat(out))]])
    asked("/a"):write(HEAD .. chunk("a") .. chunk("b") .. "0\r\n\r\n")
    assert.equal("ab", client:response().body)
  end)

  it("has trailers behind the end", function()
    start([[local res = ctx:fetch { service = "back", path = "/a", stream = true }
      local before = res.trailers
      for _ in res:chunks() do end
      ctx.response:exit(200, tostring(before) .. res.trailers["x-sum"])]])
    asked("/a"):write(HEAD .. chunk("a") .. "0\r\nx-sum: 7\r\n\r\n")
    assert.equal("nil7", client:response().body)
  end)

  it("gives responses without a body their end at once", function()
    start([[local res = ctx:fetch { service = "back", path = "/a", stream = true, method = "HEAD" }
      ctx.response:exit(200, tostring(res.status) .. tostring(res:read()))]])
    asked("/a"):write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
    assert.equal("200nil", client:response().body)
  end)

  it("is not bounded by limits.buffer", function()
    start(
      [[local n = 0
      for piece in ctx:fetch({ service = "back", path = "/a", stream = true }):chunks() do n = n + #piece end
      ctx.response:exit(200, tostring(n))]],
      nil,
      { limits = { buffer = 1000 } }
    )
    asked("/a"):write("HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" .. ("x"):rep(5000))
    assert.equal("5000", client:response().body)
  end)

  it("says why there is no response", function()
    start([[local _, a = ctx:fetch { service = "down", stream = true }
      local _, b = ctx:fetch { upstream = "bck", stream = true }
      local _, c = ctx:fetch { service = "bck", stream = true }
      ctx.response:exit(200, a .. "|" .. b .. "|" .. c)]])
    assert.equal(
      'cannot connect to the upstream|no upstream named "bck" in the configuration|'
        .. 'no service named "bck" in the configuration',
      client:late_response().body
    )
  end)

  it("says why it ended too early; a loop raises that", function()
    start([[local res = ctx:fetch { service = "back", path = "/a", stream = true }
      local first = res:read()
      local _, why = res:read()
      local _, again = res:read()
      local fine, raised = pcall(function() for _ in res:chunks() do end end)
      ctx.response:exit(200, ("%s|%s|%s|%s|%s"):format(first, why, again, fine, raised))]])
    local conn = asked("/a")
    conn:write(HEAD .. chunk("a"))
    world:settle()
    conn:close()
    assert.matches(
      "^a|the upstream ended before its response was whole|the upstream ended before its response was whole"
        .. "|false|.*handler.lua:5: res:chunks: the upstream ended",
      client:response().body
    )
  end)

  it("ends with its timeout, also while it is read", function()
    start([[local res = ctx:fetch { service = "back", path = "/a", stream = true, timeout = 2 }
      local first = res:read()
      local _, why = res:read()
      ctx.response:exit(200, first .. why)]])
    asked("/a"):write(HEAD .. chunk("a"))
    world:settle()
    world:advance(2.1)
    assert.equal("athe request took longer than allowed", client:response().body)
  end)

  it("holds the service while nobody reads", function()
    start([[local res = ctx:fetch { service = "back", path = "/a", stream = true }
      ctx:sleep(1)
      local n = 0
      for piece in res:chunks() do n = n + #piece end
      ctx.response:exit(200, tostring(n))]])
    local conn, sent = asked("/a"), 0
    conn:write("HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n")
    world:settle()
    local piece = ("x"):rep(1000000)
    local function push(max)
      for _ = 1, max do
        if sent == 50 then return end
        if conn:write(piece) == false then
          sent = sent + 1
          return
        end
        sent = sent + 1
      end
    end
    push(50)
    world:settle(20)
    assert.is_true(sent < 30, "the service could send everything: " .. sent)
    world:advance(1.1)
    world:until_true(function()
      push(1)
      return sent == 50
    end, "the rest to be sent")
    assert.equal("50000000", client:response().body)
  end)

  it("is closed by the plugin", function()
    start([[local res = ctx:fetch { service = "back", path = "/a", stream = true }
      local first = res:read()
      res:close()
      res:close()
      local fine, why = pcall(res.read, res)
      ctx.response:exit(200, first .. tostring(fine) .. why)]])
    asked("/a"):write(HEAD .. chunk("a"))
    assert.matches("^afalse.*res:read: this response was closed", client:response().body)
    assert.equal(0, world:in_flight())
    assert.equal(1, world:scrape()['moongate_upstream_requests_total{service="back",outcome="cancelled"}'])
  end)

  it("is closed with the request that forgot it", function()
    start([[ctx:fetch { service = "back", path = "/a", stream = true } ctx.response:exit(204)]])
    asked("/a"):write(HEAD .. chunk("a"))
    assert.equal(204, client:response().status)
    world:until_true(function() return world:is_quiet() end, "the fetch to end")
  end)

  it("is closed when the client goes away, read or not", function()
    for _, more in ipairs { "res:read() res:read()", "ctx:sleep(9)", "" } do
      start(
        [[local res = ctx:fetch { service = "back", path = "/a", stream = true }]]
          .. " "
          .. more
          .. " ctx:sleep(9)"
      )
      asked("/a"):write(HEAD .. chunk("a"))
      world:settle()
      client:close()
      world:until_true(function() return world:is_quiet() end, "the fetch to end")
      assert.equal(0, world:scrape()['moongate_upstream_active_requests{service="back"}'])
      if more ~= "" then
        world:free()
        world, held = proxy.new(), {}
      end
    end
  end)

  it("can be opened in one hook and read in another", function()
    start(
      [[ctx.shared.res = ctx:fetch { service = "back", path = "/a", stream = true } ctx.response:exit(200, "x")]],
      [[function M.response(_, ctx) ctx.response:set_header("x-read", ctx.shared.res:read() .. tostring(ctx.shared.res:read()))
      end]]
    )
    asked("/a"):write(HEAD .. chunk("a"))
    world:settle()
    held["/a"]:write("0\r\n\r\n")
    assert.equal("anil", client:response().headers["x-read"])
  end)

  it("can be given to the client as it comes", function()
    start([[local res = ctx:fetch { service = "back", path = "/a", stream = true }
      ctx.response:stream(200, nil, function(send) for piece in res:chunks() do send(piece) end end)]])
    local conn = asked("/a")
    conn:write(HEAD .. chunk("one"))
    world:until_true(function() return client:text():find("one", 1, true) end, "the first piece")
    conn:write(chunk("two") .. "0\r\n\r\n")
    assert.equal("onetwo", client:response().body)
  end)

  it("is nobody's after its request", function()
    start([[
      if kept then
        local _, why = pcall(kept.read, kept)
        local _, also = pcall(kept.close, kept)
        local _, loop = pcall(kept.chunks, kept)
        return ctx.response:exit(200, why .. also .. loop)
      end
      kept = ctx:fetch { service = "back", path = "/a", stream = true } ctx.response:exit(204)]])
    asked("/a"):write(HEAD .. chunk("secret"))
    assert.equal(204, client:response().status)
    client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    local body = client:response().body
    for _, method in ipairs { "read", "close", "chunks" } do
      assert.truthy(
        body:find("res:" .. method .. ": this request is over (a plugin may not keep ctx)", 1, true),
        body
      )
    end
  end)

  it("lets one function read at a time", function()
    start([[local res = ctx:fetch { service = "back", path = "/a", stream = true }
      local _, why = ctx:race(function() res:read() end, function()
        local _, read = pcall(res.read, res)
        local _, close = pcall(res.close, res)
        return read .. close
      end)
      ctx.response:exit(200, why .. res:read())]])
    asked("/a"):write(HEAD)
    world:settle()
    held["/a"]:write(chunk("!"))
    assert.matches(
      "res:read: another function waits for its next piece already.*"
        .. "res:close: another function waits for its next piece.*!$",
      client:response().body
    )
  end)

  it("bounds how many are open", function()
    start(
      [[local n = 0
      while true do
        local fine, why = pcall(ctx.fetch, ctx, { service = "back", path = "/" .. n, stream = true })
        if not fine then return ctx.response:exit(200, n .. why) end
        n = n + 1
      end]],
      nil,
      { on_request = function(conn) conn:write(HEAD) end }
    )
    assert.matches("^16.*too many responses are being streamed %(16%): close one first", client:response().body)
  end)

  it("says how its methods are called", function()
    start([[local res = ctx:fetch { service = "back", path = "/a", stream = true }
      local _, why = pcall(res.read)
      ctx.response:exit(200, why)]])
    asked("/a"):write(HEAD)
    assert.matches("res:read is a method: call it with a colon", client:response().body)
  end)

  it("works in coroutines and cannot wait in sort", function()
    start([[local res = ctx:fetch { service = "back", path = "/a", stream = true }
      local out = {}
      for piece in coroutine.wrap(function() for p in res:chunks() do coroutine.yield(p) end end) do out[#out + 1] = piece end
      res = ctx:fetch { service = "back", path = "/b", stream = true }
      local _, why = pcall(table.sort, { 2, 1 }, function() res:read() end)
      ctx.response:exit(200, table.concat(out) .. why)]])
    asked("/a"):write(HEAD .. chunk("a"))
    world:settle()
    held["/a"]:write(chunk("b") .. "0\r\n\r\n")
    asked("/b"):write(HEAD)
    assert.matches("^ab.*res:read cannot wait here: a C function that calls back", client:response().body)
  end)
end)

describe("a function as the body of ctx:fetch", function()
  local world, back, got, client

  before_each(function()
    world, got = proxy.new(), {}
    scripts.catch()
  end)

  after_each(function()
    world:free()
    scripts.release()
  end)

  -- What the service reads stands in got.text; on_read(conn) after each read.
  local function start(body, on_read, more)
    got.text = ""
    back = world:upstream(function(conn, bytes)
      got.text, got.conn = got.text .. bytes, conn
      if on_read then on_read(conn) end
    end, true)
    world:start {
      routes = {
        { name = "front", paths = { "/" }, targets = { back } },
        { name = "back", paths = { "/back" }, targets = { back } },
        { name = "down", paths = { "/down" }, targets = { proxy.closed_port() } },
      },
      plugin = ("local M = {} function M.access(_, ctx) %s end %s return M"):format(body, more or ""),
    }
    client = world:client()
    client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
  end

  local ANSWER = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
  local function at_end(conn)
    if got.text:find("\r\n0\r\n\r\n", 1, true) then conn:write(ANSWER) end
  end

  it("is asked for one piece after the other", function()
    start(
      [[local n = 0
      local res = ctx:fetch { service = "back", method = "POST", body = function()
        n = n + 1
        if n <= 3 then return ("piece " .. n):sub(1, n == 2 and 0 or -1) end
      end }
      ctx.response:exit(200, res.body)]],
      at_end
    )
    assert.equal("ok", client:response().body)
    assert.matches(
      "^POST / HTTP/1.1\r\n.*transfer%-encoding: chunked\r\n\r\n7\r\npiece 1\r\n7\r\npiece 3\r\n0\r\n\r\n$",
      got.text
    )
  end)

  it("may wait between pieces", function()
    start(
      [[local res = ctx:fetch { service = "back", method = "PUT", body = coroutine.wrap(function()
        ctx:sleep(1) coroutine.yield("a") ctx:sleep(1) coroutine.yield("b") end) }
      ctx.response:exit(200, res.body)]],
      at_end
    )
    world:settle()
    world:advance(1.1)
    world:until_true(function() return got.text:find("a\r\n", 1, true) end, "the first piece")
    assert.is_nil(got.text:find("b\r\n", 1, true))
    world:advance(1.1)
    assert.equal("ok", client:response().body)
  end)

  it("is asked no faster than the service reads", function()
    start([[local n = 0
      ctx:fetch { service = "back", method = "PUT", body = function() n = n + 1 ctx.log:notice("made ", n)
        if n <= 100 then return ("x"):rep(1000000) end end }
      ctx.response:exit(200, "done")]])
    back.on_conn = function(conn) conn:hold(true) end
    world:until_true(function() return scripts.caught():find("made 2", 1, true) end, "pieces")
    world:settle(50)
    local _, made = scripts.caught():gsub("made ", "")
    assert.is_true(made < 30, "made without being taken: " .. made)
    client:close()
    world:until_true(function() return world:is_quiet() end, "the end")
  end)

  it("leaves turns to others when it never waits", function()
    start([[local n = 0
      local which = ctx:race({ service = "back", method = "PUT", body = function() n = n + 1 return "x" end },
        function() ctx:sleep(0) ctx:sleep(0) return end)
      ctx.response:exit(200, tostring(which))]])
    assert.equal("2", client:response().body)
  end)

  it("ends when the response came before it", function()
    start(
      [[local res = ctx:fetch { service = "back", method = "PUT", body = function() ctx:sleep(1) return "x" end }
      ctx.response:exit(200, res.status .. res.body)]],
      function(conn) conn:write("HTTP/1.1 413 X\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno") end
    )
    assert.equal("413no", client:response().body)
    world:advance(5)
  end)

  it("ends when nobody can be asked", function()
    start(
      [[local n, res, why = 0, ctx:fetch { service = "down", method = "PUT", body = function() ctx:sleep(9) end }
      ctx.response:exit(200, why)]]
    )
    assert.equal("cannot connect to the upstream", client:late_response().body)
  end)

  it("says so when it raises an error", function()
    start([[local _, why = ctx:fetch { service = "back", method = "PUT", body = function() error("broken") end }
      ctx.response:exit(200, why)]])
    assert.matches("^the function of the body failed: .*handler.lua:1: broken", client:response().body)
    assert.equal(1, world:scrape()['moongate_upstream_requests_total{service="back",outcome="plugin"}'])
  end)

  it("says so when it gives something else", function()
    start([[local all = ctx:fetch_all { a = { service = "back", method = "PUT", body = function() return 1 end } }
      ctx.response:exit(200, all.a.reason)]])
    assert.matches(
      "the function of a body must give strings, and nil at the end, not a number",
      client:response().body
    )
  end)

  it("speaks for nobody's request, but may wait and log", function()
    start(
      [[local out
      ctx:fetch { service = "back", method = "PUT", body = function()
        if out then return nil end
        ctx.log:notice("from the body")
        local inner = ctx:fetch_all { a = { service = "bck" } }
        out = inner.a.reason .. select(2, pcall(ctx.request.get_method, ctx.request))
        return "x"
      end }
      ctx.response:exit(200, out)]],
      at_end
    )
    assert.matches(
      '^no service named "bck" in the configuration.*ctx.request:get_method cannot be called in '
        .. "the function of a body %(only in: ",
      client:response().body
    )
    assert.matches("plugin tried, request [^:]*: from the body", scripts.caught())
  end)

  it("goes on while the response is read", function()
    start([[local n = 0
      local res = ctx:fetch { service = "back", method = "PUT", stream = true, body = function()
        n = n + 1 ctx:sleep(1) if n <= 2 then return "in" .. n end end }
      local out = {}
      for piece in res:chunks() do out[#out + 1] = piece end
      ctx.response:exit(200, table.concat(out, ","))]])
    world:until_true(function() return got.conn end, "the head")
    got.conn:write(HEAD .. chunk("early"))
    world:settle()
    world:advance(1.1)
    world:until_true(function() return got.text:find("in1", 1, true) end, "the first piece")
    world:advance(1.1)
    world:until_true(function() return got.text:find("in2", 1, true) end, "the second piece")
    world:advance(1.1)
    world:until_true(function() return got.text:find("0\r\n\r\n", 1, true) end, "the end")
    got.conn:write(chunk("late") .. "0\r\n\r\n")
    assert.equal("early,late", client:response().body)
  end)

  it("is cancelled with its request, waiting for itself or for room", function()
    for _, body in ipairs { "ctx:sleep(9)", "return ('x'):rep(5000000)", "ctx:race(function() ctx:sleep(9) end)" } do
      start(("ctx:fetch { service = 'back', method = 'PUT', body = function() %s end }"):format(body))
      back.on_conn = function(conn) conn:hold(true) end
      world:until_true(function() return world:in_flight() == 1 end)
      world:settle()
      client:close()
      world:until_true(function() return world:is_quiet() end, "the end of the exchange")
      assert.equal(0, world:scrape()['moongate_upstream_active_requests{service="back"}'])
      if not body:find("race") then
        world:free()
        world, got = proxy.new(), {}
      end
    end
  end)
end)
