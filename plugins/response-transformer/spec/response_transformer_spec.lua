local gateway = require("moongate.spec")

describe("response-transformer", function()
  local function new(config)
    return gateway.new { plugins = { { name = "response-transformer", config = config } } }
  end

  --- All values of a header, in order.
  local function values(res, name)
    local found = {}
    for _, line in ipairs(res.lines) do
      if line[1]:lower() == name then found[#found + 1] = line[2] end
    end
    return found
  end

  it("removes, renames, replaces, adds and appends headers, in this order", function()
    local gw = new {
      remove = { headers = { "x-gone", "x-some:a" } },
      rename = { headers = { "x-old:x-new" } },
      replace = { headers = { "x-set:1", "x-absent:1" } },
      add = { headers = { "x-add:1", "x-set:2" } },
      append = { headers = { "x-app:2" } },
    }
    gw.upstream:reply {
      body = "fine",
      headers = {
        ["X-Gone"] = "1",
        ["X-Some"] = { "a", "b" },
        ["X-Old"] = "o",
        ["X-Set"] = "0",
        ["X-App"] = "1",
      },
    }
    local res = gw:get("/")
    assert.has_status(res, 200)
    assert.same({}, values(res, "x-gone"))
    assert.same({ "b" }, values(res, "x-some"))
    assert.same({}, values(res, "x-old"))
    assert.same({ "o" }, values(res, "x-new"))
    assert.same({ "1" }, values(res, "x-set"))
    assert.same({}, values(res, "x-absent"))
    assert.same({ "1" }, values(res, "x-add"))
    assert.same({ "1", "2" }, values(res, "x-app"))
  end)

  it("changes the gateway's own answers, too", function()
    local gw = new { add = { headers = { "x-add:1" } } }
    gw.upstream:refuse()
    local res = gw:get("/")
    assert.is_problem(res, 502)
    assert.has_header(res, "x-add", "1")
  end)

  it("does not load with what is not there yet, by name", function()
    local ok, reason = pcall(new, { add = { json = { "a:b" } } })
    assert.is_false(ok)
    assert.matches("add%.json.-known, not in this version", reason)
  end)
end)
