--- ctx:fetch, ctx:fetch_all and the responses they bring, whole or piece by piece.
local ffi = require("ffi")
local check = require("moongate.pdk.check")
local core = require("moongate.core")
local fields = require("moongate.pdk.fields")
local json = require("moongate.json")
local request_of = require("moongate.fetch_request")

local C = require("moongate.cdef")
local ANYWHERE = check.ANYWHERE
local enter = check.enter

local M = {}

local ALL_MAX = 64

local RESPONSE = {
  __index = {
    --- The body as a table.
    json = function(self) return json.decode(self.body) end,
  },
}

local function collect(flat)
  local headers = fields.new()
  for i = 1, #flat, 2 do
    fields.put(headers, flat[i], flat[i + 1])
  end
  return headers
end

-- Why there is no response. `more`: the limit that was passed, or why the body's function failed.
local function reason_of(job, code, more)
  if code == -1 then return ("no upstream named %q in the configuration"):format(job.upstream) end
  if C.gw_pdk_too_large(code) ~= 0 then
    return ("the response is larger than limits.buffer (%d bytes)"):format(more)
  end
  if type(more) == "string" then return "the function of the body failed: " .. more end
  return ffi.string(C.gw_pdk_error_text(code))
end

--- What the core gives of a fetch that ended, as plugins see it.
---@return table? response, string? reason
function M.response(job, code, status, flat, body, trailers)
  if code ~= 0 then return nil, reason_of(job, code, status) end
  return setmetatable({
    ok = status >= 200 and status < 300,
    status = status,
    headers = collect(flat),
    body = body,
    trailers = trailers and collect(trailers),
  }, RESPONSE)
end

-- ── piece by piece ──────────────────────────────────────────────────────────

local function of_stream(self, what)
  if type(self) ~= "table" or not self._id then error(what .. " is a method: call it with a colon", 3) end
  return self._id
end

-- The next piece; nil at the end, with a reason when it came too early.
local function read(self)
  if self._ended then return nil, self._reason end
  local piece, code, more
  repeat -- a number: it waited
    piece, code, more = core.stream_read(self._id)
  until type(piece) ~= "number"
  if piece then return piece end
  if code == -1 then error("res:read: this response was closed", 3) end
  self._ended = true
  if code == 0 then
    self.trailers = more and collect(more)
    return nil
  end
  self._reason = reason_of(self._job, code, more)
  return nil, self._reason
end

local function next_piece(self)
  enter(self._ctx, "res:chunks", ANYWHERE)
  local piece, reason = read(self)
  if reason then error("res:chunks: " .. reason, 2) end
  return piece
end

local Stream = {}
local STREAM = { __index = Stream }

--- The next piece of the body, as it came; waits for it. nil at the end; nil and the reason when it ended too early.
---@return string? piece, string? reason
function Stream:read()
  of_stream(self, "res:read")
  enter(self._ctx, "res:read", ANYWHERE)
  local piece, reason = read(self)
  return piece, reason
end

--- All pieces, for a loop; raises an error when the body ends too early.
---@return fun(): string?
function Stream:chunks()
  of_stream(self, "res:chunks")
  enter(self._ctx, "res:chunks", ANYWHERE)
  return next_piece, self
end

--- Wants no more of it. The end of the request closes what was left open.
function Stream:close()
  local id = of_stream(self, "res:close")
  enter(self._ctx, "res:close", ANYWHERE)
  core.stream_close(id)
end

local function open(ctx, job)
  local id, bad = core.stream_open(job)
  if not id then return nil, nil, bad end
  local code, status, flat = core.stream_head(id)
  if code ~= 0 then return nil, reason_of(job, code, status) end
  return setmetatable({
    ok = status >= 200 and status < 300,
    status = status,
    headers = collect(flat),
    _id = id,
    _ctx = ctx,
    _job = job,
  }, STREAM)
end

-- ── whole ───────────────────────────────────────────────────────────────────

local function ask(job)
  local code, bad = core.group({ job }, 1, false, nil, "ctx:fetch")
  if code < 0 then return nil, nil, bad end
  local response, reason = M.response(job, core.group_take(1))
  core.group_end()
  return response, reason
end

--- The body of ctx:fetch, behind its checks of the hook. Misuse is an error of the caller's caller.
---@return table? response, string? reason
function M.fetch(ctx, request)
  local job, reason, misuse = request_of.read(request)
  local response
  if job then
    if job.stream then
      response, reason, misuse = open(ctx, job)
    else
      response, reason, misuse = ask(job)
    end
  end
  if misuse then error("ctx:fetch: " .. misuse, 3) end
  return response, reason
end

-- The jobs with their names; what cannot be asked for is a result already. Or nil and what is wrong.
local function read_all(requests)
  local jobs, names, results, count = {}, {}, {}, 0
  for name, request in pairs(requests) do
    local job, reason, misuse = request_of.read(request)
    if not misuse and job and job.stream then misuse = "stream is for ctx:fetch alone" end
    if misuse then return nil, ("%s: %s"):format(tostring(name), misuse) end
    count = count + 1
    if count > ALL_MAX then return nil, ("at most %d requests at once"):format(ALL_MAX) end
    if job then
      jobs[#jobs + 1], names[#names + 1] = job, name
    else
      results[name] = { ok = false, reason = reason }
    end
  end
  return jobs, names, results
end

--- The body of ctx:fetch_all.
---@return table<any, table> responses
function M.fetch_all(requests)
  if type(requests) ~= "table" then error("ctx:fetch_all: takes a table of requests", 3) end
  local jobs, names, results = read_all(requests)
  if not jobs then error("ctx:fetch_all: " .. names, 3) end
  if #jobs == 0 then return results end
  local code, bad = core.group(jobs, #jobs, false, nil, "ctx:fetch_all")
  if code < 0 then error(("ctx:fetch_all: %s: %s"):format(tostring(names[-code]), bad), 3) end
  for i = 1, #jobs do
    local response, reason = M.response(jobs[i], core.group_take(i))
    results[names[i]] = response or { ok = false, reason = reason }
  end
  core.group_end()
  return results
end

return M
