local ffi = require("ffi")
local c = require("support.c")
local streams = require("support.streams")

describe("gRPC in HTTP's words", function()
  local arena, kept

  before_each(function()
    arena, kept = c.gw_arena_new(), {}
  end)

  after_each(function() c.gw_arena_free(arena) end)

  local function s(text)
    kept[#kept + 1] = c.slice(text)
    return kept[#kept]
  end

  local function fields(list) return streams.fields(arena, list) end

  it("knows its type, and that grpc-web is another", function()
    for _, type in ipairs {
      "application/grpc",
      "Application/gRPC",
      "application/grpc+proto",
      "application/grpc;a=b",
    } do
      assert.is_true(c.gw_grpc_is_type(s(type)), type)
    end
    for _, type in ipairs { "", "application/grp", "application/grpc-web", "application/grpcx", "text/plain" } do
      assert.is_false(c.gw_grpc_is_type(s(type)), type)
    end
  end)

  it("is asked for by POST over HTTP/2 alone", function()
    local head = ffi.new("struct gw_head", { version = 20, method = c.GW_METHOD_POST })
    head.fields = fields({ { "content-type", "application/grpc" } })
    assert.is_true(c.gw_grpc_asks(head))
    head.version = 11
    assert.is_false(c.gw_grpc_asks(head))
    head.version, head.method = 20, c.GW_METHOD_GET
    assert.is_false(c.gw_grpc_asks(head))
  end)

  describe("a timeout", function()
    local function read(...)
      local list = {}
      for i, value in ipairs { ... } do
        list[i] = { "grpc-timeout", value }
      end
      local us = ffi.new("uint64_t[1]", 99)
      local error = c.gw_grpc_timeout(fields(list), us)
      return error == 0 and tonumber(us[0]) or ffi.string(c.gw_error_info(error).reason)
    end

    it("is read in every unit, and never as none", function()
      assert.equal(0, read())
      assert.equal(3600e6, read("1H"))
      assert.equal(120e6, read("2M"))
      assert.equal(15e6, read("15S"))
      assert.equal(100000, read("100m"))
      assert.equal(7, read("7u"))
      assert.equal(2, read("1001n"))
      assert.equal(1, read("0n"))
      assert.equal(1, read("0H"))
      assert.equal(99999999 * 3600e6, read("99999999H"))
    end)

    it("is refused where it is anything else", function()
      for _, text in ipairs {
        "",
        "1",
        "H",
        "1h",
        "1s",
        "-1S",
        "+1S",
        "1.0S",
        " 1S",
        "1S ",
        "1 S",
        "123456789S",
        "0x1S",
      } do
        assert.equal("bad_deadline", read(text), text)
      end
      assert.equal("bad_deadline", read("1S", "2S"))
    end)

    it("is written so that it is never longer than eight digits, nor shorter in time", function()
      local function write(us) return c.str(c.gw_grpc_timeout_text(arena, us)) end
      assert.equal("1u", write(1))
      assert.equal("99999999u", write(99999999))
      assert.equal("100000m", write(100000000))
      assert.equal("100001m", write(100000001))
      assert.equal("100000S", write(100000000000))
      assert.equal("99999999H", write(99999999 * 3600e6))
      for _, us in ipairs { 1, 999, 12345678, 123456789, 98765432109, 1e15, 1e17 } do
        local text = write(us)
        assert.is_true(#text <= 9, text)
        assert.is_true(read(text) >= us or text:find("H$") ~= nil, text)
      end
    end)
  end)

  it("has a status for every status of HTTP", function()
    local function of(status, error) return tonumber(c.gw_grpc_status_of(status, error or 0)) end
    for http, grpc in pairs {
      [200] = 0,
      [204] = 0,
      [301] = 2,
      [400] = 13,
      [401] = 16,
      [403] = 7,
      [404] = 12,
      [405] = 12,
      [413] = 8,
      [415] = 12,
      [418] = 2,
      [429] = 14,
      [431] = 8,
      [499] = 1,
      [500] = 2,
      [501] = 12,
      [502] = 14,
      [503] = 14,
      [504] = 14,
    } do
      assert.equal(grpc, of(http), http)
    end
    assert.equal(4, of(504, c.GW_E_DEADLINE))
    assert.equal(4, of(504, c.GW_E_TOTAL_TIMEOUT))
    for i = 0, tonumber(c.GW_E_COUNT) - 1 do
      local status = of(c.gw_error_info(i).status, i)
      assert.is_true(status >= 0 and status <= 16)
    end
  end)

  it("reads a status, and takes what is no number for none", function()
    local function read(text) return c.gw_grpc_status_in(fields({ { "grpc-status", text } })) end
    assert.equal(0, read("0"))
    assert.equal(16, read("16"))
    assert.equal(2, read("17"))
    assert.equal(-1, read(""))
    assert.equal(-1, read("-1"))
    assert.equal(-1, read("ok"))
    assert.equal(-1, c.gw_grpc_status_in(fields({})))
  end)

  it("writes messages percent-encoded, cut between characters", function()
    local function write(text) return c.str(c.gw_grpc_message(arena, s(text))) end
    assert.equal("no: 100 %25", write("no: 100 %"))
    assert.equal("%C3%BC%0D%0A%7F", write("ü\r\n\127"))
    assert.equal("", write(""))
    assert.equal(1024, #write(("a"):rep(5000)))
    assert.equal(("a"):rep(1023), write(("a"):rep(1023) .. "ü"))
  end)
end)
