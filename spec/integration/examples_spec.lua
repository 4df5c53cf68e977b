local cjson = require("cjson")
local host = require("support.host")
local moongate = require("support.moongate")
local wire = require("support.wire")

local function read(path)
  local file = assert(io.open(host.source_dir .. "/" .. path))
  local text = file:read("*a")
  file:close()
  return text
end

-- The example as it stands, but on ports of its own.
local function start(name, ports, args)
  local yaml = read("examples/" .. name .. "/moongate.yaml")
  for from, to in pairs(ports) do
    yaml = yaml:gsub("127%.0%.0%.1:" .. from, "127.0.0.1:" .. to)
  end
  yaml = "default_access: deny\nworkers: 2\n" .. yaml
  local files = {}
  for _, file in ipairs(args and args.files or {}) do
    files[file] = read("examples/" .. name .. "/" .. file)
  end
  return moongate.start { yaml = yaml, files = files, args = args and args.args }
end

local function free_port()
  local socket = wire.listen()
  local port = socket.port
  socket:close()
  return port
end

describe("the quickstart", function()
  local gw

  setup(function() gw = start("quickstart", { ["8000"] = "0", ["9001"] = tostring(free_port()) }) end)

  teardown(function()
    gw:stop()
    moongate.stop_all()
  end)

  it("answers its public route with what the service saw", function()
    local res = gw:get("/hello?name=moon")
    assert.equal(200, res.status)
    assert.equal("moongate", res.headers["x-served-by"])
    local seen = cjson.decode(res.body)
    assert.same({ name = "moon" }, seen.query)
    assert.equal(res.headers["x-correlation-id"], seen.headers["x-correlation-id"])
  end)

  it("asks for alice's key, and hides it", function()
    assert.equal(401, gw:get("/orders/42").status)
    local res = gw:get("/orders/42", { apikey = "alice-secret" })
    assert.equal(200, res.status)
    local seen = cjson.decode(res.body)
    assert.equal("/upstream/orders/42", seen.path)
    assert.is_nil(seen.headers.apikey)
    assert.equal("gateway", seen.headers["x-source"])
  end)

  it("takes a body, and says which method it wants", function()
    assert.equal("two moons", cjson.decode(gw:request("POST", "/submit", { body = "two moons" }).body).body)
    local res = gw:get("/submit")
    assert.equal(405, res.status)
    assert.equal("POST", res.headers.allow)
  end)
end)

describe("the hello plugin", function()
  after_each(moongate.stop_all)

  it("greets, and is live after a save", function()
    local handler = "plugins/hello/handler.lua"
    local gw = start(
      "hello-plugin",
      { ["8000"] = "0" },
      { files = { handler, "plugins/hello/schema.lua" }, args = { "--watch" } }
    )
    assert.equal("Good evening, Ada", gw:get("/hello?name=Ada").headers["x-greeting"])
    gw:write(handler, (read("examples/hello-plugin/" .. handler):gsub("x%-greeting", "x-welcome")))
    assert.is_truthy(wire.wait(function() return gw:get("/hello?name=Ada").headers["x-welcome"] end))
    gw:write(handler, "return {")
    assert.is_truthy(gw:wait_log("handler%.lua:1"))
    assert.is_truthy(gw:get("/hello?name=Ada").headers["x-welcome"])
    gw:stop()
  end)
end)
