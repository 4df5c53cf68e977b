--- What a request leaves in Lua is not there for the next one in its place.
local proxy = require("support.proxy")
local scripts = require("support.scripts")

describe("what a request keeps", function()
  local world, client

  before_each(function()
    world = proxy.new()
    scripts.catch()
  end)

  after_each(function()
    world:free()
    scripts.release()
  end)

  local function start(hooks)
    local up = world:upstream(function(conn) conn:write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi") end)
    world:start {
      routes = { { name = "front", paths = { "/" }, targets = { up } } },
      plugin = "local M, noted = {}, {} " .. hooks .. " return M",
    }
    client = world:client()
  end

  local function ask(path)
    local status = client:ask(("GET %s HTTP/1.1\nhost: a\n"):format(path)).status
    world:until_true(function() return world:active() == 0 end)
    return status
  end

  it("is not run by the next: functions for after the response", function()
    start([[function M.access(_, ctx)
        if ctx.request:get_path() == "/one" then ctx:after(function(c) c.log:notice("ran") end) end
      end
      function M.log() end]])
    ask("/one")
    ask("/two")
    ask("/three")
    local _, count = scripts.caught():gsub("ran\n", "")
    assert.equal(1, count)
  end)

  it("does not count for the next: functions for after the response", function()
    start([[function M.access(_, ctx) for _ = 1, 16 do ctx:after(function() end) end end]])
    for _ = 1, 3 do
      assert.equal(200, ask("/"))
    end
  end)
end)
