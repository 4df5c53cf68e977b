local ffi = require("ffi")
local c = require("support.c")
local dns_server = require("support.dns_server")
local net = require("support.net")

describe("the resolver", function()
  local loop, server, answers, on_answer
  local next_id

  before_each(function()
    loop = net.loop(true) -- the cache goes by the loop's clock; c-ares by the real one
    server = dns_server.new()
    answers, next_id = {}, 0
    assert.is_true(c.gw_resolver_set_servers(loop.c, server.address))
    on_answer = ffi.cast("gw_resolve_cb", function(ctx, answer, err)
      local addrs = {}
      for i = 0, answer.count - 1 do
        addrs[#addrs + 1] = net.addr_text(answer.addrs[i])
      end
      table.sort(addrs)
      answers[tonumber(ffi.cast("intptr_t", ctx))] = {
        addrs = addrs,
        reason = c.reason(err),
        ttl = answer.ttl_ms / 1000,
        stale = answer.stale,
      }
    end)
  end)

  after_each(function()
    loop:free()
    server:close()
    on_answer:free()
  end)

  local function start(name, port)
    next_id = next_id + 1
    return c.gw_resolve_start(loop.c, name, port or 80, on_answer, ffi.cast("void *", next_id)), next_id
  end

  local function ask(name, port)
    local _, id = start(name, port)
    assert.is_nil(answers[id]) -- never before it returned
    server:until_true(loop, function() return answers[id] end)
    return answers[id]
  end

  it("finds IPv4 and IPv6 addresses with their TTL", function()
    server.names["both.test"] = { A = { "10.1.1.1", "10.1.1.2" }, AAAA = { "2001:db8::1" }, ttl = 300 }
    local answer = ask("Both.Test.", 8080)
    assert.equal("ok", answer.reason)
    assert.same({ "10.1.1.1:8080", "10.1.1.2:8080", "[2001:db8::1]:8080" }, answer.addrs)
    assert.equal(300, answer.ttl)
    assert.is_false(answer.stale)
  end)

  it("finds names that have one family only", function()
    server.names["four.test"] = { A = { "10.1.1.1" } }
    server.names["six.test"] = { AAAA = { "2001:db8::1" } }
    assert.same({ "10.1.1.1:80" }, ask("four.test").addrs)
    assert.same({ "[2001:db8::1]:80" }, ask("six.test").addrs)
  end)

  it("takes the shortest TTL of a chain", function()
    server.names["alias.test"] = { A = { "10.1.1.1" }, cname = "real.test", ttl = 300, cname_ttl = 20 }
    assert.equal(20, ask("alias.test").ttl)
  end)

  it("remembers an answer until its TTL is over, whatever the port", function()
    server.names["a.test"] = { A = { "10.1.1.1" }, ttl = 10 }
    ask("a.test")
    local asked = #server.asked
    c.gw_loop_advance(loop.c, 9.5e6)
    local answer = ask("A.test", 443)
    assert.same({ "10.1.1.1:443" }, answer.addrs)
    assert.equal(0.5, answer.ttl)
    assert.equal(asked, #server.asked)
    server.names["a.test"] = { A = { "10.1.1.9" }, ttl = 10 }
    c.gw_loop_advance(loop.c, 0.6e6)
    assert.same({ "10.1.1.9:80" }, ask("a.test").addrs)
  end)

  it("keeps TTLs between a second and an hour", function()
    server.names["zero.test"] = { A = { "10.1.1.1" }, ttl = 0 }
    server.names["long.test"] = { A = { "10.1.1.1" }, ttl = 1000000 }
    assert.equal(1, ask("zero.test").ttl)
    assert.equal(3600, ask("long.test").ttl)
  end)

  it("says when there is no such name, and believes it for a second", function()
    local answer = ask("nobody.test")
    assert.equal("resolve", answer.reason)
    assert.same({}, answer.addrs)
    local asked = #server.asked
    assert.equal("resolve", ask("nobody.test").reason)
    assert.equal(asked, #server.asked)
    server.names["nobody.test"] = { A = { "10.1.1.1" } }
    c.gw_loop_advance(loop.c, 1.1e6)
    assert.same({ "10.1.1.1:80" }, ask("nobody.test").addrs)
  end)

  it("forgets addresses of a name that is no more", function()
    server.names["gone.test"] = { A = { "10.1.1.1" }, ttl = 1 }
    ask("gone.test")
    server.names["gone.test"] = nil
    c.gw_loop_advance(loop.c, 2e6)
    local answer = ask("gone.test")
    assert.equal("resolve", answer.reason)
    assert.is_false(answer.stale)
  end)

  it("gives the last good answer when the server fails", function()
    server.names["kept.test"] = { A = { "10.1.1.1" }, ttl = 1 }
    ask("kept.test")
    server.names["kept.test"] = { rcode = "SERVFAIL" }
    c.gw_loop_advance(loop.c, 2e6)
    local answer = ask("kept.test", 81)
    assert.equal("ok", answer.reason)
    assert.same({ "10.1.1.1:81" }, answer.addrs)
    assert.is_true(answer.stale)
    assert.equal(1, answer.ttl) -- soon asked again
    server.names["kept.test"] = { A = { "10.1.1.2" }, ttl = 60 }
    c.gw_loop_advance(loop.c, 2e6)
    answer = ask("kept.test") -- after a failure nobody waits for the next one
    assert.same({ "10.1.1.1:80" }, answer.addrs)
    assert.is_true(answer.stale)
    server:until_true(loop, function() return not ask("kept.test").stale end)
    assert.same({ "10.1.1.2:80" }, ask("kept.test").addrs)
  end)

  it("keeps nobody waiting for a slow server who can have the last good answer", function()
    server.names["slow.test"] = { A = { "10.1.1.1" }, ttl = 1 }
    ask("slow.test")
    server.names["slow.test"] = { silent = true }
    c.gw_loop_advance(loop.c, 2e6)
    local _, id = start("slow.test")
    loop:settle()
    assert.is_nil(answers[id]) -- a good server needs a moment, too
    c.gw_loop_advance(loop.c, 0.6e6)
    loop:settle()
    assert.same({ "10.1.1.1:80" }, answers[id].addrs)
    assert.is_true(answers[id].stale)
  end)

  it("waits for the server's word where a name is refreshed", function()
    server.names["kept.test"] = { A = { "10.1.1.1" }, ttl = 100 }
    ask("kept.test")
    server.names["kept.test"] = { A = { "10.1.1.2" }, ttl = 100 }
    next_id = next_id + 1
    local id = next_id
    c.gw_resolve_refresh(loop.c, "kept.test", 80, on_answer, ffi.cast("void *", id))
    c.gw_loop_advance(loop.c, 5e6)
    loop:settle()
    server:until_true(loop, function() return answers[id] end)
    assert.same({ "10.1.1.2:80" }, answers[id].addrs)
  end)

  it("asks over TCP where an answer was cut, and where it is too large for a datagram (2.12.3)", function()
    server.names["cut.test"] = { A = { "10.1.1.1" }, truncated = true }
    assert.same({ "10.1.1.1:80" }, ask("cut.test").addrs)
    assert.equal(2, server.over_tcp)
    local many = {}
    for i = 1, 1000 do
      many[i] = ("10.1.%d.%d"):format(i / 200, i % 200 + 1)
    end
    server.names["many.test"] = { A = many }
    assert.equal(1000, #ask("many.test").addrs)
  end)

  for _, lie in ipairs { "id", "question", "owner", "loop", "short", "garbage" } do
    it("believes no answer with a lie (2.12.6): " .. lie, function()
      server.names["lies.test"] = { A = { "10.1.1.1" }, ttl = 1 }
      ask("lies.test")
      server.names["lies.test"] = { A = { "10.6.6.6" }, lie = lie }
      c.gw_loop_advance(loop.c, 2e6)
      for _ = 1, 2 do
        local _, id = start("lies.test")
        server:until_true(loop, function()
          c.gw_loop_advance(loop.c, 0.3e6)
          return answers[id]
        end)
        for _, addr in ipairs(answers[id].addrs) do
          assert.equal("10.1.1.1:80", addr)
        end
      end
    end)
  end

  it("asks from another port each time, with another id (2.12.6)", function()
    local seen, count = {}, 0
    for i = 1, 20 do
      server.names["p" .. i .. ".test"] = { A = { "10.1.1.1" } }
      ask("p" .. i .. ".test")
      for _, from in ipairs(server.from) do
        if not seen[from] then
          seen[from], count = true, count + 1
        end
      end
    end
    assert.is_true(count >= 15, count .. " ports")
    local ids, different = {}, 0
    for _, id in ipairs(server.ids) do
      if not ids[id] then
        ids[id], different = true, different + 1
      end
    end
    assert.is_true(different >= 38, different .. " ids")
  end)

  describe("by rules", function()
    local function rules(given)
      local made = ffi.new("struct gw_resolver_rules")
      made.servers.list = c.slice(given.servers or server.address)
      made.servers.resolv_conf, made.servers.port = given.resolv_conf, given.port or 0
      made.min_ttl_us, made.max_ttl_us = given.min_ttl or 0, given.max_ttl or 0
      local hosts = ffi.new("struct gw_known_host[8]")
      for i, host in ipairs(given.hosts or {}) do
        hosts[i - 1].name, hosts[i - 1].address = c.slice(host[1]), c.slice(host[2])
        made.host_count = i
      end
      made.hosts = hosts
      return c.gw_resolver_set_rules(loop.c, made)
    end

    it("keeps TTLs between other bounds", function()
      server.names["zero.test"] = { A = { "10.1.1.1" }, ttl = 0 }
      server.names["long.test"] = { A = { "10.1.1.1" }, ttl = 1000 }
      assert.is_true(rules { min_ttl = 5e6, max_ttl = 60e6 })
      assert.equal(5, ask("zero.test").ttl)
      assert.equal(60, ask("long.test").ttl)
    end)

    it("knows hosts without asking", function()
      local hosts = { { "Known.test", "10.2.2.2" }, { "known.test", "::2" }, { "other.test", "10.2.2.3" } }
      assert.is_true(rules { hosts = hosts })
      assert.same({ "10.2.2.2:80", "[::2]:80" }, ask("known.test").addrs)
      assert.same({}, server.asked)
      assert.is_true(rules { hosts = { { "known.test", "10.2.2.9" } } })
      assert.same({ "10.2.2.9:80" }, ask("known.test").addrs)
    end)

    it("refuses what is malformed and stays as it was", function()
      server.names["a.test"] = { A = { "10.1.1.1" } }
      assert.is_false(rules { servers = "nowhere" })
      assert.is_false(rules { hosts = { { "a.test", "not an address" } } })
      assert.is_false(rules { hosts = { { "a..test", "10.1.1.1" } } })
      assert.same({ "10.1.1.1:80" }, ask("a.test").addrs)
    end)

    it("reads resolv.conf again when it changes, also for questions on their way", function()
      local path = os.tmpname()
      local function write(text)
        local file = assert(io.open(path .. ".new", "w"))
        file:write(text)
        file:close()
        assert(os.rename(path .. ".new", path))
      end
      local port = tonumber(server.address:match(":(%d+)$"))
      local silent, addr = ffi.C.socket(2, 2, 0), net.addr("127.0.0.9:" .. port)
      assert.equal(0, ffi.C.bind(silent, addr, addr.len))
      write("nameserver 127.0.0.9\n")
      assert.is_true(rules { servers = "", resolv_conf = path, port = port })
      local _, lost = start("lost.test")
      loop:settle()
      server.names["lost.test"] = { A = { "10.1.1.1" } }
      server.names["next.test"] = { A = { "10.1.1.2" } }
      write("nameserver 127.0.0.1\n")
      assert.same({ "10.1.1.2:80" }, ask("next.test").addrs)
      server:until_true(loop, function() return answers[lost] end)
      assert.same({ "10.1.1.1:80" }, answers[lost].addrs)
      ffi.C.close(silent)
      os.remove(path)
    end)
  end)

  it("gives the last good answer when the server is silent", function()
    server.names["quiet.test"] = { A = { "10.1.1.1" }, ttl = 1 }
    ask("quiet.test")
    server.names["quiet.test"] = { silent = true }
    c.gw_loop_advance(loop.c, 2e6)
    local answer = ask("quiet.test")
    assert.same({ "10.1.1.1:80" }, answer.addrs)
    assert.is_true(answer.stale)
  end)

  it("fails when the server fails and there was no answer before", function()
    server.names["sick.test"] = { rcode = "SERVFAIL" }
    local answer = ask("sick.test")
    assert.equal("resolve", answer.reason)
    assert.is_false(answer.stale)
  end)

  it("asks once for equal questions in flight", function()
    server.names["same.test"] = { A = { "10.1.1.1" } }
    local _, one = start("same.test", 1)
    local _, two = start("SAME.test", 2)
    server:until_true(loop, function() return answers[one] and answers[two] end)
    assert.same({ "10.1.1.1:1" }, answers[one].addrs)
    assert.same({ "10.1.1.1:2" }, answers[two].addrs)
    assert.equal(2, #server.asked) -- A and AAAA
  end)

  it("never calls back after cancel", function()
    server.names["a.test"] = { A = { "10.1.1.1" } }
    local cancelled, one = start("a.test")
    local _, two = start("a.test")
    c.gw_resolve_cancel(cancelled)
    server:until_true(loop, function() return answers[two] end)
    assert.is_nil(answers[one])
    local fresh = start("a.test")
    c.gw_resolve_cancel(fresh)
    local refused = start("not a name")
    c.gw_resolve_cancel(refused)
    loop:settle()
    assert.equal(two, next_id - 2)
    assert.is_nil(answers[next_id])
  end)

  it("leaves nothing behind when the loop ends with a question on its way", function()
    server.names["slow.test"] = { silent = true }
    local resolve = start("slow.test")
    loop:settle()
    c.gw_resolve_cancel(resolve)
  end)

  it("refuses what cannot be a name, without asking", function()
    for _, name in ipairs({
      "",
      ".",
      "..",
      "a..b",
      ".a",
      "a b",
      "a/b",
      "a:80",
      "a\nb",
      "[::1]",
      "ä.test",
      "a\127",
      "*",
      "127.1",
      "0x7f.1",
      "2130706433",
      "1.2.3.0x4",
      ("a"):rep(64) .. ".test",
      ("abcdefg."):rep(32) .. "test",
    }) do
      assert.equal("resolve", ask(name).reason, name)
    end
    assert.same({}, server.asked)
  end)

  it("takes the longest names there are", function()
    local label = ("a"):rep(63)
    local name = table.concat({ label, label, label, ("b"):rep(61) }, ".")
    server.names[name] = { A = { "10.1.1.1" } }
    assert.same({ "10.1.1.1:80" }, ask(name).addrs)
  end)

  it("remembers no more than a bounded number of names", function()
    for i = 1, 4200 do
      local name = "n" .. i .. ".test"
      server.names[name] = { A = { "10.0.0.1" } }
      ask(name)
    end
    assert.equal(8400, #server.asked)
    ask("n4200.test")
    assert.equal(8400, #server.asked)
    ask("n1.test") -- the oldest had to go
    assert.equal(8402, #server.asked)
  end)

  it("refuses malformed servers", function()
    for _, servers in ipairs({ "", "nonsense", "127.0.0.1:0", "127.0.0.1:99999", "127.0.0.1,", "unix:/x", "1.2.3" }) do
      assert.is_false(c.gw_resolver_set_servers(loop.c, servers), servers)
    end
    assert.is_true(c.gw_resolver_set_servers(loop.c, "127.0.0.1,[::1]:5353,::1"))
  end)
end)
