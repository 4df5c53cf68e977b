-- The Debian package: made of this build, installed into an empty root, started from there.
local host = require("support.host")
local moongate = require("support.moongate")
local process = require("support.process")

local function run(folder, ...)
  local result = process.run({ "/usr/bin/env", "-C", folder, ... }, folder, {}, 240)
  assert(result.code == 0, table.concat({ ... }, " ") .. ":\n" .. result.stdout .. result.stderr)
  return result.stdout
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

describe("the Debian package", function()
  local folder, root, deb

  setup(function()
    folder = moongate.folder { ["root/var/lib/dpkg/status"] = "", ["root/var/lib/dpkg/info/format"] = "1\n" }
    root = folder .. "/root"
    run(folder, "cpack", "--config", host.build_dir .. "/CPackConfig.cmake", "-B", folder .. "/made")
    deb = run(folder, "/bin/sh", "-c", "echo made/*.deb"):match("%S+")
    run(
      folder,
      "dpkg",
      "--root=" .. root,
      "--force-not-root",
      "--force-depends",
      "--force-script-chrootless",
      "--log=" .. folder .. "/dpkg.log",
      "-i",
      deb
    )
  end)

  teardown(moongate.stop_all)

  it("depends on what the program needs", function()
    local control = run(folder, "dpkg-deb", "-f", deb)
    for _, name in ipairs { "libc6", "libluajit2-5.1-2", "libuv1", "libssl3", "libpcre2-8-0", "lua-yaml", "adduser" } do
      assert.is_truthy(control:find("\nDepends:[^\n]*%f[%w]" .. name:gsub("%p", "%%%0")), name)
    end
    assert.equal("/etc/moongate/moongate.yaml\n", run(folder, "dpkg-deb", "-I", deb, "conffiles"))
  end)

  it("has scripts that a shell can read", function()
    for _, script in ipairs { "postinst", "prerm", "postrm" } do
      run(folder, "/bin/sh", "-n", root .. "/var/lib/dpkg/info/moongate." .. script)
    end
  end)

  it("starts from where it was installed, with its own files alone", function()
    local yaml = read(root .. "/etc/moongate/moongate.yaml")
    yaml = yaml:gsub("127%.0%.0%.1:8000", "127.0.0.1:0"):gsub("/etc/moongate", root .. "/etc/moongate")
    local gw = moongate.start {
      binary = root .. "/usr/bin/moongate",
      yaml = yaml .. "routes: [{ name: r, paths: [/], plugins: [{ name: echo }] }]\n",
      env = { MOONGATE_HOME = false },
    }
    assert.equal(200, gw:get("/").status)
    gw:stop()
  end)

  it("is removed without a trace but its configuration", function()
    run(
      folder,
      "dpkg",
      "--root=" .. root,
      "--force-not-root",
      "--force-script-chrootless",
      "--log=" .. folder .. "/dpkg.log",
      "-r",
      "moongate"
    )
    local left = run(folder, "find", root, "-type", "f", "-not", "-path", "*/var/lib/dpkg/*")
    assert.equal(root .. "/etc/moongate/moongate.yaml\n", left)
  end)
end)
