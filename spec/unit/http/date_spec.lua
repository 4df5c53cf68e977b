local c = require("support.c")
local ffi = require("ffi")

describe("gw_http_date", function()
  it("is RFC 9110's form", function()
    for second, text in pairs({
      [0] = "Thu, 01 Jan 1970 00:00:00 GMT",
      [784111777] = "Sun, 06 Nov 1994 08:49:37 GMT",
      [1709164800] = "Thu, 29 Feb 2024 00:00:00 GMT",
    }) do
      assert.equal(text, c.str(c.gw_http_date(second * 1000000LL + 999999)))
      assert.equal(text, c.str(c.gw_http_date(second * 1000000LL)))
    end
  end)
end)

describe("gw_http_date_parse", function()
  local function parse(text)
    local second = ffi.new("int64_t[1]")
    return c.gw_http_date_parse(c.slice(text), second) and tonumber(second[0]) or nil
  end

  it("reads what gw_http_date writes", function()
    for _, second in ipairs { 0, 784111777, 1709164800, 4102444799 } do
      assert.equal(second, parse(c.str(c.gw_http_date(second * 1000000LL))))
    end
  end)

  it("reads nothing else", function()
    for _, text in ipairs {
      "",
      "1",
      "Sunday, 06-Nov-94 08:49:37 GMT",
      "Sun Nov  6 08:49:37 1994",
      "Sun, 06 Nov 1994 08:49:37 UTC",
      "Sun, 00 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nop 1994 08:49:37 GMT",
      "Sun, 06 Nov 1969 08:49:37 GMT",
      "Sun, 06 Nov 1994 24:49:37 GMT",
      "Sun, 06 Nov 1994 08:60:37 GMT",
      "Sun, 06 Nov 1994 08:49:61 GMT",
      "Sun, 06 Nov 1994 08:49:-1 GMT",
      "Sun, 06 Nov 1994 08:49:37 GMT ",
    } do
      assert.is_nil(parse(text))
    end
  end)
end)
