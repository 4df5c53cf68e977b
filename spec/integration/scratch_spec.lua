local host = require("support.host")
local moongate = require("support.moongate")
local process = require("support.process")
local wire = require("support.wire")

-- What a run of specs writes goes with it: each of these runs is one more gw-spec.
describe("the folder of a run of specs", function()
  after_each(moongate.stop_all)

  local function run(body)
    local text = 'it("runs", function()\n%s\nend)'
    local folder = moongate.folder { ["one_spec.lua"] = text:format(body) }
    return process.run({ host.build_dir .. "/gw-spec", folder .. "/one_spec.lua" }, folder)
  end

  local function exists(path) return os.rename(path, path) ~= nil end

  local LEAVE = [[
local folder = require("support.moongate").folder { ["deep/er"] = "x" }
local name = os.tmpname()
os.execute("mkdir " .. name .. ".d && mkfifo " .. name .. ".d/fifo && ln -s / " .. name .. ".d/root")
io.stderr:write("left ", folder, " ", name, " ", os.getenv("TMPDIR"), " ")
]]

  local function left(result)
    local folder, name, root = result.stderr:match("left (%S+) (%S+) (%S+) ")
    assert.is_truthy(folder, result.stderr)
    assert.equal(root, folder:sub(1, #root))
    assert.equal(root, name:sub(1, #root))
    return root
  end

  it("goes with all that is in it when the run ends, well or badly", function()
    local good = run(LEAVE)
    assert.equal(0, good.code)
    assert.is_false(exists(left(good)))
    local bad = run(LEAVE .. 'error("on purpose")')
    assert.equal(1, bad.code)
    assert.is_false(exists(left(bad)))
  end)

  it("goes with the next run when its own was killed, and not before", function()
    local killed = run(LEAVE .. 'os.execute("kill -9 $PPID")\nwhile true do end')
    local root = left(killed)
    assert.is_true(exists(root))
    assert.equal(0, run("").code)
    wire.wait(function() return not exists(root) end)
    assert.is_false(exists(root))
    assert.is_true(exists(host.scratch_dir or "/tmp"))
  end)
end)
