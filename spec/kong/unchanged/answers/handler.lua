-- Answers in each of the ways there are, and does each thing that a plugin may try.
local Answers = { PRIORITY = 7, VERSION = "1.0.0" }

local WAYS = {}

function WAYS.coroutine()
  local co = coroutine.create(function()
    kong.response.exit(418, "from a coroutine")
  end)
  coroutine.resume(co)
end

function WAYS.xpcall()
  xpcall(kong.response.exit, function() return "handled" end, 418, "from xpcall")
end

function WAYS.error()
  kong.response.error(418, "a problem")
end

function WAYS.redirect()
  ngx.redirect("https://elsewhere.test/", 307)
end

function WAYS.raise()
  error("it is broken")
end

function WAYS.later()
  ngx.timer.at(1, function(premature, text)
    kong.log.notice("later: ", text)
  end, "now")
  kong.response.exit(200, "at once")
end

function WAYS.cjson()
  local cjson = require "cjson"
  local ok, err = pcall(cjson.decode, "{")
  kong.response.exit(200, { ok = ok, err = type(err), list = cjson.empty_array, none = ngx.null })
end

function WAYS.digest()
  local sha256 = require("resty.sha256"):new()
  sha256:update("a")
  kong.response.exit(200, require("resty.string").to_hex(sha256:final()))
end

function WAYS.stream()
  kong.response.stream(200, {}, print)
end

function WAYS.dict()
  return ngx.shared.kong
end

function WAYS.none() end

function Answers:access(conf)
  WAYS[conf.what]()
  kong.service.request.set_header("X-After", "ran")
end

function Answers:header_filter(conf)
  if conf.what == "none" then
    kong.response.exit(451, "not this one")
  end
end

return Answers
