--- Raw requests that servers have read in different ways, with what the gateway makes of each:
---
---     { "what it is", bytes, { "GET /x", "POST /p hello" } }      these are passed on, and the connection goes on
---     { "what it is", bytes, { … }, closes = true }               these, and then the connection ends
---     { "what it is", bytes, 400 }                                refused, and the connection ends
---     { "what it is", bytes, 400, after = { "GET /1" } }          refused behind good ones
---
--- A refusal may come when the head has passed already (a bad chunk): then no server behind sees a whole request.
local H = "Host: a\r\n"
local CHUNKED = "Transfer-Encoding: chunked\r\n"
local EVIL = "GET /evil HTTP/1.1\r\nHost: evil\r\n\r\n"

local function get(target, rest) return ("GET %s HTTP/1.1\r\n%s%s\r\n"):format(target, H, rest or "") end
local function post(rest, body) return ("POST /p HTTP/1.1\r\n%s%s\r\n%s"):format(H, rest, body or "") end
local function length(text) return ("Content-Length: %d\r\n"):format(#text) end
local function host(value, target) return ("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n"):format(target or "/h", value) end

local M = {}

-- --- one body, two lengths -----------------------------------------------------------------------------------------

M.framing = {
  { "CL and TE", post("Content-Length: 6\r\n" .. CHUNKED, "0\r\n\r\nG"), 400 },
  { "TE and CL", post(CHUNKED .. "Content-Length: 4\r\n", "5c\r\n" .. EVIL .. "\r\n0\r\n\r\n"), 400 },
  { "CL of 0 and TE", post("Content-Length: 0\r\n" .. CHUNKED, "0\r\n\r\n"), 400 },
  { "TE in upper case", post("TRANSFER-ENCODING: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n"), { "POST /p hello" } },
  {
    "TE, a tab before the value",
    post("Transfer-Encoding:\tchunked\r\n", "2\r\nhi\r\n0\r\n\r\n"),
    { "POST /p hi" },
  },
  { "TE, a tab after the value", post("Transfer-Encoding: chunked\t\r\n", "2\r\nhi\r\n0\r\n\r\n"), 400 },
  { "TE, a vertical tab", post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"), 400 },
  { "TE, a form feed", post("Transfer-Encoding: \x0cchunked\r\n", "0\r\n\r\n"), 400 },
  { "TE, a space before the colon", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400 },
  { "TE on a folded line", post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), 400 },
  { "TE folded into another field", post("X: y\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400 },
  { "xchunked", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 400 },
  { "chunkedx", post("Transfer-Encoding: chunkedx\r\n", "0\r\n\r\n"), 400 },
  { "quoted chunked", post('Transfer-Encoding: "chunked"\r\n', "0\r\n\r\n"), 400 },
  { "chunked, identity", post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), 400 },
  { "identity, chunked", post("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n"), 400 },
  { "chunked, chunked", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), 400 },
  { "chunked with a comma", post("Transfer-Encoding: chunked,\r\n", "0\r\n\r\n"), 400 },
  { "chunked with a parameter", post("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n"), 400 },
  { "two TE", post(CHUNKED .. CHUNKED, "0\r\n\r\n"), 400 },
  { "TE: identity", post("Transfer-Encoding: identity\r\nContent-Length: 2\r\n", "hi"), 400 },
  { "an empty TE and CL", post("Transfer-Encoding:\r\nContent-Length: 2\r\n", "hi"), 400 },
  {
    "TE with an underscore is no TE",
    post("Transfer_Encoding: chunked\r\nContent-Length: 2\r\n", "hi"),
    { "POST /p hi" },
  },
  {
    "CL with an underscore is no CL",
    post("Content_Length: 200\r\nContent-Length: 2\r\n", "hi"),
    { "POST /p hi" },
  },
  { "two equal CL", post("Content-Length: 2\r\nContent-Length: 2\r\n", "hi"), 400 },
  { "two CL", post("Content-Length: 0\r\nContent-Length: 54\r\n", EVIL), 400 },
  { "a list of CL", post("Content-Length: 2, 2\r\n", "hi"), 400 },
  { "a list of two CL", post("Content-Length: 2, 54\r\n", "hi"), 400 },
  { "CL +2", post("Content-Length: +2\r\n", "hi"), 400 },
  { "CL -0", post("Content-Length: -0\r\n"), 400 },
  { "CL 0x2", post("Content-Length: 0x2\r\n", "hi"), 400 },
  { "CL 02", post("Content-Length: 02\r\n", "hi"), 400 },
  { "CL 2.0", post("Content-Length: 2.0\r\n", "hi"), 400 },
  { "CL 1 2", post("Content-Length: 1 2\r\n", "hi"), 400 },
  { "CL with a NUL", post("Content-Length: 2\0\r\n", "hi"), 400 },
  { "CL of 2^63", post("Content-Length: 9223372036854775808\r\n", "hi"), 400 },
  { "CL of 2^64 and 2", post("Content-Length: 18446744073709551618\r\n", "hi"), 400 },
  { "an empty CL", post("Content-Length: \r\n"), 400 },
  { "CL folded", post("Content-Length: 2\r\n 0\r\n", "hi"), 400 },
  { "TE on HTTP/1.0", "POST /p HTTP/1.0\r\n" .. H .. CHUNKED .. "\r\n0\r\n\r\n", 400 },
  {
    "CL on HTTP/1.0",
    "POST /p HTTP/1.0\r\n" .. H .. "Content-Length: 2\r\n\r\nhi",
    { "POST /p hi" },
    closes = true,
  },
  {
    "0.CL: a GET with a body",
    "GET /g HTTP/1.1\r\n" .. H .. length(EVIL) .. "\r\n" .. EVIL,
    { "GET /g " .. EVIL },
  },
  { "CL.0: a POST whose body is a request", post(length(EVIL), EVIL), { "POST /p " .. EVIL } },
  {
    "TE.0: an OPTIONS whose chunk is a request",
    ("OPTIONS /o HTTP/1.1\r\n%s%s\r\n%x\r\n%s\r\n0\r\n\r\n"):format(H, CHUNKED, #EVIL, EVIL),
    { "OPTIONS /o " .. EVIL },
  },
  { "a HEAD with a body", "HEAD /g HTTP/1.1\r\n" .. H .. length(EVIL) .. "\r\n" .. EVIL, { "HEAD /g " .. EVIL } },
  { "a DELETE with a body", "DELETE /g HTTP/1.1\r\n" .. H .. "Content-Length: 2\r\n\r\nhi", { "DELETE /g hi" } },
  { "a POST without a length", post("") .. get("/2"), { "POST /p", "GET /2" } },
  { "CL of 0 and a request behind", post("Content-Length: 0\r\n") .. get("/2"), { "POST /p", "GET /2" } },
  {
    "three at once",
    get("/1") .. post("Content-Length: 2\r\n", "hi") .. get("/3"),
    { "GET /1", "POST /p hi", "GET /3" },
  },
  { "an empty line before", "\r\n" .. get("/1"), { "GET /1" } },
  { "an empty line between", post("Content-Length: 2\r\n", "hi\r\n") .. get("/2"), { "POST /p hi", "GET /2" } },
  {
    "a bad one behind a good one",
    get("/1") .. post("Content-Length: 6\r\n" .. CHUNKED, "0\r\n\r\n"),
    400,
    after = { "GET /1" },
  },
  {
    "a request behind Connection: close",
    get("/1", "Connection: close\r\n") .. EVIL,
    { "GET /1" },
    closes = true,
  },
}

-- --- chunks --------------------------------------------------------------------------------------------------------

local function chunks(body) return post(CHUNKED, body) end

M.chunks = {
  { "plain", chunks("5\r\nhello\r\n0\r\n\r\n"), { "POST /p hello" } },
  { "an extension", chunks("5;a=b\r\nhello\r\n0;c\r\n\r\n"), { "POST /p hello" } },
  { "a quoted extension", chunks('5;a="b;c"\r\nhello\r\n0\r\n\r\n'), { "POST /p hello" } },
  { "zeros before", chunks("0005\r\nhello\r\n0\r\n\r\n"), { "POST /p hello" } },
  { "2^32 and 5", chunks("100000005\r\nhello\r\n0\r\n\r\n"), 400 },
  { "2^63", chunks("8000000000000000\r\nhello\r\n0\r\n\r\n"), 400 },
  { "2^64 and 5", chunks("10000000000000005\r\nhello\r\n0\r\n\r\n"), 400 },
  { "0x", chunks("0x5\r\nhello\r\n0\r\n\r\n"), 400 },
  { "a sign", chunks("+5\r\nhello\r\n0\r\n\r\n"), 400 },
  { "a minus", chunks("-5\r\nhello\r\n0\r\n\r\n"), 400 },
  { "an underscore", chunks("0_5\r\nhello\r\n0\r\n\r\n"), 400 },
  { "a space before", chunks(" 5\r\nhello\r\n0\r\n\r\n"), 400 },
  { "a space behind", chunks("5 \r\nhello\r\n0\r\n\r\n"), 400 },
  { "an LF alone", chunks("5\nhello\r\n0\r\n\r\n"), 400 },
  { "a CR alone", chunks("5\rhello\r\n0\r\n\r\n"), 400 },
  { "an LF in an extension", chunks("5;\nxx\r\nhello\r\n0\r\n\r\n"), 400 },
  { "no CRLF behind the data", chunks("5\r\nhello0\r\n\r\n"), 400 },
  { "LF behind the data", chunks("5\r\nhello\n0\r\n\r\n"), 400 },
  { "LF at the very end", chunks("5\r\nhello\r\n0\r\n\n"), 400 },
  { "no size", chunks("\r\nhello\r\n0\r\n\r\n"), 400 },
  { "an extension of 64 KB", chunks("5;" .. ("a"):rep(65536) .. "\r\nhello\r\n0\r\n\r\n"), 400 },
  { "a trailer", chunks("5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"), { "POST /p hello" } },
  {
    "trailers that no trailer may be",
    chunks("0\r\nHost: evil\r\nAuthorization: evil\r\nX-Consumer-Id: evil\r\nX_Forwarded_For: evil\r\n\r\n"),
    { "POST /p" },
    dropped = true,
  },
  {
    "lengths among the trailers",
    chunks("0\r\nContent-Length: 99\r\nContent_Length: 9\r\n\r\n"),
    { "POST /p" },
    dropped = true,
  },
  { "a coding among the trailers", chunks("0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400 },
  { "a trailer that is folded", chunks("0\r\nX: 1\r\n 2\r\n\r\n"), 400 },
  { "a trailer with an LF", chunks("0\r\nX: 1\nY: 2\r\n\r\n"), 400 },
}

-- --- heads ---------------------------------------------------------------------------------------------------------

M.heads = {
  { "obs-fold", get("/x", "X: 1\r\n 2\r\n"), 400 },
  { "an LF alone", get("/x", "X: 1\nContent-Length: 5\r\n"), 400 },
  { "a CR alone", get("/x", "X: 1\rContent-Length: 5\r\n"), 400 },
  { "heads of LF", "GET /x HTTP/1.1\nHost: a\n\n", 400 },
  { "a NUL in a value", get("/x", "X: \0\r\n"), 400 },
  { "a NUL in a name", get("/x", "X\0: 1\r\n"), 400 },
  { "a name of blanks", get("/x", " : 1\r\n"), 400 },
  { "no colon", get("/x", "nonsense\r\n"), 400 },
  { "a first line that begins with a blank", " GET /x HTTP/1.1\r\n" .. H .. "\r\n", 400 },
  { "a field line that begins with a tab", "GET /x HTTP/1.1\r\n\tHost: a\r\n\r\n", 400 },
  { "two spaces before the target", "GET  /x HTTP/1.1\r\n" .. H .. "\r\n", 400 },
  { "a tab before the target", "GET\t/x HTTP/1.1\r\n" .. H .. "\r\n", 400 },
  { "a space behind the version", "GET /x HTTP/1.1 \r\n" .. H .. "\r\n", 400 },
  { "HTTP/1.2", "GET /x HTTP/1.2\r\n" .. H .. "\r\n", 505 },
  { "HTTP/2.0", "GET /x HTTP/2.0\r\n" .. H .. "\r\n", 505 },
  { "HTTP/0.9", "GET /x\r\n\r\n", 505 },
  { "http/1.1", "GET /x http/1.1\r\n" .. H .. "\r\n", 400 },
  { "HTTP/01.1", "GET /x HTTP/01.1\r\n" .. H .. "\r\n", 400 },
  { "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
  { "a method few know", "M-SEARCH /x HTTP/1.1\r\n" .. H .. "\r\n", { "M-SEARCH /x" } },
  { "an expectation", post("Expect: 100-continue\r\nContent-Length: 2\r\n", "hi"), { "POST /p hi" } },
  {
    "an expectation of chunks",
    post("Expect: 100-continue\r\n" .. CHUNKED, "2\r\nhi\r\n0\r\n\r\n"),
    { "POST /p hi" },
  },
  { "an expectation without a body", get("/x", "Expect: 100-continue\r\n"), { "GET /x" } },
  { "an expectation in odd spelling", post("Expect: y 100-continue\r\nContent-Length: 2\r\n", "hi"), 417 },
  { "two expectations", post("Expect: 100-continue\r\nExpect: x\r\nContent-Length: 2\r\n", "hi"), 417 },
  {
    "an upgrade to h2c",
    get("/x", "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"),
    { "GET /x" },
  },
  {
    "bytes behind an upgrade",
    get("/u", "Connection: upgrade\r\nUpgrade: x\r\n") .. get("/2"),
    { "GET /u" },
    closes = true,
  },
  {
    "an upgrade with a body",
    post("Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n", "hi"),
    { "POST /p hi" },
  },
  { "CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n" .. EVIL, 501 },
  {
    "Connection names Content-Length",
    post("Connection: Content-Length\r\nContent-Length: 2\r\n", "hi"),
    { "POST /p hi" },
  },
  { "Connection names Host", get("/x", "Connection: host, close\r\n"), { "GET /x" }, closes = true },
}

-- --- targets and hosts ---------------------------------------------------------------------------------------------

M.targets = {
  { "/a/../admin", get("/a/../admin"), { "GET /admin" } },
  { "/a/%2e%2e/admin", get("/a/%2e%2e/admin"), { "GET /admin" } },
  { "/a/.%2E/admin", get("/a/.%2E/admin"), { "GET /admin" } },
  { "//admin", get("//admin"), { "GET /admin" } },
  { "/./admin/.", get("/./admin/."), { "GET /admin/" } },
  { "/admin;x", get("/admin;x"), { "GET /admin;x" } },
  { "/a/..;/admin", get("/a/..;/admin"), { "GET /a/..;/admin" } },
  { "/admin%2f", get("/admin%2f"), 400 },
  { "/a%5c..%5cadmin", get("/a%5c..%5cadmin"), 400 },
  { "/ADMIN", get("/ADMIN"), { "GET /ADMIN" } },
  { "/%61dmin", get("/%61dmin"), { "GET /admin" } },
  { "/%2561dmin", get("/%2561dmin"), { "GET /%2561dmin" } },
  { "/a%c0%afb", get("/a%c0%afb"), { "GET /a%C0%AFb" } },
  { "/admin%00", get("/admin%00"), 400 },
  { "\\admin", get("\\admin"), 400 },
  { "/..\\admin", get("/..\\admin"), 400 },
  { "/../etc", get("/../etc"), 400 },
  { "/x#y", get("/x#y"), 400 },
  { "/%", get("/%"), 400 },
  { "/%u0041", get("/%u0041"), 400 },
  { "/?../x", get("/?../x"), { "GET /?../x" } },
  { "/x?", get("/x?"), { "GET /x?" } },
  { "/x?a=%2F%00&b", get("/x?a=%2F%00&b"), { "GET /x?a=%2F%00&b" } },
  { "bytes above ASCII", get("/\xc3\xa9"), 400 },
  { "*", get("*"), 400 },
  { "no slash", get("x"), 400 },
  { "an absolute target", "GET http://b.c/x HTTP/1.1\r\nHost: a\r\n\r\n", { "GET /x" }, host = "b.c" },
  {
    "an absolute target with dots",
    "GET http://b.c/a/../x HTTP/1.1\r\nHost: a\r\n\r\n",
    { "GET /x" },
    host = "b.c",
  },
  { "an absolute target with userinfo", "GET http://u@b/x HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
  { "an absolute target of another scheme", "GET file:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
  { "an absolute target without a host", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
  { "Host in upper case, with a dot at its end", host("A.Example."), { "GET /h" }, host = "a.example" },
  { "two Hosts", get("/h", "Host: b\r\n"), 400 },
  { "Host and host", "GET /h HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400 },
  { "no Host", "GET /h HTTP/1.1\r\n\r\n", 400 },
  { "an empty Host", host(""), 400 },
  { "a list of Hosts", host("a, b"), 400 },
  { "Host with userinfo", host("u@a"), 400 },
  { "Host with a path", host("a/b"), 400 },
  { "Host with a space", host("a b"), 400 },
  { "Host with port 0", host("a:0"), 400 },
  { "Host with port 65536", host("a:65536"), 400 },
  { "Host with a port of letters", host("a:80a"), 400 },
  { "Host with two ports", host("a:80:80"), 400 },
  { "Host with a zone", host("[fe80::1%25lo]"), 400 },
  { "Host as IPv6", host("[::0001]:80"), { "GET /h" }, host = "[::1]:80" },
}

return M
