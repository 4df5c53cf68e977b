-- What attacks.md lists under framing, names and targets, as bytes to the real binary and from a hostile service behind it. The
-- parser's own table (spec/unit/http/h1_parse_spec.lua) is longer; here it is what a client gets, and that nothing of it arrived.
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

local H = "Host: a\r\n"
local function get(target, rest) return "GET " .. target .. " HTTP/1.1\r\n" .. H .. (rest or "") .. "\r\n" end
local function post(rest, body) return "POST /up HTTP/1.1\r\n" .. H .. rest .. "\r\n" .. (body or "") end
local CHUNKED = "Transfer-Encoding: chunked\r\n"

-- { what, bytes, status, reason }: the reason is the error's name in the problem that answers.
local REFUSED = {
  {
    "Content-Length and Transfer-Encoding",
    post("Content-Length: 5\r\n" .. CHUNKED, "0\r\n\r\n"),
    400,
    "bad_framing",
  },
  {
    "Transfer-Encoding and Content-Length",
    post(CHUNKED .. "Content-Length: 5\r\n", "0\r\n\r\n"),
    400,
    "bad_framing",
  },
  { "an unknown coding", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 400, "bad_framing" },
  {
    "a coding that is not the last",
    post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
    400,
    "bad_framing",
  },
  { "a coding before chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 400, "bad_framing" },
  { "two codings", post(CHUNKED .. CHUNKED, "0\r\n\r\n"), 400, "bad_framing" },
  { "chunks on HTTP/1.0", "POST /up HTTP/1.0\r\n" .. H .. CHUNKED .. "\r\n0\r\n\r\n", 400, "bad_framing" },
  { "two equal lengths", post("Content-Length: 2\r\nContent-Length: 2\r\n", "hi"), 400, "bad_framing" },
  { "two lengths", post("Content-Length: 2\r\nContent-Length: 3\r\n", "hi"), 400, "bad_framing" },
  { "a list of lengths", post("Content-Length: 2, 2\r\n", "hi"), 400, "bad_framing" },
  { "a signed length", post("Content-Length: +2\r\n", "hi"), 400, "bad_framing" },
  { "a length with zeros before", post("Content-Length: 02\r\n", "hi"), 400, "bad_framing" },
  { "a hexadecimal length", post("Content-Length: 0x2\r\n", "hi"), 400, "bad_framing" },
  { "an empty length", post("Content-Length:\r\n", "hi"), 400, "bad_framing" },
  { "a length of 20 digits", post("Content-Length: 99999999999999999999\r\n", "hi"), 400, "bad_framing" },
  { "obs-fold", get("/up", "X-A: 1\r\n 2\r\n"), 400, "bad_request" },
  { "a lone CR", get("/up", "X-A: 1\rX-B: 2\r\n"), 400, "bad_request" },
  { "a bare LF", "GET /up HTTP/1.1\n" .. H .. "\n", 400, "bad_request" },
  { "NUL in a value", get("/up", "X-A: \0\r\n"), 400, "bad_request" },
  { "a space before the colon", get("/up", "X-A : 1\r\n"), 400, "bad_request" },
  { "a vertical tab", post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"), 400, "bad_request" },
  { "two spaces in the request line", "GET  /up HTTP/1.1\r\n" .. H .. "\r\n", 400, "bad_request" },
  { "bytes that are TLS", "\x16\x03\x01\x02\x00\x01\x00", 400, "bad_request" },
  { "HTTP/1.2", "GET /up HTTP/1.2\r\n" .. H .. "\r\n", 505, "http_version" },
  { "HTTP/0.9", "GET /up\r\n\r\n", 505, "http_version" },
  { "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http_version" },
  { "a version in lower case", "GET /up http/1.1\r\n" .. H .. "\r\n", 400, "bad_request" },
  { "no Host", "GET /up HTTP/1.1\r\n\r\n", 400, "bad_host" },
  { "two Hosts", "GET /up HTTP/1.1\r\n" .. H .. H .. "\r\n", 400, "bad_host" },
  { "a Host with userinfo", "GET /up HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, "bad_host" },
  { "a Host with a comma", "GET /up HTTP/1.1\r\nHost: a,b\r\n\r\n", 400, "bad_host" },
  { "a Host with port 65536", "GET /up HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400, "bad_host" },
  { "a Host with a zone", "GET /up HTTP/1.1\r\nHost: [fe80::1%25lo]\r\n\r\n", 400, "bad_host" },
  { "a path above the root", get("/up/../../etc"), 400, "bad_target" },
  { "an escaped path above the root", get("/up/%2e%2e/%2e%2e/etc"), 400, "bad_target" },
  { "an escaped slash", get("/up%2fx"), 400, "bad_target" },
  { "an escaped NUL", get("/up%00"), 400, "bad_target" },
  { "a backslash", get("/up\\x"), 400, "bad_target" },
  { "another scheme", get("ftp://a/up"), 400, "bad_target" },
  { "an unknown expectation", post("Expect: everything\r\nContent-Length: 2\r\n", "hi"), 417, "expect" },
  { "a tab before the colon", get("/up", "Content-Length\t: 1\r\n"), 400, "bad_request" },
  { "a head that begins with a space", "GET /up HTTP/1.1\r\n Host: a\r\n\r\n", 400, "bad_request" },
  { "identity before chunked", post("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n"), 400, "bad_framing" },
  { "a quoted coding", post('Transfer-Encoding: "chunked"\r\n', "0\r\n\r\n"), 400, "bad_framing" },
  { "an empty coding", post("Transfer-Encoding:\r\n", "0\r\n\r\n"), 400, "bad_framing" },
  { "a length of -0", post("Content-Length: -0\r\n"), 400, "bad_framing" },
  { "a length with a space", post("Content-Length: 1 0\r\n", "hi"), 400, "bad_framing" },
  { "NUL in a name", get("/up", "X\0A: 1\r\n"), 400, "bad_request" },
  { "a space in a name", get("/up", "X A: 1\r\n"), 400, "bad_request" },
  { "a field without a colon", get("/up", "nonsense\r\n"), 400, "bad_request" },
  { "an empty name", get("/up", ": 1\r\n"), 400, "bad_request" },
  { "a Host with port 0", "GET /up HTTP/1.1\r\nHost: a:0\r\n\r\n", 400, "bad_host" },
  { "a Host with a path", "GET /up HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "bad_host" },
  { "an escaped backslash", get("/up%5cx"), 400, "bad_target" },
  { "a broken escape", get("/up%zz"), 400, "bad_target" },
  { "a fragment", get("/up#x"), 400, "bad_target" },
  { "bytes from 0x80", get("/caf\xe9"), 400, "bad_target" },
  { "a target without a slash", get("up"), 400, "bad_target" },
  { "* for GET", get("*"), 400, "bad_target" },
  { "CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nConnection: close\r\n\r\n", 501, "not_implemented" },
  { "a target of 9 KB", get("/up/" .. ("a"):rep(9000)), 414, "target_too_long" },
  { "a field of 1 MB", get("/up", "X-A: " .. ("a"):rep(1000000) .. "\r\n"), 431, "head_too_large" },
  { "10,001 fields", get("/up", ("a: 1\r\n"):rep(10001)), 431, "head_too_large" },
}

-- Refused when the head has passed already: the service may have seen a head, never a whole request.
local CUT = {
  { "a chunk of 2^32", post(CHUNKED, "100000000\r\n") },
  { "a chunk of 2^64", post(CHUNKED, "10000000000000000\r\n") },
  { "a signed chunk size", post(CHUNKED, "+2\r\nhi\r\n0\r\n\r\n") },
  { "a chunk size with 0x", post(CHUNKED, "0x2\r\nhi\r\n0\r\n\r\n") },
  { "a bare LF after a chunk size", post(CHUNKED, "2\nhi\r\n0\r\n\r\n") },
  { "no CRLF after a chunk", post(CHUNKED, "2\r\nhi0\r\n\r\n") },
  { "a chunk extension of 64 KB", post(CHUNKED, "2;" .. ("a"):rep(65536) .. "\r\nhi\r\n0\r\n\r\n") },
}

describe("hostile bytes from a client:", function()
  local gw, service

  setup(function()
    service = http.service()
    gw = moongate.start {
      yaml = [[
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes: [{ name: up, paths: [/], strip_path: false, public: true }]
]],
      vars = { up = service.port },
    }
  end)

  teardown(function()
    gw:stop()
    service:close()
    moongate.stop_all()
  end)

  for _, case in ipairs(REFUSED) do
    it(("%s: %d, and the connection ends"):format(case[1], case[3]), function()
      service.requests = {}
      -- A good request behind the bad one must never be read as one.
      local answer, ended = gw:raw(case[2] .. get("/smuggled"))
      assert.equal(case[3], tonumber(answer:match("^HTTP/1%.1 (%d+)")))
      assert.is_truthy(answer:find("\r\nconnection: close\r\n", 1, true))
      assert.is_truthy(answer:find('"reason":"' .. case[4] .. '"', 1, true))
      assert.is_nil(answer:find("HTTP/1%.1 %d", 9))
      assert.is_truthy(ended)
      assert.equal(0, #service.requests)
    end)
  end

  for _, case in ipairs(CUT) do
    it(case[1] .. ": 400, and the service gets no whole request", function()
      service.requests = {}
      local answer = gw:raw(case[2] .. get("/smuggled"))
      assert.equal(400, tonumber(answer:match("^HTTP/1%.1 (%d+)")))
      assert.is_nil(answer:find("HTTP/1%.1 %d", 9))
      assert.equal(0, #service.requests)
    end)
  end

  it("a request behind Connection: close is not read", function()
    service.requests = {}
    local answer = gw:raw(get("/one", "Connection: close\r\n") .. get("/two"))
    assert.is_nil(answer:find("HTTP/1%.1 %d", 9))
    assert.equal(1, #service.requests)
    assert.equal("/one", service.last_request.target)
  end)

  it("forged and hop-by-hop fields do not pass, protected ones stay", function()
    gw:raw(
      get(
        "/x",
        "X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n"
          .. "X-Forwarded-Proto: https\r\nX-Consumer-Id: 1\r\nX_Consumer_Username: root\r\nX-Consumer.Groups-: a\r\n"
          .. "Proxy: http://evil\r\nTE: trailers\r\nConnection: close, Authorization, X-B\r\nAuthorization: k\r\nX-B: 1\r\n"
      )
    )
    local headers = service.last_request.headers
    assert.equal("127.0.0.1", headers["x-forwarded-for"])
    assert.equal("http", headers["x-forwarded-proto"])
    assert.equal("127.0.0.1", headers["x-real-ip"])
    assert.equal("k", headers.authorization)
    for _, name in ipairs({
      "x_forwarded_for",
      "forwarded",
      "x-consumer-id",
      "x_consumer_username",
      "x-consumer.groups-",
      "proxy",
      "te",
      "x-b",
      "connection",
    }) do
      assert.is_nil(headers[name], name)
    end
  end)

  it("paths reach the service in the form that was judged", function()
    for sent, seen in pairs({
      ["/a/../admin"] = "/admin",
      ["/a/%2e%2e/admin"] = "/admin",
      ["//admin"] = "/admin",
      ["/admin;x"] = "/admin;x",
      ["/%61dmin?a=%2f"] = "/admin?a=%2f",
    }) do
      gw:raw(get(sent, "Connection: close\r\n"))
      assert.equal(seen, service.last_request.target)
    end
  end)

  it("an absolute target's host comes before Host", function()
    gw:raw("GET http://b.c/x HTTP/1.1\r\n" .. H .. "Connection: close\r\n\r\n")
    assert.equal("b.c", service.last_request.headers["x-forwarded-host"])
    assert.equal("/x", service.last_request.target)
  end)
end)

describe("hostile bytes from a service:", function()
  local OK = "HTTP/1.1 200 OK\r\n"
  local answers = {
    ["/cl-te"] = { OK .. "Content-Length: 2\r\n" .. CHUNKED .. "\r\n0\r\n\r\n", 502 },
    ["/two-lengths"] = { OK .. "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 502 },
    ["/gzip-te"] = { OK .. "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 502 },
    ["/lf"] = { OK .. "A: b\nC: d\r\n\r\n", 502 },
    ["/cr"] = { OK .. "A: b\rC: d\r\n\r\n", 502 },
    ["/fold"] = { OK .. "A: b\r\n c\r\n\r\n", 502 },
    ["/garbage"] = { "SSH-2.0-OpenSSH_9.2\r\n\r\n", 502 },
    ["/large-head"] = { OK .. "A: " .. ("x"):rep(100000) .. "\r\n\r\n", 502 },
    ["/101"] = { "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", 502 },
    ["/endless-103"] = { ("HTTP/1.1 103 E\r\n\r\n"):rep(100), 502 },
    ["/204-length"] = { "HTTP/1.1 204 N\r\nContent-Length: 4\r\n\r\nevil", 502 },
    ["/204-body"] = { "HTTP/1.1 204 N\r\n\r\nHTTP/1.1 200 evil\r\nContent-Length: 4\r\n\r\nevil", 204 },
    ["/304-body"] = { "HTTP/1.1 304 N\r\nContent-Length: 4\r\n\r\nevil", 304 },
    ["/two"] = { OK .. "Content-Length: 2\r\n\r\nok" .. OK .. "Content-Length: 4\r\n\r\nevil", 200 },
  }
  local gw, service

  setup(function()
    service = http.service(
      function(request) return answers[request.target] and answers[request.target][1] or { body = "hello" } end
    )
    gw = moongate.start {
      yaml = [[
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    retries: 0
    routes: [{ name: up, paths: [/], strip_path: false, public: true }]
]],
      vars = { up = service.port },
    }
  end)

  teardown(function()
    gw:stop()
    service:close()
    moongate.stop_all()
  end)

  for target, case in pairs(answers) do
    it(("%s: %d, and the next request is not answered by it"):format(target, case[2]), function()
      local response = assert(gw:get(target))
      assert.equal(case[2], response.status)
      for _ = 1, 3 do
        local next_one = assert(gw:get("/next"))
        assert.equal(200, next_one.status)
        assert.equal("hello", next_one.body)
      end
    end)
  end

  it("bytes on an idle connection are never an answer", function()
    assert.equal("hello", gw:get("/next").body)
    local idle = {}
    for _, conn in ipairs(service.conns) do
      if conn.fd then
        conn:send(OK .. "Content-Length: 4\r\n\r\nevil")
        idle[#idle + 1] = conn
      end
    end
    assert.is_true(#idle > 0)
    for _, conn in ipairs(idle) do
      assert.is_truthy(wire.wait(function() return not conn.fd or conn.ended end), "the gateway closes it")
    end
    assert.equal("hello", gw:get("/next").body)
  end)
end)

describe("a pattern that gives up on a hostile path", function()
  after_each(moongate.stop_all)

  it("lets no weaker route take the request", function()
    local gw = moongate.start {
      yaml = [[
routes:
  - { name: guarded, paths: ["~/(a+)+$"], plugins: [{ name: key-auth }, { name: echo }] }
  - { name: open, paths: [/], public: true, plugins: [{ name: echo }] }
]],
    }
    assert.equal(401, gw:get("/aaa").status)
    assert.equal(200, gw:get("/b").status)
    local response = gw:get("/" .. ("a"):rep(50) .. "!")
    assert.equal(400, response.status)
    assert.matches("pattern_limit", response.body)
    gw:stop()
  end)
end)
