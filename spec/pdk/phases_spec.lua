-- Every function of the PDK in every hook: what its `---@phase` line says is what happens.
local host = require("support.host")
local scripts = require("support.scripts")

-- What to call each function with; nothing where it takes nothing.
local ARGUMENTS = {
  ["request:get_header"] = "'x-a'",
  ["request:get_query_arg"] = "'a'",
  ["request:get_path_param"] = "'id'",
  ["request:count_header"] = "'x-a'",
  ["request:limit_body"] = "1024",
  ["request:limit_rate"] = "1024",
  ["response:limit_rate"] = "1024, 0",
  ["request:set_method"] = "'POST'",
  ["request:set_path"] = "'/x'",
  ["request:set_query"] = "{ a = 1 }",
  ["request:set_id"] = "'id-2'",
  ["request:set_header"] = "'x-a', 1",
  ["request:add_header"] = "'x-a', 1",
  ["request:clear_header"] = "'x-a'",
  ["response:get_header"] = "'x-a'",
  ["response:set_status"] = "201",
  ["response:set_header"] = "'x-a', 1",
  ["response:add_header"] = "'x-a', 1",
  ["response:clear_header"] = "'x-a'",
  ["response:set_headers"] = "{ a = 1 }",
  ["response:set_trailer"] = "'x-a', 1",
  ["service.response:get_trailer"] = "'x-a'",
  ["response:exit"] = "200",
  ["response:stream"] = "200, nil, function() end",
  ["response:error"] = "400",
  ["response:set_raw_body"] = "'x'",
  ["service:set_upstream"] = "'u'",
  ["service:set_target"] = "'127.0.0.1', 80",
  ["service:set_retries"] = "1",
  ["service:set_timeouts"] = "1, 1, 1",
  ["service.request:set_scheme"] = "'http'",
  ["service.request:set_path"] = "'/x'",
  ["service.request:set_method"] = "'PUT'",
  ["service.request:set_raw_query"] = "'a=1'",
  ["service.request:set_query"] = "{}",
  ["service.request:clear_query_arg"] = "'a'",
  ["service.request:set_header"] = "'x-a', 1",
  ["service.request:add_header"] = "'x-a', 1",
  ["service.request:clear_header"] = "'x-a'",
  ["service.request:set_headers"] = "{ a = 1 }",
  ["service.request:set_raw_body"] = "'x'",
  ["service.request:set_body"] = "{}, 'application/json'",
  ["service.response:get_header"] = "'x-a'",
  ["client.tls:set_client_verify"] = "'SUCCESS'",
  ["client:load_consumer"] = "'anna', true",
  ["client:authenticate"] = "nil, {}",
  ["client:set_authenticated_consumer_groups"] = "{ { name = 'g' } }",
  ["client:set_authenticated_consumer_group"] = "{ name = 'g' }",
  ["client:authenticate_consumer_group_by_consumer_id"] = "'c-1'",
  ["ip:is_trusted"] = "'::1'",
  ["log:debug"] = "'x'",
  ["log:info"] = "'x'",
  ["log:notice"] = "'x'",
  ["log:warn"] = "'x'",
  ["log:err"] = "'x'",
  ["log:error"] = "'x'",
  ["log:set_serialize_value"] = "'a.b', 1",
  [":sleep"] = "0",
  [":fetch"] = "{ service = 'unknown' }",
  [":fetch_all"] = "{ a = { service = 'unknown' } }",
  [":race"] = "function() end",
  [":after"] = "function() end",
}

local FILES = {
  request = "request",
  response = "response",
  service = "service",
  service_request = "service.request",
  service_response = "service.response",
  client = "client",
  client_tls = "client.tls",
  router = "router",
  log = "log",
  node = "node",
  ip = "ip",
}

-- { name = "request:get_method", phases = "rewrite, access, …" } of every function in a file; `later` where its text
-- says that it comes with another version.
local function read_functions(path, prefix, pattern, found)
  local phases, later
  for line in io.lines(host.source_dir .. "/lua/moongate/" .. path) do
    phases = line:match("^%-%-%-@phase (.*)$") or phases
    later = later or line:find("^%-%-%- Not in this version: ") ~= nil
    local name = line:match(pattern)
    if name then
      found[#found + 1] = { name = prefix .. ":" .. name, phases = phases, later = later }
      phases, later = nil, nil
    end
  end
end

local function all_functions()
  local found = {}
  for file, prefix in pairs(FILES) do
    read_functions("pdk/" .. file .. ".lua", prefix, "^function M:([%w_]+)", found)
  end
  read_functions("ctx.lua", "", "^local function ctx_([%w_]+)", found)
  table.sort(found, function(a, b) return a.name < b.name end)
  return found
end

-- The hooks in which a phase line allows it.
local function allowed(phases)
  local hooks = {}
  for phase in phases:gmatch("[^,]+") do
    phase = phase:match("^%s*(.-)%s*$")
    if phase == "rewrite" or phase == "global rewrite" then hooks["global rewrite"] = true end
    if phase == "rewrite" or phase == "rewrite after routing" then hooks["rewrite after routing"] = true end
    hooks[phase] = true
  end
  return hooks
end

local HOOKS = {
  "global rewrite",
  "rewrite after routing",
  "access",
  "request_body",
  "response",
  "body",
  "log",
}

-- Calls what the request says, and logs how it went.
local CALLER = [[
  local M = {}
  local function call(hook)
    return function(_, ctx)
      if ctx.request:get_header("x-hook") ~= hook then return end
      local text = "local ctx = ... local result = ctx" .. ctx.request:get_header("x-call") .. " return result"
      local ok, why = pcall(loadstring(text), ctx)
      ctx.log:notice("outcome ", ok and "fine" or why)
    end
  end
  if NAME == "global" then M.rewrite = call("global rewrite") else
    M.rewrite = call("rewrite after routing")
    M.access, M.response, M.log = call("access"), call("response"), call("log")
    M.request_body, M.body = call("request_body"), call("body")
  end
  return M]]

describe("the PDK", function()
  local s

  setup(function()
    s = scripts.new {
      plugins = { global = CALLER:gsub("NAME", "'global'"), scoped = CALLER:gsub("NAME", "'scoped'") },
      uses = {
        { plugin = "global", conf = {}, on_error = "reply" },
        { plugin = "scoped", conf = {}, on_error = "reply" },
      },
      plans = { { { use = 1 } }, { { use = 2 } } },
      consumers = { { id = "c-1", username = "anna" } },
    }
    assert.is_nil(s.why)
  end)

  teardown(function() s:free() end)

  before_each(function() scripts.catch() end)
  after_each(function() scripts.release() end)

  local function outcome(func, hook)
    scripts.catch()
    local x = s:exchange()
    x:add_header("x-hook", hook)
    x:add_header("x-call", ("%s(%s)"):format(func.name:gsub("^(%a)", ".%1"), ARGUMENTS[func.name] or ""))
    x.fake.x.request.body_length = 2
    x.fake.x.received = x.fake.x.response
    local phase = hook:match("rewrite after") and "access" or hook:match("[%a_]+$")
    local result = hook:find("body") and x:pipe(phase, "piece") or not hook:find("body") and x:run(phase)
    if result == "waits" then
      s:turn()
      if x:finished() == 0 then x:deliver(phase == "response" and "response" or "request", "{}") end
      assert.equal(1, x:finished())
    end
    x:free()
    return scripts.caught():match("outcome ([^\n]*)")
  end

  local functions = all_functions()

  it("has all its functions here", function()
    assert.is_true(#functions >= 110, "only " .. #functions)
    for _, func in ipairs(functions) do
      assert.is_string(func.phases, func.name .. " has no @phase line")
    end
  end)

  for _, func in ipairs(functions) do
    it(
      ("lets ctx%s%s be called in %s only"):format(
        func.name:sub(1, 1) == ":" and "" or ".",
        func.name,
        func.phases or "?"
      ),
      function()
        local hooks = allowed(func.phases)
        for _, hook in ipairs(HOOKS) do
          local text = outcome(func, hook)
          if hooks[hook] and func.later then
            assert.truthy(text:find(("]:1: ctx.%s: not in this version"):format(func.name), 1, true), text)
          elseif hooks[hook] then
            assert.equal("fine", text, hook)
          else
            local full = "ctx" .. (func.name:sub(1, 1) == ":" and "" or ".") .. func.name
            local here = hook:match("rewrite after") and func.phases:find("global rewrite") and hook
              or hook:match("rewrite after") and "rewrite"
              or hook
            local expected = ("%s cannot be called in %s (only in: %s)"):format(full, here, func.phases)
            assert.truthy(text:find(expected, 1, true), ("%s: %q instead of %q"):format(hook, text, expected))
            assert.truthy(text:find('[string "local ctx', 1, true), "the error must point at the plugin: " .. text)
          end
        end
      end
    )
  end
end)
