local gateway = require("moongate.spec")

describe("post-function", function()
  local gw = gateway.new {
    plugins = {
      {
        name = "post-function",
        config = { access = { "local ctx = ... ctx.response:exit(200, ctx.shared.by or 'nobody')" } },
      },
      { name = "early", access = function(_, ctx) ctx.shared.by = "early" end },
    },
  }

  it("runs behind the other plugins", function() assert.equal("early", gw:get("/").body) end)
end)
