local ffi = require("ffi")
local c = require("support.c")
local net = require("support.net")

ffi.cdef([[int access(const char *, int); int umask(int);]])

describe("the socket source", function()
  local source, fds

  before_each(function()
    source = c.gw_socket_source_new()
    fds = {}
  end)

  after_each(function()
    for _, fd in ipairs(fds) do
      ffi.C.close(fd)
    end
    c.gw_socket_source_free(source)
  end)

  -- Returns the address it was bound to, or nil and the text.
  local function get(text, index, from)
    local addr, why = net.addr(text), ffi.new("char[256]")
    local fd = c.gw_socket_source_get(from or source, addr, index or 0, why, 256)
    if fd < 0 then return nil, ffi.string(why) end
    fds[#fds + 1] = fd
    return net.addr_text(addr)
  end

  it("gives every worker the same port when it picks one", function()
    local first = assert(get("127.0.0.1:0", 0))
    assert.truthy(first:find("^127%.0%.0%.1:[1-9]"))
    assert.equal(first, get(first, 1)) -- with the address that came back
    assert.equal(first, get("127.0.0.1:0", 2)) -- or with the one asked for
    local other = assert(get("127.0.0.1:0", 0)) -- a new listener
    assert.is_true(other ~= first)
    assert.equal(other, get(other, 1))
    assert.equal(first, get(first, 3))
  end)

  it("does the same for IPv6", function()
    local first = assert(get("[::1]:0", 0))
    assert.equal(first, get(first, 1))
  end)

  it("says who is in the way, though ports may be shared", function()
    local first = assert(get("127.0.0.1:0"))
    local stranger = c.gw_socket_source_new()
    local addr, why = get(first, 0, stranger)
    assert.is_nil(addr)
    assert.equal(
      "bind " .. first .. ": Address already in use (somebody listens there already; ss -ltnp shows who)",
      why
    )
    assert.is_nil((get(first, 1, stranger)))
    c.gw_socket_source_free(stranger)
  end)

  it("says when the machine does not have the address", function()
    local addr, why = get("192.0.2.1:80")
    assert.is_nil(addr)
    assert.truthy(why:find("^bind 192.0.2.1:80: Cannot assign requested address %(this machine"), why)
  end)

  it("takes an address back after its release, while old sockets may still be open", function()
    local first = assert(get("127.0.0.1:0"))
    c.gw_socket_source_release(source, net.addr(first))
    assert.equal(first, get(first))
  end)

  describe("of unix sockets", function()
    local path

    before_each(function() path = os.tmpname() .. ".sock" end)
    after_each(function() os.remove(path) end)

    local function there() return ffi.C.access(path, 0) == 0 end

    it("shares one between workers, for its own user only", function()
      assert.equal("unix:" .. path, get("unix:" .. path, 0))
      assert.equal("unix:" .. path, get("unix:" .. path, 1))
      local pipe = io.popen("stat -c %a " .. path)
      assert.equal("600\n", pipe:read("*a"))
      pipe:close()
    end)

    local function set_access(mode, group, from)
      local why = ffi.new("char[256]")
      local access = ffi.new("struct gw_socket_access", tonumber(mode, 8), group or -1)
      local good = c.gw_socket_source_set_access(from or source, net.addr("unix:" .. path), access, why, 256)
      return good, ffi.string(why)
    end

    local function state()
      local pipe = io.popen("stat -c '%a %g' " .. path)
      local mode, group = pipe:read("*l"):match("(%d+) (%d+)")
      pipe:close()
      return mode, tonumber(group)
    end

    it("opens it to others when told, whatever the umask is", function()
      get("unix:" .. path)
      local _, own = state()
      assert.is_true(set_access("666"))
      assert.same({ "666", own }, { state() })
      assert.is_true(set_access("660", own))
      assert.same({ "660", own }, { state() })
    end)

    it("does not touch a file that is not its own", function()
      assert.same(
        { false, "unix:" .. path .. ": mode or group: No such file or directory (the folder does not exist)" },
        { set_access("666") }
      )
      get("unix:" .. path)
      os.remove(path)
      io.open(path, "w"):close()
      local before = state()
      local good, why = set_access("600")
      assert.is_false(good)
      assert.is_truthy(why:find("Stale file handle", 1, true), why)
      assert.equal(before, (state()))
      os.remove(path)
      os.execute("ln -s /etc/passwd " .. path)
      assert.is_false((set_access("666")))
    end)

    it("removes its file at the release, and only its own", function()
      get("unix:" .. path)
      c.gw_socket_source_release(source, net.addr("unix:" .. path))
      assert.is_false(there())
      get("unix:" .. path)
      os.remove(path)
      local file = io.open(path, "w") -- somebody else's by now
      file:close()
      c.gw_socket_source_release(source, net.addr("unix:" .. path))
      assert.is_true(there())
    end)

    it("takes the place of a dead one, never of a living one or of a file", function()
      local dead = ffi.C.socket(1, 1, 0)
      local addr = net.addr("unix:" .. path)
      assert.equal(0, ffi.C.bind(dead, addr, addr.len))
      ffi.C.close(dead)
      assert.is_true(there())
      assert.equal("unix:" .. path, get("unix:" .. path))
      local stranger = c.gw_socket_source_new()
      local got, why = get("unix:" .. path, 0, stranger)
      assert.is_nil(got)
      assert.truthy(why:find("Address already in use", 1, true))
      assert.is_true(there())
      c.gw_socket_source_free(stranger)
      c.gw_socket_source_release(source, addr)
      local file = io.open(path, "w")
      file:close()
      assert.is_nil((get("unix:" .. path)))
      assert.is_true(there())
    end)

    it("says when the folder is not there", function()
      local got, why = get("unix:/nonexistent/x.sock")
      assert.is_nil(got)
      assert.truthy(why:find("No such file or directory (the folder does not exist)", 1, true))
    end)
  end)
end)
