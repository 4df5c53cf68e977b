-- After everything this folder knows, mixed with clients and services that break off: every counter of what is under way is at zero
-- again, and the process has as many descriptors as before.
local ambiguous = require("support.ambiguous")
local http = require("support.http")
local moongate = require("support.moongate")
local wire = require("support.wire")

local OK = "HTTP/1.1 200 OK\r\n"
local ANSWERS = {
  ["/cut"] = OK .. "Content-Length: 50\r\n\r\nhi",
  ["/cut-chunk"] = OK .. "Transfer-Encoding: chunked\r\n\r\nff\r\nhi",
  ["/garbage"] = "SSH-2.0\r\n\r\n",
  ["/two"] = OK .. "Content-Length: 2\r\n\r\nok" .. OK .. "Content-Length: 4\r\n\r\nevil",
  ["/switch"] = "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
}

local YAML = [[
services:
  - name: up
    url: http://127.0.0.1:{{up}}
    retries: 0
    routes: [{ name: up, paths: [/], strip_path: false, public: true }]
limits: { idle_timeout: 60s }
]]

describe("after all of it", function()
  local gw, service

  setup(function()
    service = http.service(function(request, conn)
      local answer = ANSWERS[request.target]
      if answer then wire.wait(function() return true end) end
      if request.target:find("^/cut") then
        conn:send(answer)
        conn:shutdown()
        return ""
      end
      return answer or { body = "hello" }
    end)
    gw = moongate.start { yaml = YAML, vars = { up = service.port } }
  end)

  teardown(function()
    gw:stop()
    service:close()
    moongate.stop_all()
  end)

  local function descriptors()
    local pipe = io.popen("ls /proc/" .. gw:status().pid .. "/fd | wc -l")
    local count = pipe:read("*n")
    pipe:close()
    return count
  end

  local function is_quiet()
    return gw:metric("moongate_connections{") == 0
      and gw:metric("moongate_active_requests") == 0
      and (gw:metric("moongate_upstream_active_requests") or 0) == 0
  end

  local function attack()
    for _, group in ipairs { "framing", "chunks", "heads", "targets" } do
      for _, case in ipairs(ambiguous[group]) do
        gw:raw(case[2] .. "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 2)
      end
    end
  end

  local function break_off()
    for target in pairs(ANSWERS) do
      gw:raw(("GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"):format(target), 2)
    end
    for _, bytes in ipairs {
      "GET / HT",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhi",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      ("GET / HTTP/1.1\r\nHost: a\r\n\r\n"):rep(50),
    } do
      for _, how in ipairs { "close", "reset" } do
        local conn = gw:connect()
        conn:send(bytes)
        conn[how](conn)
      end
    end
  end

  it("counters and descriptors are where they were", function()
    assert.equal("hello", gw:get("/").body)
    assert.is_truthy(wire.wait(is_quiet))
    local before = descriptors()
    attack()
    break_off()
    assert.equal("hello", gw:get("/").body)
    assert.is_truthy(wire.wait(is_quiet), gw:ask("GET", "/metrics").body)
    -- Idle connections to the service may stay: as many as the pool says.
    local idle = gw:metric("moongate_upstream_idle_connections") or 0
    assert.is_true(descriptors() <= before + idle, ("%d, %d before, %d idle"):format(descriptors(), before, idle))
    assert.equal(0, gw:metric("moongate_log_dropped_total"))
  end)
end)
