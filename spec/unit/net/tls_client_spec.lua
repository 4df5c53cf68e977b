local ffi = require("ffi")
local c = require("support.c")
local engines = require("support.engines")
local tls_support = require("support.tls")

ffi.cdef([[
int SSL_session_reused(const SSL *ssl);
long SSL_SESSION_set_time(SSL_SESSION *session, long seconds);
void SSL_SESSION_free(SSL_SESSION *session);
]])

local why = ffi.new("char[512]")
local own, stranger -- two servers, each with its own certificate for localhost
local set, arena

setup(function()
  own, stranger = tls_support.new(), tls_support.new()
  set, arena = c.gw_tls_client_set_new(), c.gw_arena_new()
end)

teardown(function()
  c.gw_tls_client_set_free(set)
  c.gw_arena_free(arena)
  own:free()
  stranger:free()
end)

local kept = {} -- what the last spec made, and the texts it points to

local function client(over)
  local options = ffi.new("struct gw_tls_client_options", { verify = true, depth = 16 })
  options.label = c.slice("spec")
  for name, value in pairs(over or { ca = own.pem }) do
    options[name] = type(value) == "string" and c.slice(value) or value
  end
  local made = c.gw_tls_client_set_get(set, options, why, 512)
  assert(made ~= nil, ffi.string(why))
  kept[#kept + 1] = ffi.gc(made, c.gw_tls_client_unref)
  return made
end

local function key_of(made, name, address)
  return c.str(c.gw_tls_client_key(made, c.slice(address or "127.0.0.1:1"), c.slice(name), arena))
end

local function connect(made, name, sessions)
  local key = key_of(made, name)
  local engine = c.gw_tls_client_connect(made, c.slice(name), sessions, c.slice(key))
  return engine ~= nil and ffi.gc(engine, c.gw_tls_free) or nil
end

-- A whole handshake; gives the client's engine and whether it was good.
local function shake(made, name, server, sessions)
  local near = engines.side(ffi.gc(c.gw_tls_server_accept((server or own).server), c.gw_tls_free))
  local far = engines.side(connect(made, name or "localhost", sessions))
  local good = engines.shake(near, far)
  return far.engine, good
end

local function reason(engine) return ffi.string(c.gw_tls_failure_reason(c.gw_tls_failure(engine))) end

local function reused(engine) return ffi.C.SSL_session_reused(c.gw_tls_ssl(engine)) == 1 end

after_each(function() kept = {} end)

describe("a client of TLS", function()
  it("believes who is signed by somebody trusted, by the right name or address", function()
    for _, name in ipairs { "localhost", "LOCALHOST", "localhost.", "127.0.0.1", "::1", "[::1]" } do
      assert.is_true(select(2, shake(client(), name)), name)
    end
    -- (its *.localhost stands for nothing: a star below a top-level name would be too much)
    for _, name in ipairs { "other.test", "x.localhost", "127.0.0.2", "::2", "localhost.other.test" } do
      local engine, good = shake(client(), name)
      assert.is_false(good, name)
      assert.equal("host", reason(engine), name)
    end
    local engine, good = shake(client(), "localhost", stranger)
    assert.is_false(good)
    assert.equal("untrusted", reason(engine))
    assert.equal("self-signed certificate", ffi.string(c.gw_tls_detail(engine)))
  end)

  it(
    "believes anybody where it does not verify",
    function() assert.is_true(select(2, shake(client { verify = false }, "other.test", stranger))) end
  )

  it("asks nobody who has no name", function()
    for _, name in ipairs { "", ".", "a\0b", ("x"):rep(300) } do
      assert.is_nil(connect(client(), name))
    end
  end)

  it("agrees to what it offered alone", function()
    local engine, good = shake(client { ca = own.pem, http2 = true })
    assert.is_false(good)
    assert.equal("protocol", reason(engine))
    local both = tls_support.new { http2 = true }
    engine = shake(client { ca = both.pem, http2 = true }, nil, both)
    assert.equal("h2", c.str(c.gw_tls_protocol(engine)))
    assert.is_true(c.gw_tls_client_agrees(engine))
    engine = shake(client { ca = both.pem }, nil, both)
    assert.equal("http/1.1", c.str(c.gw_tls_protocol(engine)))
    assert.is_true(c.gw_tls_client_agrees(engine))
    both:free()
  end)

  it("is one for equal settings, and another for every difference", function()
    local seen = {}
    for _, over in ipairs {
      { ca = own.pem },
      { ca = stranger.pem },
      { ca = own.pem .. stranger.pem },
      { ca = own.pem, depth = 3 },
      { ca = own.pem, http2 = true },
      { verify = false },
      { verify = false, http2 = true },
      {},
    } do
      local made = client(over)
      assert.is_true(made == client(over))
      local key = key_of(made, "a")
      assert.is_nil(seen[key])
      seen[key] = true
    end
    local made = client()
    assert.not_equal(key_of(made, "a", "b:1"), key_of(made, "a", "b:2"))
    assert.not_equal(key_of(made, "a", "b:1"), key_of(made, "", "b:1"))
    assert.not_equal(key_of(made, "ab", "c"), key_of(made, "a", "bc"))
  end)

  it("says what is wrong with what it is given", function()
    local options = ffi.new("struct gw_tls_client_options", { verify = true })
    options.label, options.ca = c.slice("service x"), c.slice("nonsense")
    assert.is_true(c.gw_tls_client_set_get(set, options, why, 512) == nil)
    assert.matches("^tls: service x: the certificates of those it trusts cannot be used", ffi.string(why))
    options.ca, options.cert, options.key = c.slice(own.pem), c.slice(own.pem), c.slice("no key")
    assert.is_true(c.gw_tls_client_set_get(set, options, why, 512) == nil)
    assert.matches("client certificate and key cannot be used", ffi.string(why))
  end)
end)

describe("sessions with servers", function()
  local sessions

  before_each(function() sessions = c.gw_tls_sessions_new(2) end)
  after_each(function() c.gw_tls_sessions_unref(sessions) end)

  local function take()
    local text = key_of(client(), "localhost")
    local session = c.gw_tls_sessions_take(sessions, c.slice(text))
    return session ~= nil and ffi.gc(session, ffi.C.SSL_SESSION_free) or nil
  end

  it("are taken up again", function()
    assert.is_false(reused((shake(client(), nil, nil, sessions))))
    assert.equal(1, c.gw_tls_sessions_count(sessions))
    assert.is_true(reused((shake(client(), nil, nil, sessions))))
    assert.is_true(reused((shake(client(), nil, nil, sessions))))
  end)

  it("are used once each, the last one by all who begin before it was used", function()
    shake(client(), nil, nil, sessions)
    local first, again = take(), take()
    assert.is_true(first ~= nil and first == again)
    shake(client(), nil, nil, sessions) -- uses it, and gets another
    local other = take()
    assert.is_true(other ~= nil and other ~= first and other == take())
  end)

  it("of one server are four at most", function()
    local text = key_of(client(), "localhost")
    local made = {} -- by connections that knew nothing of each other
    for _ = 1, 10 do
      local others = c.gw_tls_sessions_new(1)
      shake(client(), nil, nil, others)
      made[#made + 1] = c.gw_tls_sessions_take(others, c.slice(text))
      c.gw_tls_sessions_unref(others)
    end
    for _, session in ipairs(made) do
      c.gw_tls_sessions_put(sessions, c.slice(text), session)
    end
    for i = 10, 8, -1 do
      assert.is_true(take() == made[i])
    end
    assert.is_true(take() == made[7])
    assert.is_true(take() == made[7])
  end)

  it("are not given up because a connection just ends, but where TLS failed", function()
    for _, case in ipairs { { true, function() end }, { false, function(engine) c.gw_tls_fail(engine, 1) end } } do
      local near = engines.side(ffi.gc(c.gw_tls_server_accept(own.server), c.gw_tls_free))
      local key = key_of(client(), "localhost")
      local engine = c.gw_tls_client_connect(client(), c.slice("localhost"), sessions, c.slice(key))
      assert.is_true(engines.shake(near, engines.side(engine)))
      case[2](engine)
      c.gw_tls_free(engine)
      assert.equal(case[1], take() ~= nil)
    end
  end)

  it("are nobody's with other settings, another name or another address", function()
    shake(client(), nil, nil, sessions)
    assert.is_false(reused((shake(client { verify = false }, nil, nil, sessions))))
    assert.is_false(reused((shake(client(), "127.0.0.1", nil, sessions))))
    local key = key_of(client(), "localhost", "127.0.0.1:2")
    assert.is_true(c.gw_tls_sessions_take(sessions, c.slice(key)) == nil)
  end)

  it("are none of a server that was not believed", function()
    shake(client(), nil, stranger, sessions)
    assert.equal(0, c.gw_tls_sessions_count(sessions))
  end)

  it("are bounded: who was asked longest ago goes first", function()
    shake(client(), "localhost", nil, sessions)
    shake(client(), "127.0.0.1", nil, sessions)
    assert.is_true(reused((shake(client(), "localhost", nil, sessions))))
    shake(client(), "::1", nil, sessions)
    assert.equal(2, c.gw_tls_sessions_count(sessions))
    assert.is_true(reused((shake(client(), "localhost", nil, sessions))))
    assert.is_false(reused((shake(client(), "127.0.0.1", nil, sessions))))
  end)

  it("are good for an hour", function()
    shake(client(), nil, nil, sessions)
    local text = key_of(client(), "localhost") -- kept, because the slice points to it
    local key = c.slice(text)
    for _, case in ipairs { { 3500, true }, { 3700, false } } do
      shake(client(), nil, nil, sessions)
      local session = c.gw_tls_sessions_take(sessions, key)
      assert.is_true(session ~= nil)
      ffi.C.SSL_SESSION_set_time(session, os.time() - case[1])
      c.gw_tls_sessions_put(sessions, key, session)
      local taken = c.gw_tls_sessions_take(sessions, key)
      assert.equal(case[2], taken ~= nil)
      if taken ~= nil then ffi.C.SSL_SESSION_free(taken) end
    end
  end)

  it("may come when their pool is gone", function()
    local mine = c.gw_tls_sessions_new(2)
    local near = engines.side(ffi.gc(c.gw_tls_server_accept(own.server), c.gw_tls_free))
    local far = engines.side(connect(client(), "localhost", mine))
    c.gw_tls_sessions_unref(mine)
    assert.is_true(engines.shake(near, far))
  end)
end)
