--- docs/operations.md names every metric, log field, reason, signal and exit code that the code has, and none it has not.
local files = require("moongate.config.files")
local host = require("support.host")

local function read(path) return assert(files.read(host.source_dir .. "/" .. path)) end

local page = read("docs/operations.md")

-- What stands in backquotes in the first column of the tables under that heading.
local function documented(heading)
  local _, from = page:find("\n#+ " .. heading .. "\n")
  local text = page:sub(from + 1, (page:find("\n#+ ", from + 1) or 0) - 1)
  local names = {}
  for cell in text:gmatch("\n| ([^|]+) |") do
    for name in cell:gmatch("`([^`]+)`") do
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

local function sorted(set)
  local list = {}
  for name in pairs(set) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

local function each_source()
  local list = {}
  for _, folder in ipairs { "proxy", "server", "script", "telemetry", "net", "http", "upstream", "sink", "policy" } do
    for _, name in ipairs(files.list(host.source_dir .. "/core/" .. folder)) do
      if name:find("%.c$") then list[#list + 1] = read("core/" .. folder .. "/" .. name) end
    end
  end
  return list
end

describe("docs/operations.md", function()
  it("has every metric, with its kind", function()
    local found = {}
    for _, text in ipairs(each_source()) do
      for name in text:gmatch('"(moongate_[%l_]+)"') do
        found[name] = true
      end
    end
    assert.same(sorted(found), documented("Metrics"))
    for kind in page:gmatch("\n| `moongate_[%l_]+` | (%a+) |") do
      assert.is_truthy(kind == "counter" or kind == "gauge" or kind == "histogram", kind)
    end
  end)

  it("has every field of the access log", function()
    local found, text = {}, read("core/telemetry/access_log.c")
    -- Records within the line, each written by a function of its own.
    for _, record in ipairs { "phases", "tls" } do
      local from, to = text:find("\nstatic char %*put_" .. record .. "%(.-\n}\n")
      for name in text:sub(from, to):gmatch('[{,]\\"(%l+)\\":') do
        if name ~= record then found[record .. "." .. name] = true end
      end
      found[record] = true
      text = text:sub(1, from) .. text:sub(to)
    end
    for name in text:gmatch('\\"(%a+)\\":') do
      found[name] = true
    end
    assert.same(sorted(found), documented("The access log"))
  end)

  it("has every reason, with its status", function()
    local found = {}
    for name, status in read("core/base/error.h"):gsub("%s*\\\n", "\n"):gmatch('X%(([%u_]+),%s*"[^"]*",%s*(%d+),') do
      if name ~= "OK" then found[name:lower() .. " " .. status] = true end
    end
    local said = {}
    for name, status in page:gmatch("\n| `([%l_]+)` | (%S+) |") do
      if status == "–" or tonumber(status) then said[name .. " " .. (tonumber(status) or 0)] = true end
    end
    assert.same(sorted(found), sorted(said))
  end)

  it("has every signal", function()
    local found = {}
    for name in read("core/supervisor/signals.c"):match("ours%[%] = {([^}]*)}"):gmatch("SIG%u+%d?") do
      if name ~= "SIGCHLD" then found[name] = true end
    end
    local said = {}
    for _, name in ipairs(documented("Processes and signals")) do
      if name:find("^SIG") then said[name] = true end
    end
    assert.same(sorted(found), sorted(said))
  end)

  it("has every exit code", function()
    for code in read("core/server/options.h"):gmatch("#define GW_EXIT_%u+ (%d+)") do
      assert.is_truthy(page:find("\n| " .. code .. " |", 1, true), code)
    end
  end)

  it("has every field of /status", function()
    local text = read("core/server/status.c") .. read("core/upstream/registry.c")
    local _, from = page:find("\n## Status and health\n")
    local part = page:sub(from, page:find("\n## ", from, true))
    for name in text:gmatch('\\"(%a+)\\":') do
      assert.is_truthy(part:find("`" .. name .. "`", 1, true), name)
    end
  end)
end)
