--- What the protocols of services and routes ask of their other fields: Kong's rules.
local report = require("moongate.config.report")

local M = {}

M.FAMILY = { http = "http", https = "http", grpc = "grpc", grpcs = "grpc" }

--- The check of a route's `protocols`: one family.
---@param list string[]
---@return boolean? ok, string? problem
function M.of_route(list)
  for _, name in ipairs(list) do
    if M.FAMILY[name] ~= M.FAMILY[list[1]] then
      return nil, ("%s and %s do not go together: make two routes"):format(list[1], name)
    end
  end
  return true
end

--- Whether plain HTTP is sent away: all of a route's protocols speak TLS.
---@param list? string[]  of a route; nil: it was wrong
---@return boolean
function M.is_https_only(list)
  for _, name in ipairs(list or {}) do
    if name == "http" or name == "grpc" then return false end
  end
  return list ~= nil
end

--- True where a route takes calls of gRPC and nothing else. What contradicts that is reported.
---@param rep table
---@param item table  from collect.lua
---@return boolean
function M.takes_grpc(rep, item)
  local list = item.value.protocols or {} -- none: they are wrong
  if M.FAMILY[list[1]] ~= "grpc" then return false end
  if item.raw.strip_path == true then
    report.error(
      rep,
      report.join(item.path, "strip_path"),
      "does not go with grpc: the path is the name of the method"
    )
  end
  if item.raw.methods ~= nil then
    report.error(rep, report.join(item.path, "methods"), "does not go with grpc: every call is a POST")
  end
  return true
end

--- Whether HTTP/2 is spoken to a service.
---@param rep table
---@param item table  from collect.lua
---@param place table  its protocol and path
---@return boolean
function M.speaks_http2(rep, item, place)
  if M.FAMILY[place.protocol] ~= "grpc" then return item.value.http2 end
  if item.raw.http2 == false then
    report.error(rep, report.join(item.path, "http2"), "gRPC is spoken over HTTP/2: leave it out")
  end
  if place.path then
    local key = item.value.url and "url" or "path"
    report.error(
      rep,
      report.join(item.path, key),
      "does not go with grpc: the path of a call is the name of its method"
    )
  end
  return true
end

return M
