--- Lets browsers make calls of gRPC: what they can say (gRPC-Web) becomes gRPC, and back.
local frames = require("grpc-web.frames")
local json = require("moongate.json")

local M = { version = "1.0.0", priority = 3 }

local PREFLIGHT = {
  ["Access-Control-Allow-Methods"] = "POST",
  ["Access-Control-Allow-Headers"] = "content-type,x-grpc-web,x-user-agent,grpc-timeout",
}

-- In base64 every answer needs its body here, as a whole; a call of gRPC-Web has one message.
local function read_text(ctx)
  local body, reason = ctx.request:get_raw_body()
  if not body then return nil, 413, reason end
  local bytes
  bytes, reason = frames.decode(body)
  if not bytes then return nil, 400, reason end
  return bytes
end

function M.access(conf, ctx)
  local request, service = ctx.request, ctx.service.request
  if request:get_method() == "OPTIONS" then return ctx.response:exit(200, nil, PREFLIGHT) end
  if not conf.pass_stripped_path then service:set_path(request:get_path()) end
  local content_type = request:get_header("content-type")
  if content_type and content_type:lower():find("^application/grpc%f[^%w-]") then return end -- needs no help
  local form, answer = frames.form(content_type)
  if not form then return ctx.response:error(400, "the Content-Type is none of gRPC-Web") end
  if request:get_method() ~= "POST" then return ctx.response:error(405, "calls are POST", { Allow = "POST" }) end
  if form == "text" then
    local bytes, status, reason = read_text(ctx)
    if not bytes then return ctx.response:error(status, reason) end
    service:set_raw_body(bytes)
  end
  ctx.plugin.form, ctx.plugin.answer = form, answer
  service:set_header("content-type", "application/grpc")
  service:clear_header("x-grpc-web")
end

local function is_grpc(content_type)
  return content_type ~= nil and content_type:lower():find("^application/grpc") ~= nil
end

-- What stands in the head of an answer that has nothing else: a page could not read it there.
local function take_status(response)
  local fields = {}
  for _, name in ipairs { "grpc-status", "grpc-message", "grpc-status-details-bin" } do
    fields[name] = response:get_header(name)
    response:clear_header(name)
  end
  return next(fields) and fields
end

-- Of a problem its detail, of JSON its message, else the text itself.
local function what_it_says(response)
  local body = response:get_raw_body(16384)
  local told = body and json.decode(body)
  if type(told) ~= "table" then return body or "" end
  local message = told.detail or told.message
  return type(message) == "string" and message or "", told.reason
end

-- What is answered here is told as a call would be: clients read nothing else, whatever the status of HTTP.
local function answer_call(ctx, form, answer)
  local response = ctx.response
  local message, reason = what_it_says(response)
  local frame = frames.trailers {
    ["grpc-status"] = tostring(frames.status(response:get_status(), reason)),
    ["grpc-message"] = frames.percent(message),
  }
  local headers = response:get_headers(1000)
  headers["content-type"], headers["content-length"], headers["content-encoding"] = answer, nil, nil
  return response:exit(200, form == "text" and frames.encode(frame) or frame, headers)
end

function M.response(conf, ctx)
  local response, state = ctx.response, ctx.plugin
  if not response:get_header("access-control-allow-origin") then
    response:set_header("access-control-allow-origin", conf.allow_origin_header)
  end
  if response:get_source() ~= "service" then
    local form, answer = state.form, state.answer
    if not form then -- refused before access came here
      form, answer = frames.form(ctx.request:get_header("content-type"))
    end
    return form and ctx.request:get_method() == "POST" and answer_call(ctx, form, answer)
  elseif not state.form or not is_grpc(response:get_header("content-type")) then
    return
  end
  response:set_header("content-type", state.answer)
  state.active, state.status = true, take_status(response)
end

local function last_frame(ctx)
  local fields = ctx.service.response:get_trailers()
  for name, value in pairs(ctx.plugin.status or {}) do
    fields[name] = value
  end
  if not fields["grpc-status"] then
    fields["grpc-status"], fields["grpc-message"] = "2", "the service said no grpc-status"
  end
  return frames.trailers(fields)
end

function M.body(_, ctx, chunk, last)
  local state = ctx.plugin
  if not state.active then return nil end
  if last then chunk = chunk .. last_frame(ctx) end
  if state.form == "text" and chunk ~= "" then return frames.encode(chunk) end
  return chunk
end

return M
