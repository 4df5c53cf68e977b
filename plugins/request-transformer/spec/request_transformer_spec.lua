local gateway = require("moongate.spec")

describe("request-transformer", function()
  it("does not load with what is not there yet, by name", function()
    for text, config in pairs {
      ["add%.body.-known, not in this version"] = { add = { body = { "a:b" } } },
      ["templates %$%(%.%.%.%) are known, not in this version"] = { add = { headers = { "a:$(headers.b)" } } },
      ["expected name:value"] = { add = { headers = { "nocolon" } } },
      ["replace%.uri"] = { replace = { uri = "nowhere" } },
    } do
      local ok, reason = pcall(gateway.new, { plugins = { { name = "request-transformer", config = config } } })
      assert.is_false(ok, text)
      assert.matches(text, reason)
    end
  end)
end)

describe("request-transformer in front of a service", function()
  local gw = gateway.new {
    plugins = {
      {
        name = "request-transformer",
        config = {
          http_method = "PUT",
          remove = { headers = { "x-gone" }, querystring = { "gone" } },
          rename = { headers = { "x-old:x-new" }, querystring = { "old:new" } },
          replace = {
            headers = { "x-set:1", "x-absent:1" },
            querystring = { "set:1", "absent:1" },
            uri = "/there",
          },
          add = { headers = { "x-add:a:b", "x-set:2" }, querystring = { "add:1", "set:2" } },
          append = { headers = { "x-app:2" }, querystring = { "app:2" } },
        },
      },
    },
  }

  local function request()
    local res = gw:get("/all?gone=1&old=2&set=0&app=1&keep=%26", {
      headers = {
        ["X-Gone"] = "1",
        ["X-Old"] = "2",
        ["X-Set"] = "0",
        ["X-App"] = "1",
        ["X-Keep"] = "k",
      },
    })
    assert.has_status(res, 200)
    return gw.upstream.last_request
  end

  it("changes method and path", function()
    local got = request()
    assert.equal("PUT", got.method)
    assert.equal("/there", got.path)
  end)

  it("removes, renames, replaces, adds and appends headers, in this order", function()
    local got = request()
    assert.has_no_header(got, "x-gone")
    assert.has_no_header(got, "x-old")
    assert.has_header(got, "x-new", "2")
    assert.has_header(got, "x-set", "1")
    assert.has_no_header(got, "x-absent")
    assert.has_header(got, "x-add", "a:b")
    assert.has_header(got, "x-app", "1, 2")
    assert.has_header(got, "x-keep", "k")
  end)

  it(
    "does the same to the query",
    function() assert.same({ add = "1", app = { "1", "2" }, keep = "&", new = "2", set = "1" }, request().query) end
  )
end)
