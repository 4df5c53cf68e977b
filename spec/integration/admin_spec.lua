local cjson = require("cjson")
local moongate = require("support.moongate")

local function mode(path)
  local pipe = assert(io.popen("stat -c %a '" .. path .. "'"))
  local text = pipe:read("*l")
  pipe:close()
  return text
end

describe("the admin listener", function()
  local gw

  before_each(
    function()
      gw = moongate.start {
        yaml = "routes: []\nconsumers: [{ username: ann, keyauth_credentials: [{ key: s3cret }] }]\n"
          .. "services: [{ name: guarded, url: 'http://127.0.0.1:9/', circuit_breaker: {} }]\n",
      }
    end
  )

  after_each(moongate.stop_all)

  it("is a unix socket for its owner alone", function()
    assert.equal("600", mode(gw.admin))
    gw:stop()
  end)

  it("takes its socket away at the end", function()
    gw:stop()
    assert.is_nil(io.open(gw.admin))
  end)

  it("tells the status", function()
    local status = gw:status()
    assert.equal(1, status.generation)
    assert.equal(2, status.workers)
    assert.equal(0, status.restarts)
    assert.is_true(status.lastReload.ok)
    assert.same({}, status.lastReload.errors)
    assert.is_truthy(status.started:find("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$"))
    assert.equal(1, #status.generations)
    gw:stop()
  end)

  it("shows the configuration without secrets", function()
    local response = gw:ask("GET", "/config")
    assert.equal("application/json", response.headers["content-type"])
    assert.is_truthy(cjson.decode(response.body).consumers)
    assert.is_nil(response.body:find("s3cret", 1, true))
    gw:stop()
  end)

  it("tells circuit breakers", function()
    local list = cjson.decode(gw:ask("GET", "/breakers").body)
    assert.same({ 1, "guarded", "closed", 0 }, { #list, list[1].service, list[1].state, list[1].refused })
    assert.equal(1, gw:metric('moongate_breaker_state{service="guarded",state="closed"}'))
    gw:stop()
  end)

  it("answers health questions", function()
    assert.equal(200, gw:ask("GET", "/health/live").status)
    assert.equal(200, gw:ask("GET", "/health/ready").status)
    gw:stop()
  end)

  it("answers HEAD like GET, without the body", function()
    local response = gw:ask("HEAD", "/status")
    assert.equal(200, response.status)
    assert.is_truthy(tonumber(response.headers["content-length"]) > 0)
    gw:stop()
  end)

  local ROWS = {
    { "GET", "/nothing", 404 },
    { "GET", "/status/", 404 },
    { "GET", "/reload", 405, allow = "POST" },
    { "POST", "/status", 405, allow = "GET" },
    { "DELETE", "/config", 405, allow = "GET" },
    { "GET", "/status", 421, host = "evil.example" },
    { "GET", "/status", 421, host = "localhost.evil.example" },
    { "GET", "/status", 421, host = "127.0.0.1:80" },
    { "POST", "/reload", 421, host = "rebound.example:8001" },
    { "POST", "/reload", 413, body = ("x"):rep(70000) },
  }
  it("refuses what it does not know, and names that are not its own", function()
    for _, row in ipairs(ROWS) do
      local what = row[1] .. " " .. row[2] .. " " .. (row.host or "")
      local response = gw:ask(row[1], row[2], { host = row.host, body = row.body })
      assert.equal(row[3], response.status, what)
      assert.equal("application/problem+json", response.headers["content-type"], what)
      assert.equal(row.allow, response.headers.allow, what)
    end
    assert.equal(1, gw:status().generation)
    gw:stop()
  end)
end)

describe("an admin listener on TCP", function()
  local gw

  before_each(
    function() gw = moongate.start { yaml = "routes: []\nadmin: { address: 127.0.0.1:0, token: letmein }\n" } end
  )

  after_each(moongate.stop_all)

  local function ask(authorization, host)
    return gw:ask("GET", "/status", { headers = { Authorization = authorization }, host = host }).status
  end

  it("lets only the token in", function()
    assert.equal(200, ask("Bearer letmein"))
    assert.equal(200, ask("bearer letmein"))
    for _, wrong in ipairs {
      "Bearer letmeiN",
      "Bearer letmei",
      "Bearer letmeinx",
      "Bearer ",
      "Basic letmein",
      "letmein",
    } do
      assert.equal(401, ask(wrong), wrong)
    end
    local response = gw:ask("GET", "/status")
    assert.equal(401, response.status)
    assert.equal("Bearer", response.headers["www-authenticate"])
    gw:stop()
  end)

  it("wants its own address or localhost as host", function()
    assert.equal(200, ask("Bearer letmein", gw.admin))
    assert.equal(200, ask("Bearer letmein", "localhost:" .. gw.admin:match("%d+$")))
    assert.equal(421, ask("Bearer letmein", "127.0.0.1"))
    assert.equal(421, ask("Bearer letmein", "localhost:1"))
    assert.equal(421, ask("Bearer letmein", "evil.example"))
    gw:stop()
  end)

  it("is found by the commands", function()
    local result = moongate.command({ "status", "--admin", gw.admin, "--token", "letmein" }, gw.folder)
    assert.equal(0, result.code, result.stderr)
    result = moongate.command({ "status", "--admin", gw.admin, "--token", "wrong" }, gw.folder)
    assert.equal(1, result.code)
    assert.is_truthy(result.stderr:find("admin.token of the configuration, or --token", 1, true), result.stderr)
    gw:stop()
  end)
end)

describe("the status listener", function()
  after_each(moongate.stop_all)

  it("shows probes and metrics to anybody and nothing else", function()
    local gw = moongate.start { yaml = "routes: []\nstatus: { address: 127.0.0.1:0 }\n" }
    local port = tonumber(gw:stderr():match("status on 127.0.0.1:(%d+)"))
    local function ask(method, path)
      return gw:request(method, path, { port = port, headers = { Host = "any.example" } }).status
    end
    assert.equal(200, ask("GET", "/health/live"))
    assert.equal(200, ask("GET", "/health/ready"))
    assert.equal(200, ask("GET", "/metrics"))
    assert.equal(404, ask("GET", "/status"))
    assert.equal(404, ask("GET", "/config"))
    assert.equal(404, ask("POST", "/reload"))
    gw:stop()
  end)
end)
