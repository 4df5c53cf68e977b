local http = require("support.http")
local moongate = require("support.moongate")

describe("response-transformer", function()
  local gw, service

  setup(function()
    service = http.service(function()
      return { status = 200, body = "fine", headers = {
        ["X-Gone"] = "1", ["X-Some"] = { "a", "b" }, ["X-Old"] = "o", ["X-Set"] = "0", ["X-App"] = "1",
      } }
    end)
    gw = moongate.start { vars = { up = service.port }, yaml = [[
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    routes:
      - name: all
        paths: [/]
        plugins:
          - name: response-transformer
            config:
              remove: { headers: [x-gone, "x-some:a"] }
              rename: { headers: ["x-old:x-new"] }
              replace: { headers: ["x-set:1", "x-absent:1"] }
              add: { headers: ["x-add:1", "x-set:2"] }
              append: { headers: ["x-app:2"] }
]] }
  end)

  teardown(function()
    gw:stop()
    service:close()
    moongate.stop_all()
  end)

  --- All values of a header, in order.
  local function values(text, name)
    local found = {}
    for line_name, value in text:gmatch("\r\n([%w-]+): ([^\r]*)") do
      if line_name:lower() == name then
        found[#found + 1] = value
      end
    end
    return found
  end

  it("removes, renames, replaces, adds and appends headers, in this order", function()
    local text = gw:raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert.matches("^HTTP/1.1 200 ", text)
    assert.same({}, values(text, "x-gone"))
    assert.same({ "b" }, values(text, "x-some"))
    assert.same({}, values(text, "x-old"))
    assert.same({ "o" }, values(text, "x-new"))
    assert.same({ "1" }, values(text, "x-set"))
    assert.same({}, values(text, "x-absent"))
    assert.same({ "1" }, values(text, "x-add"))
    assert.same({ "1", "2" }, values(text, "x-app"))
  end)

  it("changes the gateway's own answers, too", function()
    local own = moongate.start { yaml = [[
routes:
  - name: r
    paths: [/]
    plugins: [{ name: response-transformer, config: { add: { headers: ["x-add:1"] } } }, { name: echo }]
]] }
    assert.equal("1", own:get("/").headers["x-add"])
    own:stop()
  end)

  it("does not load with what is not there yet, by name", function()
    local folder = moongate.folder { ["moongate.yaml"] = moongate.yaml [[
routes:
  - { name: r, paths: [/], plugins: [{ name: response-transformer, config: { add: { json: ["a:b"] } } }, { name: echo }] }
]] }
    local check = moongate.command({ "check", "-c", "moongate.yaml" }, folder)
    assert.equal(1, check.code)
    assert.matches("add%.json.-known, not in this version", check.stderr)
  end)
end)
