local ffi = require("ffi")
local c = require("support.c")

describe("uri", function()
  local arena

  before_each(function() arena = c.gw_arena_new() end)
  after_each(function() c.gw_arena_free(arena) end)

  local out = ffi.new("struct gw_slice")

  describe("normalises a path", function()
    local function path(text)
      local slice = c.slice(text)
      local err = tonumber(c.gw_uri_normalise_path(slice, arena, out))
      return err == 0 and c.str(out) or "!" .. c.reason(err)
    end

    for text, expected in pairs({
      ["/"] = "/", ["/a"] = "/a", ["/a/"] = "/a/", ["/ADMIN"] = "/ADMIN", ["/a/b.c/d"] = "/a/b.c/d",
      -- dot segments
      ["/."] = "/", ["/./"] = "/", ["/a/."] = "/a/", ["/a/./b"] = "/a/b", ["/a/.."] = "/", ["/a/../"] = "/",
      ["/a/../b"] = "/b", ["/a/b/../../c"] = "/c", ["/a/b/.."] = "/a/", ["/a/../admin"] = "/admin",
      ["/..."] = "/...", ["/.a"] = "/.a", ["/a.."] = "/a..", ["/..a"] = "/..a", ["/a/.../b"] = "/a/.../b",
      -- slashes
      ["//"] = "/", ["//admin"] = "/admin", ["/a//b///c"] = "/a/b/c", ["/a//"] = "/a/", ["/a//../b"] = "/b",
      ["//.//a"] = "/a",
      -- escapes
      ["/%61"] = "/a", ["/%41%5A%7a"] = "/AZz", ["/%7E%2D%2E%5F"] = "/~-._", ["/a/%2e%2e/admin"] = "/admin",
      ["/a/%2E%2e/b"] = "/b", ["/a/.%2e/b"] = "/b", ["/%2e"] = "/", ["/a%20b"] = "/a%20b", ["/%c3%a9"] = "/%C3%A9",
      ["/%3f%23"] = "/%3F%23", ["/%3B"] = "/%3B", ["/%25"] = "/%25", ["/%2525"] = "/%2525", ["/%252f"] = "/%252f",
      ["/%0d%0a"] = "/%0D%0A",
      -- what stays as it is
      ["/admin;x"] = "/admin;x", ["/a;/../b"] = "/b", ["/..;/a"] = "/..;/a", ["/a=b&c+d,e"] = "/a=b&c+d,e",
      ["/{a}|^`\"<>[]"] = "/{a}|^`\"<>[]", ["/a:b@c!$'()*"] = "/a:b@c!$'()*",
      -- above the root
      ["/.."] = "!bad_target", ["/../a"] = "!bad_target", ["/a/../../b"] = "!bad_target", ["/%2e%2e"] = "!bad_target",
      ["/a/./../.."] = "!bad_target",
      -- what may not be
      [""] = "!bad_target", ["a"] = "!bad_target", ["*"] = "!bad_target", ["\\admin"] = "!bad_target",
      ["/\\admin"] = "!bad_target", ["/a%5cb"] = "!bad_target", ["/a%5Cb"] = "!bad_target", ["/a%2fb"] = "!bad_target",
      ["/admin%2F"] = "!bad_target", ["/admin%00"] = "!bad_target", ["/a\0b"] = "!bad_target", ["/a b"] = "!bad_target",
      ["/a\tb"] = "!bad_target", ["/a\nb"] = "!bad_target", ["/a#b"] = "!bad_target", ["/a\x7f"] = "!bad_target",
      ["/\xc3\xa9"] = "!bad_target", ["/a?b"] = "!bad_target",
      -- broken escapes
      ["/%"] = "!bad_target", ["/%4"] = "!bad_target", ["/%4g"] = "!bad_target", ["/%g4"] = "!bad_target",
      ["/%%41"] = "!bad_target", ["/a%"] = "!bad_target", ["/%u0041"] = "!bad_target", ["/%-1"] = "!bad_target",
    }) do
      it(("%q: %s"):format(text, expected), function()
        assert.equal(expected, path(text))
        -- once is enough
        if expected:sub(1, 1) == "/" then assert.equal(expected, path(expected)) end
      end)
    end

    it("without a copy where nothing changes", function()
      local slice = c.slice("/a/b.c")
      c.gw_uri_normalise_path(slice, arena, out)
      assert.equal(ffi.cast("intptr_t", slice.ptr), ffi.cast("intptr_t", out.ptr))
    end)
  end)

  describe("reads an authority", function()
    local function authority(text)
      local slice = c.slice(text)
      local err = tonumber(c.gw_uri_parse_authority(slice, arena, out))
      return err == 0 and c.str(out) or "!" .. c.reason(err)
    end

    local longest = ("a"):rep(63) .. "." .. ("b"):rep(63) .. "." .. ("c"):rep(63) .. "." .. ("d"):rep(61)
    for text, expected in pairs({
      ["a"] = "a", ["Example.COM"] = "example.com", ["a.b:80"] = "a.b:80", ["a.:80"] = "a:80", ["a."] = "a",
      ["127.0.0.1:8000"] = "127.0.0.1:8000", ["a_b-c"] = "a_b-c", ["a:65535"] = "a:65535", ["a:1"] = "a:1",
      ["[::1]"] = "[::1]", ["[::1]:80"] = "[::1]:80", ["[0:0:0:0:0:0:0:1]"] = "[::1]", ["[FE80::A]"] = "[fe80::a]",
      ["[::ffff:1.2.3.4]"] = "[::ffff:1.2.3.4]", [longest] = longest,
      [""] = "!bad_host", ["."] = "!bad_host", [".a"] = "!bad_host", ["a..b"] = "!bad_host", ["a.."] = "!bad_host",
      [":80"] = "!bad_host", ["a:"] = "!bad_host", ["a:0"] = "!bad_host", ["a:65536"] = "!bad_host",
      ["a:080"] = "!bad_host", ["a:+80"] = "!bad_host", ["a:8x"] = "!bad_host", ["a:80:80"] = "!bad_host",
      ["a:999999"] = "!bad_host", ["u@a"] = "!bad_host", ["u:p@a"] = "!bad_host", ["a,b"] = "!bad_host",
      ["a, b"] = "!bad_host", ["a b"] = "!bad_host", ["a/b"] = "!bad_host", ["a?b"] = "!bad_host", ["a#b"] = "!bad_host",
      ["a\\b"] = "!bad_host", ["a%20"] = "!bad_host", ["a\0"] = "!bad_host", ["a\r\n"] = "!bad_host",
      ["\xc3\xa9"] = "!bad_host", ["*"] = "!bad_host", ["[::1"] = "!bad_host", ["::1"] = "!bad_host", ["[]"] = "!bad_host",
      ["[::1%25eth0]"] = "!bad_host", ["[::1%eth0]"] = "!bad_host", ["[::1]x"] = "!bad_host", ["[::1]:"] = "!bad_host",
      ["[::1]:0"] = "!bad_host", ["[1.2.3.4]"] = "!bad_host", ["[a]"] = "!bad_host", ["[::1\0]"] = "!bad_host",
      ["[v1.x]"] = "!bad_host", [longest .. "x"] = "!bad_host", [("a"):rep(10000)] = "!bad_host",
      ["[" .. (":"):rep(100) .. "]"] = "!bad_host",
    }) do
      it(("%q: %s"):format(text:sub(1, 60), expected:sub(1, 30)), function() assert.equal(expected, authority(text)) end)
    end
  end)

  it("takes an authority apart", function()
    local port = ffi.new("uint16_t[1]")
    for text, expected in pairs({ ["a"] = "a 0", ["a:80"] = "a 80", ["[::1]"] = "::1 0", ["[::1]:8080"] = "::1 8080" }) do
      local slice = c.slice(text)
      local host = c.gw_uri_host(slice, port)
      assert.equal(expected, c.str(host) .. " " .. port[0])
    end
  end)

  describe("reads a target", function()
    local function target(text, method)
      local head = ffi.new("struct gw_head")
      local slice = c.slice(text)
      head.method = c["GW_METHOD_" .. (method or "GET")]
      local err = tonumber(c.gw_uri_parse_target(head, slice, arena))
      if err ~= 0 then return "!" .. c.reason(err) end
      return ("%s %s %s"):format(c.str(head.authority), c.str(head.path),
        head.has_query and "?" .. c.str(head.query) or "-")
    end

    for text, expected in pairs({
      ["/a"] = " /a -", ["/a?"] = " /a ?", ["/a?b=c&d"] = " /a ?b=c&d", ["/a?b?c"] = " /a ?b?c", ["/?/../x"] = " / ?/../x",
      ["/a?%zz%2f\\"] = " /a ?%zz%2f\\", ["/a/../b?c"] = " /b ?c",
      ["http://A.b/c?d"] = "a.b /c ?d", ["HTTPS://a:1/c"] = "a:1 /c -", ["http://a"] = "a / -", ["http://a?b"] = "a / ?b",
      ["http://[::1]:80/"] = "[::1]:80 / -",
      ["/a?b c"] = "!bad_target", ["/a?b#c"] = "!bad_target", ["/a?\xc3"] = "!bad_target", ["/a?\0"] = "!bad_target",
      ["http:///a"] = "!bad_host", ["http://"] = "!bad_host", ["http://u@a/"] = "!bad_host", ["http://a,b/"] = "!bad_host",
      ["ftp://a/"] = "!bad_target", ["a"] = "!bad_target", ["a:80"] = "!bad_target", ["*"] = "!bad_target",
      ["?a"] = "!bad_target", ["http:a"] = "!bad_target", ["javascript:x"] = "!bad_target", [""] = "!bad_target",
      ["http://a#b"] = "!bad_host", ["http://a\\b/"] = "!bad_host",
    }) do
      it(("%q: %s"):format(text, expected), function() assert.equal(expected, target(text)) end)
    end

    it("by method", function()
      assert.equal(" * -", target("*", "OPTIONS"))
      assert.equal("a * -", target("http://a", "OPTIONS"))
      assert.equal("a / ?", target("http://a?", "OPTIONS"))
      assert.equal("a:443  -", target("A:443", "CONNECT"))
      for _, text in ipairs({ "a", "/a", "http://a:1/", "a:0", "u@a:1", "*", "[::1]" }) do
        assert.equal("!bad_target", target(text, "CONNECT"))
      end
    end)
  end)

  it("decodes", function()
    for text, expected in pairs({ [""] = "", ["a"] = "a", ["%41+b"] = "A b", ["%2F%00%ff"] = "/\0\xff", ["%"] = "%",
      ["%4"] = "%4", ["%zz"] = "%zz", ["%%41"] = "%A", ["a%41"] = "aA", ["+"] = " " }) do
      assert.equal(expected, c.str(c.gw_uri_decode(c.slice(text), true, arena)))
    end
    assert.equal("a+b", c.str(c.gw_uri_decode(c.slice("a+b"), false, arena)))
    assert.equal("a+b ", c.str(c.gw_uri_decode(c.slice("a+b%20"), false, arena)))
  end)

  it("cuts arguments off a query", function()
    local function args(text)
      local query, name, value = c.slice(text), ffi.new("struct gw_slice"), ffi.new("struct gw_slice")
      local has, found = ffi.new("bool[1]"), {}
      while c.gw_uri_next_arg(query, name, value, has) do
        found[#found + 1] = c.str(name) .. (has[0] and "=" .. c.str(value) or "")
      end
      return table.concat(found, " ")
    end
    assert.equal("a=1 b c= =d e=f=g %41=+", args("a=1&b&c=&=d&&e=f=g&%41=+&"))
    assert.equal("", args(""))
    assert.equal("", args("&&&"))
  end)
end)
