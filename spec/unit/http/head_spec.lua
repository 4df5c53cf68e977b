local c = require("support.c")

describe("head", function()
  it("knows methods by their exact names", function()
    for _, name in ipairs({
      "GET",
      "HEAD",
      "POST",
      "PUT",
      "DELETE",
      "CONNECT",
      "OPTIONS",
      "TRACE",
      "PATCH",
      "QUERY",
    }) do
      assert.equal(c["GW_METHOD_" .. name], tonumber(c.gw_method_parse(c.slice(name))))
    end
    for _, name in ipairs({ "get", "GETS", "GE", "", "PROPFIND" }) do
      assert.equal(c.GW_METHOD_OTHER, tonumber(c.gw_method_parse(c.slice(name))))
    end
  end)

  it("knows which may be sent twice", function()
    for name, is in pairs({
      GET = true,
      HEAD = true,
      PUT = true,
      DELETE = true,
      OPTIONS = true,
      TRACE = true,
      QUERY = true,
      POST = false,
      PATCH = false,
      CONNECT = false,
      OTHER = false,
    }) do
      assert.equal(is, c.gw_method_idempotent(c["GW_METHOD_" .. name]), name)
    end
  end)

  it("has reasons", function()
    assert.equal("Not Found", c.str(c.gw_status_reason(404)))
    assert.equal("", c.str(c.gw_status_reason(299)))
    assert.equal("", c.str(c.gw_status_reason(-1)))
    assert.equal("", c.str(c.gw_status_reason(100000)))
  end)

  it("knows which responses have no body", function()
    local function none(status, method)
      return c.gw_status_has_no_body(status, c["GW_METHOD_" .. (method or "GET")])
    end
    assert.is_true(none(100))
    assert.is_true(none(204))
    assert.is_true(none(304))
    assert.is_true(none(200, "HEAD"))
    assert.is_true(none(200, "CONNECT"))
    assert.is_false(none(200))
    assert.is_false(none(205))
    assert.is_false(none(404, "CONNECT"))
  end)
end)
