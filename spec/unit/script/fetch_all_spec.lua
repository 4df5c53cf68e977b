local cjson = require("cjson")
local proxy = require("support.proxy")
local scripts = require("support.scripts")

local function answer(status, body)
  return ("HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s"):format(status, #body, body)
end

describe("ctx:fetch_all", function()
  local world, back, held

  before_each(function()
    world, held = proxy.new(), {}
  end)
  after_each(function() world:free() end)

  -- The service "back" keeps each connection by the path that was asked for, until the spec answers.
  local function start(body, options)
    options = options or {}
    back = world:upstream(function(conn, request) held[request:match("^%u+ (%S+)")] = conn end)
    options.routes = {
      { name = "front", paths = { "/" }, targets = { back } },
      { name = "back", paths = { "/back" }, targets = { back } },
      { name = "down", paths = { "/down" }, targets = { proxy.closed_port() } },
    }
    options.plugin = ("return { access = function(_, ctx) %s end }"):format(body)
    world:start(options)
    local client = world:client()
    client:write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    return client
  end

  local function all_asked(...)
    local paths = { ... }
    world:until_true(function()
      for _, path in ipairs(paths) do
        if not held[path] then return false end
      end
      return true
    end, "all requests")
  end

  it("asks all at once and gives the responses by name", function()
    local client = start([[local all = ctx:fetch_all {
        a = { service = "back", path = "/a" }, b = { service = "back", path = "/b" }, { upstream = "back-up", path = "/c" },
      }
      ctx.response:exit(200, { a = all.a.body, b = all.b.status, c = all[1].ok })]])
    all_asked("/a", "/b", "/c") -- each is asked before any is answered
    held["/b"]:write(answer(404, "no"))
    held["/c"]:write(answer(204, ""))
    world:settle()
    assert.equal(1, world:active())
    held["/a"]:write(answer(200, "yes"))
    assert.same({ a = "yes", b = 404, c = true }, cjson.decode(client:response().body))
  end)

  it("gives the reason of each that failed and raises nothing", function()
    local client = start([[local all = ctx:fetch_all {
        down = { service = "down" }, unknown = { service = "bck" }, nobody = { upstream = "bck" },
        out = { url = "http://169.254.169.254/" }, fine = { service = "back", path = "/a" },
        slow = { service = "back", path = "/slow", timeout = 1 },
      }
      local out = {}
      for name, res in pairs(all) do out[name] = { ok = res.ok, status = res.status, reason = res.reason } end
      ctx.response:exit(200, out)]])
    all_asked("/a", "/slow")
    held["/a"]:write(answer(500, ""))
    world:settle()
    world:pass_until(function() return client:text() ~= "" end, "an answer")
    assert.same({
      down = { ok = false, reason = "cannot connect to the upstream" },
      unknown = { ok = false, reason = 'no service named "bck" in the configuration' },
      nobody = { ok = false, reason = 'no upstream named "bck" in the configuration' },
      out = {
        ok = false,
        reason = "169.254.169.254:80 is outside the configuration (fetch.allow names what else may be asked)",
      },
      fine = { ok = false, status = 500 },
      slow = { ok = false, reason = "the request took longer than allowed" },
    }, cjson.decode(client:response().body))
  end)

  it("takes no more than limits.buffer of each", function()
    local client = start(
      [[local all = ctx:fetch_all { a = { service = "back", path = "/a" } }
      ctx.response:exit(200, all.a.reason)]],
      { limits = { buffer = 1000 } }
    )
    all_asked("/a")
    held["/a"]:write(answer(200, ("x"):rep(2000)))
    assert.equal("the response is larger than limits.buffer (1000 bytes)", client:response().body)
  end)

  it("needs no wait where nothing can be asked", function()
    local client = start([[local all = ctx:fetch_all { a = { service = "bck" } }
      ctx.response:exit(200, tostring(all.a.ok) .. tostring(next(ctx:fetch_all {})))]])
    assert.equal("falsenil", client:response().body)
  end)

  it("gives 64 at once, and says so of more", function()
    local client = start([[local requests = {}
      for i = 1, 65 do requests[i] = { service = "back", path = "/" .. i } end
      local _, why = pcall(ctx.fetch_all, ctx, requests)
      requests[65] = nil
      local count = 0
      for _, res in pairs(ctx:fetch_all(requests)) do count = count + (res.ok and 1 or 0) end
      ctx.response:exit(200, count .. " " .. why)]])
    local paths = {}
    for i = 1, 64 do
      paths[i] = "/" .. i
    end
    all_asked(unpack(paths))
    for _, conn in pairs(held) do
      conn:write(answer(200, ""))
    end
    assert.matches("^64 .*ctx:fetch_all: at most 64 requests at once", client:response().body)
  end)

  it("holds nothing of a result that was taken", function()
    local client = start([[for i = 1, 3 do
        local all = ctx:fetch_all { a = { service = "back", path = "/a" .. i } }
        assert(all.a.body == "r" .. i)
      end
      ctx.response:exit(200, "done")]])
    for i = 1, 3 do
      all_asked("/a" .. i)
      held["/a" .. i]:write(answer(200, "r" .. i))
    end
    assert.equal("done", client:response().body)
  end)

  it("is cancelled with its request", function()
    local client =
      start([[ctx:fetch_all { a = { service = "back", path = "/a" }, b = { service = "back", path = "/b" } }]])
    all_asked("/a", "/b")
    held["/a"]:write(answer(200, "half"))
    world:settle()
    client:close()
    world:until_true(function() return world:is_quiet() end, "the end of the exchange")
    assert.equal(0, world:scrape()['moongate_upstream_active_requests{service="back"}'])
  end)

  it("works inside coroutines, pcall and iterators", function()
    local client = start([[
      local co = coroutine.wrap(function()
        for _, path in ipairs { "/a", "/b" } do
          local fine, all = pcall(ctx.fetch_all, ctx, { x = { service = "back", path = path } })
          coroutine.yield(fine and all.x.body)
        end
      end)
      local out = {}
      for body in co do out[#out + 1] = body end
      ctx.response:exit(200, table.concat(out, " "))]])
    for _, path in ipairs { "/a", "/b" } do
      all_asked(path)
      held[path]:write(answer(200, path))
    end
    assert.equal("/a /b", client:response().body)
  end)

  local MISUSE = {
    ["nil"] = "ctx:fetch_all: takes a table of requests",
    ["{ a = 1 }"] = "ctx:fetch_all: a: a request must be a table",
    ["{ a = { service = 'back' }, b = {} }"] = "ctx:fetch_all: b: say one of service, upstream, url",
    ["{ a = { service = 'back', stream = true } }"] = "ctx:fetch_all: a: stream is for ctx:fetch alone",
    ["{ a = { service = 'back' }, b = { service = 'back', method = 'G T' } }"] = "ctx:fetch_all: b: the method is not valid",
  }
  for requests, text in pairs(MISUSE) do
    it("starts nothing when one is misuse: " .. requests, function()
      scripts.catch()
      local client = start(("ctx:fetch_all(%s)"):format(requests))
      assert.equal(500, client:response().status)
      local log = scripts.caught()
      scripts.release()
      assert.truthy(log:find(text, 1, true), log)
      assert.truthy(log:find("handler.lua:1: ctx:fetch_all", 1, true), log)
      assert.equal(0, #back.requests)
      assert.equal(0, world:in_flight())
    end)
  end
end)
