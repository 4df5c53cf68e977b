local utils = require "kong.tools.utils"
local constants = require "kong.constants"

local _M = {}

local function refuse(message)
  kong.response.exit(401, { message = message })
end

function _M.execute(conf)
  local token = kong.request.get_header(conf.header)
  if not token then
    refuse("no token")
  end
  local ok = pcall(function()
    if not utils.table_contains(conf.tokens, utils.strip(token)) then
      refuse("wrong token")
    end
  end)
  if not ok then
    error("an answer is no error")
  end
  ngx.req.set_header(constants.HEADERS.CONSUMER_USERNAME, utils.split(token, "-")[1])
end

return _M
