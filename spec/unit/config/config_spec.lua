local c = require("support.c")
local ffi = require("ffi")

describe("gw_config", function()
  it("goes with its last reference, and tells who bound something to it, then who counts", function()
    local said = {}
    local on_free = ffi.cast(
      "void (*)(struct gw_config *, void *)",
      function(config) said[#said + 1] = "free " .. tonumber(config.generation) end
    )
    local on_gone = ffi.cast("void (*)(void *)", function() said[#said + 1] = "gone" end)
    local config = c.gw_config_new()
    config.generation, config.on_free, config.on_gone = 7, on_free, on_gone
    assert.equal(config, c.gw_config_ref(config))
    c.gw_config_unref(config)
    assert.same({}, said)
    c.gw_config_unref(config)
    assert.same({ "free 7", "gone" }, said)
    c.gw_config_unref(nil)
    on_free:free()
    on_gone:free()
  end)

  it("is dropped with a build that is given up half-way", function()
    local build = c.gw_build_new()
    c.gw_build_routes(build, 1)
    assert.is_true(c.gw_build_route_path(build, 0, "~/a(b)", 6, true) == nil)
    assert.is_true(c.gw_build_route_path(build, 0, "~/(", 3, true) ~= nil)
    assert.is_true(c.gw_build_route_header(build, 0, "a", 1, "~*x", 3) == nil)
    assert.is_true(c.gw_build_trusted_proxy(build, "10.0.0.0/8", 10) == nil)
    c.gw_build_free(build)
    c.gw_build_free(nil)
  end)

  it("says so where a route's index is wrong", function()
    local build = ffi.gc(c.gw_build_new(), c.gw_build_free)
    c.gw_build_routes(build, 2)
    for _, why in ipairs {
      c.gw_build_route_method(build, 2, "GET", 3),
      c.gw_build_route_host(build, 9, "a", 1),
      c.gw_build_route_path(build, 2, "/", 1, true),
      c.gw_build_route_regex_priority(build, 2, 1),
      c.gw_build_route_header(build, 2, "a", 1, "b", 1),
      c.gw_build_route_argument(build, 2, "a", 1, nil, 0),
    } do
      assert.equal("there is no route of that index", ffi.string(why))
    end
  end)
end)
