local c = require("support.c")

describe("gw_slice_trim", function()
  it("takes spaces and tabs away at both ends", function()
    local slice = c.slice(" \t a b\t ")
    assert.equal("a b", c.str(c.gw_slice_trim(slice)))
  end)
end)
