local c = require("support.c")
local ffi = require("ffi")

describe("gw_clients", function()
  local clients, entered

  before_each(function()
    clients, entered = c.gw_clients_new(), {}
  end)

  after_each(function()
    for _, count in ipairs(entered) do
      c.gw_clients_leave(clients, count)
    end
    assert.equal(0, tonumber(c.gw_clients_count(clients)))
    c.gw_clients_free(clients)
  end)

  local function enter(ip, most)
    local bytes = ffi.new("unsigned char[16]")
    ffi.copy(bytes, ip, #ip)
    local count = c.gw_clients_enter(clients, bytes, #ip, most)
    if count == nil then return false end
    entered[#entered + 1] = count
    return true
  end

  local NETWORK = "\32\1\13\184\0\0\0\1" -- 2001:db8:0:1::/64

  it("lets so many connections of an address in, and others beside it", function()
    assert.is_true(enter("\10\0\0\1", 2))
    assert.is_true(enter("\10\0\0\1", 2))
    assert.is_false(enter("\10\0\0\1", 2))
    assert.is_true(enter("\10\0\0\2", 2))
    assert.equal(2, tonumber(c.gw_clients_count(clients)))
  end)

  it("lets the next one in when one left, and forgets who has none", function()
    assert.is_true(enter("\10\0\0\1", 1))
    assert.is_false(enter("\10\0\0\1", 1))
    c.gw_clients_leave(clients, table.remove(entered))
    assert.equal(0, tonumber(c.gw_clients_count(clients)))
    assert.is_true(enter("\10\0\0\1", 1))
  end)

  it("counts an IPv6 network of 64 bits as one client", function()
    assert.is_true(enter(NETWORK .. "\0\0\0\0\0\0\0\1", 1))
    assert.is_false(enter(NETWORK .. "\1\2\3\4\5\6\7\8", 1))
    assert.is_true(enter("\32\1\13\184\0\0\0\2" .. "\0\0\0\0\0\0\0\1", 1))
  end)

  it("knows an IPv4 address that is written as IPv6", function()
    assert.is_true(enter("\10\0\0\1", 1))
    assert.is_false(enter(("\0"):rep(10) .. "\255\255\10\0\0\1", 1))
  end)

  it("goes on from what is open when the limit changes", function()
    for _ = 1, 3 do
      assert.is_true(enter("\10\0\0\1", 3))
    end
    assert.is_false(enter("\10\0\0\1", 1))
    assert.is_true(enter("\10\0\0\1", 4))
  end)

  it("holds no more entries than connections, whoever comes", function()
    for i = 1, 2000 do
      assert.is_true(enter(("\10\1%s%s"):format(string.char(math.floor(i / 256)), string.char(i % 256)), 1))
    end
    assert.equal(2000, tonumber(c.gw_clients_count(clients)))
  end)
end)
