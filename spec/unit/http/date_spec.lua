local c = require("support.c")

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
