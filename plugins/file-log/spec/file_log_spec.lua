local cjson = require("cjson")
local gateway = require("moongate.spec")

-- How it goes with threads, signals, full disks and pipes: spec/integration/file_log_spec.lua
describe("file-log", function()
  local path

  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  local function new(config)
    config = config or {}
    config.path = config.path or path
    return gateway.new { plugins = { { name = "file-log", config = config } } }
  end

  local function lines()
    local list, file = {}, io.open(path)
    for line in file and file:lines() or function() end do
      list[#list + 1] = cjson.decode(line)
    end
    if file then file:close() end
    return list
  end

  it("writes one line of JSON a request", function()
    local gw = new()
    gw:get("/one?a=b", { headers = { authorization = "Bearer secret" } })
    gw:get("/two")
    gw.clock:advance(1)
    local list = lines()
    assert.equal(2, #list)
    assert.equal("/one?a=b", list[1].request.uri)
    assert.equal(200, list[1].response.status)
    assert.equal("REDACTED", list[1].request.headers.authorization)
    assert.equal("/two", list[2].request.uri)
  end)

  it("appends to what is there", function()
    local file = io.open(path, "w")
    file:write('{"old":true}\n')
    file:close()
    local gw = new()
    gw:get("/")
    gw.clock:advance(1)
    assert.is_true(lines()[1].old)
    assert.equal(2, #lines())
  end)

  it("keeps its line a line whatever a client sends", function()
    local gw = new()
    gw:get("/", { headers = { ["x-odd"] = 'a"b\\ \255' } })
    gw.clock:advance(1)
    assert.equal('a"b\\ ?', lines()[1].request.headers["x-odd"])
  end)

  it("goes on with the file of that name after a reload, with reopen at once", function()
    for _, reopen in ipairs { false, true } do
      local gw = new { reopen = reopen }
      gw:get("/one")
      gw.clock:advance(1)
      os.remove(path)
      if not reopen then gw:reload() end
      gw:get("/two")
      gw.clock:advance(1)
      assert.equal("/two", lines()[1].request.uri)
      os.remove(path)
    end
  end)

  it("waits while the disk is full, and lets requests pass", function()
    local gw = new { path = "/dev/full" }
    for _ = 1, 5 do
      assert.equal(200, gw:get("/").status)
    end
    gw.clock:advance(30)
    assert.is_truthy(gw.log:find("No space left on device %(lines that wait: %d, lost"))
  end)

  it("refuses a path that cannot be written", function()
    local function refused(bad, reason)
      local ok, why = pcall(new, { path = bad })
      assert.is_false(ok)
      assert.matches(reason, tostring(why))
    end
    refused("/nowhere/at/all.log", "cannot write /nowhere/at/all.log: No such file or directory")
    refused("/tmp", "cannot write /tmp: it is a folder")
    refused("relative.log", "path")
  end)
end)
