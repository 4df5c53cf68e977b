-- Asks nginx instead of the PDK, as many plugins do.
local plugin = {
  PRIORITY = 1,
  VERSION = "2.1.0",
}

function plugin:init_worker()
  ngx.timer.every(10, function(premature)
    if not premature then
      ngx.log(ngx.NOTICE, "ten more seconds")
    end
  end)
end

function plugin:access(conf)
  local m = ngx.re.match(ngx.var.uri, [[^/v(?<version>\d+)/]], "jo")
  if not m then
    ngx.status = ngx.HTTP_NOT_FOUND
    ngx.say("no version")
    return ngx.exit(ngx.HTTP_OK - 200)
  end
  ngx.ctx.version = m.version
  ngx.req.set_header("X-Version", m["version"])
  ngx.req.set_header("X-Digest", ngx.md5(ngx.var.arg_a or "") .. ngx.escape_uri(" /"))
  local from, to = ngx.re.find(ngx.var.uri, "b+")
  ngx.req.set_header("X-Range", tostring(from) .. "-" .. tostring(to))
  local words = {}
  for found in ngx.re.gmatch(ngx.var.uri, "\\b(?<word>[a-z]+)", "ijo") do
    words[#words + 1] = found.word
  end
  local dashed = ngx.re.gsub(ngx.var.uri, "([/])(v)", "$1<${2}>$$")
  local once, n = ngx.re.sub("aaa", "a", function(m) return m[0]:upper() end)
  local places = ngx.re.gsub("abc", "(?<=b)|^", "-", "jo")
  ngx.req.set_header("X-Words", table.concat(words, ",") .. " " .. dashed .. " " .. once .. n .. " " .. places)
  if ngx.var.arg_what then
    return kong[ngx.var.arg_what].get("x")
  end
end

function plugin:header_filter(conf)
  ngx.header["X-Version"] = ngx.ctx.version
  ngx.header.server = nil
end

return plugin
