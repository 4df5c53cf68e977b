-- The admin listener and the loader before hostile input.
local moongate = require("support.moongate")

describe("the admin listener before hostile requests", function()
  local gw

  setup(
    function() gw = moongate.start { yaml = "routes: []\nadmin: { address: 127.0.0.1:0, token: letmein }\n" } end
  )

  teardown(function()
    gw:stop()
    moongate.stop_all()
  end)

  local function raw(bytes)
    local port = gw.admin:match("%d+$")
    local conn = gw:connect(tonumber(port))
    conn:send((bytes:gsub("HOST", "Host: " .. gw.admin)))
    local answer, ended = conn:read_all()
    conn:close()
    return tonumber(answer:match("^HTTP/1%.1 (%d+)")), ended, answer
  end

  local AUTHORIZED = "HOST\r\nAuthorization: Bearer letmein\r\nConnection: close\r\n"

  it("takes no body of a gigabyte", function()
    local status, ended =
      raw("POST /reload HTTP/1.1\r\n" .. AUTHORIZED .. "Content-Length: 1000000000\r\n\r\n" .. ("x"):rep(1e5))
    assert.equal(413, status)
    assert.is_truthy(ended)
  end)

  it("takes no endless chunks", function()
    local status = raw(
      "POST /reload HTTP/1.1\r\n"
        .. AUTHORIZED
        .. "Transfer-Encoding: chunked\r\n\r\n"
        .. ("ffff\r\n" .. ("x"):rep(65535) .. "\r\n"):rep(40)
    )
    assert.equal(413, status)
  end)

  it("changes nothing on a GET, nor for a page that has no token", function()
    assert.equal(405, (raw("GET /reload HTTP/1.1\r\n" .. AUTHORIZED .. "\r\n")))
    assert.equal(
      401,
      (
        raw(
          "POST /reload HTTP/1.1\r\nHOST\r\nOrigin: http://evil\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )
      )
    )
    local status = gw:ask("GET", "/status", { headers = { Authorization = "Bearer letmein" }, host = gw.admin })
    assert.matches('"generation":1[,}]', status.body)
  end)

  it("has no path that leads out", function()
    for _, path in ipairs {
      "/../etc/passwd",
      "/%2e%2e/etc/passwd",
      "/config/../../etc",
      "//etc/passwd",
      "/config%2f..",
    } do
      local status, _, answer = raw("GET " .. path .. " HTTP/1.1\r\n" .. AUTHORIZED .. "\r\n")
      assert.is_true(status == 400 or status == 404, path)
      assert.is_nil(answer:find("root:", 1, true))
    end
  end)

  it("reads requests as strictly as a client's", function()
    for _, rest in ipairs {
      "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
      "Content-Length: 0\r\nContent-Length: 0\r\n",
      "X : 1\r\n",
      "Host: b\r\n",
    } do
      assert.equal(400, (raw("POST /reload HTTP/1.1\r\n" .. AUTHORIZED .. rest .. "\r\n")), rest)
    end
  end)

  it("says nothing of the token", function()
    local answer = gw:ask("GET", "/config", { headers = { Authorization = "Bearer letmein" }, host = gw.admin })
    assert.equal(200, answer.status)
    assert.is_nil(answer.body:find("letmein", 1, true))
  end)
end)

describe("a hostile configuration is refused at once", function()
  local function check(text, pattern, name)
    local folder = moongate.folder { [name or "moongate.yaml"] = text }
    local result = moongate.command({ "check", "-c", name or "moongate.yaml" }, folder)
    assert.equal(1, result.code, result.stdout)
    assert.matches(pattern, result.stdout .. result.stderr)
  end

  after_each(moongate.stop_all)

  it("aliases that unfold to billions", function()
    local lines = { "a0: &a0 [x, x, x, x, x, x, x, x, x, x]" }
    for i = 1, 9 do
      lines[#lines + 1] = ("a%d: &a%d [%s]"):format(i, i, (("*a%d, "):format(i - 1)):rep(10))
    end
    check(table.concat(lines, "\n") .. "\n", "alias")
  end)

  it("a hundred thousand brackets, in YAML and JSON", function()
    check("a: " .. ("["):rep(100000) .. "\n", "deep")
    check('{"a":' .. ("["):rep(100000), "deep", "moongate.json")
  end)

  it("names of plugins that are paths", function()
    for _, name in ipairs { "../evil", "/etc/passwd", "a/b", "..", "evil\\0" } do
      check(
        ('routes: [{ name: r, paths: [/], public: true, plugins: [{ name: "%s" }] }]\n'):format(name),
        "plugins%[0%]%.name"
      )
    end
  end)
end)
