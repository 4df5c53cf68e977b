--- `moongate audit`: who may use each route, within which bounds, and what travels unprotected. Works from the file. A
--- *gap* is what nobody decided, or decided against the safe default; it has a place in the file and fails the command.
local config = require("moongate.config")
local limits = require("moongate.config.limits")
local plan = require("moongate.plan")

local M = {}

local GOOD, BAD = 0, 1
local TOKEN_MIN = 16

-- --- gaps --------------------------------------------------------------------------------------------------------

-- `place`: what has a path and a line in the file, or a path alone.
local function add(audit, place, text, ...)
  if type(place) == "string" then place = { path = place } end
  audit.gaps[#audit.gaps + 1] = {
    file = audit.config.file,
    path = place.path,
    line = place.line,
    message = text:format(...),
  }
end

-- What is unbounded here although it is not by default.
local function unbounded(values)
  local names = {}
  for name, default in pairs(limits.DEFAULTS) do
    if default ~= 0 and values[name] == 0 then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function check_limits(audit, place, values, known)
  local names = {}
  for _, name in ipairs(unbounded(values)) do
    if not known[name] then names[#names + 1] = name end
  end
  if #names > 0 then add(audit, place, "no bound: limits.%s", table.concat(names, ", limits.")) end
end

local function is_local(address) return address.kind == "unix" or address.loopback or false end

-- --- what there is -----------------------------------------------------------------------------------------------

-- Who is asked for credentials: the plugin that always does, else one that does sometimes.
local function guards_of(normal, entries)
  local sometimes
  for _, entry in ipairs(entries) do
    local use = entry.use and normal.plugins[entry.use]
    if use and use.authenticates == true then return use end
    if use and use.authenticates then sometimes = use end
  end
  return nil, sometimes
end

local function size(bytes)
  for _, unit in ipairs { { 1024 ^ 3, "g" }, { 1024 ^ 2, "m" }, { 1024, "k" } } do
    if bytes >= unit[1] and bytes % unit[1] == 0 then return ("%d%s"):format(bytes / unit[1], unit[2]) end
  end
  return ("%db"):format(bytes)
end

-- Plugins that refuse some requests, by their names.
local BOUNDING = { "limit", "restriction", "bot%-detection" }

local function bounds_of(route, entries)
  local names = { "body " .. size(route.limits.body) }
  for _, entry in ipairs(entries) do
    for _, pattern in ipairs(BOUNDING) do
      if entry.use and entry.name:find(pattern) then
        names[#names + 1] = entry.name
        break
      end
    end
  end
  return table.concat(names, ", ")
end

local function who_may(audit, route, entries)
  local guard, sometimes = guards_of(audit.config, entries)
  local certificate = route.clients and route.clients.mode == "required" and "client certificate"
  if guard or certificate then
    return certificate and guard and certificate .. ", " .. guard.name or certificate or guard.name, guard
  elseif route.public then
    return "everybody (public)"
  elseif sometimes then
    add(audit, route, "%s (%s) has a condition (when): without it everybody may", sometimes.name, sometimes.path)
    return "everybody, sometimes " .. sometimes.name, sometimes
  end
  add(audit, route, "everybody may, and nobody wrote public: true")
  return "everybody"
end

-- Whether clients of elsewhere reach it with their credentials in the clear. Behind trusted proxies TLS may be theirs.
local function check_cleartext(audit, route, guard)
  if not guard or route.https_only or #audit.config.trusted_proxies > 0 then return end
  for _, listener in ipairs(audit.open) do
    add(
      audit,
      route,
      "credentials for %s may come in cleartext through %s (protocols: [https], or redirect_https there)",
      guard.name,
      listener.text
    )
  end
end

local function to_service(audit, route)
  local service = route.service and audit.config.services[route.service]
  if not service then return "no service" end
  if not service.tls then return service.protocol end
  if service.tls.verify then return service.protocol .. ", verified" end
  audit.unverified[service] = true
  return service.protocol .. ", NOT verified"
end

-- Over what a request can reach it: what listeners speak, of that what the route takes.
local function from_clients(audit, route)
  local ways = {}
  if audit.speaks.http and not route.https_only then ways[1] = "http" end
  if audit.speaks.https and not route.http_only then ways[#ways + 1] = "https" end
  return #ways > 0 and table.concat(ways, ", ") or "no listener"
end

local function look_at_routes(audit)
  local normal = audit.config
  local plans = plan.build(normal)
  local rows = { { "ROUTE", "WHO MAY", "BOUNDS", "FROM CLIENTS", "TO THE SERVICE" } }
  for i, route in ipairs(normal.routes) do
    if route.enabled ~= false then
      local who, guard = who_may(audit, route, plans.routes[i])
      check_cleartext(audit, route, guard)
      check_limits(audit, route, route.limits, audit.known)
      rows[#rows + 1] = {
        route.name or route.path,
        who,
        bounds_of(route, plans.routes[i]),
        from_clients(audit, route),
        to_service(audit, route),
      }
    end
  end
  return rows
end

local function describe_tls(listener)
  if not listener.tls then return listener.redirect_https and "http, sent on to https" or "http" end
  local mode
  for _, clients in ipairs(listener.tls.clients) do
    if #clients.names == 0 then mode = clients.mode end
  end
  return "https" .. (mode and mode ~= "none" and ", client certificate " .. mode or "")
end

local function look_at_listeners(audit)
  local rows = { { "LISTENER", "SPEAKS", "REACHED FROM" } }
  for i, listener in ipairs(audit.config.listeners) do
    local near = is_local(listener)
    if listener.tls then
      audit.speaks.https = true
    elseif not listener.redirect_https then
      audit.speaks.http = true
    end
    if not near and not listener.tls and not listener.redirect_https then
      audit.open[#audit.open + 1] = listener
    end
    check_limits(audit, ("listeners[%d]"):format(i - 1), listener.limits, audit.known)
    rows[#rows + 1] = { listener.text, describe_tls(listener), near and "this machine" or "elsewhere" }
  end
  local admin = audit.config.admin.address
  if not admin then
    rows[#rows + 1] = { "admin", "unix socket, mode 0600", "this machine" }
  else
    rows[#rows + 1] =
      { admin.text .. " (admin)", "http, token", is_local(admin) and "this machine" or "elsewhere" }
    if not is_local(admin) then
      add(audit, "admin.address", "the token travels in cleartext: use a unix socket")
    end
    if #audit.config.admin.token < TOKEN_MIN then
      add(audit, "admin.token", "can be guessed: write at least %d characters", TOKEN_MIN)
    end
  end
  return rows
end

local function look_at_services(audit)
  for i, service in ipairs(audit.config.services) do
    if audit.unverified[service] then
      add(
        audit,
        ("services[%d]"):format(i - 1),
        "%s may be anybody: tls_verify is off",
        service.name or service.host
      )
    end
  end
end

-- --- saying it ---------------------------------------------------------------------------------------------------

local function print_rows(rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for column, text in ipairs(row) do
      widths[column] = math.max(widths[column] or 0, #text)
    end
  end
  for _, row in ipairs(rows) do
    local cells = {}
    for column, text in ipairs(row) do
      cells[column] = column < #row and text .. (" "):rep(widths[column] - #text) or text
    end
    print(table.concat(cells, "  "))
  end
  print()
end

local function print_list(title, list)
  if #list == 0 then return end
  print(title)
  for _, text in ipairs(list) do
    print("  " .. text)
  end
end

local function plural(count, word) return ("%d %s%s"):format(count, word, count == 1 and "" or "s") end

local function lines_of(entries)
  local lines = {}
  for i, entry in ipairs(entries) do
    lines[i] = config.format(entry)
  end
  return lines
end

--- Reads a configuration and says what it leaves open.
---@param home string
---@param path string
---@return integer code  0: nothing
function M.run(home, path)
  local normal, errors = config.load(path, { bundled = home .. "/plugins" })
  if not normal then
    for _, text in ipairs(lines_of(errors)) do
      io.stderr:write(text, "\n")
    end
    io.stderr:write(("moongate: %s: %s\n"):format(path, plural(#errors, "error")))
    return BAD
  end
  local audit = { config = normal, gaps = {}, open = {}, unverified = {}, known = {}, speaks = {} }
  for _, name in ipairs(unbounded(normal.limits)) do
    audit.known[name] = true
  end
  check_limits(audit, "limits", normal.limits, {})
  local listeners = look_at_listeners(audit)
  local routes = look_at_routes(audit)
  look_at_services(audit)
  print_rows(listeners)
  print_rows(routes)
  print_list("warnings", lines_of(normal.warnings))
  print_list("gaps", lines_of(audit.gaps))
  print(#audit.gaps == 0 and "no gaps" or plural(#audit.gaps, "gap"))
  return #audit.gaps == 0 and GOOD or BAD
end

return M
