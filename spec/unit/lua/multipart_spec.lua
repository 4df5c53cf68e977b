local multipart = require("moongate.multipart")

local TYPE = "multipart/form-data; boundary=b"

-- Lines become CRLF.
local function body(text) return (text:gsub("\n", "\r\n")) end

local function part(name, value)
  return ('--b\ncontent-disposition: form-data; name="%s"\n\n%s\n'):format(name, value)
end

describe("multipart.decode", function()
  it("reads fields, repeated ones as arrays, and files as their bytes", function()
    local form = multipart.decode(
      body(
        "ignored\n"
          .. part("a", "1")
          .. part("b", "x")
          .. part("b", "y")
          .. '--b\nContent-Disposition: form-data; name="f"; filename="c:\\dir\\a.bin"\nContent-Type: application/octet-stream\n\n'
          .. "\0\1\n--bb\n--\n\n"
          .. part("e", "")
          .. "--b--\nafter"
      ),
      TYPE
    )
    assert.same({ a = "1", b = { "x", "y" }, f = "\0\1\r\n--bb\r\n--\r\n", e = "" }, form)
  end)

  it("reads what curl and browsers write", function()
    local curl = "--------------------------9051914041544843"
    local text = ('--%s\nContent-Disposition: form-data; name="a\\"b"\n\nv\n--%s--\n'):format(curl, curl)
    assert.same({ ['a"b'] = "v" }, (multipart.decode(body(text), "multipart/form-data; boundary=" .. curl)))
    assert.same(
      { x = "v" },
      (
        multipart.decode(
          body("--b  \ncontent-disposition: form-data; name=x\n\nv\n--b--"),
          'multipart/form-data; charset=utf-8; boundary="b"'
        )
      )
    )
  end)

  it("takes a form without fields", function()
    assert.same({}, (multipart.decode("--b--", TYPE)))
    assert.same({}, (multipart.decode("--b--\r\n", TYPE)))
  end)

  it("leaves out what is beyond the most parts", function()
    local text = {}
    for i = 1, 150 do
      text[i] = part("n" .. i, "v")
    end
    local form = multipart.decode(body(table.concat(text) .. "--b--"), TYPE)
    assert.equal("v", form.n100)
    assert.is_nil(form.n101)
    form = multipart.decode(body(table.concat(text) .. "--b--"), TYPE, 2)
    assert.same({ n1 = "v", n2 = "v" }, form)
  end)

  for name, case in pairs {
    ["no boundary"] = { "--b--", "the content-type names no boundary", "multipart/form-data" },
    ["an empty boundary"] = { "----", "the boundary is not valid", 'multipart/form-data; boundary=""' },
    ["a boundary that is too long"] = {
      "x",
      "the boundary is not valid",
      "multipart/form-data; boundary=" .. ("b"):rep(71),
    },
    ["two boundaries"] = { "--b--", "the content-type names no boundary", TYPE .. "; boundary=c" },
    ["a boundary with a line end"] = {
      "--b--",
      "the boundary is not valid",
      'multipart/form-data; boundary="a\r\nb"',
    },
    ["no part"] = { "hello", "the body has no part" },
    ["an empty body"] = { "", "the body has no part" },
    ["a cut body"] = { part("a", "1"), "the body is cut: its last boundary is missing" },
    ["a cut head"] = { '--b\ncontent-disposition: form-data; name="a"\n', "a part has no end of its headers" },
    ["an endless head"] = { "--b\nx: " .. ("y"):rep(9000) .. "\n\nv\n--b--", "a part has no end of its headers" },
    ["a part without a name"] = { "--b\ncontent-type: text/plain\n\nv\n--b--", "a part has no name" },
    ["another disposition"] = {
      '--b\ncontent-disposition: attachment; name="a"\n\nv\n--b--',
      "a part has no name",
    },
    ["two dispositions"] = {
      '--b\ncontent-disposition: form-data; name="a"\ncontent-disposition: form-data; name="b"\n\nv\n--b--',
      "a part has no name",
    },
    ["a folded header"] = { '--b\ncontent-disposition: form-data;\n name="a"\n\nv\n--b--', "a part has no name" },
    ["a line that is no header"] = { "--b\nhello\n\nv\n--b--", "a part has a malformed header" },
    ["a name that does not end"] = {
      '--b\ncontent-disposition: form-data; name="a\n\nv\n--b--',
      "a part has no name",
    },
  } do
    it("refuses " .. name, function()
      local form, reason = multipart.decode(body(case[1]), case[3] or TYPE)
      assert.is_nil(form)
      assert.equal(case[2], reason)
    end)
  end

  it("never raises and takes no long time, whatever comes", function()
    local pieces =
      { "--b", "--b--", "\r\n", "\r", "\n", 'content-disposition: form-data; name="a"', '"', "\\", ":", "v", "-" }
    math.randomseed(3)
    for _ = 1, 3000 do
      local text = {}
      for i = 1, math.random(0, 20) do
        text[i] = pieces[math.random(#pieces)]
      end
      local form, reason = multipart.decode(table.concat(text), TYPE)
      assert.is_true(type(form) == "table" or type(reason) == "string")
    end
    local before = os.clock()
    multipart.decode(("\r\n--bx"):rep(200000), TYPE)
    multipart.decode(
      body(('--b\ncontent-disposition: form-data; name="%s"\n\nv\n'):format(("\\"):rep(8000)):rep(500)),
      TYPE
    )
    assert.is_true(os.clock() - before < 5)
  end)
end)

describe("multipart.encode", function()
  it("writes what decode reads", function()
    local text = multipart.encode({ a = 1, b = { "x", true }, c = "\r\n--\r\n" }, "b")
    assert.same({ a = "1", b = { "x", "true" }, c = "\r\n--\r\n" }, (multipart.decode(text, TYPE)))
  end)

  it("lets no name break out", function()
    local text = multipart.encode({ ['a"\r\nx: y'] = "1" }, "b")
    assert.truthy(text:find('name="a%22%0D%0Ax: y"', 1, true))
  end)

  it("refuses what it cannot write", function()
    assert.same(
      { nil, 'the value of "a" must be a string, number, boolean or an array of them' },
      { multipart.encode({ a = { {} } }, "b") }
    )
    assert.same({ nil, "the names must be strings" }, { multipart.encode({ "x" }, "b") })
    assert.same({ nil, 'the boundary stands in the value of "a"' }, { multipart.encode({ a = "x--b" }, "b") })
  end)
end)
