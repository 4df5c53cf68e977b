local ffi = require("ffi")
local c = require("support.c")
local streams = require("support.streams")

-- ── reading bytes to an outcome ──────────────────────────────────────────────

local limits = streams.limits()

local function describe_head(parse)
  local head, out = parse.head, {}
  if parse.is_response then
    out[1] = tostring(head.status)
  else
    out[1] = c.str(head.method_name) .. " " .. c.str(head.path)
    if head.has_query then out[1] = out[1] .. "?" .. c.str(head.query) end
    out[#out + 1] = "@" .. c.str(head.authority)
  end
  for i = 0, head.fields.count - 1 do
    local field = head.fields.items[i]
    out[#out + 1] = c.str(field.name) .. "=" .. c.str(field.value)
  end
  if head.expect_continue then out[#out + 1] = "<expect>" end
  if head.protocol.len > 0 then out[#out + 1] = "<upgrade " .. c.str(head.protocol) .. ">" end
  if tonumber(head.body_length) >= 0 then out[#out + 1] = "<length " .. tonumber(head.body_length) .. ">" end
  if tonumber(head.body_length) == -2 then out[#out + 1] = "<unknown>" end
  if not parse.framing.keep_alive and head.status / 100 ~= 1 then out[#out + 1] = "<close>" end
  return table.concat(out, " ")
end

local function describe_trailers(parse)
  local out = {}
  for i = 0, parse.trailers.count - 1 do
    local field = parse.trailers.items[i]
    out[#out + 1] = c.str(field.name) .. "=" .. c.str(field.value)
  end
  return "trailers " .. table.concat(out, " ")
end

--- Everything that happens when `bytes` come in pieces of `size`, then (eof) the end of the connection.
local function outcome(bytes, size, options)
  options = options or {}
  local parse = ffi.new("struct gw_h1_parse")
  local arenas, out, body = {}, {}, nil
  c.gw_h1_parse_init(parse, options.response or false, options.limits or limits)
  if options.response then
    parse.arena = c.gw_arena_new()
    arenas[1] = parse.arena
    parse.asked_method = options.method and c["GW_METHOD_" .. options.method] or c.GW_METHOD_GET
    parse.asked_upgrade = options.upgrade or false
  end

  local function flush_body()
    if body then out[#out + 1] = "body " .. body end
    body = nil
  end
  local function note(step, slice)
    if step == c.GW_H1_HEAD then
      out[#out + 1] = describe_head(parse)
    elseif step == c.GW_H1_BODY then
      body = (body or "") .. c.str(slice)
    elseif step == c.GW_H1_TRAILERS then
      flush_body()
      out[#out + 1] = describe_trailers(parse)
    elseif step == c.GW_H1_FAILED then
      flush_body()
      out[#out + 1] = "!" .. c.reason(parse.error)
    end
    if parse.state == c.GW_H1_DONE then
      flush_body()
      out[#out + 1] = "."
      if not options.response then
        arenas[#arenas + 1] = parse.arena
        c.gw_h1_parse_next_message(parse)
      end
    end
    return step ~= c.GW_H1_FAILED
  end

  local alive, slice = true, ffi.new("struct gw_slice")
  for from = 1, #bytes, size do
    -- a block of its own, so that reading past its end is seen
    local piece = bytes:sub(from, from + size - 1)
    local block = ffi.C.gw_blob_new(c.slice(piece))
    local input = c.gw_blob_slice(block)
    while alive and input.len > 0 do
      if parse.state == c.GW_H1_DONE then
        out[#out + 1] = "left " .. tonumber(input.len)
        alive = false
        break
      end
      local step = c.gw_h1_parse_next(parse, input, slice)
      if step == c.GW_H1_MORE then break end
      alive = note(step, slice)
    end
    c.gw_blob_unref(block)
    if not alive then break end
  end
  if alive and options.eof then
    local step = c.gw_h1_parse_eof(parse)
    if step ~= c.GW_H1_MORE then note(step, slice) end
  end
  flush_body()
  if parse.arena ~= nil and not options.response then arenas[#arenas + 1] = parse.arena end
  c.gw_h1_parse_deinit(parse)
  for _, arena in ipairs(arenas) do c.gw_arena_free(arena) end
  return table.concat(out, " | ")
end

--- The same whole, byte by byte, and in some pieces between.
local function check(expected, bytes, options)
  for _, size in ipairs({ #bytes, 1, 2, 3, 7, 64 }) do
    local got = outcome(bytes, size, options)
    -- what stands behind a message is told apart from it only when both come in one piece
    if size ~= #bytes then got = got:gsub(" | left %d+", "") end
    local want = size == #bytes and expected or expected:gsub(" | left %d+", "")
    assert.equal(want, got, ("in pieces of %d: %q"):format(size, bytes:sub(1, 300)))
  end
end

local function table_of(cases, options)
  for _, case in ipairs(cases) do
    local name, bytes, expected, own = case[1], case[2], case[3], case[4]
    it(name .. ": " .. expected:sub(1, 60), function()
      local all = {}
      for k, v in pairs(options or {}) do all[k] = v end
      for k, v in pairs(own or {}) do all[k] = v end
      check(expected, bytes, all)
    end)
  end
end

local H = "Host: a\r\n"
local function get(rest, target) return "GET " .. (target or "/") .. " HTTP/1.1\r\n" .. (rest or H) .. "\r\n" end
local function post(rest, body) return "POST / HTTP/1.1\r\n" .. H .. rest .. "\r\n" .. (body or "") end
local CHUNKED = "Transfer-Encoding: chunked\r\n"
local function chunks(body) return post(CHUNKED, body) end
local BAD = "!bad_request"
local FRAMING = "!bad_framing"
local HEAD = "POST / @a <unknown>"
local BODY = HEAD .. " | !bad_body"

describe("gw_h1_parse", function()
  describe("takes requests", function()
    table_of({
      { "the plainest", get(), "GET / @a | ." },
      { "fields in order, names lowered, values trimmed", get(H .. "X-A:  1 \t\r\nx-B:2\r\nx-a: 3\r\n"),
        "GET / @a x-a=1 x-b=2 x-a=3 | ." },
      { "an empty value", get(H .. "X-A:\r\nX-B: \r\n"), "GET / @a x-a= x-b= | ." },
      { "bytes above 0x7f in a value", get(H .. "X-A: \xc3\xa9\r\n"), "GET / @a x-a=\xc3\xa9 | ." },
      { "a tab inside a value", get(H .. "X-A: a\tb\r\n"), "GET / @a x-a=a\tb | ." },
      { "an underscore in a name", get(H .. "x_a: 1\r\n"), "GET / @a x_a=1 | ." },
      { "one empty line before", "\r\n" .. get(), "GET / @a | ." },
      { "two on a connection", get() .. get(H, "/b"), "GET / @a | . | GET /b @a | ." },
      { "an empty line between two", post("Content-Length: 2\r\n", "hi") .. "\r\n" .. get(),
        "POST / @a <length 2> | body hi | . | GET / @a | ." },
      { "a method we do not know", "BREW /pot HTTP/1.1\r\n" .. H .. "\r\n", "BREW /pot @a | ." },
      { "a method in lower case, which is another one", "get / HTTP/1.1\r\n" .. H .. "\r\n", "get / @a | ." },
      { "QUERY with a body", "QUERY / HTTP/1.1\r\n" .. H .. "Content-Length: 1\r\n\r\nx",
        "QUERY / @a <length 1> | body x | ." },
      { "a body of a length", post("Content-Length: 5\r\n", "hello"), "POST / @a <length 5> | body hello | ." },
      { "a body of length zero", post("Content-Length: 0\r\n"), "POST / @a <length 0> | ." },
      { "chunks", chunks("5\r\nhello\r\n6;a=\"b c\"\r\n world\r\n0\r\n\r\n"), HEAD .. " | body hello world | ." },
      { "chunk sizes in either case", chunks("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"),
        HEAD .. " | body 01234567890123456789 | ." },
      { "a chunk size with zeros before", chunks("0005\r\nhello\r\n0\r\n\r\n"), HEAD .. " | body hello | ." },
      { "the coding's name in any case", post("transfer-encoding: CHUNKED\r\n", "0\r\n\r\n"), HEAD .. " | ." },
      { "trailers", chunks("1\r\nx\r\n0\r\nX-Sum: 1 \r\nx-b: \r\n\r\n"),
        HEAD .. " | body x | trailers x-sum=1 x-b= | ." },
      { "trailers without those that may not be",
        chunks("0\r\nHost: b\r\nTE: x\r\nContent-Type: y\r\nAuthorization: x\r\nCookie: a\r\n" ..
          "X-Forwarded-For: 1\r\nX-Consumer-Id: 1\r\nx-ok: 1\r\n\r\n"), HEAD .. " | trailers x-ok=1 | ." },
      { "trailers without those that only look like others", chunks("1\r\nx\r\n0\r\nX_Forwarded_For: 1\r\n" ..
          "x.consumer-id-: 1\r\nContent_Length: 2\r\nx_ok: 1\r\n\r\n"), HEAD .. " | body x | trailers x_ok=1 | ." },
      { "nothing but forbidden trailers", chunks("0\r\nHost: b\r\nContent-Length: 5\r\n\r\n"), HEAD .. " | ." },
      { "what follows chunks", chunks("1\r\nx\r\n0\r\n\r\n") .. get(), HEAD .. " | body x | . | GET / @a | ." },
      { "100-continue", post("Expect: 100-Continue\r\nContent-Length: 1\r\n", "x"),
        "POST / @a <expect> <length 1> | body x | ." },
      { "100-continue without a body, which expects nothing", get(H .. "Expect: 100-continue\r\n"), "GET / @a | ." },
      { "Connection: close", get(H .. "Connection: close\r\n"), "GET / @a <close> | ." },
      { "fields named by Connection go", get(H .. "Connection: x-a, Keep-Alive\r\nX-A: 1\r\nKeep-Alive: 5\r\nX-B: 2\r\n"),
        "GET / @a x-b=2 | ." },
      { "protected fields named by Connection stay", get(H .. "Connection: Authorization, X-Forwarded-For, Cookie, " ..
        "Content-Type, X-Consumer-Id\r\nAuthorization: k\r\nCookie: c\r\n"),
        "GET / @a authorization=k cookie=c | ." },
      { "TE does not pass", get(H .. "TE: trailers\r\nConnection: TE\r\n"), "GET / @a | ." },
      { "an upgrade", get(H .. "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"), "GET / @a <upgrade websocket> | ." },
      { "an upgrade nobody announced", get(H .. "Upgrade: websocket\r\n"), "GET / @a | ." },
      { "h2c, which is never taken", get(H .. "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"),
        "GET / @a | ." },
      { "h2c before something else", get(H .. "Connection: Upgrade\r\nUpgrade: h2c, foo/1\r\n"), "GET / @a <upgrade foo/1> | ." },
      { "an upgrade with a body, which is ignored", post("Connection: Upgrade\r\nUpgrade: foo\r\nContent-Length: 1\r\n", "x"),
        "POST / @a <length 1> | body x | ." },
      { "HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "GET / @ <close> | ." },
      { "HTTP/1.0 that would stay", "GET / HTTP/1.0\r\nHost: b\r\nConnection: Keep-Alive\r\n\r\n", "GET / @b | ." },
      { "HTTP/1.0 cannot upgrade", "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "GET / @ <close> | ." },
      { "HTTP/1.0 cannot expect", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
        "POST / @ <length 1> <close> | body x | ." },
      { "the absolute form before Host", get(H, "http://B.c:81/x?y"), "GET /x?y @b.c:81 | ." },
      { "the absolute form without a path", get(H, "http://b"), "GET / @b | ." },
      { "OPTIONS *", "OPTIONS * HTTP/1.1\r\n" .. H .. "\r\n", "OPTIONS * @a | ." },
      { "OPTIONS of an authority", "OPTIONS http://b HTTP/1.1\r\n" .. H .. "\r\n", "OPTIONS * @b | ." },
      { "CONNECT", "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n", "CONNECT  @b:443 | ." },
      { "a normalised path", get(H, "/a/./b/../%63//d"), "GET /a/c/d @a | ." },
      { "Host in lower case without its last dot", get("Host: A.Example.:8080\r\n"), "GET / @a.example:8080 | ." },
    })
  end)

  describe("refuses what frames a body in two ways", function()
    table_of({
      { "CL then TE", post("Content-Length: 5\r\n" .. CHUNKED), FRAMING },
      { "TE then CL", post(CHUNKED .. "Content-Length: 5\r\n"), FRAMING },
      { "CL 0 and TE", post("Content-Length: 0\r\n" .. CHUNKED), FRAMING },
      { "TE xchunked", post("Transfer-Encoding: xchunked\r\n"), FRAMING },
      { "TE chunked, identity", post("Transfer-Encoding: chunked, identity\r\n"), FRAMING },
      { "TE identity, chunked", post("Transfer-Encoding: identity, chunked\r\n"), FRAMING },
      { "TE gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n"), FRAMING },
      { "TE gzip", post("Transfer-Encoding: gzip\r\n"), FRAMING },
      { "TE identity", post("Transfer-Encoding: identity\r\n"), FRAMING },
      { "TE quoted", post('Transfer-Encoding: "chunked"\r\n'), FRAMING },
      { "TE chunked;q", post("Transfer-Encoding: chunked;q=1\r\n"), FRAMING },
      { "TE with a comma behind", post("Transfer-Encoding: chunked,\r\n"), FRAMING },
      { "TE empty", post("Transfer-Encoding: \r\n"), FRAMING },
      { "TE twice", post(CHUNKED .. CHUNKED), FRAMING },
      { "TE twice, one of them other", post("Transfer-Encoding: x\r\n" .. CHUNKED), FRAMING },
      { "TE with a vertical tab", post("Transfer-Encoding: \x0bchunked\r\n"), BAD },
      { "TE with a vertical tab behind", post("Transfer-Encoding: chunked\x0b\r\n"), BAD },
      { "TE folded", post("Transfer-Encoding:\r\n chunked\r\n"), BAD },
      { "TE with a space before the colon", post("Transfer-Encoding : chunked\r\n"), BAD },
      { "TE with a tab before the colon", post("Transfer-Encoding\t: chunked\r\n"), BAD },
      { "TE with a tab behind", post("Transfer-Encoding: chunked\t\r\n"), FRAMING },
      { "TE with a tab among spaces behind", post("Transfer-Encoding: chunked \t \r\n"), FRAMING },
      { "TE on HTTP/1.0", "POST / HTTP/1.0\r\n" .. H .. CHUNKED .. "\r\n", FRAMING },
      { "CL +5", post("Content-Length: +5\r\n"), FRAMING },
      { "CL -0", post("Content-Length: -0\r\n"), FRAMING },
      { "CL 0x5", post("Content-Length: 0x5\r\n"), FRAMING },
      { "CL 5,5", post("Content-Length: 5,5\r\n"), FRAMING },
      { "CL 5, 6", post("Content-Length: 5, 6\r\n"), FRAMING },
      { "CL empty", post("Content-Length: \r\n"), FRAMING },
      { "CL of 20 digits", post("Content-Length: 18446744073709551616\r\n"), FRAMING },
      { "CL above 2^63", post("Content-Length: 9223372036854775808\r\n"), FRAMING },
      { "CL with a space inside", post("Content-Length: 5 5\r\n"), FRAMING },
      { "CL with a tab behind", post("Content-Length: 5\t\r\n"), FRAMING },
      { "CL with leading zeros", post("Content-Length: 005\r\n"), FRAMING },
      { "CL 00", post("Content-Length: 00\r\n"), FRAMING },
      { "CL 5.0", post("Content-Length: 5.0\r\n"), FRAMING },
      { "CL twice, equal", post("Content-Length: 5\r\nContent-Length: 5\r\n"), FRAMING },
      { "CL twice, different", post("Content-Length: 5\r\nContent-Length: 6\r\n"), FRAMING },
      { "CL folded", post("Content-Length:\r\n 5\r\n"), BAD },
      { "CONNECT with CL", "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\nContent-Length: 5\r\n\r\n", FRAMING },
      { "CONNECT with TE", "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n" .. CHUNKED .. "\r\n", FRAMING },
    })
  end)

  describe("refuses malformed heads", function()
    table_of({
      { "a bare LF after the request line", "GET / HTTP/1.1\n" .. H .. "\r\n", BAD },
      { "a bare LF after a field", get("Host: a\nX: 1\r\n"), BAD },
      { "a bare LF as the end", "GET / HTTP/1.1\r\n" .. H .. "\n", BAD },
      { "a lone CR in a value", get(H .. "X-A: 1\rX-B: 2\r\n"), BAD },
      { "a lone CR instead of CRLF", "GET / HTTP/1.1\r" .. H .. "\r\n", BAD },
      { "CR CR LF", get(H .. "X-A: 1\r\r\n"), BAD },
      { "NUL in a value", get(H .. "X-A: 1\0\r\n"), BAD },
      { "NUL in a name", get(H .. "X\0A: 1\r\n"), BAD },
      { "NUL in the target", get(H, "/\0"), BAD },
      { "DEL in a value", get(H .. "X-A: \x7f\r\n"), BAD },
      { "a control byte in a value", get(H .. "X-A: \x01\r\n"), BAD },
      { "obs-fold", get(H .. "X-A: 1\r\n 2\r\n"), BAD },
      { "obs-fold with a tab", get(H .. "X-A: 1\r\n\t2\r\n"), BAD },
      { "a blank before the first field", "GET / HTTP/1.1\r\n " .. H .. "\r\n", BAD },
      { "a line of blanks", get(H .. " \r\n"), BAD },
      { "a field without a colon", get(H .. "X-A\r\n"), BAD },
      { "a field without a name", get(H .. ": 1\r\n"), BAD },
      { "a space in a name", get(H .. "X A: 1\r\n"), BAD },
      { "a name that is no token", get(H .. "X(A): 1\r\n"), BAD },
      { "a name with bytes above 0x7f", get(H .. "X-\xc3: 1\r\n"), BAD },
      { "two spaces after the method", get(H, " /"), BAD },
      { "two spaces after the target", "GET /  HTTP/1.1\r\n" .. H .. "\r\n", BAD },
      { "a tab for a space", "GET\t/ HTTP/1.1\r\n" .. H .. "\r\n", BAD },
      { "a space before the method", " GET / HTTP/1.1\r\n" .. H .. "\r\n", BAD },
      { "a space after the version", "GET / HTTP/1.1 \r\n" .. H .. "\r\n", BAD },
      { "a space in the target", get(H, "/a b"), BAD },
      { "no target", "GET  HTTP/1.1\r\n" .. H .. "\r\n", BAD },
      { "a method that is no token", "G(T / HTTP/1.1\r\n" .. H .. "\r\n", BAD },
      { "a method too long", ("A"):rep(33) .. " / HTTP/1.1\r\n" .. H .. "\r\n", BAD },
      { "no method", "/ HTTP/1.1\r\n" .. H .. "\r\n", BAD },
      { "two empty lines before", "\r\n\r\n" .. get(), BAD },
      { "TLS on this port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", BAD },
      { "version in lower case", "GET / http/1.1\r\n" .. H .. "\r\n", BAD },
      { "version of another protocol", "GET / RTSP/1.0\r\n" .. H .. "\r\n", BAD },
      { "version with two digits", "GET / HTTP/1.10\r\n" .. H .. "\r\n", BAD },
      { "HTTP/1.2", "GET / HTTP/1.2\r\n" .. H .. "\r\n", "!http_version" },
      { "HTTP/2.0", "GET / HTTP/2.0\r\n" .. H .. "\r\n", "!http_version" },
      { "HTTP/0.9", "GET /\r\n\r\n", "!http_version" },
      { "HTTP/0.9 in its own words", "GET / HTTP/0.9\r\n\r\n", "!http_version" },
      { "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!http_version" },
      { "PRI with our version", "PRI * HTTP/1.1\r\n" .. H .. "\r\n", "!http_version" },
      { "an expectation we do not know", post("Expect: 200-ok\r\nContent-Length: 1\r\n"), "!expect" },
      { "two expectations in one", post("Expect: 100-continue, x\r\nContent-Length: 1\r\n"), "!expect" },
      { "an obfuscated expectation", post("Expect: y 100-continue\r\nContent-Length: 1\r\n"), "!expect" },
      { "a Connection list too long", get(H .. "Connection: " .. ("a,"):rep(40) .. "\r\n"), BAD },
    })
  end)

  describe("refuses hosts and targets", function()
    local BAD_HOST, BAD_TARGET = "!bad_host", "!bad_target"
    table_of({
      { "no Host", get(""), BAD_HOST },
      { "Host twice", get(H .. H), BAD_HOST },
      { "Host twice on HTTP/1.0", "GET / HTTP/1.0\r\n" .. H .. H .. "\r\n", BAD_HOST },
      { "Host empty", get("Host:\r\n"), BAD_HOST },
      { "Host with a comma", get("Host: a,b\r\n"), BAD_HOST },
      { "Host with userinfo", get("Host: a@b\r\n"), BAD_HOST },
      { "Host with a path", get("Host: a/b\r\n"), BAD_HOST },
      { "Host with a space", get("Host: a b\r\n"), BAD_HOST },
      { "Host with port 0", get("Host: a:0\r\n"), BAD_HOST },
      { "Host with port 65536", get("Host: a:65536\r\n"), BAD_HOST },
      { "Host with an empty port", get("Host: a:\r\n"), BAD_HOST },
      { "Host with a zone", get("Host: [fe80::1%25eth0]\r\n"), BAD_HOST },
      { "a bad Host beside an absolute target", get("Host: a,b\r\n", "http://b/"), BAD_HOST },
      { "userinfo in an absolute target", get(H, "http://u@b/"), BAD_HOST },
      { "another scheme", get(H, "ftp://b/"), BAD_TARGET },
      { "no slash before", get(H, "a"), BAD_TARGET },
      { "* for GET", get(H, "*"), BAD_TARGET },
      { "above the root", get(H, "/../a"), BAD_TARGET },
      { "an escaped slash", get(H, "/a%2fb"), BAD_TARGET },
      { "an escaped NUL", get(H, "/a%00"), BAD_TARGET },
      { "a backslash", get(H, "/a\\b"), BAD_TARGET },
      { "a fragment", get(H, "/a#b"), BAD_TARGET },
      { "bytes above 0x7f", get(H, "/\xc3\xa9"), BAD_TARGET },
      { "CONNECT without a port", "CONNECT b HTTP/1.1\r\nHost: b\r\n\r\n", BAD_TARGET },
      { "CONNECT with a path", "CONNECT /x HTTP/1.1\r\nHost: b\r\n\r\n", BAD_TARGET },
    })
  end)

  describe("refuses malformed chunks", function()
    table_of({
      { "a size of 2^32", chunks("100000000\r\n"), BODY },
      { "a size of 2^63", chunks("8000000000000000\r\n"), BODY },
      { "a size of 2^64", chunks("10000000000000000\r\n"), BODY },
      { "0x", chunks("0x5\r\nhello\r\n"), BODY },
      { "a sign", chunks("+5\r\nhello\r\n"), BODY },
      { "a negative", chunks("-5\r\nhello\r\n"), BODY },
      { "an underscore", chunks("1_0\r\n"), BODY },
      { "no size", chunks("\r\nhello\r\n"), BODY },
      { "a blank before the size", chunks(" 5\r\nhello\r\n"), BODY },
      { "a bare LF after the size", chunks("5\nhello\r\n"), BODY },
      { "a CR without LF after the size", chunks("5\rhello\r\n"), BODY },
      { "a bare LF after the data", chunks("5\r\nhello\n0\r\n\r\n"), HEAD .. " | body hello | !bad_body" },
      { "no CRLF after the data", chunks("5\r\nhelloX0\r\n\r\n"), HEAD .. " | body hello | !bad_body" },
      { "other bytes for the CRLF after the data", chunks("5\r\nhelloXX0\r\n\r\n"), HEAD .. " | body hello | !bad_body" },
      { "an extension with a lone CR", chunks("5;a\rb\r\nhello\r\n"), BODY },
      { "an extension with a bare LF", chunks("5;a\nb\r\nhello\r\n"), BODY },
      { "an extension of 64 KiB", chunks("5;" .. ("a"):rep(65536) .. "\r\nhello\r\n0\r\n\r\n"), BODY },
      { "small extensions that sum up", chunks(("1;abcdefghijklmnopqrstuvwxyz=0123456789\r\nx\r\n"):rep(100)),
        HEAD .. " | body " .. ("x"):rep(44) .. " | !bad_body" },
      { "endless zeros before a size", chunks(("0"):rep(2000) .. "5\r\nhello\r\n"), BODY },
      { "obs-fold in trailers", chunks("0\r\nx-a: 1\r\n 2\r\n\r\n"), BODY },
      { "a lone CR in trailers", chunks("0\r\nx-a: 1\rx-b: 2\r\n\r\n"), BODY },
      { "two extensions, which llhttp does not read", chunks("5;a=b;c=d\r\nhello\r\n0\r\n\r\n"), BODY },
      { "a Transfer-Encoding in trailers", chunks("0\r\nTransfer-Encoding: chunked\r\n\r\n"), BODY },
      { "a blank before an extension", chunks("5 ;a\r\nhello\r\n0\r\n\r\n"), BODY },
      { "a trailer that is no field", chunks("0\r\nx a: 1\r\n\r\n"), BODY },
      { "too many trailers", chunks("0\r\n" .. ("a: 1\r\n"):rep(101) .. "\r\n"), HEAD .. " | !head_too_large" },
      { "trailers too large", chunks("0\r\na: " .. ("x"):rep(33000) .. "\r\n\r\n"), HEAD .. " | !head_too_large" },
    })
  end)

  describe("keeps limits", function()
    local small = streams.limits({ head_bytes = 256, headers = 4, target_bytes = 32 })
    table_of({
      { "a target as long as allowed", get(H, "/" .. ("a"):rep(31)), "GET /" .. ("a"):rep(31) .. " @a | ." },
      { "a target too long", get(H, "/" .. ("a"):rep(32)), "!target_too_long" },
      { "a target that never ends", "GET /" .. ("a"):rep(300), "!target_too_long" },
      { "as many fields as allowed", get(H .. ("a: 1\r\n"):rep(3)), "GET / @a a=1 a=1 a=1 | ." },
      { "a field too many", get(H .. ("a: 1\r\n"):rep(4)), "!head_too_large" },
      { "a head too large", get(H .. "a: " .. ("x"):rep(256) .. "\r\n"), "!head_too_large" },
      { "a field that never ends", "GET / HTTP/1.1\r\na: " .. ("x"):rep(300), "!head_too_large" },
    }, { limits = small })

    it("knows the first line of what it refuses", function()
      local parse = ffi.new("struct gw_h1_parse")
      c.gw_h1_parse_init(parse, false, small)
      local input = ffi.new("struct gw_slice", c.slice("PUT /x HTTP/1.1\r\na: " .. ("x"):rep(300)))
      local bytes = "PUT /x HTTP/1.1\r\na: " .. ("x"):rep(300)
      input.ptr, input.len = bytes, #bytes
      assert.equal(c.GW_H1_FAILED, c.gw_h1_parse_next(parse, input, ffi.new("struct gw_slice")))
      assert.equal("PUT", c.str(parse.head.method_name))
      assert.equal("/x", c.str(parse.head.raw_target))
      c.gw_arena_free(parse.arena)
      c.gw_h1_parse_deinit(parse)
    end)
  end)

  describe("ends with the connection", function()
    table_of({
      { "between requests", get(), "GET / @a | ." },
      { "inside a head", "GET / HTTP/1.1\r\nHo", "!body_cut" },
      { "inside a body of a length", post("Content-Length: 5\r\n", "he"), "POST / @a <length 5> | body he | !body_cut" },
      { "inside chunks", chunks("5\r\nhe"), HEAD .. " | body he | !body_cut" },
      { "before the last CRLF", chunks("5\r\nhello\r\n0\r\n"), HEAD .. " | body hello | !body_cut" },
    }, { eof = true })
  end)

  describe("takes responses", function()
    table_of({
      { "with a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi", "200 x-a=b <length 2> | body hi | ." },
      { "with chunks and trailers", "HTTP/1.1 200 OK\r\n" .. CHUNKED .. "\r\n2\r\nhi\r\n0\r\nx-t: 1\r\n\r\n",
        "200 <unknown> | body hi | trailers x-t=1 | ." },
      { "until the end", "HTTP/1.1 200 OK\r\n\r\nhi", "200 <unknown> <close> | body hi | .", { eof = true } },
      { "an empty one until the end", "HTTP/1.1 200 OK\r\n\r\n", "200 <unknown> <close> | .", { eof = true } },
      { "without a reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 <length 0> | ." },
      { "with an empty reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 <length 0> | ." },
      { "HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200 <length 2> <close> | body hi | ." },
      { "HTTP/1.0 that stays", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
        "200 <length 2> | body hi | ." },
      { "1xx before",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "100 | 103 link=x | 200 <length 0> | ." },
      { "204", "HTTP/1.1 204 No Content\r\n\r\n", "204 | ." },
      { "204 with length 0", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "204 | ." },
      { "304 with a length that describes", "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", "304 <length 10> | ." },
      { "an answer to HEAD with a length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "200 <length 10> | .", { method = "HEAD" } },
      { "an answer to HEAD with chunks announced", "HTTP/1.1 200 OK\r\n" .. CHUNKED .. "\r\n", "200 | .", { method = "HEAD" } },
      { "101", "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: Foo\r\n\r\nraw\r\n", "101 <upgrade foo> <unknown> | body raw\r\n",
        { upgrade = true } },
      { "2xx to CONNECT", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nraw", "200 <unknown> | body raw", { method = "CONNECT" } },
      { "426 with its protocol", "HTTP/1.1 426 U\r\nConnection: upgrade\r\nUpgrade: foo\r\nContent-Length: 0\r\n\r\n",
        "426 <upgrade foo> <length 0> | ." },
      { "200 that announces upgrades", "HTTP/1.1 200 OK\r\nConnection: upgrade\r\nUpgrade: h2,h3\r\nContent-Length: 0\r\n\r\n",
        "200 <length 0> | ." },
      { "a body behind HEAD's answer", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200 <length 2> | . | left 2",
        { method = "HEAD" } },
      { "a body behind 204", "HTTP/1.1 204 N\r\n\r\nhi", "204 | . | left 2" },
      { "a body behind 304", "HTTP/1.1 304 N\r\nContent-Length: 2\r\n\r\nhi", "304 <length 2> | . | left 2" },
      { "two responses", ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"):rep(2), "200 <length 0> | . | left 38" },
    }, { response = true })
  end)

  describe("refuses responses", function()
    local BAD_RESPONSE = "!upstream_protocol"
    local OK = "HTTP/1.1 200 OK\r\n"
    table_of({
      { "CL and TE", OK .. "Content-Length: 2\r\n" .. CHUNKED .. "\r\n", BAD_RESPONSE },
      { "CL twice", OK .. "Content-Length: 2\r\nContent-Length: 2\r\n\r\n", BAD_RESPONSE },
      { "CL +2", OK .. "Content-Length: +2\r\n\r\n", BAD_RESPONSE },
      { "TE gzip", OK .. "Transfer-Encoding: gzip\r\n\r\n", BAD_RESPONSE },
      { "TE gzip, chunked", OK .. "Transfer-Encoding: gzip, chunked\r\n\r\n", BAD_RESPONSE },
      { "TE on HTTP/1.0", "HTTP/1.0 200 OK\r\n" .. CHUNKED .. "\r\n", BAD_RESPONSE },
      { "a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", BAD_RESPONSE },
      { "a lone CR", OK .. "A: b\rC: d\r\n\r\n", BAD_RESPONSE },
      { "obs-fold", OK .. "A: b\r\n c\r\n\r\n", BAD_RESPONSE },
      { "an empty line before", "\r\n" .. OK .. "\r\n", BAD_RESPONSE },
      { "NUL", OK .. "A: \0\r\n\r\n", BAD_RESPONSE },
      { "no version", "200 OK\r\n\r\n", BAD_RESPONSE },
      { "HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n", BAD_RESPONSE },
      { "a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", BAD_RESPONSE },
      { "a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", BAD_RESPONSE },
      { "status 099", "HTTP/1.1 099 OK\r\n\r\n", BAD_RESPONSE },
      { "status 600", "HTTP/1.1 600 OK\r\n\r\n", BAD_RESPONSE },
      { "bytes that are no HTTP", "SSH-2.0-OpenSSH_9.2p1 Debian\r\n\r\n", BAD_RESPONSE },
      { "17 times 103", ("HTTP/1.1 103 E\r\n\r\n"):rep(17), ("103 | "):rep(16) .. BAD_RESPONSE },
      { "1xx with a body", "HTTP/1.1 100 C\r\nContent-Length: 2\r\n\r\n", BAD_RESPONSE },
      { "1xx on HTTP/1.0", "HTTP/1.0 100 C\r\n\r\n", BAD_RESPONSE },
      { "204 with a length", "HTTP/1.1 204 N\r\nContent-Length: 2\r\n\r\n", BAD_RESPONSE },
      { "204 with chunks", "HTTP/1.1 204 N\r\n" .. CHUNKED .. "\r\n", BAD_RESPONSE },
      { "101 nobody asked for", "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n", BAD_RESPONSE },
      { "101 without a protocol", "HTTP/1.1 101 S\r\n\r\n", BAD_RESPONSE, { upgrade = true } },
      { "a head too large", OK .. "a: " .. ("x"):rep(33000) .. "\r\n\r\n", "!upstream_head_too_large" },
      { "too many fields", OK .. ("a: 1\r\n"):rep(101) .. "\r\n", "!upstream_head_too_large" },
      { "an endless first line", "HTTP/1.1 200 " .. ("x"):rep(33000), "!upstream_head_too_large" },
      { "a bad chunk", OK .. CHUNKED .. "\r\nx\r\n", "200 <unknown> | " .. BAD_RESPONSE },
      { "a length that is not reached", OK .. "Content-Length: 5\r\n\r\nhe", "200 <length 5> | body he | !upstream_cut", { eof = true } },
      { "chunks that are not finished", OK .. CHUNKED .. "\r\n5\r\nhe", "200 <unknown> | body he | !upstream_cut", { eof = true } },
      { "a head that is not finished", OK .. "A: b\r\n", "!upstream_cut", { eof = true } },
    }, { response = true })
  end)
end)
