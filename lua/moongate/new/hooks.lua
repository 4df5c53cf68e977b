--- What a new plugin's hooks look like, and what its spec says of them. NAME and LABEL are filled in.
---
--- `code`: of handler.lua · `spec`: of the spec (nothing to see: nothing to say) · `about`: a line of the README
local M = {}

--- In the order in which they run.
M.ORDER = { "init", "rewrite", "access", "request_body", "response", "body", "log", "event" }

--- Without --hooks.
M.USUAL = { "access", "response" }

M.init = {
  code = [[
--- Once a worker, before it serves: gets the configuration of every use. May declare, may not wait.
function M.init(configs)
  M._uses = #configs
end
]],
}

M.rewrite = {
  code = [[
--- First of all; used globally, before a route is chosen, so it may change what is routed.
---@param ctx moongate.Ctx
function M.rewrite(_, ctx)
  ctx.plugin.path = ctx.request:get_path()
  ctx.service.request:set_header("x-NAME-path", ctx.plugin.path)
end
]],
  about = "tells the service the path as it came (`x-NAME-path`)",
  spec = [[
  it("tells the service the path as it came", function()
    gw:get("/some/path")
    assert.equal("/some/path", gw.upstream.last_request.headers["x-NAME-path"])
  end)
]],
}

M.access = {
  code = [[
--- The route is known. May refuse (return ctx.response:error(403, "…")), wait, and change what the service gets.
---@param ctx moongate.Ctx
function M.access(conf, ctx)
  ctx.service.request:set_header("x-NAME", conf.message)
end
]],
  about = "tells the service the message (`x-NAME`)",
  spec = [[
  it("tells the service", function()
    assert.equal(200, gw:get("/").status)
    assert.equal("hello", gw.upstream.last_request.headers["x-NAME"])
  end)
]],
}

M.request_body = {
  code = [[
--- Each chunk of the request's body: nil keeps it, a string replaces it. Called with ("", true) at the end.
function M.request_body(conf, _, chunk, last)
  if last then
    return chunk .. conf.message
  end
end
]],
  about = "puts the message behind the request's body",
  spec = [[
  it("puts the message behind the request's body", function()
    gw:post("/", { body = "ping " })
    assert.equal("ping hello", gw.upstream.last_request.body)
  end)
]],
}

M.response = {
  code = [[
--- The answer's head is there. May change it, read the body (ctx.response:get_raw_body()), or answer something else.
---@param ctx moongate.Ctx
function M.response(conf, ctx)
  ctx.response:set_header("x-NAME", conf.message)
end
]],
  about = "tells the client the message (`x-NAME`)",
  spec = [[
  it("tells the client", function()
    assert.equal("hello", gw:get("/").headers["x-NAME"])
  end)
]],
}

M.body = {
  code = [[
--- Each chunk of the answer's body: nil keeps it, a string replaces it. Called with ("", true) at the end.
function M.body(conf, _, chunk, last)
  if last then
    return chunk .. conf.message
  end
end
]],
  about = "puts the message behind the answer's body",
  spec = [[
  it("puts the message behind the answer's body", function()
    gw.upstream:reply { body = "pong " }
    assert.equal("pong hello", gw:get("/").body)
  end)
]],
}

M.log = {
  code = [[
--- The answer is sent. Nothing it does can change the request any more.
---@param ctx moongate.Ctx
function M.log(conf, ctx)
  ctx.log:notice(conf.message, ": ", ctx.response:get_status())
end
]],
  about = "writes a line with the message and the status into the error log",
  spec = [[
  it("writes a line", function()
    gw:get("/")
    assert.is_truthy(gw.log:find("hello: 200"))
  end)
]],
}

M.event = {
  code = [[
--- A target or a circuit breaker moved. No request is there, but `t` waits, fetches and logs as ctx does.
---@param t moongate.Task
function M.event(conf, event, t)
  t.log:notice(conf.message, ": ", event.upstream or event.service or event.route, " is ", event.state)
end
]],
  about = "writes a line with the message into the error log when a target or a circuit breaker moves",
}

return M
