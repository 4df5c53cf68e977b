local ffi = require("ffi")
local c = require("support.c")
local streams = require("support.streams")

describe("hop", function()
  local arena, kept

  before_each(function()
    arena = c.gw_arena_new()
    kept = {}
  end)

  after_each(function() c.gw_arena_free(arena) end)

  local function s(text)
    local slice = c.slice(text)
    kept[#kept + 1] = slice
    return slice
  end

  --- From "a=1 b=2".
  local function fields(text)
    local list = {}
    for name, value in text:gmatch("(%S-)=(%S*)") do
      list[#list + 1] = { name, value }
    end
    return streams.fields(arena, list)
  end

  local function all(of)
    local out = {}
    for i = 0, of.count - 1 do
      out[#out + 1] = c.str(of.items[i].name) .. "=" .. c.str(of.items[i].value)
    end
    return table.concat(out, " ")
  end

  it("takes out what Connection names, but nothing others rely on", function()
    local f = fields("x-a=1 x-b=2 authorization=3 x-forwarded-for=4 content-type=5 x-a=6")
    assert.is_true(c.gw_hop_remove_named(f, s("X-A, authorization,, x-forwarded-for , content-type, nothing")))
    assert.equal("x-b=2 authorization=3 x-forwarded-for=4 content-type=5", all(f))
    assert.is_false(c.gw_hop_remove_named(f, s(("a,"):rep(100))))
  end)

  it("cleans a request", function()
    local f = fields(
      "te=1 proxy-connection=1 proxy-authorization=1 proxy=http://evil keep-alive=1 "
        .. "trailer=x accept=2 proxy-x=3"
    )
    c.gw_hop_clean_request(f)
    assert.equal("trailer=x accept=2 proxy-x=3", all(f))
  end)

  it("takes forged identity out of a request, in every spelling", function()
    local f = fields(
      "x-consumer-id=1 x_consumer_id=1 x-consumer_username=1 x.consumer.custom.id=1 x-consumer-groups-=1 "
        .. "x-credential-identifier=1 x-authenticated-groups=1 x_authenticated_groups__=1 x-anonymous-consumer=1 "
        .. "x-anonymous_consumer=1 x-consume=2 my-x-consumer-id=3"
    )
    c.gw_hop_clean_request(f)
    assert.equal("x-consume=2 my-x-consumer-id=3", all(f))
  end)

  it("takes misspelled forwarding fields out of a request", function()
    local f = fields(
      "x_forwarded_for=1 x-forwarded_for=1 x-forwarded-for-=1 x.forwarded.proto=1 x_real_ip=1 forwarded-=1 client_cert=1 "
        .. "x-forwarded-for=2 x-real-ip=3 forwarded=4 x_other=5"
    )
    c.gw_hop_clean_request(f)
    assert.equal("x-forwarded-for=2 x-real-ip=3 forwarded=4 x_other=5", all(f))
  end)

  it("cleans a response", function()
    local f = fields("proxy-connection=1 proxy-authenticate=1 keep-alive=1 x-consumer-id=2 www-authenticate=3")
    c.gw_hop_clean_response(f)
    assert.equal("x-consumer-id=2 www-authenticate=3", all(f))
  end)

  describe("says how the client reached us", function()
    local function forward(text, trusted, authority, port)
      local f = fields(text)
      local forwarded = ffi.new("struct gw_forwarded")
      forwarded.client_ip = s("10.0.0.1")
      forwarded.scheme = s("http")
      forwarded.authority = s(authority or "a.b:8000")
      forwarded.port = port or 8000
      forwarded.peer_trusted = trusted
      c.gw_hop_set_forwarded(f, arena, forwarded)
      return all(f)
    end

    describe("as RFC 7239 says it", function()
      local function forwarded(before, more)
        local f, said = fields(before), ffi.new("struct gw_forwarded")
        said.client_ip = s(more.ip or "10.0.0.1")
        said.scheme = s("http")
        said.authority = s(more.authority or "a.b:8000")
        said.peer_trusted = more.trusted or false
        said.rfc7239 = true
        c.gw_hop_set_forwarded(f, arena, said)
        return all(f):match("forwarded=(.-) x%-forwarded") or all(f)
      end

      it("names the peer, the host that was asked for and the scheme", function()
        assert.equal('for=10.0.0.1;host="a.b:8000";proto=http', forwarded("", {}))
        assert.equal('for="[::1]";host="a.b:8000";proto=http', forwarded("", { ip = "::1" }))
        assert.equal('for=unknown;host="a.b:8000";proto=http', forwarded("", { ip = "unix:" }))
        assert.equal("for=10.0.0.1;proto=http", forwarded("", { authority = "" }))
      end)

      it(
        "believes nothing a stranger says",
        function()
          assert.equal(
            'for=10.0.0.1;host="a.b:8000";proto=http',
            forwarded("forwarded=for=6.6.6.6 x-forwarded-for=6.6.6.6 forwarded=for=7", {})
          )
        end
      )

      it("goes on from what a trusted proxy said, in either form", function()
        local ours = 'for=10.0.0.1;host="a.b:8000";proto=http'
        assert.equal(
          "for=1.1.1.1, for=2.2.2.2, " .. ours,
          forwarded("forwarded=for=1.1.1.1 forwarded=for=2.2.2.2", { trusted = true })
        )
        assert.equal(
          'for=1.1.1.1, for="[::2]", for=unknown, ' .. ours,
          forwarded("x-forwarded-for=1.1.1.1,::2 x-forwarded-for=who", { trusted = true })
        )
      end)
    end)

    local OURS = "x-forwarded-for=10.0.0.1 x-forwarded-proto=http x-forwarded-host=a.b x-forwarded-port=8000 "
      .. "x-real-ip=10.0.0.1"

    it("where nothing was said", function() assert.equal(OURS, forward("", false)) end)

    it(
      "instead of what an untrusted peer says, in every spelling",
      function()
        assert.equal(
          "a=1 " .. OURS,
          forward(
            "x-forwarded-for=6.6.6.6 x-forwarded-proto=https x-forwarded-host=evil "
              .. "x-forwarded-port=443 x-real-ip=6.6.6.6 forwarded=for=6.6.6.6 x-forwarded-prefix=/x x_forwarded_for=6 "
              .. "x-forwarded-path=/ a=1 x-forwarded=6 x_real_ip=7",
            false
          )
        )
      end
    )

    it(
      "added to what a trusted peer says",
      function()
        assert.equal(
          "x-forwarded-for=1.1.1.1, 2.2.2.2, 10.0.0.1 x-forwarded-proto=https x-forwarded-host=public "
            .. "x-real-ip=1.1.1.1 x-forwarded-port=8000",
          forward(
            "x-forwarded-for=1.1.1.1 x-forwarded-for=2.2.2.2 x-forwarded-proto=https x-forwarded-host=public "
              .. "x-real-ip=1.1.1.1",
            true
          )
        )
      end
    )

    it(
      "without a port where there is none (a unix socket)",
      function() assert.is_nil(forward("", false, "a.b", 0):find("x-forwarded-port", 1, true)) end
    )

    it(
      "of an IPv6 host",
      function() assert.is_truthy(forward("", false, "[::1]:80"):find("x-forwarded-host=[::1] ", 1, true)) end
    )

    it(
      "without a host where the client named none",
      function() assert.is_nil(forward("", false, ""):find("x-forwarded-host", 1, true)) end
    )
  end)

  it("appends itself to Via", function()
    local f = fields("via=1.1")
    c.gw_hop_set_via(f, arena, 11)
    c.gw_hop_set_via(f, arena, 10)
    assert.equal("via=1.1 via=1.1 moongate via=1.0 moongate", all(f))
  end)
end)
