--- What specs of plugins assert most, for luassert. All work negated, too (assert.has_no_header …).
---
---     assert.has_status(res, 200)
---     assert.has_header(res, "x-tenant")            -- of a response or of a request an upstream got
---     assert.has_header(res, "x-tenant", "acme")
---     assert.is_problem(res, 401)                   -- application/problem+json; with a text: its detail
---     assert.is_problem(res, 401, "no API key")
---     assert.has_json(res, { ok = true })           -- the whole body
---     assert.upstream_saw(gw, { method = "GET", path = "/x", headers = { ["x-tenant"] = "acme" } })
---     assert.logged(gw, "cannot reach")             -- a Lua pattern, in a line of the error log
local json = require("cjson.safe")
local luassert = require("luassert")
local say = require("say")
local util = require("luassert.util")

local M = {}

local function show(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) == "table" then return json.encode(value) or tostring(value) end
  return tostring(value)
end

local function of(response)
  if type(response) ~= "table" or type(response.headers) ~= "table" then
    return "something that is no response: " .. show(response)
  elseif response.method then
    return ("%s %s"):format(response.method, response.target)
  elseif not response.status then
    return "no response: " .. tostring(response.error)
  end
  return ("%d %s"):format(response.status, show((response.body or ""):sub(1, 300)))
end

-- Each answers whether it holds, and what to say when it does not (or, negated, when it does).
local checks = {}

function checks.status(response, status)
  return type(response) == "table" and response.status == status,
    ("expected the status %s, got %s"):format(show(status), of(response)),
    ("expected another status than %s"):format(show(status))
end

function checks.header(response, name, value)
  local got = type(response) == "table" and response.headers and response.headers[name:lower()]
  if value == nil then
    return got ~= nil and got ~= false,
      ("expected the header %s, got none (%s)"):format(name, of(response)),
      ("expected no header %s, got %s"):format(name, show(got))
  end
  return got == tostring(value),
    ("expected the header %s to be %s, got %s"):format(name, show(value), got and show(got) or "none"),
    ("expected the header %s not to be %s"):format(name, show(value))
end

local function problem_of(response)
  local kind = type(response) == "table" and response.headers and response.headers["content-type"] or ""
  return kind:find("^application/problem%+json") and json.decode(response.body) or nil
end

function checks.problem(response, status, detail)
  local problem = problem_of(response)
  local good = problem
    and (status == nil or (response.status == status and problem.status == status))
    and (detail == nil or problem.detail == detail)
  return good and true or false,
    ("expected a problem%s%s, got %s"):format(
      status and " with the status " .. status or "",
      detail and " and the detail " .. show(detail) or "",
      of(response)
    ),
    ("expected no such problem, got %s"):format(of(response))
end

function checks.json(response, expected)
  local got = type(response) == "table" and json.decode(response.body or "")
  return util.deepcompare(got, expected, true) and true or false,
    ("expected the JSON %s, got %s"):format(show(expected), of(response)),
    ("expected other JSON than %s"):format(show(expected))
end

-- Everything that is expected stands in `got`.
local function holds(got, expected)
  if type(expected) ~= "table" then return got == expected end
  if type(got) ~= "table" then return false end
  for key, value in pairs(expected) do
    local name = type(key) == "string" and got[key] == nil and key:lower() or key
    if not holds(got[name], value) then return false end
  end
  return true
end

local function requests_of(what)
  local list = {}
  local upstreams = what.upstreams and { what.upstream } or { what }
  for _, upstream in pairs(what.upstreams or {}) do
    upstreams[#upstreams + 1] = upstream
  end
  for _, upstream in ipairs(upstreams) do
    for _, request in ipairs(upstream.requests) do
      list[#list + 1] = request
    end
  end
  return list
end

checks["upstream_saw"] = function(what, expected)
  local seen = {}
  for i, request in ipairs(requests_of(what)) do
    if holds(request, expected) then
      return true, nil, ("expected no upstream to see %s, but one did"):format(show(expected))
    end
    seen[i] = ("%s %s %s"):format(request.method, request.target, show(request.headers))
  end
  return false,
    ("expected an upstream to see %s; seen: %s"):format(
      show(expected),
      #seen > 0 and table.concat(seen, "; ") or "nothing"
    )
end

function checks.logged(gateway, pattern)
  local lines = {}
  for i, entry in ipairs(gateway.log) do
    lines[i] = entry.level .. " " .. entry.line
  end
  local entry = gateway.log:find(pattern)
  return entry ~= nil,
    ("expected a line with %s in the error log, which says: %s"):format(
      show(pattern),
      #lines > 0 and table.concat(lines, " | ") or "nothing"
    ),
    ("expected no line with %s in the error log, got %s"):format(show(pattern), entry and entry.line or "")
end

--- Teaches luassert.
function M.install()
  say:set_namespace("en")
  say:set("moongate.spec", "%s")
  for name, check in pairs(checks) do
    luassert:register("assertion", name, function(state, arguments)
      local good, positive, negative = check(unpack(arguments, 1, arguments.n))
      arguments[1] = (state.mod and positive or negative) or ""
      arguments.n, arguments.nofmt = 1, { true }
      return good
    end, "moongate.spec", "moongate.spec")
  end
end

return M
