-- What the worker process may not do any more.
local host = require("support.host")
local moongate = require("support.moongate")
local process = require("support.process")

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a") or ""
  if file then file:close() end
  return text
end

local is_root = read("/proc/self/status"):match("Uid:%s+(%d+)") == "0"

describe("the worker process", function()
  after_each(moongate.stop_all)

  it("gets no rights from programs it would start", function()
    local gw = moongate.start { yaml = "routes: []\n" }
    assert.matches("NoNewPrivs:%s+1", read(("/proc/%d/status"):format(gw:worker())))
    gw:stop()
  end)

  if is_root then
    -- A program and its files that everybody may read; the tree may lie where only root can go.
    local function prepare(folder)
      os.execute(
        ("cp '%s' '%s/moongate'; cp -r '%s/lua' '%s/plugins' '%s'; chmod -R a+rX '%s'"):format(
          moongate.binary,
          folder,
          host.source_dir,
          host.source_dir,
          folder,
          folder
        )
      )
    end

    it("is another user with --user, while the supervisor binds for it", function()
      local folder = moongate.folder()
      prepare(folder)
      local gw = moongate.start {
        binary = folder .. "/moongate",
        args = { "--user", "nobody" },
        env = { MOONGATE_HOME = folder },
        public = true,
        yaml = "listeners: [{ address: 127.0.0.1:0 }]\nlog: { access: access.log }\nroutes: [{ name: r, paths: [/], "
          .. "plugins: [{ name: request-termination, config: { status_code: 200, message: hello } }] }]\n",
      }
      local status = read(("/proc/%d/status"):format(gw:worker()))
      assert.matches("Uid:%s+65534%s+65534%s+65534%s+65534", status)
      assert.matches("Gid:%s+65534%s+65534%s+65534%s+65534", status)
      assert.matches("CapEff:%s+0+\n", status)
      assert.matches("Uid:%s+0%s+0", read(("/proc/%d/status"):format(gw.process.pid)))
      assert.equal(200, gw:get("/").status)
      assert.equal(200, (gw:reload()))
      process.signal(gw:worker(), "KILL")
      assert.is_truthy(gw:wait_log("restart 1"))
      assert.equal(200, gw:get("/").status)
      gw:stop()
    end)

    it("must have a user that exists", function()
      local result = moongate.command { "run", "-c", "x.yaml", "--user", "nobody-of-that-name" }
      assert.equal(1, result.code)
      assert.matches("%-%-user nobody%-of%-that%-name: no such user\n", result.stderr)
      result = moongate.command { "run", "-c", "x.yaml", "--user", "nobody:no-such-group" }
      assert.matches("no such group\n", result.stderr)
    end)
  end

  it("cannot be another user without a supervisor", function()
    local result = moongate.command { "run", "--no-supervisor", "--user", "nobody" }
    assert.equal(2, result.code)
    assert.matches("%-%-user goes with a supervisor only", result.stderr)
  end)
end)
