local ffi = require("ffi")
local c = require("support.c")
local host = require("support.host")

-- The names as the table in the header has them.
local function names()
  local list = {}
  for line in io.lines(host.source_dir .. "/core/base/error.h") do
    local name = line:match("^%s+X%(([A-Z_]+),")
    if name then list[#list + 1] = name end
  end
  return list
end

describe("gw_error_info", function()
  local function each(fn)
    for i, name in ipairs(names()) do
      fn(name, c.gw_error_info(i - 1))
    end
  end

  it("knows every error of the table", function() assert.equal(tonumber(c.GW_E_COUNT), #names()) end)

  it("calls an error by its lower-case name", function()
    each(function(name, info) assert.equal(name:lower(), ffi.string(info.reason)) end)
  end)

  it("starts with success", function()
    assert.equal("ok", c.reason(0))
    assert.equal(0, c.gw_error_info(0).status)
  end)

  it("has a text for people everywhere", function()
    each(function(name, info) assert.is_true(#ffi.string(info.text) >= 8, name) end)
  end)

  it("has statuses of HTTP errors, or none", function()
    each(
      function(name, info) assert.is_true(info.status == 0 or (info.status >= 400 and info.status < 600), name) end
    )
  end)

  it("blames the client for every 4xx", function()
    each(function(name, info)
      if info.status >= 400 and info.status < 500 then
        assert.equal(tonumber(c.GW_SIDE_DOWNSTREAM), tonumber(info.side), name)
      end
    end)
  end)

  it("lets nothing be tried again but what failed upstream", function()
    each(function(name, info)
      if info.side ~= c.GW_SIDE_UPSTREAM then
        assert.equal(tonumber(c.GW_RETRY_NEVER), tonumber(info.retry), name)
      end
    end)
  end)
end)
