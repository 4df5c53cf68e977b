local c = require("support.c")

describe("gw_utf8_length", function()
  local function length(text) return tonumber(c.gw_utf8_length(c.slice(text))) end

  it("knows whole characters", function()
    for text, expected in pairs({
      ["a"] = 1,
      ["\0"] = 1,
      ["\127x"] = 1,
      ["\194\128"] = 2,
      ["\223\191"] = 2,
      ["\224\160\128"] = 3,
      ["\237\159\191"] = 3,
      ["\238\128\128"] = 3,
      ["\239\191\191"] = 3,
      ["\240\144\128\128"] = 4,
      ["\244\143\191\191"] = 4,
      ["€uro"] = 3,
    }) do
      assert.equal(expected, length(text), text)
    end
  end)

  it("refuses what only looks like one", function()
    for _, text in ipairs({
      "",
      "\128",
      "\191",
      "\192\128",
      "\193\191",
      "\194",
      "\194a",
      "\224\159\191",
      "\224\160",
      "\226\130a",
      "\237\160\128",
      "\237\191\191",
      "\240\143\191\191",
      "\240\144\128",
      "\244\144\128\128",
      "\245\128\128\128",
      "\255",
    }) do
      assert.equal(0, length(text), text)
    end
  end)
end)
