local t = require("moongate.schema")

-- Mistakes an author makes in a schema, and what the error must say. Each names the field.
local MISUSES = {
  { "a misspelt attribute", function()
    return { key = t.string { defualt = "x" } }
  end, 'key: string has no attribute "defualt" (did you mean "default"?)' },
  { "an attribute of another type", function()
    return { key = t.string { between = { 1, 2 } } }
  end, 'key: string has no attribute "between"' },
  { "a type that does not exist", function()
    return { key = t.strng {} }
  end, 'key: moongate.schema has no type "strng" (did you mean "string"?)' },
  { "a type without its braces", function()
    return { key = t.string }
  end, "key: is a function; a type needs its braces" },
  { "a plain value instead of a type", function()
    return { key = true }
  end, "key: expected a type such as t.string {}, got true" },
  { "attributes that are no table", function()
    return { key = t.string("x") }
  end, 'key: t.string takes a table of attributes, got the string "x"' },
  { "a type as attributes", function()
    return { key = t.array(t.string {}) }
  end, "key: t.array takes a table of attributes, got a type" },
  { "a default of the wrong type", function()
    return { key = t.integer { default = "5" } }
  end, 'key: default does not fit its own type: expected an integer, got the string "5"' },
  { "a default outside its range", function()
    return { key = t.integer { between = { 1, 5 }, default = 9 } }
  end, "key: default does not fit its own type: must be between 1 and 5, got 9" },
  { "a default with a wrong element", function()
    return { key = t.array { t.header_name {}, default = { "ok", "not ok" } } }
  end, 'key: default[1] does not fit its own type: "not ok" is not a header name' },
  { "a duration as a bare number", function()
    return { key = t.duration { default = 30 } }
  end, 'key: default does not fit its own type: expected a duration such as "30s", got the number 30' },
  { "a Kong default that does not fit", function()
    return { key = t.boolean { default = true, kong_default = 0 } }
  end, "key: kong_default does not fit its own type: expected a boolean" },
  { "a warning without its Kong default", function()
    return { key = t.boolean { default = true, kong_unsafe = "danger" } }
  end, "key: kong_unsafe speaks of a kong_default, and there is none" },
  { "an empty choice", function()
    return { key = t.one_of {} }
  end, "key: one_of must be a list of values, got an empty table" },
  { "a choice of mixed types", function()
    return { key = t.one_of { "a", 2 } }
  end, "key: one_of holds the number 2, which is not a string" },
  { "a range with its ends swapped", function()
    return { key = t.number { between = { 5, 1 } } }
  end, "key: between must be { low, high }, got an array" },
  { "a bound that is no number", function()
    return { key = t.number { gt = "0" } }
  end, 'key: gt must be a number, got the string "0"' },
  { "a negative length", function()
    return { key = t.string { len_min = -1 } }
  end, "key: len_min must be a whole number, 0 or more, got the number -1" },
  { "lengths that exclude each other", function()
    return { key = t.string { len_min = 5, len_max = 2 } }
  end, "key: len_min is larger than len_max" },
  { "a malformed pattern", function()
    return { key = t.string { match = "[a" } }
  end, "key: match must be a Lua pattern (malformed pattern" },
  { "an about that is no text", function()
    return { key = t.string { about = true } }
  end, "key: about must be a string, got true" },
  { "a required that is no boolean", function()
    return { key = t.string { required = "yes" } }
  end, 'key: required must be a boolean, got the string "yes"' },
  { "required and yet later", function()
    return { key = t.string { required = true, later = "some day" } }
  end, "key: a field that comes later cannot be required" },
  { "required and yet never there", function()
    return { key = t.string { required = true, default = t.none } }
  end, "key: required contradicts default = t.none" },
  { "a check that is no function", function()
    return { key = t.string { check = "x" } }
  end, 'key: check must be a function, got the string "x"' },
  { "an array of nothing", function()
    return { key = t.array {} }
  end, "key: array: the element expected a type such as t.string {}, got nothing" },
  { "an array of two types", function()
    return { key = t.array { t.string {}, t.integer {} } }
  end, "key: array takes no element at place 2" },
  { "a mistake in an element", function()
    return { key = t.array { t.string { lenmin = 1 } } }
  end, 'key: the element: string has no attribute "lenmin" (did you mean "len_min"?)' },
  { "a map with keys that are no strings", function()
    return { key = t.map { t.integer {}, t.string {} } }
  end, "key: map: the key must be a kind of string" },
  { "an element inside a scalar", function()
    return { key = t.string { t.string {} } }
  end, "key: string takes no element at place 1" },
  { "a field without a name", function()
    return { t.string {} }
  end, "entry 1 of the record has no name" },
  { "a unit nobody knows", function()
    return { key = t.duration { unit = "min" } }
  end, 'key: unit must be "s" or "ms", got the string "min"' },
  { "a rule about a field that is not there", function()
    return { allow = t.any {}, t.only_one_of { "allow", "dney" } }
  end, 'only_one_of speaks of "dney", which is no field here (known: allow)' },
  { "a rule about one field", function()
    return { allow = t.any {}, t.at_least_one_of { "allow" } }
  end, "at_least_one_of needs at least two fields" },
  { "a condition without its consequence", function()
    return { allow = t.any {}, t.conditional { if_field = "allow" } }
  end, "conditional needs if_field and then_field" },
  { "a condition with a misspelt part", function()
    return { a = t.any {}, b = t.any {}, t.conditional { if_field = "a", if_equal = 1, then_field = "b" } }
  end, 'conditional has no "if_equal" (did you mean "if_equals"?)' },
  { "a rule of one's own without a function", function()
    return { allow = t.any {}, t.check("x") }
  end, "check needs a function" },
}

describe("a schema with a mistake", function()
  for _, case in ipairs(MISUSES) do
    local name, make, text = unpack(case)
    it("is refused when it is loaded: " .. name, function()
      local ok, message = pcall(function()
        return t.record(make())
      end)
      assert.is_false(ok)
      assert.is_truthy(message:find(text, 1, true), "got: " .. message .. "\nwanted: " .. text)
    end)
  end

  it("says the line of the field", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local _, message = pcall(function() return t.record { key = t.string { min = 1 } } end)
    assert.is_truthy(message:find("schema_misuse_spec.lua:" .. line .. ": key:", 1, true), message)
  end)

  it("names every mistake at once", function()
    local _, message = pcall(function()
      return t.record { a = t.string { x = 1 }, b = t.nope {} }
    end)
    assert.is_truthy(message:find("a: string", 1, true) and message:find("b: moongate", 1, true))
  end)

  it("is refused where it is used on its own", function()
    assert.has_error(function()
      t.validate(t.integer { default = "x" }, 5)
    end)
    assert.has_error(function()
      t.validate({}, 5)
    end)
  end)
end)
