local ffi = require("ffi")
local c = require("support.c")
local json = require("cjson")

describe("the access log", function()
  local keep

  before_each(function() keep = {} end)

  local function line(fields)
    local record = ffi.new("struct gw_access_record", { grpc_status = -1 })
    for name, value in pairs(fields) do
      if type(value) == "string" then
        keep[#keep + 1] = value
        record[name].ptr, record[name].len = value, #value
      else
        record[name] = value
      end
    end
    local out = ffi.new("char[28672]")
    return ffi.string(out, c.gw_access_log_format(out, record))
  end

  it(
    "is one line of JSON",
    function()
      assert.equal(
        '{"correlationId":"id-1","timestamp":"2026-02-28T23:59:59.042Z","method":"GET","path":"/users/1?x=y","statusCode":200,'
          .. '"duration":12.345,"route":"users","service":"user-service","consumer":"ada","upstream":"10.0.0.1:80",'
          .. '"upstreamStatus":201,"tries":2,"bytesIn":3,"bytesOut":18446744073709551615,"clientIp":"::1",'
          .. '"host":"shop.test:8443","userAgent":"curl/8 \\"x\\"","protocol":"HTTP/2",'
          .. '"error":"reset",'
          .. '"phases":{"rewrite":0.001,"access":0.000,"connect":1.000,"head":10.100,"response":0.020,"body":null}}\n',
        line {
          correlation_id = "id-1",
          wall_us = 1772323199042999,
          method = "GET",
          path = "/users/1?x=y",
          status = 200,
          duration_us = 12345,
          route = "users",
          service = "user-service",
          consumer = "ada",
          upstream = "10.0.0.1:80",
          upstream_status = 201,
          tries = 2,
          bytes_in = 3,
          bytes_out = 0xffffffffffffffffULL,
          client_ip = "::1",
          host = "shop.test:8443",
          user_agent = 'curl/8 "x"',
          version = 20,
          error = "reset",
          rewrite_us = 1,
          access_us = 0,
          connect_us = 1000,
          head_us = 10100,
          response_us = 20,
          body_us = -1,
        }
      )
    end
  )

  it("cuts what clients say of themselves", function()
    local parsed = json.decode(line { host = ("h"):rep(300), user_agent = ("\1"):rep(2000) })
    assert.equal(("h"):rep(256), parsed.host)
    assert.equal(("\1"):rep(512), parsed.userAgent)
  end)

  it("knows the versions of HTTP", function()
    for version, name in pairs { [10] = "HTTP/1.0", [11] = "HTTP/1.1", [20] = "HTTP/2" } do
      assert.equal(name, json.decode(line { version = version }).protocol)
    end
  end)

  it("has null for what is not there", function()
    local parsed = json.decode(line { duration_us = -5, status = -1, rewrite_us = -1 })
    for _, name in ipairs({
      "duration",
      "route",
      "service",
      "consumer",
      "upstream",
      "upstreamStatus",
      "clientIp",
      "host",
      "userAgent",
      "protocol",
      "error",
    }) do
      assert.equal(json.null, parsed[name], name)
    end
    assert.equal(0, parsed.statusCode)
    assert.equal("", parsed.method)
    assert.equal("1970-01-01T00:00:00.000Z", parsed.timestamp)
    assert.equal(json.null, parsed.phases.rewrite)
  end)

  it("writes the time of any second", function()
    for wall_us, expected in pairs({
      [0] = "1970-01-01T00:00:00.000Z",
      [951782400000000] = "2000-02-29T00:00:00.000Z",
      [4102444799999999] = "2099-12-31T23:59:59.999Z",
      [-1000] = "1969-12-31T23:59:59.999Z",
    }) do
      assert.equal(expected, json.decode(line { wall_us = wall_us }).timestamp)
    end
    assert.truthy(json.decode(line { wall_us = ffi.cast("int64_t", 0x7fffffffffffffffLL) }).timestamp)
  end)

  it("keeps every byte that is text", function()
    for _, text in ipairs({ "/a b", '/"\\/', "/ü/€/😀", "\1\31\127\b\f\n\r\t", "/<script>" }) do
      local one = line { path = text }
      assert.equal(text, json.decode(one).path)
      assert.equal(1, select(2, one:gsub("\n", "")))
      assert.is_nil(one:sub(1, -2):find("%c"))
    end
  end)

  it("looks at each byte, wherever it stands among eight", function()
    for _, byte in ipairs { '"', "\\", "\1", "\31", "\127", "\n" } do
      for before = 0, 20 do
        local path = ("a"):rep(before) .. byte .. ("b"):rep(20)
        local one = line { path = path }
        assert.is_nil(one:sub(1, -2):find("%c"), "a control byte went through")
        assert.equal(path, json.decode(one).path)
      end
    end
  end)

  it("replaces what is not UTF-8", function()
    local replaced = "\239\191\189"
    for text, expected in pairs({
      ["\255"] = replaced,
      ["a\128b"] = "a" .. replaced .. "b",
      ["\192\175"] = replaced:rep(2), -- overlong /
      ["\237\160\128"] = replaced:rep(3), -- a surrogate
      ["\244\144\128\128"] = replaced:rep(4), -- above U+10FFFF
      ["\226\130"] = replaced:rep(2), -- cut
      ["\226\130x"] = replaced:rep(2) .. "x",
    }) do
      assert.equal(expected, json.decode(line { path = text }).path)
    end
  end)

  it("cuts long texts, not through a character", function()
    local parsed = json.decode(line {
      path = "/" .. ("ü"):rep(2000),
      route = ("r"):rep(1000),
      method = ("M"):rep(1000),
      correlation_id = ("c"):rep(1000),
    })
    assert.equal("/" .. ("ü"):rep(1023), parsed.path) -- 2047 bytes: the next one would be half a character
    assert.equal(256, #parsed.route)
    assert.equal(64, #parsed.method)
    assert.equal(128, #parsed.correlationId)
    assert.equal(("\239\191\189"):rep(2045), json.decode(line { path = ("\128"):rep(5000) }).path)
  end)

  it("fits the longest line there is", function()
    local worst = ("\1"):rep(5000)
    local one = line {
      correlation_id = worst,
      method = worst,
      path = worst,
      route = worst,
      service = worst,
      consumer = worst,
      upstream = worst,
      client_ip = worst,
      error = worst,
      duration_us = ffi.cast("int64_t", 0x7fffffffffffffffLL),
      bytes_in = 0xffffffffffffffffULL,
      bytes_out = 0xffffffffffffffffULL,
      tries = 0xffffffff,
      status = 0x7fffffff,
      upstream_status = 0x7fffffff,
    }
    assert.is_true(#one <= 24576 and #one > 20000, #one)
    assert.equal(worst:sub(1, 2048), json.decode(one).path)
  end)

  it("is JSON and UTF-8 whatever a peer sends", function()
    math.randomseed(3)
    local out = {}
    for _ = 1, 3000 do
      local bytes = {}
      for i = 1, math.random(0, 60) do
        local kind = math.random(4)
        bytes[i] = string.char(
          kind == 1 and math.random(0, 31)
            or kind == 2 and math.random(128, 255)
            or kind == 3 and ('"\\/u\127'):byte(math.random(5))
            or math.random(32, 126)
        )
      end
      local text = table.concat(bytes)
      local one = line { path = text, method = text, route = text, error = text, client_ip = text }
      local ok, parsed = pcall(json.decode, one)
      assert.is_true(ok, one)
      out[#out + 1] = parsed.path
      for i = 1, #parsed.path do -- cjson does not check UTF-8: our own check says each character is one
        local rest =
          ffi.new("struct gw_slice", ffi.cast("const char *", parsed.path) + i - 1, #parsed.path - i + 1)
        local byte = parsed.path:byte(i)
        if byte < 128 or byte >= 192 then assert.is_true(tonumber(c.gw_utf8_length(rest)) > 0) end
      end
    end
    assert.equal(3000, #out)
  end)

  it("has the status of a call behind that of HTTP, and only then", function()
    assert.equal(4, json.decode(line { status = 200, grpc_status = 4 }).grpcStatus)
    assert.truthy(line({ status = 200, grpc_status = 0 }):find('"statusCode":200,"grpcStatus":0,', 1, true))
    assert.is_nil(json.decode(line { status = 200 }).grpcStatus)
  end)

  it("has the facts of TLS, and only then", function()
    local secure = { status = 200, tls_version = "TLSv1.3", tls_cipher = "C", sni = "a.test", tls_resumed = true }
    assert.same(
      { version = "TLSv1.3", cipher = "C", sni = "a.test", resumed = true },
      json.decode(line(secure)).tls
    )
    assert.equal(json.null, json.decode(line { status = 200, tls_version = "TLSv1.2", tls_cipher = "C" }).tls.sni)
    assert.is_nil(json.decode(line { status = 200 }).tls)
  end)
end)
