local gateway = require("moongate.spec")

local replacer -- as the plugin has it

local function rules_of(list)
  local pairs = {}
  for i = 1, #list, 2 do
    pairs[#pairs + 1] = { find = list[i], with = list[i + 1] }
  end
  return replacer.new(pairs), pairs
end

--- What the words of replacer.lua say, in the plainest way.
local function whole(pairs, text)
  local out, at = {}, 1
  while at <= #text do
    local best
    for _, pair in ipairs(pairs) do
      if text:sub(at, at + #pair.find - 1) == pair.find and (not best or #pair.find > #best.find) then
        best = pair
      end
    end
    out[#out + 1] = best and best.with or text:sub(at, at)
    at = at + (best and #best.find or 1)
  end
  return table.concat(out)
end

--- luassert takes its time, and there are many thousand comparisons here.
local function same(expected, got)
  if expected ~= got then assert.equal(expected, got) end
end

--- The same text in pieces; the last call is the empty one that says it is over.
local function stream(rules, pieces)
  local out, kept, most = {}, "", 0
  local function take(piece, last)
    local result
    result, kept = replacer.step(rules, kept, piece, last)
    out[#out + 1] = result or piece
    most = math.max(most, #kept)
  end
  for _, piece in ipairs(pieces) do
    take(piece, false)
  end
  take("", true)
  same("", kept)
  return table.concat(out), most
end

local CASES = {
  { { "cat", "dog" }, "a cat, a cat and a concatenated caca" },
  { { "a", "b", "b", "a" }, "abbaab" },
  { { "foo", "1", "foobar", "2" }, "foo foob fooba foobar foobarfoo" },
  { { "foobar", "2", "foo", "1" }, "foo foob fooba foobar foobarfoo" },
  { { "aab", "x", "ab", "y" }, "aaab aab ab aaaabab" },
  { { "abcdef", "1", "cd", "2", "ef", "3" }, "abcd abcdef abcdeef cdef abcdabcdef" },
  { { "xa", "1", "ab", "2" }, "xab xaab abxa" },
  { { "aa", "a" }, "aaaaaaa" },
  { { "\0\255", "" }, "\0\0\255\255\0\255" },
  { { "%d+", "(", ".", "%1" }, "%d+.%d" },
  { { "end", "END" }, "the end" },
}

describe("the replacer", function()
  local gw = gateway.new { plugins = { { name = "stream-replace", config = { replace = { { find = "a" } } } } } }
  replacer = gw:module("stream-replace.replacer")

  it("gives the same wherever the text is cut once", function()
    for _, case in ipairs(CASES) do
      local rules, pairs = rules_of(case[1])
      local expected = whole(pairs, case[2])
      for at = 0, #case[2] do
        same(expected, (stream(rules, { case[2]:sub(1, at), case[2]:sub(at + 1) })))
      end
    end
  end)

  it("gives the same in pieces of every size", function()
    for _, case in ipairs(CASES) do
      local rules, pairs = rules_of(case[1])
      local expected = whole(pairs, case[2])
      for size = 1, #case[2] do
        local pieces = {}
        for at = 1, #case[2], size do
          pieces[#pieces + 1] = case[2]:sub(at, at + size - 1)
        end
        same(expected, (stream(rules, pieces)))
      end
    end
  end)

  it("gives the same for random rules, texts and cuts", function()
    local seed = 42
    local function random(most)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return math.floor(seed / 65536) % most + 1
    end
    local function word(most)
      local letters = {}
      for i = 1, random(most) do
        letters[i] = string.char(96 + random(3))
      end
      return table.concat(letters)
    end
    for _ = 1, 3000 do
      local list, seen = {}, {}
      for _ = 1, random(4) do
        local wanted = word(5)
        if not seen[wanted] then
          seen[wanted] = true
          list[#list + 1], list[#list + 2] = wanted, word(3):upper()
        end
      end
      local rules, pairs = rules_of(list)
      local text, pieces, at = word(40), {}, 1
      while at <= #text do
        local size = random(7)
        pieces[#pieces + 1] = text:sub(at, at + size - 1)
        at = at + size
      end
      local result, most = stream(rules, pieces)
      same(whole(pairs, text), result)
      same(true, most < rules.longest)
    end
  end)

  it("keeps nothing that cannot be the beginning of a text", function()
    local rules = rules_of { "needle", "x" }
    local out, kept = replacer.step(rules, "", "data: hello\n\n", false)
    assert.is_nil(out) -- the piece as it is: nothing was copied
    assert.equal("", kept)
    out, kept = replacer.step(rules, "", "a need", false)
    assert.equal("a ", out)
    assert.equal("need", kept)
  end)

  it("does not let a piece grow without end", function()
    local rules = rules_of { "a", ("x"):rep(16384) }
    assert.error_matches(
      function() replacer.step(rules, "", ("a"):rep(2000), false) end,
      "longer than 16777216 bytes"
    )
  end)
end)
