local gateway = require("moongate.spec")

local CONFIG = [[
default_access: allow
services:
  - name: s
    url: http://up.test
    routes:
      - name: answers
        paths: [/answers]
        plugins:
          - name: pre-function
            config:
              access:
                - "local ctx = ... ctx.response:exit(200, 'first')"
                - "local ctx = ... ctx.response:exit(200, 'second')"
      - name: counts
        paths: [/counts]
        plugins:
          - name: pre-function
            config:
              access:
                - |
                  local count = 0
                  return function(ctx)
                    count = count + 1
                    ctx.response:set_header("x-count", count)
                  end
      - name: body
        paths: [/body]
        plugins:
          - name: pre-function
            config:
              body_filter:
                - "local _, piece = ... return piece:upper()"
                - "local _, piece = ... return (piece:gsub('A', '4'))"
      - name: head
        paths: [/head]
        plugins:
          - name: pre-function
            config:
              header_filter: ["local ctx = ... ctx.response:set_header('x-a', tostring(ffi))"]
              log: ["local ctx = ... ctx.log('status', ' ', ctx.response:get_status())"]
      - name: box
        paths: [/box]
        plugins:
          - name: pre-function
            config: { access: ["require('ffi')"] }
      - name: trusted
        paths: [/trusted]
        plugins:
          - name: pre-function
            trusted: true
            config: { access: ["local ctx = ... ctx.response:exit(200, type(require('ffi').cast))"] }
      - name: globals
        paths: [/globals]
        plugins:
          - name: pre-function
            config:
              access: ["seen = (seen or 0) + 1", "local ctx = ... ctx.response:exit(200, tostring(seen))"]
plugins:
  - name: pre-function
    config: { rewrite: ["local ctx = ... ctx.request:set_header('x-before', 'routing')"] }
]]

describe("pre-function", function()
  local seen
  local gw = gateway.new {
    config = CONFIG,
    upstreams = {
      ["up.test"] = function(req)
        seen = req
        return { status = 200, headers = { ["content-length"] = "3" }, body = "abA" }
      end,
    },
  }

  it(
    "runs chunks with ctx as their argument, and stops at an answer",
    function() assert.equal("first", gw:get("/answers").body) end
  )

  it("runs a chunk that returns a function once, and keeps the function", function()
    assert.equal("1", gw:get("/counts").headers["x-count"])
    assert.equal("2", gw:get("/counts").headers["x-count"])
  end)

  it("pipes pieces of the body through its chunks, only where there are any", function()
    assert.equal("4B4", gw:get("/body").body)
    assert.equal("3", gw:get("/counts").headers["content-length"])
  end)

  it("takes Kong's names of the phases", function()
    assert.equal("nil", gw:get("/head").headers["x-a"])
    assert.logged(gw, "status 200")
  end)

  it("does not trust its code, unless the use says so", function()
    assert.equal(500, gw:get("/box").status)
    assert.equal("function", gw:get("/trusted").body)
  end)

  it("keeps the globals of a use to itself", function()
    assert.equal("1", gw:get("/globals").body)
    assert.equal("2", gw:get("/globals").body)
  end)

  it("runs before routing where it is used globally", function()
    gw:get("/counts")
    assert.equal("routing", seen.headers["x-before"])
  end)

  it("does not load what is no Lua, or is not in this version", function()
    for _, case in ipairs {
      { { access = { "return return" } }, "is not Lua: line 1" },
      { { access = { "\27LJ" } }, "bytecode" },
      { { certificate = { "x = 1" } }, "known, not in this version" },
      { { response = { "x = 1" }, header_filter = { "x = 1" } }, "header_filter" },
    } do
      local ok, why = pcall(gateway.new, { plugins = { { name = "pre-function", config = case[1] } } })
      assert.is_false(ok)
      assert.is_truthy(tostring(why):find(case[2], 1, true), tostring(why))
    end
  end)
end)
