local c = require("support.c")
local net = require("support.net")

local LINE = "PROXY TCP4 10.0.0.1 192.0.2.7 51000 443\r\n"

for _, kind in ipairs { "tcp", "unix", "memory" } do
  describe("gw_proxy_accept_start over " .. kind, function()
    local loop, client, conn, accept, result

    before_each(function()
      local make = kind == "memory" and net.memory_pair or net.socket_pair
      local near
      loop = net.loop()
      near, conn = make(loop, kind == "unix" and ("unix:" .. os.tmpname() .. ".sock") or nil)
      client, result, accept = net.bind(near), nil, nil
    end)

    after_each(function()
      if not client.closed then client:close() end
      if result and result.owner then
        result.owner:close()
      elseif result then
        c.gw_conn_close(result.conn)
      end
      loop:settle()
      loop:free()
      assert.equal(0, c.gw_conn_count())
    end)

    local function start(seconds)
      accept = net.proxy_accept(conn, seconds or 10, function(owned, rest, reason, problem)
        result = { conn = owned, rest = rest, reason = reason, problem = problem }
        if reason == "ok" then
          result.owner = net.bind(owned)
          c.gw_conn_pass_on(owned, c.slice(rest))
        end
      end)
    end

    local function wait()
      loop:until_true(function() return result end, "the header")
    end

    it("gives the connection the client's addresses, and its next owner what came behind", function()
      start()
      client:write(LINE .. "GET /")
      wait()
      assert.equal("10.0.0.1:51000", net.addr_text(c.gw_conn_peer(conn)))
      assert.equal("192.0.2.7:443", net.addr_text(c.gw_conn_local(conn)))
      assert.equal("GET /", result.rest)
      client:write(" HTTP/1.1")
      loop:until_true(function() return result.owner.count >= 14 end)
      assert.equal("GET / HTTP/1.1", result.owner:text())
    end)

    it("puts a header together that comes in single bytes", function()
      start()
      for i = 1, #LINE - 1 do
        client:write(LINE:sub(i, i))
        loop:settle(3)
        assert.is_nil(result)
      end
      client:write("\nrest")
      wait()
      assert.equal("rest", result.rest)
      assert.equal("10.0.0.1:51000", net.addr_text(c.gw_conn_peer(conn)))
    end)

    it("takes a large piece behind the beginning of a header", function()
      start()
      client:write(LINE:sub(1, 10))
      loop:settle(3)
      client:write(LINE:sub(11) .. ("x"):rep(60000))
      wait()
      loop:until_true(function() return result.owner.count == 60000 end)
    end)

    it("leaves a connection its own addresses where none are named", function()
      local before = net.addr_text(c.gw_conn_peer(conn))
      start()
      client:write("PROXY UNKNOWN\r\n")
      wait()
      assert.equal(before, net.addr_text(c.gw_conn_peer(conn)))
      assert.equal("", result.rest)
    end)

    it("says what is wrong", function()
      start()
      client:write("GET / HTTP/1.1\r\n")
      wait()
      assert.same({ "proxy_header", "it begins with something else" }, { result.reason, result.problem })
    end)

    it("says when it ended in the middle, or before the first byte", function()
      start()
      client:write(LINE:sub(1, 10))
      client:shutdown()
      wait()
      assert.same(
        { "proxy_header", "the connection ended in the middle of it" },
        { result.reason, result.problem }
      )
    end)

    it("says when the peer left without a word", function()
      start()
      client:shutdown()
      wait()
      assert.equal("closed", result.reason)
    end)

    it("waits for the whole header only so long, however it trickles", function()
      start(0.05)
      client:write("PROX")
      loop:settle(3)
      client:write("Y ")
      wait()
      assert.equal("head_slow", result.reason)
    end)

    it("can be hurried", function()
      start(60)
      c.gw_proxy_accept_hurry(accept, 20000)
      wait()
      assert.equal("idle", result.reason)
    end)

    it("can be cancelled", function()
      start()
      client:write("PROXY")
      loop:settle(3)
      c.gw_proxy_accept_cancel(accept)
      loop:settle()
      assert.is_nil(result)
    end)
  end)
end
