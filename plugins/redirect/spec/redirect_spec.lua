local gateway = require("moongate.spec")

describe("redirect", function()
  local gw = gateway.new {
    config = [[
default_access: allow
routes:
  - { name: plain, paths: [/plain], plugins: [{ name: redirect, config: { location: "https://example.com/new?a=1#top" } }] }
  - name: kept
    paths: [/kept]
    plugins: [{ name: redirect, config: { status_code: 308, location: "https://example.com:8443/new?a=1#top", keep_incoming_path: true } }]
]],
  }

  it("sends the client to the location as it is", function()
    local res = gw:get("/plain/there?b=2")
    assert.equal(301, res.status)
    assert.equal("https://example.com/new?a=1#top", res.headers.location)
  end)

  it("takes path and query of the request when told to, and keeps the fragment", function()
    local res = gw:get("/kept/a%20b?x=1&y=%2F")
    assert.equal(308, res.status)
    assert.equal("https://example.com:8443/kept/a%20b?x=1&y=%2F#top", res.headers.location)
    assert.equal("https://example.com:8443/kept#top", gw:get("/kept").headers.location)
  end)

  it("never leads to another host, whatever the path holds", function()
    for _, target in ipairs {
      "/kept//evil.example/",
      "/kept/..//kept/@evil.example",
      "http://evil.example/kept/x",
      "/kept?https://evil.example",
      "/kept/%5C%5Cevil.example",
      "/kept?\\\\evil.example",
    } do
      local location = gw:get(target).headers.location
      if location then
        assert.matches("^https://example%.com:8443/kept", location)
        assert.is_nil(location:find("\\", 1, true), location)
      end
    end
  end)

  it("lets no line end through", function()
    local conn = gw:connect()
    conn:write("GET /kept/%0d%0aX-Evil:%201?a=%0d%0aX-Evil:%201 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    local text = conn:read()
    assert.matches("^HTTP/1.1 ", text)
    assert.is_nil(text:find("\r\n[Xx]%-[Ee]vil"))
  end)

  it("does not load with a location or a status that is none", function()
    for _, case in ipairs {
      { {}, "location.-required" },
      { { location = "/there" }, "location" },
      { { location = "javascript://example.com/" }, "location" },
      { { location = "https://a/", status_code = 304 }, "status_code" },
    } do
      assert.error_matches(
        function() gateway.new { plugins = { { name = "redirect", config = case[1] } } } end,
        case[2]
      )
    end
  end)
end)
