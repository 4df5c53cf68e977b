local ffi = require("ffi")
local c = require("support.c")

local function seeded(seed)
  local random = ffi.new("struct gw_random")
  if seed then
    c.gw_random_seed(random, seed)
  else
    c.gw_random_init(random)
  end
  return random
end

local function uuid_v7(random, wall_us)
  local out = ffi.new("char[37]")
  c.gw_uuid_v7(random, wall_us, out)
  return ffi.string(out)
end

local function uuid_v4(random)
  local out = ffi.new("char[37]")
  c.gw_uuid_v4(random, out)
  return ffi.string(out)
end

describe("gw_random", function()
  it("repeats itself from the same seed", function()
    local a, b = seeded(1), seeded(1)
    for _ = 1, 100 do
      assert.is_true(c.gw_random_next(a) == c.gw_random_next(b))
    end
  end)

  it(
    "differs from seed to seed",
    function() assert.is_false(c.gw_random_next(seeded(1)) == c.gw_random_next(seeded(2))) end
  )

  it(
    "differs each time it is seeded by the system",
    function() assert.is_false(c.gw_random_next(seeded()) == c.gw_random_next(seeded())) end
  )

  it("stays below the limit and reaches every number", function()
    local random, seen = seeded(3), {}
    for _ = 1, 1000 do
      local number = tonumber(c.gw_random_below(random, 10))
      assert.is_true(number >= 0 and number < 10)
      seen[number] = (seen[number] or 0) + 1
    end
    for number = 0, 9 do
      assert.is_true(seen[number] > 50)
    end
  end)

  it("has only 0 below 1", function() assert.equal(0, tonumber(c.gw_random_below(seeded(4), 1))) end)
end)

describe("gw_random_bytes", function()
  it("fills all bytes asked for and no other", function()
    local out = ffi.new("char[1002]")
    c.gw_random_bytes(out + 1, 1000)
    assert.equal(0, out[0])
    assert.equal(0, out[1001])
    assert.not_equal(("\0"):rep(100), ffi.string(out + 901, 100))
  end)
end)

describe("gw_uuid_v7", function()
  it("has version 7 and the variant of RFC 9562", function()
    local random = seeded()
    for _ = 1, 100 do
      assert.matches(
        "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-7%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$",
        uuid_v7(random, 1767225600000000LL)
      )
    end
  end)

  it("begins with the milliseconds since 1970", function()
    -- The example of RFC 9562 A.6: 017F22E2-79B0-7CC3-98C4-DC0C0C07398F.
    assert.equal("017f22e2-79b0-7", uuid_v7(seeded(1), 1645557742000000LL):sub(1, 15))
  end)

  it("shows the bits of the numbers it was made of", function()
    for seed = 1, 200 do
      local high = bit.bor(bit.band(c.gw_random_next(seeded(seed)), 0xffffffffffff0fffULL), 0x4000ULL)
      local shown = uuid_v4(seeded(seed)):sub(1, 18):gsub("-", "")
      assert.equal(bit.tohex(high, 16), shown)
    end
  end)

  it("is in lower case", function()
    local uuid = uuid_v7(seeded(5), 1645557742000000LL)
    assert.equal(uuid:lower(), uuid)
  end)

  it("does not repeat within one moment", function()
    local random, seen = seeded(), {}
    for _ = 1, 10000 do
      local uuid = uuid_v7(random, 1767225600000000LL)
      assert.is_nil(seen[uuid])
      seen[uuid] = true
    end
  end)
end)

describe("gw_uuid_v4", function()
  it("has version 4 and the variant of RFC 9562", function()
    local random = seeded()
    for _ = 1, 100 do
      assert.matches(
        "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$",
        uuid_v4(random)
      )
    end
  end)

  it("does not repeat", function()
    local random, seen = seeded(), {}
    for _ = 1, 10000 do
      local uuid = uuid_v4(random)
      assert.is_nil(seen[uuid])
      seen[uuid] = true
    end
  end)
end)
