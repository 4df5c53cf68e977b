local gateway = require("moongate.spec")

describe("stream-replace", function()
  local gw = gateway.new {
    plugins = {
      {
        name = "stream-replace",
        config = {
          replace = {
            { find = "http://wiki.internal", with = "https://wiki.example.com" },
            { find = "secret" },
            { find = "cat", with = "dog" },
          },
        },
      },
    },
  }

  local function answer(chunks, headers)
    gw.upstream:reply { headers = headers or { ["Content-Type"] = "text/html; charset=utf-8" }, chunks = chunks }
    return gw:get("/")
  end

  it("replaces texts in the answer", function()
    local res = answer { '<a href="http://wiki.internal/cat">a secret cat</a>' }
    assert.equal('<a href="https://wiki.example.com/dog">a  dog</a>', res.body)
    assert.is_nil(res.headers["content-length"])
  end)

  it("replaces them wherever the answer is cut", function()
    local text = "a cat at http://wiki.internal/secret"
    for at = 1, #text - 1 do
      assert.equal("a dog at https://wiki.example.com/", answer({ text:sub(1, at), text:sub(at + 1) }).body)
    end
  end)

  it(
    "gives what looked like the beginning of a text when the answer ends",
    function() assert.equal("a dog, a ca", answer({ "a c", "at", ", a c", "a" }).body) end
  )

  it("does not hold back what cannot be the beginning of a text", function()
    gw.upstream:reply {
      headers = { ["Content-Type"] = "text/event-stream" },
      chunks = { "data: cat\n\n", "data: 2\n\n" },
      every = 5,
    }
    local res = gw:get("/")
    assert.equal("data: dog\n\n", res.pieces[1].text)
    assert.equal(0, res.pieces[1].at)
    assert.equal("data: 2\n\n", res.pieces[2].text)
    assert.equal(5, res.pieces[2].at)
  end)

  it("asks the service for plain answers", function()
    gw:get("/", { headers = { ["Accept-Encoding"] = "gzip, br" } })
    assert.equal("identity", gw.upstream.last_request.headers["accept-encoding"])
  end)

  it("leaves encoded answers and other types alone", function()
    assert.equal("cat", answer({ "cat" }, { ["Content-Type"] = "text/html", ["Content-Encoding"] = "gzip" }).body)
    assert.equal("cat", answer({ "cat" }, { ["Content-Type"] = "image/png" }).body)
    assert.equal("cat", answer({ "cat" }, {}).body)
  end)

  it("looks into what is text of some kind", function()
    for _, kind in ipairs {
      "text/plain",
      "TEXT/CSS",
      "application/json",
      "application/problem+json; charset=utf-8",
      "application/xhtml+xml",
      "image/svg+xml",
      "application/javascript",
    } do
      assert.equal("dog", answer({ "cat" }, { ["Content-Type"] = kind }).body)
    end
    assert.equal(
      "dog",
      answer({ "cat" }, { ["Content-Type"] = "text/plain", ["Content-Encoding"] = "identity" }).body
    )
    assert.equal("cat", answer({ "cat" }, { ["Content-Type"] = "application/jsonx" }).body)
  end)

  it("has nothing to do with answers without a body", function()
    gw.upstream:reply { status = 304, headers = { ["Content-Type"] = "text/html" } }
    assert.equal(304, gw:get("/").status)
    gw.upstream:reply { headers = { ["Content-Type"] = "text/html" }, body = "cat" }
    assert.equal(200, gw:head("/").status)
  end)

  it("keeps requests apart that are under way together", function()
    gw.upstream:reply(
      function(request)
        return { headers = { ["Content-Type"] = "text/plain" }, chunks = { request.path .. " c", "at" }, every = 1 }
      end
    )
    local one, two = gw:start("GET", "/one"), gw:start("GET", "/two")
    assert.equal("/one dog", one:wait().body)
    assert.equal("/two dog", two:wait().body)
  end)

  it("cuts an answer that would grow beyond all measure", function()
    local own = gateway.new {
      plugins = {
        {
          name = "stream-replace",
          config = { replace = { { find = "a", with = ("x"):rep(16384) } } },
        },
      },
    }
    own.upstream:reply { headers = { ["Content-Type"] = "text/plain" }, body = ("a"):rep(3000) }
    assert.is_string(own:get("/").error)
    assert.is_truthy(own.log:find("longer than 16777216 bytes"))
  end)

  it("does not load with what cannot work", function()
    for _, case in ipairs {
      { {}, "replace.-is required" },
      { { replace = {} }, "replace.-must not be empty" },
      { { replace = { { find = "" } } }, "find" },
      { { replace = { { find = "a" }, { find = "a", with = "b" } } }, 'looks for "a" twice' },
      { { replace = { { find = "a" } }, types = { "text" } }, "types%[0%]" },
    } do
      assert.error_matches(
        function() gateway.new { plugins = { { name = "stream-replace", config = case[1] } } } end,
        case[2]
      )
    end
  end)
end)
