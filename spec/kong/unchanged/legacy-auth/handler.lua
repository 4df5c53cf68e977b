-- From the days of Kong 1: a class, a module of its own, and answers given in the middle of helpers.
local BasePlugin = require "kong.plugins.base_plugin"
local access = require "kong.plugins.legacy-auth.access"

local LegacyAuth = BasePlugin:extend()

LegacyAuth.PRIORITY = 1005
LegacyAuth.VERSION = "0.1.0"

function LegacyAuth:new()
  LegacyAuth.super.new(self, "legacy-auth")
  self.started = true
end

function LegacyAuth:init_worker()
  LegacyAuth.super.init_worker(self)
  kong.log.notice("legacy-auth is ready")
end

function LegacyAuth:access(conf)
  LegacyAuth.super.access(self)
  assert(self.started)
  access.execute(conf)
  kong.service.request.set_header("X-Checked", "yes")
end

return LegacyAuth
