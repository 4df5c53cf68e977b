--- moongate.time and moongate.uuid, in a gateway of the harness: its clock begins at 2026-01-01T00:00:00Z.
local gateway = require("moongate.spec")

describe("moongate.time", function()
  local gw = gateway.new { plugins = { "echo" } }
  local time = gw:module("moongate.time")

  local WRITTEN = {
    { 0, "Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z" },
    { 784111777, "Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z" },
    { 951782399, "Mon, 28 Feb 2000 23:59:59 GMT", "2000-02-28T23:59:59Z" },
    { 951782400, "Tue, 29 Feb 2000 00:00:00 GMT", "2000-02-29T00:00:00Z" },
    { 951868800, "Wed, 01 Mar 2000 00:00:00 GMT", "2000-03-01T00:00:00Z" },
    { 4107542400, "Mon, 01 Mar 2100 00:00:00 GMT", "2100-03-01T00:00:00Z" },
    { 253402300799, "Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31T23:59:59Z" },
  }

  it("writes and reads HTTP's dates and RFC 3339", function()
    for _, case in ipairs(WRITTEN) do
      assert.equal(case[2], time.http_date(case[1]))
      assert.equal(case[1], time.parse_http_date(case[2]))
      assert.equal(case[3], time.rfc3339(case[1]))
      assert.equal(case[1], time.parse_rfc3339(case[3]))
    end
  end)

  it("agrees with the system's calendar over four centuries", function()
    for seconds = 0, 12622780800, 86400 * 17 + 12345 do
      assert.equal(os.date("!%a, %d %b %Y %H:%M:%S GMT", seconds), time.http_date(seconds))
      assert.equal(seconds, time.parse_rfc3339(os.date("!%Y-%m-%dT%H:%M:%SZ", seconds)))
    end
  end)

  it("reads the two obsolete forms of HTTP", function()
    assert.equal(784111777, time.parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"))
    assert.equal(784111777, time.parse_http_date("Sun Nov  6 08:49:37 1994"))
    assert.equal(784975777, time.parse_http_date("Wed Nov 16 08:49:37 1994"))
  end)

  it("takes a year of two digits as at most 50 years ahead", function()
    assert.equal("2076", time.rfc3339(time.parse_http_date("Sunday, 06-Nov-76 08:49:37 GMT")):sub(1, 4))
    assert.equal("1977", time.rfc3339(time.parse_http_date("Sunday, 06-Nov-77 08:49:37 GMT")):sub(1, 4))
  end)

  it("knows fractions and offsets", function()
    assert.equal("1970-01-01T00:00:01.234Z", time.rfc3339(1.2345, 3))
    assert.equal("2026-01-01T00:00:00.000Z", time.rfc3339(time.now(), 3))
    assert.equal(784111777.25, time.parse_rfc3339("1994-11-06T10:49:37.25+02:00"))
    assert.equal(784111777, time.parse_rfc3339("1994-11-06t03:19:37z") + 19800)
    assert.equal(784111777, time.parse_rfc3339("1994-11-06 03:19:37-05:30"))
    assert.equal(1483228800, time.parse_rfc3339("2016-12-31T23:59:60Z")) -- a leap second
  end)

  local NO_HTTP_DATE = {
    "",
    "0",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun, 31 Nov 1994 08:49:37 GMT",
    "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nob 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:49:37 GMT",
    "Sun, 06 Nov 1994 08:60:37 GMT",
    "Sun, 06 Nov 1994 08:49:61 GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT\n",
    "Wed, 29 Feb 2023 08:49:37 GMT",
  }
  for _, text in ipairs(NO_HTTP_DATE) do
    it(
      ("refuses %q as a date of HTTP"):format(text),
      function() assert.same({ nil, "not a date of HTTP" }, { time.parse_http_date(text) }) end
    )
  end

  local NO_TIME = {
    "",
    "1994-11-06",
    "1994-11-06T08:49:37",
    "1994-11-06T08:49:37X",
    "1994-11-06T08:49:37+2:00",
    "1994-11-06T08:49:37+24:00",
    "1994-11-06T08:49:37.Z",
    "1994-11-06T08:49:37.1.2Z",
    "1994-13-06T08:49:37Z",
    "1994-02-29T08:49:37Z",
    "1994-11-06T08:49:37Z ",
  }
  for _, text in ipairs(NO_TIME) do
    it(("refuses %q as a time of RFC 3339"):format(text), function()
      local seconds, reason = time.parse_rfc3339(text)
      assert.is_nil(seconds)
      assert.is_string(reason)
    end)
  end

  it("says what it takes", function()
    assert.has_error(
      function() time.http_date(-1) end,
      "time.http_date takes seconds since 1970, up to the year 9999"
    )
    assert.has_error(function() time.rfc3339(1, 7) end, "time.rfc3339: a second's fraction has 0 to 6 digits")
    assert.same({ nil, "not a string" }, { time.parse_http_date(7) })
  end)
end)

describe("moongate.uuid", function()
  local gw = gateway.new { plugins = { "echo" } }
  local uuid = gw:module("moongate.uuid")

  it("knows what is one", function()
    assert.is_true(uuid.is_valid(uuid.v4()))
    assert.is_true(uuid.is_valid(uuid.v7():upper()))
    for _, text in ipairs {
      "",
      "x",
      ("0"):rep(36),
      uuid.v4() .. "0",
      uuid.v4():gsub("%-", "_"),
      "g" .. uuid.v4():sub(2),
    } do
      assert.is_false(uuid.is_valid(text), text)
    end
    assert.is_false(uuid.is_valid(nil))
    assert.is_false(uuid.is_valid("0000000-00000-0000-0000-000000000000"))
  end)
end)
