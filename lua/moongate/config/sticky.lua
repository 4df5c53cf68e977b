--- `sticky` of upstreams, and Kong's keys for the same: sessions that stay at their target (core/upstream/sticky.h).
local t = require("moongate.schema")
local report = require("moongate.config.report")

local M = {}

local COOKIE = "^[%w!#$%%&'*+%-.^_`|~]+$"
local PATH = "^/[%w/._~%-]*$"
local SAME_SITE = { lax = "Lax", strict = "Strict", none = "None" }

M.FIELDS = {
  sticky = t.record({
    cookie = t.string { match = COOKIE, default = "moongate-session", about = "Its name." },
    path = t.string { match = PATH, default = "/", about = "Its path." },
    max_age = t.duration {
      unit = "ms",
      between = { 1000, 34560000000 },
      about = "How long a client keeps it; until its browser is closed where nothing is written.",
    },
    secure = t.boolean { default = false, about = "Clients send it over TLS alone." },
    same_site = t.one_of {
      "lax",
      "strict",
      "none",
      default = "lax",
      about = "Whether clients send it with requests that other sites make.",
    },
    key = t.string {
      secret = true,
      len_min = 16,
      about = "What authenticates it, at least 16 bytes; the same on all machines that share clients. Without one it "
        .. "is made when the process starts, and sessions do not outlive that.",
    },
    t.check(function(record)
      if record.same_site == "none" and not record.secure then
        return nil, "none needs secure: true; browsers drop the cookie otherwise", "same_site"
      end
      return true
    end),
  }, {
    default = t.none,
    about = "Keeps a client at the target that answered it first, by a cookie that says nothing to others. A target "
      .. "that is gone or unhealthy is replaced.",
  }),
  sticky_sessions_cookie = t.string { match = COOKIE, about = "The cookie of `algorithm: sticky-sessions`." },
  sticky_sessions_cookie_path = t.string { match = PATH, default = "/", about = "Its path." },
}

--- What is wrong with an upstream's keys taken together.
---@param rep table    the report
---@param path table   of the upstream
---@param value table  its fields
function M.check(rep, path, value)
  local kong = value.algorithm == "sticky-sessions"
  if kong and value.sticky then
    report.error(rep, report.join(path, "sticky"), "is what algorithm: sticky-sessions does: write one of them")
  elseif kong and not value.sticky_sessions_cookie then
    report.error(rep, report.join(path, "algorithm"), "sticky-sessions needs sticky_sessions_cookie")
  elseif value.sticky_sessions_cookie and not kong then
    report.error(
      rep,
      report.join(path, "sticky_sessions_cookie"),
      "has no effect without algorithm: sticky-sessions"
    )
  end
end

local function attributes(sticky)
  local text = "; Path=" .. (sticky.path or "/") -- what is malformed was reported
  if type(sticky.max_age) == "number" then text = text .. ("; Max-Age=%d"):format(sticky.max_age / 1000) end
  if sticky.secure then text = text .. "; Secure" end
  return text .. "; HttpOnly; SameSite=" .. (SAME_SITE[sticky.same_site] or SAME_SITE.lax)
end

--- What the frozen upstream says of it; nil where sessions go anywhere.
---@param value table  an upstream's fields
---@return { cookie: string, attributes: string, key: string? }?
function M.normal(value)
  local sticky = value.sticky
  if value.algorithm == "sticky-sessions" then
    sticky = { cookie = value.sticky_sessions_cookie, path = value.sticky_sessions_cookie_path, same_site = "lax" }
  end
  return sticky and { cookie = sticky.cookie, attributes = attributes(sticky), key = sticky.key }
end

return M
