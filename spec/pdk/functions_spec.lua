-- What functions of the PDK answer, where that is more than C's specs say: called in a hook, logged as JSON.
local json = require("cjson")
local scripts = require("support.scripts")

local CALLER = [[
local json = require("moongate.json")
local function call(name)
  return function(_, ctx)
    local text = ctx.request:get_header("x-" .. name)
    if text then
      local values = { pcall(assert(loadstring("local ctx = ... " .. text)), ctx) }
      for i = 1, 5 do if values[i] == nil then values[i] = json.null end end
      ctx.log:notice("CALLED ", json.encode(values))
    end
  end
end
return { access = call("access"), response = call("response"), log = call("log") }]]

describe("the PDK's answers:", function()
  local s

  before_each(function()
    s = scripts.new {
      plugins = { p = CALLER },
      consumers = {
        {
          id = "c-1",
          username = "anna",
          groups = { "gold", "beta" },
          credentials = { ["key-auth"] = { { key = "hush" } } },
        },
      },
      uses = { { plugin = "p", conf = {}, on_error = "reply", id = "use-1" } },
      plans = { {}, { { use = 1 } } },
    }
    assert.is_nil(s.why)
    scripts.catch()
  end)

  after_each(function()
    s:free()
    scripts.release()
  end)

  -- What a text answers in a hook: its values, or nil and the error.
  local function call(text, prepare, hook)
    scripts.catch()
    hook = hook or "access"
    local x = s:exchange()
    x:add_header("x-" .. hook, text)
    if prepare then prepare(x) end
    x:run(hook)
    x:free()
    local values = json.decode((scripts.caught():match("CALLED ([^\n]*)")))
    for i, value in ipairs(values) do
      if value == json.null then values[i] = nil end
    end
    if not values[1] then return nil, values[2] end
    return values[2], values[3], values[4]
  end

  it("headers as text", function()
    assert.equal(
      "host: example.com:8000\r\nx-access: return ctx.request:get_raw_headers()\r\nx-b: 1\r\nx-b: 2\r\n",
      call("return ctx.request:get_raw_headers()", function(x)
        x:add_header("x-b", "1")
        x:add_header("x-b", "2")
      end)
    )
  end)

  it("paths before trusted proxies changed them", function()
    local text = "return ctx.request:get_raw_forwarded_path()"
    local function forwarded(x) x:add_header("x-forwarded-path", "/outer%20x") end
    assert.equal("/a/b", call(text, forwarded))
    assert.equal(
      "/outer%20x",
      call(text, function(x)
        forwarded(x)
        x.fake.x.peer_trusted = true
      end)
    )
  end)

  it("forms with parts", function()
    local function prepare(kind, body)
      return function(x)
        x:add_header("content-type", kind)
        x.fake.x.request_body_whole = true
        x.fake.x.request.body_length = #body
        require("support.c").gw_buf_append(x.fake.x.request_body, x:text(body))
      end
    end
    local body = '--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'
    local form, reason, mimetype =
      call("return ctx.request:get_body()", prepare("multipart/form-data; boundary=b", body))
    assert.same({ { a = "1" }, nil, "multipart/form-data" }, { form, reason, mimetype })
    form =
      call("return ctx.request:get_body('multipart/form-data')", prepare("multipart/form-data; boundary=b", body))
    assert.same({ a = "1" }, form)
    form, reason = call("return ctx.request:get_body()", prepare("multipart/form-data", body))
    assert.same({ nil, "the content-type names no boundary" }, { form, reason })
    local c = require("support.c")
    local x = s:exchange()
    x:add_header("x-access", "ctx.service.request:set_body({ a = { 1, 2 } }, 'multipart/form-data')")
    x:run("access")
    local sent, kind = c.str(x.fake.x.outgoing.body), scripts.headers(x.fake.x.request.fields)["content-type"]
    assert.same({ a = { "1", "2" } }, (require("moongate.multipart").decode(sent, kind)))
    x:free()
  end)

  it("consumers without their credentials", function()
    local consumer =
      call("ctx.client:authenticate(ctx.client:load_consumer('anna', true)) return ctx.client:get_consumer()")
    assert.same({ id = "c-1", username = "anna", groups = { "gold", "beta" } }, consumer)
  end)

  it("groups of the consumer, or those that a plugin said", function()
    local known = "ctx.client:authenticate(ctx.client:load_consumer('c-1')) "
    assert.same(
      { { name = "gold" }, { name = "beta" } },
      (call(known .. "return ctx.client:get_consumer_groups()"))
    )
    assert.same({ name = "gold" }, (call(known .. "return ctx.client:get_consumer_group()")))
    assert.same({}, (call("return ctx.client:get_consumer_groups()")))
    assert.same(
      { { name = "x" } },
      (
        call(
          known
            .. "ctx.client:set_authenticated_consumer_groups { { name = 'x' } } "
            .. "return ctx.client:get_consumer_groups()"
        )
      )
    )
    assert.same(
      { name = "y" },
      (
        call(
          "ctx.client:set_authenticated_consumer_group { name = 'y' } " .. "return ctx.client:get_consumer_group()"
        )
      )
    )
    assert.same(
      { name = "gold" },
      (
        call(
          "ctx.client:authenticate_consumer_group_by_consumer_id('c-1') "
            .. "return ctx.client:get_consumer_group()"
        )
      )
    )
    assert.is_nil((call("return ctx.client:get_consumer_group()"))) -- forgotten with the request
    local _, why = call("ctx.client:set_authenticated_consumer_groups { 'x' }")
    assert.truthy(why:find("a group is a table with a name", 1, true))
  end)

  it("the node, its memory and the plugin", function()
    local id = call("return ctx.node:get_id()")
    assert.truthy(id:match("^%x+%-%x+%-4%x+%-%x+%-%x+$"))
    assert.equal(id, (call("return ctx.node:get_id()")))
    assert.is_true(#call("return ctx.node:get_hostname()") > 0)
    local stats = call("return ctx.node:get_memory_stats()")
    assert.is_true(stats.workers_lua_vms[1].http_allocated_gc > 10000)
    stats = call("return ctx.node:get_memory_stats('m', 1)")
    assert.truthy(stats.workers_lua_vms[1].http_allocated_gc:match("^%d+%.%d MiB$"))
    assert.equal("use-1", call("return ctx:get_plugin_id()"))
  end)

  it("trusted addresses", function()
    assert.is_false((call("return ctx.ip:is_trusted('10.1.2.3')")))
    local _, why = call("return ctx.ip:is_trusted('10.1.2')")
    assert.truthy(why:find('"10.1.2" is not an IP address', 1, true))
  end)

  it("what is not here, in words", function()
    for text, reason in pairs {
      ["return ctx.cache"] = "ctx.cache: not in this version",
      ["return ctx.vault:get('x')"] = "ctx.vault: not in this version",
      ["return ctx.table"] = 'ctx.table: use require("moongate.table")',
      ["ctx.service.request:set_scheme('https')"] = "ctx.service.request:set_scheme: https: not in this version",
      ["ctx.service.request:set_scheme('ftp')"] = "the scheme must be http or https",
      ["ctx.service:set_tls_verify(true)"] = "ctx.service:set_tls_verify: not in this version",
    } do
      local _, why = call(text)
      assert.truthy(why:find("]:1: ", 1, true) and why:find(reason, 1, true), why)
    end
    assert.is_nil((call("return ctx.whatever")))
  end)

  it("lines of the log in other words", function()
    local c = require("support.c")
    c.gw_log_set_level(c.GW_LOG_DEBUG)
    call(
      "ctx.log('called', 1) ctx.log:crit('c') ctx.log:deprecation('old', { after = '2.0', removal = '3.0' }) "
        .. "ctx.log:inspect({ a = 1 }, 'x')"
    )
    local text = scripts.caught()
    c.gw_log_set_level(c.GW_LOG_NOTICE)
    for _, line in ipairs {
      "notice plugin p, request id-1: called1\n",
      "error plugin p, request id-1: c\n",
      "warn plugin p, request id-1: [deprecated after 2.0] old (will be removed in 3.0)\n",
      'debug plugin p, request id-1: { a = 1 } "x"\n',
    } do
      assert.truthy(text:find(line, 1, true), text)
    end
  end)

  it("values for log lines, checked where they are set", function()
    local _, why = call("local t = {} t.t = t ctx.log:set_serialize_value('a', t)")
    assert.truthy(why:find('the value of "a" is nested too deeply, or holds itself', 1, true), why)
    _, why = call("ctx.log:set_serialize_value('a', print)")
    assert.truthy(why:find('the value of "a" holds a function', 1, true), why)
    _, why = call("ctx.log:set_serialize_value('a', 1, { mode = 'put' })")
    assert.truthy(why:find("the mode must be set, add or replace", 1, true), why)
  end)

  it("the body that came, in log only when a hook read it", function()
    local body, why = call(
      "return ctx.service.response:get_raw_body()",
      function(x) x.fake.x.received = x.fake.x.response end,
      "log"
    )
    assert.same({ nil, "the body was not kept (read it in response)" }, { body, why })
  end)
end)

describe("moongate.table", function()
  local s = require("moongate.table")

  it("merges into a new table", function()
    local first = { a = 1, b = 2 }
    assert.same({ a = 1, b = 3, c = 4 }, s.merge(first, { b = 3, c = 4 }))
    assert.same({ a = 1, b = 2 }, first)
    assert.same({ a = 1 }, s.merge(nil, { a = 1 }))
  end)

  it("makes and clears", function()
    local list = s.new(4, 0)
    list[1], list.x = 1, 2
    s.clear(list)
    assert.same({}, list)
  end)
end)
