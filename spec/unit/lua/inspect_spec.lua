local inspect = require("moongate.inspect").text

describe("inspect.text", function()
  it("shows values as Lua writes them, keys in order", function()
    assert.equal(
      '{ 1, "a\\nb", true, ["end"] = {}, ["x-a"] = 0.5, z = "\\0" }',
      inspect { 1, "a\nb", true, z = "\0", ["x-a"] = 0.5, ["end"] = {} }
    )
    assert.same(
      { "nil", "false", '"a\\"b"', "<function>", "<userdata>" },
      { inspect(nil), inspect(false), inspect('a"b'), inspect(print), inspect(io.stdout) }
    )
  end)

  it("ends with tables that hold themselves, are deep or are long", function()
    local ring = { a = {} }
    ring.a.b = ring
    assert.equal("{ a = { b = <itself> } }", inspect(ring))
    local deep = {}
    for _ = 1, 100 do
      deep = { deep }
    end
    assert.truthy(inspect(deep):find("{ … }", 1, true))
    local long = {}
    for i = 1, 10000 do
      long[i] = i
    end
    assert.is_true(#inspect(long) < 1000)
    assert.is_true(#inspect(("x"):rep(1e6)) < 1100)
  end)

  it(
    "does not ask metatables",
    function() assert.equal("{}", inspect(setmetatable({}, { __index = error, __tostring = error }))) end
  )
end)
