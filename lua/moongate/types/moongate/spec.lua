---@meta moongate.spec
-- Written by ./dev docs from the sources. Do not change it here.

---Specs of plugins: the real gateway inside the process that runs the specs, on a clock that the spec moves. Run by
---`moongate test`.
---
---    local gateway = require("moongate.spec")
---
---    describe("key-auth", function()
---      local gw = gateway.new { plugins = { { name = "key-auth" } }, consumers = { … } }
---
---      it("hides the key from the upstream", function()
---        local res = gw:get("/", { headers = { apikey = "k1" } })
---        assert.equal(200, res.status)
---        assert.is_nil(gw.upstream.last_request.headers.apikey)
---      end)
---    end)
---
---Nothing listens and nothing is dialled: clients and upstreams are ends of connections in memory, with real HTTP/1 on
---them. Time stands still while something can happen and jumps to the next timer when nothing can.
---@class moongate.spec
local M = {}

---the keys of a configuration, and
---@class moongate.spec.Options
---@field plugins? (string|function|table)[] # uses as in a configuration, for all routes; also a name alone, a function (an access hook), or a plugin that stands here: { name, handler = { … }, schema = { … } } or { name, access = function … }
---@field config? string|table # a whole configuration instead: a file, YAML text, or a table
---@field service? table # more keys of the service that is made where none is given
---@field route? table # more keys of its route (paths: { "/" })
---@field upstreams? table<string, moongate.spec.Reply|function> # what answers, by the name of an upstream or service, by "host" or "host:port"; everything else is `gw.upstream`
---@field auto_advance? boolean # false: time moves by gw.clock:advance() only
---@field seed? integer # of ids and whatever else is random
---@field log_level? string # the least that gw.log keeps ("info")
---@field network? boolean # real names, real connections, real time
---@field wire? boolean # always so: what clients and upstreams say is HTTP/1, byte by byte (gw:connect())

---@class moongate.spec.Gateway
---@field upstream moongate.spec.Upstream # what answers wherever no other upstream is named
---@field upstreams table<string, moongate.spec.Upstream> # by name; made at first use
---@field clock moongate.spec.Clock
---@field log moongate.spec.Log # the error log's lines
---@field access_log table[] # the access log's records
local Gateway = {}

---What answers at an address.
---@param host string # "name:port"
---@return moongate.spec.Upstream
function Gateway:upstream_of(host) end

---Lets everything happen that needs no time.
function Gateway:settle() end

---Sends a request and lets the gateway do all that needs no time. It is in flight: start others, wait for it.
---@param method string # may be left out: GET
---@param path string
---@param options? moongate.spec.RequestOptions
---@return moongate.spec.Handle
function Gateway:start(method, path, options) end

---Sends a request and waits for its response.
---@param method string # may be left out: GET
---@param path string
---@param options? moongate.spec.RequestOptions
---@return moongate.spec.Response
function Gateway:request(method, path, options) end

---A connection whose bytes the spec writes and reads itself.
---@param options? { from: string }
---@return moongate.spec.Connection
function Gateway:connect(options) end

---Takes a new configuration, as a running gateway does: requests that are on their way keep the old one. What is given
---replaces the keys of gateway.new(); plugins' files are read again.
---@param options? table
---@return true? ok
---@return string? reason # what is wrong; the old configuration stays
function Gateway:reload(options) end

---The handler of a plugin as it runs now: `spy.on(gw:plugin("x"), "access")` sees its calls.
---@param name string
---@return table
function Gateway:plugin(name) end

---A module as the plugins of this gateway see it: one of a plugin's own ("x.util"), or one of the PDK
---("moongate.time").
---@param name string
---@return any
function Gateway:module(name) end

---What a scrape shows: { ['moongate_requests_total{…}'] = number }.
---@return table<string, number>
function Gateway:metrics() end

---What is open now: requests, connections, dials, waiting (hooks and tasks).
---@return table<string, integer>
function Gateway:counts() end

---Ends it; happens by itself at the end of the block it was made in. Raises when something did not come to its end.
function Gateway:close() end

---@class moongate.spec.Clock
local Clock = {}

---Seconds since 1970, as plugins see them. It begins at 2026-01-01T00:00:00Z.
---@return number
function Clock:now() end

---Seconds since the gateway was made.
---@return number
function Clock:elapsed() end

---Moves time; what is due on the way happens at its own moment, one after the other.
---@param seconds number
function Clock:advance(seconds) end

---{ level: string, plugin?: string, text: string, line: string }[]
---@class moongate.spec.Log
local Log = {}

---The first entry whose line has the pattern in it.
---@param pattern string # a Lua pattern
---@return table? entry
function Log:find(pattern) end

---A line, taken apart.
---@param line string
---@param level string
function Log:add(line, level) end

---@class moongate.spec.RequestOptions
---@field headers? table<string, string|string[]>|{ [1]: string, [2]: string }[]
---@field body? string|table # a table is sent as JSON
---@field form? table<string, any> # sent as application/x-www-form-urlencoded
---@field chunks? string[] # the body in pieces, chunked
---@field every? number # seconds between the pieces
---@field query? string|table<string, any>
---@field host? string # the Host header ("gateway.test")
---@field from? string # the client's address, "192.0.2.1" or with a port

---@class moongate.spec.Response
---@field status? integer # nil when none came: see error
---@field headers table<string, string> # lower-case names; several of one are joined by ", " (Set-Cookie: a list)
---@field lines { [1]: string, [2]: string }[]
---@field body string
---@field pieces { text: string, at: number }[] # as they came, `at` in seconds since the request began
---@field trailers? table<string, string>
---@field interim table[] # heads below 200 that came before
---@field took number # seconds of the gateway's clock
---@field cut? boolean # the body broke off before its end
---@field error? string # why there is no (whole) response
---@field json fun(self): any # the body, decoded

---a request in flight
---@class moongate.spec.Handle
---@field done boolean
---@field response? moongate.spec.Response
---@field gateway table
local Handle = {}

---bytes as they are
---@class moongate.spec.Connection
---@field ended boolean # the gateway ended it
local Connection = {}

---Lets the gateway work until the response is there.
---@return moongate.spec.Response
function Handle:wait() end

---The client goes away.
function Handle:cancel() end

---
---@param bytes string
---@return moongate.spec.Connection
function Connection:write(bytes) end

---Everything that came and was not read yet.
---@return string
function Connection:read() end

---Waits for the next whole response (the method of the request matters for HEAD).
---@param method? string
---@return moongate.spec.Response
function Connection:response(method) end

---Ends our side; the gateway may still answer.
function Connection:shutdown() end

---
---@param reset? boolean
function Connection:close(reset) end

---a request as an upstream sees it
---@class moongate.spec.Request
---@field method string
---@field target string # as it was sent
---@field path string
---@field query table<string, string|true|string[]>
---@field query_string string
---@field headers table<string, string> # lower-case names; several of one are joined by ", "
---@field lines { [1]: string, [2]: string }[] # headers as they came, in order
---@field body string
---@field trailers? table<string, string>
---@field json fun(self): any # the body, decoded
---@field host string # "name:port" that the gateway connected to

---@class moongate.spec.Reply
---@field status? integer # 200
---@field headers? table<string, any>
---@field body? string|table # a table is JSON
---@field chunks? string[] # in the place of body: sent one by one, chunked
---@field every? number # seconds between chunks
---@field delay? number # seconds before the head
---@field trailers? table<string, string>
---@field close? boolean # ends the connection after it

---@class moongate.spec.UpstreamConnection
---@field gone boolean # the gateway ended the connection
local Up = {}

---@class moongate.spec.Upstream
---@field requests moongate.spec.Request[] # what came, since the last forget()
---@field last_request? moongate.spec.Request
---@field received? string # after raw(): the bytes that came
---@field connections integer # how many were opened
local Upstream = {}

---Waits so many seconds of the gateway's clock.
---@param seconds number
function Up:sleep(seconds) end

---Never answers.
function Up.never() end

---Waits for the whole body of a request whose function was called at its head (`early`).
---@return string
function Up:body() end

---Sends bytes as they are.
---@param bytes string
function Up:send(bytes) end

---Begins an answer whose body is sent piece by piece.
---@param status? integer
---@param headers? table<string, any>
function Up:head(status, headers) end

---A head before the answer's: 100, 103.
---@param status integer
---@param headers? table<string, any>
function Up:interim(status, headers) end

---A piece of the body.
---@param text string
function Up:chunk(text) end

---Ends a body sent piece by piece.
---@param trailers? table<string, string>
function Up:finish(trailers) end

---Ends the connection, in the middle of an answer too.
function Up:close() end

---Breaks the connection: the gateway sees a reset.
function Up:reset() end

---How it answers from now on: a table, a status, a body, or a function of the request and the connection, which
---returns one of these (or a status, a body and headers, or nothing for a plain 200) or speaks for itself through
---the connection. Nothing: as at first, 200 and "ok".
---@param how moongate.spec.Reply|integer|string|fun(request: moongate.spec.Request, up: table): any
---@param options? { early: boolean } # early: called at the head of the request, up:body() waits for the rest
---@return moongate.spec.Upstream
function Upstream:reply(how, options) end

---Takes whatever comes from now on, also what is no HTTP, and answers nothing: the bytes of all connections stand in
---`received`. Datagrams (udp-log, syslog) come here too, a line each.
---@return moongate.spec.Upstream
function Upstream:raw() end

---Nobody listens there any more: connecting fails. `false`: somebody does again.
---@param on? boolean
function Upstream:refuse(on) end

---Connecting takes so many seconds from now on; nil: it never succeeds.
---@param seconds number?
function Upstream:connect_after(seconds) end

---Forgets the requests that came.
function Upstream:forget() end

---Sends a request and waits for its response.
---@param path string
---@param options? moongate.spec.RequestOptions
---@return moongate.spec.Response
function Gateway:get(path, options) end

---Sends a request and waits for its response.
---@param path string
---@param options? moongate.spec.RequestOptions
---@return moongate.spec.Response
function Gateway:post(path, options) end

---Sends a request and waits for its response.
---@param path string
---@param options? moongate.spec.RequestOptions
---@return moongate.spec.Response
function Gateway:put(path, options) end

---Sends a request and waits for its response.
---@param path string
---@param options? moongate.spec.RequestOptions
---@return moongate.spec.Response
function Gateway:patch(path, options) end

---Sends a request and waits for its response.
---@param path string
---@param options? moongate.spec.RequestOptions
---@return moongate.spec.Response
function Gateway:delete(path, options) end

---Sends a request and waits for its response.
---@param path string
---@param options? moongate.spec.RequestOptions
---@return moongate.spec.Response
function Gateway:head(path, options) end

---Sends a request and waits for its response.
---@param path string
---@param options? moongate.spec.RequestOptions
---@return moongate.spec.Response
function Gateway:options(path, options) end

---Makes a gateway. It is closed at the end of the block it was made in (`describe`, or `it`; before_each: the `it`
---that follows), and the spec fails when something was left in it. With `plugins` alone there is a service behind a
---route for everything; `default_access` is "allow". A configuration that is not good is an error.
---@param options? moongate.spec.Options
---@return moongate.spec.Gateway
function M.new(options) end

---@class luassert
---@field has_status fun(response: moongate.spec.Response, status: integer)
---@field has_header fun(message: table, name: string, value?: string) # of a response or of a request an upstream got
---@field is_problem fun(response: moongate.spec.Response, status?: integer, detail?: string)
---@field has_json fun(response: moongate.spec.Response, expected: any) # the whole body
---@field upstream_saw fun(what: moongate.spec.Gateway|moongate.spec.Upstream, expected: table)
---@field logged fun(gw: moongate.spec.Gateway, pattern: string) # a Lua pattern, in a line of the error log

return M
