local gateway = require("moongate.spec")

local folder

local function write(path, text)
  local file = assert(io.open(folder .. "/" .. path, "wb"))
  file:write(text)
  file:close()
end

local SCHEMA = [[
local t = require("moongate.schema")
return t.record { text = t.string { default = "one" } }
]]

local HANDLER = [[
local words = require("tried.words")
local M = { version = "1.0.0", priority = 10 }
local count = 0
function M.init() count = 100 end
function M.access(conf, ctx)
  count = count + 1
  ctx.service.request:set_header("x-text", words.say(conf.text) .. count)
end
return M
]]

setup(function()
  local pipe = assert(io.popen("mktemp -d"))
  folder = pipe:read("*l")
  pipe:close()
  os.execute("mkdir -p " .. folder .. "/tried")
  write("tried/handler.lua", HANDLER)
  write("tried/schema.lua", SCHEMA)
  write("tried/words.lua", [[return { say = function(text) return "<" .. text .. ">" end }]])
end)

teardown(function() os.execute("rm -r " .. folder) end)

local function new(options)
  options = options or {}
  options.plugin_paths = { folder }
  options.plugins = options.plugins or { "tried" }
  return gateway.new(options)
end

local function said(gw)
  assert.has_status(gw:get("/"), 200)
  return gw.upstream.last_request.headers["x-text"]
end

describe("a plugin in a spec", function()
  it("has a state of its own in each gateway", function()
    local one, two = new(), new()
    assert.equal("<one>101", said(one))
    assert.equal("<one>102", said(one))
    assert.equal("<one>101", said(two))
    assert.not_equal(one:plugin("tried"), two:plugin("tried"))
  end)

  it("can be spied on and stubbed while it runs", function()
    local gw = new()
    local access = spy.on(gw:plugin("tried"), "access")
    said(gw)
    assert.spy(access).was_called(1)
    access:revert()
    stub(gw:plugin("tried"), "access")
    assert.is_nil(said(gw))
    gw:plugin("tried").access:revert()
    stub(gw:module("tried.words"), "say").returns("stubbed")
    assert.equal("stubbed102", said(gw))
  end)

  it("shows what it was called with, also when the request is long over", function()
    local gw = new()
    local access = spy.on(gw:plugin("tried"), "access")
    said(gw)
    local call = access.calls[1].vals
    assert.equal("one", call[1].text)
    assert.has_error(function() call[2].request:get_header("x") end)
    gw:close()
    assert.has_error(function() call[2].request:get_header("x") end)
    assert.has_error(function() gw:get("/") end)
  end)

  it("is unknown when it does not run", function()
    local gw = new()
    assert.has_error(function() gw:plugin("other") end, 'no plugin "other" runs in this gateway')
    assert.has_error(function() gw:module("tried.nothing") end)
    assert.is_table(gw:module("moongate.time"))
  end)

  it("is found beside the spec and above it", function()
    local specs = folder .. "/tried/spec"
    os.execute("mkdir -p " .. specs)
    write(
      "tried/spec/own.lua",
      [[
local gw = require("moongate.spec").new { plugins = { "tried" } }
return gw]]
    )
    local gw = dofile(specs .. "/own.lua")
    assert.equal("<one>101", said(gw))
  end)

  it("says its own errors when it does not load", function()
    write("tried/words.lua", "return {")
    local ok, reason = pcall(new)
    write("tried/words.lua", [[return { say = function(text) return "<" .. text .. ">" end }]])
    assert.is_false(ok)
    assert.matches("words.lua", reason)
    local failed, why =
      pcall(gateway.new, { plugins = { { name = "bad", init = function() error("no init") end } } })
    assert.is_false(failed)
    assert.matches("plugin bad, init: .*no init", why)
  end)
end)

describe("a reload in a spec", function()
  it("takes another configuration", function()
    local gw = new()
    assert.equal("<one>101", said(gw))
    assert(gw:reload { plugins = { { name = "tried", config = { text = "two" } } } })
    assert.equal("<two>101", said(gw))
    assert(gw:reload())
    assert.equal("<two>101", said(gw))
  end)

  it("reads changed files", function()
    local gw = new()
    said(gw)
    write("tried/words.lua", [[return { say = function(text) return "[" .. text .. "]" end }]])
    assert(gw:reload())
    write("tried/words.lua", [[return { say = function(text) return "<" .. text .. ">" end }]])
    assert.equal("[one]101", said(gw))
  end)

  it("lets requests on their way end with what they began with", function()
    local function sleeper(text)
      return {
        name = "sleeper",
        access = function(_, ctx)
          ctx:sleep(5)
          return ctx.response:exit(200, text)
        end,
      }
    end
    local gw = new { plugins = { sleeper("old") } }
    local request = gw:start("/")
    assert(gw:reload { plugins = { sleeper("new") } })
    assert.equal("new", gw:get("/").body)
    assert.equal("old", request:wait().body)
  end)

  it("refuses what is not good and goes on", function()
    local gw = new()
    local ok, reason = gw:reload { plugins = { { name = "tried", config = { text = 5 } } } }
    assert.is_nil(ok)
    assert.matches("plugins%[0%].config.text", reason)
    assert.equal("<one>101", said(gw))
  end)
end)

describe("the end of a block", function()
  local kept, made

  describe("that is a describe", function()
    kept = gateway.new()

    it("comes after its tests", function()
      assert.has_status(kept:get("/"), 200)
      assert.is_nil(kept.closed)
    end)
  end)

  describe("that is a test", function()
    it("has a gateway", function()
      assert.is_true(kept.closed)
      made = gateway.new()
      made:start("/")
    end)

    it("closes it", function() assert.is_true(made.closed) end)
  end)

  describe("with before_each", function()
    local each, last

    before_each(function()
      last = each
      each = gateway.new()
    end)

    it("is that of the test", function() assert.is_nil(each.closed) end)

    it("is that of each", function()
      assert.is_nil(each.closed)
      assert.is_true(last.closed)
    end)
  end)

  it("waits for log hooks that wait", function()
    local logged = false
    local gw = gateway.new {
      plugins = {
        {
          name = "l",
          log = function(_, ctx)
            ctx:sleep(5)
            logged = true
          end,
        },
      },
    }
    gw:get("/")
    assert.is_false(logged)
    gw:close()
    assert.is_true(logged)
  end)

  it("ends what clients left in flight", function()
    local gw = gateway.new { plugins = { function(_, ctx) ctx:sleep(1000) end } }
    local request = gw:start("/")
    gw.upstream:reply(function(_, up) up:never() end)
    gw:close()
    assert.is_nil(request.response)
  end)

  it("hears of breakers in its event hook, which may wait", function()
    local heard = {}
    local function event(_, what, t)
      t:sleep(1)
      heard[#heard + 1] = ("%s %s %s"):format(what.type, what.service, what.state)
    end
    local gw = gateway.new {
      config = {
        default_access = "allow",
        plugins = { { name = "hears", event = event } },
        services = {
          {
            name = "s",
            host = "back",
            circuit_breaker = { failure_threshold = 2, half_open_after = "5s" },
            routes = { { name = "r", paths = { "/" } } },
          },
        },
      },
      upstreams = { back = function() return { status = 500 } end },
    }
    for _ = 1, 3 do
      gw:get("/")
    end
    gw.clock:advance(6)
    gw:get("/")
    gw.clock:advance(3)
    assert.same({ "breaker s open", "breaker s half_open", "breaker s open" }, heard)
  end)

  it("takes away what plugins declared, also of generations before the last", function()
    local dicts, hits = {}, nil
    local function init()
      dicts[#dicts + 1] = require("moongate.shared").dict("d", { size = "64k" })
      hits = require("moongate.metrics").counter { name = "hits", about = "Requests." }
    end
    local plugin = {
      name = "keeper",
      init = init,
      access = function() hits:add(1) end,
    }
    local gw = gateway.new { plugins = { plugin } }
    gw:get("/")
    gw:reload()
    gw:get("/")
    assert.is_true(dicts[1]:set("k", 1))
    gw:close()
    for _, use in ipairs {
      function() dicts[1]:get("k") end,
      function() dicts[2]:set("k", 2) end,
      function() hits:add(1) end,
    } do
      assert.has_error(use, "it belongs to a gateway that is closed")
    end
  end)
end)
