local ffi = require("ffi")
local c = require("support.c")
local dns_server = require("support.dns_server")
local net = require("support.net")

describe("gw_locate", function()
  local loop, server, answer, on_answer

  before_each(function()
    loop = net.loop(true)
    server = dns_server.new()
    assert.is_true(c.gw_resolver_set_servers(loop.c, server.address))
    on_answer = ffi.cast("gw_locate_cb", function(_, found, err)
      answer =
        { reason = c.reason(err), ttl = tonumber(found.ttl_us) / 1e6, stale = found.stale, gone = found.gone }
      for i = 0, found.count - 1 do
        local place = found.places[i]
        answer[i + 1] = ("%s %s p%d w%d"):format(
          ffi.string(place.host),
          net.addr_text(place.addr),
          place.priority,
          place.weight
        )
      end
      table.sort(answer)
    end)
  end)

  after_each(function()
    loop:free()
    server:close()
    on_answer:free()
  end)

  local function locate(name)
    answer = nil
    c.gw_locate_start(loop.c, name, on_answer, nil)
    assert.is_nil(answer) -- never before it returned
    server:until_true(loop, function() return answer end)
    return answer
  end

  local function hosts(count)
    local records = {}
    for i = 1, count do
      local host = ("n%d.test"):format(i)
      records[i] = { 1, i, 8000 + i, host }
      server.names[host] = { A = { ("10.0.%d.%d"):format(math.floor(i / 200), i % 200 + 1) }, ttl = 60 }
    end
    return records
  end

  it("finds hosts with ports, priorities and weights", function()
    server.names["_http._tcp.users.test"] = {
      SRV = { { 10, 60, 8001, "a.test" }, { 20, 0, 8002, "B.test." } },
      ttl = 30,
    }
    server.names["a.test"] = { A = { "10.0.0.1" }, AAAA = { "::1" } }
    server.names["b.test"] = { A = { "10.0.0.2" } }
    locate("_http._tcp.users.test")
    assert.same({
      "a.test 10.0.0.1:8001 p10 w60",
      "a.test [::1]:8001 p10 w60",
      "b.test 10.0.0.2:8002 p20 w0",
    }, { unpack(answer) })
    assert.equal("ok", answer.reason)
    assert.equal(30, answer.ttl)
    assert.is_false(answer.stale)
  end)

  it("follows an alias", function()
    server.names["_http._tcp.users.test"] =
      { cname = "real.test", SRV = { { 1, 1, 80, "a.test" } }, ttl = 30, cname_ttl = 9 }
    server.names["a.test"] = { A = { "10.0.0.1" } }
    assert.same({ "a.test 10.0.0.1:80 p1 w1" }, { unpack(locate("_http._tcp.users.test")) })
    assert.equal(9, answer.ttl)
  end)

  it("takes 200 records, over TCP, and a thousand (2.12.3)", function()
    for _, count in ipairs { 200, 1000 } do
      server.names["_http._tcp.users.test"] = { SRV = hosts(count), ttl = 60 }
      assert.equal(count, #locate("_http._tcp.users.test"))
    end
    assert.equal(2, server.over_tcp)
  end)

  it("says when there is no such service", function()
    assert.is_true(locate("_no._tcp.users.test").gone)
    assert.equal("resolve", answer.reason)
    server.names["_off._tcp.users.test"] = { SRV = { { 0, 0, 0, "." } } }
    assert.is_true(locate("_off._tcp.users.test").gone)
    server.names["_hosts._tcp.users.test"] = { SRV = { { 0, 0, 80, "nobody.test" } } }
    assert.is_true(locate("_hosts._tcp.users.test").gone)
  end)

  it("says when a server failed: nobody is gone then", function()
    server.names["_sick._tcp.users.test"] = { rcode = "SERVFAIL" }
    assert.same({ "resolve", false, true }, { locate("_sick._tcp.users.test").reason, answer.gone, answer.stale })
    server.names["_part._tcp.users.test"] = { SRV = { { 0, 0, 80, "a.test" }, { 0, 0, 80, "sick.test" } } }
    server.names["a.test"], server.names["sick.test"] = { A = { "10.0.0.1" } }, { rcode = "SERVFAIL" }
    assert.same({ "a.test 10.0.0.1:80 p0 w0" }, { unpack(locate("_part._tcp.users.test")) })
    assert.is_true(answer.stale)
  end)

  for _, lie in ipairs { "id", "question", "owner", "loop", "short", "garbage", "counts" } do
    it("believes no answer with a lie (2.12.6): " .. lie, function()
      server.names["_http._tcp.users.test"] = { SRV = { { 1, 1, 80, "a.test" } }, lie = lie }
      server.names["a.test"] = { A = { "10.6.6.6" } }
      assert.equal(0, #locate("_http._tcp.users.test"))
      assert.equal("resolve", answer.reason)
    end)
  end

  it("never calls back after cancel, wherever it stands", function()
    server.names["_http._tcp.users.test"] = { SRV = { { 1, 1, 80, "a.test" } } }
    server.names["a.test"] = { A = { "10.0.0.1" } }
    answer = nil
    c.gw_locate_cancel(c.gw_locate_start(loop.c, "_http._tcp.users.test", on_answer, nil))
    local later = c.gw_locate_start(loop.c, "_http._tcp.users.test", on_answer, nil)
    server:until_true(loop, function() return server.asked[#server.asked] == "a.test AAAA" end)
    c.gw_locate_cancel(later)
    server.names["_quiet._tcp.users.test"] = { silent = true }
    c.gw_locate_cancel(c.gw_locate_start(loop.c, "_quiet._tcp.users.test", on_answer, nil))
    loop:settle()
    assert.is_nil(answer)
  end)
end)
