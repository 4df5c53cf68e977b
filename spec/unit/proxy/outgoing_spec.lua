local c = require("support.c")

-- service path, request path, what the route matched, strip_path → path (Kong's v0 rule)
local CASES = {
  { "", "/users/7", "/users", false, "/users/7" },
  { "", "/users/7", "/users", true, "/7" },
  { "", "/users", "/users", true, "/" },
  { "", "/users/", "/users/", true, "/" },
  { "", "/", "/", false, "/" },
  { "/", "/users/7", "/users", false, "/users/7" },
  { "/", "/users/7", "/users", true, "/7" },
  { "/", "/users/7", "/users/", true, "/7" },
  { "/api", "/users/7", "/users", false, "/api/users/7" },
  { "/api", "/users/7", "/users", true, "/api/7" },
  { "/api", "/users/7", "/users/", true, "/api/7" },
  { "/api", "/users", "/users", true, "/api" },
  { "/api", "/users/", "/users", true, "/api/" },
  { "/api", "/users/", "/users/", true, "/api/" },
  { "/api", "/", "/", true, "/api" },
  { "/api", "/", "/", false, "/api" },
  { "/api/", "/users/7", "/users", false, "/api/users/7" },
  { "/api/", "/users/7", "/users", true, "/api/7" },
  { "/api/", "/users/7", "/users/", true, "/api/7" },
  { "/api/", "/users", "/users", true, "/api" },
  { "/api/", "/users/", "/users/", true, "/api/" },
  { "/api/", "/", "/", false, "/api/" },
  { "/api", "/usersx", "/users", true, "/api/x" },
}

describe("gw_outgoing_path", function()
  local arena

  before_each(function() arena = c.gw_arena_new() end)
  after_each(function() c.gw_arena_free(arena) end)

  for _, case in ipairs(CASES) do
    local base, request, matched, strip, expected = unpack(case)

    it(
      ("puts %q before %q%s"):format(base, request, strip and " without " .. matched or ""),
      function()
        assert.equal(expected, c.str(c.gw_outgoing_path(arena, c.slice(base), c.slice(request), #matched, strip)))
      end
    )
  end
end)
