local http = require("support.http")
local moongate = require("support.moongate")

describe("request-transformer", function()
  teardown(moongate.stop_all)

  it("does not load with what is not there yet, by name", function()
    for config, text in pairs {
      ["add: { body: [\"a:b\"] }"] = "add%.body.-known, not in this version",
      ["add: { headers: [\"a:$(headers.b)\"] }"] = "templates %$%(%.%.%.%) are known, not in this version",
      ["add: { headers: [nocolon] }"] = "expected name:value",
      ["replace: { uri: nowhere }"] = "replace%.uri",
    } do
      local folder = moongate.folder { ["moongate.yaml"] = moongate.yaml(
        "routes:\n  - { name: r, paths: [/], plugins: [{ name: request-transformer, config: { " .. config .. " } }, { name: echo }] }\n") }
      local check = moongate.command({ "check", "-c", "moongate.yaml" }, folder)
      assert.equal(1, check.code, config)
      assert.matches(text, check.stderr)
    end
  end)
end)

describe("request-transformer in front of a service", function()
  local gw, service

  setup(function()
    service = http.service(function()
      return { status = 200, body = "fine" }
    end)
    gw = moongate.start { vars = { up = service.port }, yaml = [[
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes:
      - name: all
        paths: [/all]
        plugins:
          - name: request-transformer
            config:
              http_method: PUT
              remove: { headers: [x-gone], querystring: [gone] }
              rename: { headers: ["x-old:x-new"], querystring: ["old:new"] }
              replace: { headers: ["x-set:1", "x-absent:1"], querystring: ["set:1", "absent:1"], uri: /there }
              add: { headers: ["x-add:a:b", "x-set:2"], querystring: ["add:1", "set:2"] }
              append: { headers: ["x-app:2"], querystring: ["app:2"] }
]] }
  end)

  teardown(function()
    gw:stop()
    service:close()
    moongate.stop_all()
  end)

  local function request()
    local res = gw:request("GET", "/all?gone=1&old=2&set=0&app=1&keep=%26", { headers = {
      ["X-Gone"] = "1", ["X-Old"] = "2", ["X-Set"] = "0", ["X-App"] = "1", ["X-Keep"] = "k",
    } })
    assert.equal(200, res.status)
    return service.requests[#service.requests]
  end

  it("changes method and path", function()
    local got = request()
    assert.equal("PUT", got.method)
    assert.equal("/there", got.target:match("^[^?]*"))
  end)

  it("removes, renames, replaces, adds and appends headers, in this order", function()
    local headers = request().headers
    assert.is_nil(headers["x-gone"])
    assert.is_nil(headers["x-old"])
    assert.equal("2", headers["x-new"])
    assert.equal("1", headers["x-set"])
    assert.is_nil(headers["x-absent"])
    assert.equal("a:b", headers["x-add"])
    assert.equal("k", headers["x-keep"])
  end)

  it("does the same to the query", function()
    local query = request().target:match("%?(.*)$")
    local args = {}
    for arg in query:gmatch("[^&]+") do
      args[#args + 1] = arg
    end
    table.sort(args)
    assert.same({ "add=1", "app=1", "app=2", "keep=%26", "new=2", "set=1" }, args)
  end)
end)
