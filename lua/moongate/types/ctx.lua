---@meta _
-- Written by ./dev docs from the sources. Do not change it here.


---The request, and what to do with it.
---@class moongate.Ctx
---@field plugin table # Yours: a table of this request and this plugin, the same one in every hook.
---@field shared table # Everybody's: a table of this request that all plugins see.
---@field request moongate.Request
---@field response moongate.Response
---@field service moongate.Service
---@field client moongate.Client
---@field router moongate.Router
---@field log moongate.Log
---@field node moongate.Node
---@field ip moongate.Ip
local Ctx = {}

---The id of the use that runs, as written in the configuration or made from its place; nil where it has none.
---
---In every hook.
---@return string?
function Ctx:get_plugin_id() end

---Waits.
---
---In every hook, and in tasks.
---@param seconds number # 0 lets everything else that is ready go first
function Ctx:sleep(seconds) end

---Asks a service, an upstream or an allowed URL; waits for the whole response, or with `stream` for its head.
---
---In every hook, and in tasks.
---@param request moongate.FetchRequest
---@return moongate.FetchResponse? response
---@return string? reason # why there is no response
function Ctx:fetch(request) end

---Asks several at once; waits for all of them. What failed is `{ ok = false, reason = "…" }`.
---
---In every hook, and in tasks.
---@param requests table<any, moongate.FetchRequest> # at most 64
---@return table<any, moongate.FetchResponse> responses # by the same names
function Ctx:fetch_all(requests) end

---Runs functions and requests at once; the first that comes back wins, the others are cancelled. A function gets ctx,
---may do what the hook may, wins when it returns and loses when it raises an error; a request wins with any response.
---When none wins: the first error of a function is raised; of requests alone nil and the first reason are returned.
---
---In every hook, and in tasks.
---@param ... function|moongate.FetchRequest|table # at most 16, or one table of them, by name
---@return any? name # which one won: its name in the table, or its place
---@return any ... # what it returned, or the response
function Ctx:race(...) end

---Keeps work for after the response: when the client has it and its connection is free, behind the log hooks, with
---their rights and within their time (10 s for all together). Runs too when the request was cut off.
---
---In every hook.
---@param fn fun(ctx: moongate.Ctx) # at most 16 a request; an error in it is a line of the log
function Ctx:after(fn) end

---@class moongate.FetchRequest
---@field service? string # one of service, upstream, url
---@field upstream? string
---@field url? string # its host must stand in the configuration or in fetch.allow
---@field method? string # GET
---@field path? string # "/"; may carry a query
---@field query? string|table
---@field headers? table<string, string|number|boolean|string[]>
---@field body? string|table|fun(): string? # a table is sent as JSON; a function gives one piece after the other and nil at the end, may wait, and is asked for the next when there is room
---@field timeout? number # seconds for the whole
---@field stream? boolean # the response is read piece by piece; for fetch alone

---@class moongate.FetchResponse
---@field ok boolean # the status is 200 to 299; false when there was no response (fetch_all)
---@field status integer? # nil when there was no response (fetch_all)
---@field headers table<string, string|string[]>
---@field trailers table<string, string|string[]>?
---@field body string # not of a stream
---@field reason string? # why there was no response (fetch_all)
---@field json fun(self): any, string? # not of a stream
---@field read fun(self): string?, string? # of a stream: the next piece; nil at the end; nil, reason
---@field chunks fun(self): (fun(): string?) # of a stream: all pieces, for a loop; an error when it is cut
---@field close fun(self) # of a stream: wants no more of it

---ctx.request: what the client sent, with the header edits of the plugins that ran before.
---@class moongate.Request
local Request = {}

---The scheme the client's connection uses: "http" or "https".
---
---In every hook.
---@return string
function Request:get_scheme() end

---The host the request names, lower case, without port.
---
---In every hook.
---@return string
function Request:get_host() end

---The port the client connected to.
---
---In every hook.
---@return integer
function Request:get_port() end

---The scheme as the client saw it, when a trusted proxy stands between.
---
---In every hook.
---@return string
function Request:get_forwarded_scheme() end

---The host as the client saw it, when a trusted proxy stands between.
---
---In every hook.
---@return string
function Request:get_forwarded_host() end

---The port as the client saw it, when a trusted proxy stands between.
---
---In every hook.
---@return integer
function Request:get_forwarded_port() end

---The path as the client saw it: X-Forwarded-Path of a trusted proxy, else the path.
---
---In every hook.
---@return string
function Request:get_forwarded_path() end

---What a trusted proxy took off the front of the path (X-Forwarded-Prefix), or nil.
---
---In every hook.
---@return string?
function Request:get_forwarded_prefix() end

---1.0, 1.1 or 2.
---
---In every hook.
---@return number
function Request:get_http_version() end

---The method, as sent.
---
---In every hook.
---@return string
function Request:get_method() end

---The path, normalised, without query.
---
---In every hook.
---@return string
function Request:get_path() end

---The path as the client wrote it.
---
---In every hook.
---@return string
function Request:get_raw_path() end

---The path as the client wrote it, before a trusted proxy changed it (X-Forwarded-Path).
---
---In every hook.
---@return string
function Request:get_raw_forwarded_path() end

---Path and query, as sent to be routed.
---
---In every hook.
---@return string
function Request:get_path_with_query() end

---The query without "?", "" when there is none.
---
---In every hook.
---@return string
function Request:get_raw_query() end

---The first argument of that name: its value, decoded, or true for a bare name.
---
---In every hook.
---@param name string
---@return string|true|nil
function Request:get_query_arg(name) end

---All arguments, decoded: a bare name is true, repeats are arrays.
---
---In every hook.
---@param max? integer # at most so many (100; 1 to 1000)
---@return table<string, string|true|(string|true)[]>
function Request:get_query(max) end

---The first header of that name, in any case; "_" stands for "-" too.
---
---In every hook.
---@param name string
---@return string?
function Request:get_header(name) end

---How often a header of that name was sent: of two or more nobody knows which one the service will read.
---
---In every hook.
---@param name string
---@return integer
function Request:count_header(name) end

---All headers: lower-case keys, arrays for repeats; looked up in any case.
---
---In every hook.
---@param max? integer # at most so many (100; 1 to 1000)
---@return table<string, string|string[]>
function Request:get_headers(max) end

---All headers as text, in their order: "host: example.com\r\naccept: */*\r\n". Names are lower case.
---
---In every hook.
---@return string
function Request:get_raw_headers() end

---When the request's head had come, in milliseconds since 1970.
---
---In every hook.
---@return number
function Request:get_start_time() end

---How many bytes of its body came.
---
---In log.
---@return number
function Request:get_received_bytes() end

---The correlation id of the request.
---
---In every hook.
---@return string
function Request:get_id() end

---Another correlation id, for the log, for problems and for later plugins. At most 128 bytes of visible ASCII without
---quotes and backslashes.
---
---In rewrite, access.
---@param id string
function Request:set_id(id) end

---What the route's path captured.
---
---In every hook, rewrite only after routing.
---@return { named: table<string, string>, unnamed: string[] }
function Request:get_uri_captures() end

---One value of a path template: `id` of /users/{id}; nil when the route has none of that name.
---
---In every hook, rewrite only after routing.
---@param name string
---@return string?
function Request:get_path_param(name) end

---The whole body. Waits for it; it is sent to the service afterwards as it came. "" when there is none.
---
---In rewrite, access, response.
---@param max? integer # most bytes (limits.buffer)
---@return string? body
---@return string? reason # nil, "too large" when it is longer
function Request:get_raw_body(max) end

---How long the body is, in bytes: 0 when there is none, nil when the client did not say (it streams).
---
---In every hook.
---@return integer?
function Request:get_body_length() end

---A limit for this request's body, below limits.body: what comes beyond it is a 413, also while it streams.
---
---In rewrite, access.
---@param max integer # bytes
---@return boolean ok # false when it is known already that the body is larger
function Request:limit_body(max) end

---How fast this request's body may come: what is faster waits at the client. A hook that reads the body as a whole is
---not held up. The last word counts.
---
---In rewrite, access.
---@param rate number # bytes a second
---@param burst? number # bytes that pass without waiting, at first and after a pause; those of a second where nothing is said
function Request:limit_rate(rate, burst) end

---The body as a table, by its Content-Type: JSON or a form; of files in a form, their bytes. Waits for it.
---
---In rewrite, access, response.
---@param mimetype? string # read it as this instead
---@param max_args? integer # at most so many arguments of a form (100; 1 to 1000)
---@param max? integer # most bytes (limits.buffer)
---@return table? body
---@return string? reason
---@return string? mimetype
function Request:get_body(mimetype, max_args, max) end

---Another method, before routing.
---
---In global rewrite.
---@param method string
function Request:set_method(method) end

---Another path, before routing.
---
---In global rewrite.
---@param path string # starts with "/"
function Request:set_path(path) end

---Another query, before routing.
---
---In global rewrite.
---@param query string|table # as it is sent, or arguments to be encoded
function Request:set_query(query) end

---Sets a header, before routing.
---
---In global rewrite.
---@param name string
---@param value string|number|boolean|string[]
function Request:set_header(name, value) end

---Adds a header, before routing.
---
---In global rewrite.
---@param name string
---@param value string|number|boolean|string[]
function Request:add_header(name, value) end

---Takes a header away, before routing.
---
---In global rewrite.
---@param name string
function Request:clear_header(name) end

---ctx.response: what will be sent to the client.
---@class moongate.Response
local Response = {}

---The status that will be sent.
---
---In response, body, log.
---@return integer
function Response:get_status() end

---The first header of that name, in any case; "_" stands for "-" too.
---
---In response, body, log.
---@param name string
---@return string?
function Response:get_header(name) end

---All headers: lower-case keys, arrays for repeats; looked up in any case.
---
---In response, body, log.
---@param max? integer # at most so many (100; 1 to 1000)
---@return table<string, string|string[]>
function Response:get_headers(max) end

---Who made the response: the service, a plugin's exit, or an error.
---
---In response, body, log.
---@return "service"|"exit"|"error"
function Response:get_source() end

---How fast the body may go out, also of an answer that is made here, and what the service sends in a tunnel. The last
---word counts.
---
---In rewrite, access, response.
---@param rate number # bytes a second
---@param burst? number # bytes that pass without waiting, at first and after a pause; those of a second where nothing is said
function Response:limit_rate(rate, burst) end

---How many bytes of the body went out.
---
---In log.
---@return number
function Response:get_sent_bytes() end

---Another status.
---
---In response.
---@param status integer # 200 to 599
function Response:set_status(status) end

---Sets a header of the response, also before there is one.
---
---In rewrite, access, response.
---@param name string
---@param value string|number|boolean|string[]
function Response:set_header(name, value) end

---Adds a header to the response, also before there is one.
---
---In rewrite, access, response.
---@param name string
---@param value string|number|boolean|string[]
function Response:add_header(name, value) end

---Takes a header out of the response.
---
---In rewrite, access, response.
---@param name string
function Response:clear_header(name) end

---Sets several headers.
---
---In rewrite, access, response.
---@param headers table<string, string|number|boolean|string[]>
function Response:set_headers(headers) end

---Answers the request. In rewrite and access the hooks that are left are skipped; in response it replaces the answer.
---It returns, so write `return ctx.response:exit(…)`. A call of gRPC gets the status as grpc-status, and a text, or a
---table's `message` or `detail`, as its grpc-message.
---
---In rewrite, access, response.
---@param status integer # 200 to 599
---@param content? string|table # a table is sent as JSON
---@param headers? table<string, string|number|boolean|string[]>
function Response:exit(status, content, headers) end

---Answers with a body that a function makes while the client takes it. The function is called with `send` once the
---head is on its way, and not at all where there is no body (HEAD, 204, 304). `send(chunk)` waits while the client has
---no room; between two of them the function may wait for anything else. Its end is the end of the body; an error in it
---cuts the response so that the client can see it. When the client goes away it is ended where it waits.
---Like `exit`, it returns, so write `return ctx.response:stream(…)`.
---
---In rewrite, access, response.
---@param status integer # 200 to 599
---@param headers? table<string, string|number|boolean|string[]>
---@param fn fun(send: fun(chunk: string): true?, string?) # `send` answers true; nil, "closed" when the body is over
function Response:stream(status, headers, fn) end

---Answers with a problem (RFC 9457): application/problem+json that carries the correlation id. A call of gRPC gets
---grpc-status and the detail as grpc-message.
---
---In rewrite, access, response.
---@param status integer # 400 to 599
---@param detail? string # what went wrong, for people
---@param headers? table<string, string|number|boolean|string[]>
---@param members? moongate.problem.Problem|table<string, any> # `type`, `title` and `reason` of the problem, and members of your own; what moongate.problem made of them costs less
function Response:error(status, detail, headers, members) end

---A field behind the body: for what is known only at its end, such as a checksum that a body hook reckons. The body
---then goes out in chunks; HTTP/1.0 has no room for trailers, and intermediaries may drop them.
---
---In rewrite, access, response, body.
---@param name string
---@param value string|number|boolean
function Response:set_trailer(name, value) end

---The whole body that will be sent. In response it waits for it. In body it takes the pieces in, so that nothing is
---sent before the last: until then it gives nil, and with the last one the whole.
---
---In response, body.
---@param max? integer # most bytes (limits.buffer)
---@return string? body
---@return string? reason # nil, "too large" when it is longer
function Response:get_raw_body(max) end

---Another body; in body, another piece (or, after get_raw_body() gave the whole, the whole). A Content-Encoding and a
---strong ETag of the old one are yours to clear.
---
---In response, body.
---@param content string
function Response:set_raw_body(content) end

---ctx.service: where the request goes.
---@class moongate.Service
---@field request moongate.ServiceRequest
---@field response moongate.ServiceResponse
local Service = {}

---Sends the request to the upstream of that name instead of the service's host.
---
---In rewrite (after routing), access.
---@param name string
---@return true? ok
---@return string? reason # nil when there is no such upstream
function Service:set_upstream(name) end

---Sends the request to that host and port, without balancing.
---
---In rewrite (after routing), access.
---@param host string # a name or an IP address
---@param port integer
function Service:set_target(host, port) end

---How often a failed attempt is tried again.
---
---In rewrite (after routing), access.
---@param retries integer # 0 to 100
function Service:set_retries(retries) end

---Milliseconds for connecting, between two writes and between two reads.
---
---In rewrite (after routing), access.
---@param connect integer
---@param write integer
---@param read integer
function Service:set_timeouts(connect, write, read) end

---Not in this version: a function to be called before a failed attempt is followed by another.
---
---In rewrite (after routing), access.
---@param callback function
function Service:set_target_retry_callback(callback) end

---Not in this version: the certificate that is shown to the service, and its key.
---
---In rewrite (after routing), access.
---@param chain string
---@param key string
function Service:set_tls_cert_key(chain, key) end

---Not in this version: whether the service's certificate is verified.
---
---In rewrite (after routing), access.
---@param on boolean
function Service:set_tls_verify(on) end

---Not in this version: how long the service's chain of certificates may be.
---
---In rewrite (after routing), access.
---@param depth integer
function Service:set_tls_verify_depth(depth) end

---Not in this version: which authorities the service's certificate may come from.
---
---In rewrite (after routing), access.
---@param store any
function Service:set_tls_verify_store(store) end

---ctx.service.request: what the service gets.
---@class moongate.ServiceRequest
local ServiceRequest = {}

---How the service is asked: what the configuration says of it; something else is not in this version.
---
---In rewrite (after routing), access.
---@param scheme "http"|"https"
function ServiceRequest:set_scheme(scheme) end

---Not in this version: asks the service without TLS.
---
---In rewrite (after routing), access.
function ServiceRequest:disable_tls() end

---Not in this version: asks the service with TLS.
---
---In rewrite (after routing), access.
function ServiceRequest:enable_tls() end

---Does nothing: the response is read as a whole where a plugin asks for it (ctx.response:get_raw_body).
---
---In rewrite (after routing), access.
function ServiceRequest:enable_buffering() end

---The path the service sees, whole: nothing is put before it.
---
---In rewrite (after routing), access.
---@param path string # starts with "/"
function ServiceRequest:set_path(path) end

---Another method.
---
---In rewrite (after routing), access.
---@param method string
function ServiceRequest:set_method(method) end

---Another query, as it is sent; "" takes it away.
---
---In rewrite (after routing), access.
---@param query string
function ServiceRequest:set_raw_query(query) end

---Another query, of arguments that are encoded in alphabetical order.
---
---In rewrite (after routing), access.
---@param query table<string, string|number|boolean|table>
function ServiceRequest:set_query(query) end

---Takes an argument out of the query, for the service and for later plugins; the others stay as they were sent.
---
---In rewrite (after routing), access.
---@param name string
function ServiceRequest:clear_query_arg(name) end

---Sets a header; "host" is what the service sees as its own name.
---
---In rewrite, access.
---@param name string
---@param value string|number|boolean|string[]
function ServiceRequest:set_header(name, value) end

---Adds a header.
---
---In rewrite, access.
---@param name string
---@param value string|number|boolean|string[]
function ServiceRequest:add_header(name, value) end

---Takes a header away.
---
---In rewrite, access.
---@param name string
function ServiceRequest:clear_header(name) end

---Sets several headers.
---
---In rewrite, access.
---@param headers table<string, string|number|boolean|string[]>
function ServiceRequest:set_headers(headers) end

---Another body.
---
---In rewrite (after routing), access.
---@param content string
function ServiceRequest:set_raw_body(content) end

---Another body, made of a table by its type; sets Content-Type.
---
---In rewrite (after routing), access.
---@param content table
---@param mimetype? string # that of the request; JSON, application/x-www-form-urlencoded or multipart/form-data
function ServiceRequest:set_body(content, mimetype) end

---ctx.service.response: what the service answered, read-only.
---@class moongate.ServiceResponse
local ServiceResponse = {}

---Its status; nil when no service answered.
---
---In response, body, log.
---@return integer?
function ServiceResponse:get_status() end

---The first header of that name as it came.
---
---In response, body, log.
---@param name string
---@return string?
function ServiceResponse:get_header(name) end

---All headers as they came: lower-case keys, arrays for repeats.
---
---In response, body, log.
---@param max? integer # at most so many (100; 1 to 1000)
---@return table<string, string|string[]>
function ServiceResponse:get_headers(max) end

---A trailer as it came: in body once it is called for the last time, and in log.
---
---In body, log.
---@param name string
---@return string?
function ServiceResponse:get_trailer(name) end

---All trailers as they came, once body is called for the last time, and in log: lower-case keys, arrays for repeats.
---
---In body, log.
---@return table<string, string|string[]>
function ServiceResponse:get_trailers() end

---The whole body as it came. In response it waits for it; later it is there when a response hook read it.
---
---In response, body, log.
---@param max? integer # most bytes (limits.buffer)
---@return string? body
---@return string? reason
function ServiceResponse:get_raw_body(max) end

---The body as a table, by its Content-Type. In response it waits for it; later it is there when a response hook read
---it.
---
---In response, body, log.
---@param mimetype? string # read it as this instead
---@param max_args? integer # at most so many arguments of a form (100; 1 to 1000)
---@return table? body
---@return string? reason
---@return string? mimetype
function ServiceResponse:get_body(mimetype, max_args) end

---ctx.client: who asks.
---@class moongate.Client
---@field tls moongate.ClientTls
local Client = {}

---The address of who is connected.
---
---In every hook.
---@return string
function Client:get_ip() end

---The client's address, behind the proxies that trusted_proxies names.
---
---In every hook.
---@return string
function Client:get_forwarded_ip() end

---The client's network, behind the proxies that trusted_proxies names: an IPv4 address as it is, and of an IPv6 one
---the network it lies in (`2001:db8:0:1::/64`), because one subscriber has all of that.
---
---In every hook.
---@param bits? integer # of an IPv6 network, 1 to 128 (64)
---@return string
function Client:get_forwarded_network(bits) end

---The port of who is connected.
---
---In every hook.
---@return integer
function Client:get_port() end

---The client's port. What stands between does not tell it, so this is the port of who is connected.
---
---In every hook.
---@return integer
function Client:get_forwarded_port() end

---Whether who is connected is one of trusted_proxies.
---
---In every hook.
---@return boolean
function Client:is_trusted() end

---The protocol of the route: "http" or "https".
---
---In every hook, rewrite only after routing.
---@param allow_terminated? boolean # believe a trusted proxy that it ended TLS
---@return string
function Client:get_protocol(allow_terminated) end

---The consumer, once a plugin knows who it is.
---
---In every hook, rewrite only after routing.
---@return table?
function Client:get_consumer() end

---What the consumer was recognised by.
---
---In every hook, rewrite only after routing.
---@return table?
function Client:get_credential() end

---Finds a consumer by its id, or by its username.
---
---In every hook.
---@param id_or_name string
---@param by_username? boolean # look for usernames too
---@return table? consumer
---@return string? reason
function Client:load_consumer(id_or_name, by_username) end

---Says who the client is. The X-Consumer-* headers are set by moongate.auth.
---
---In access.
---@param consumer table? # from the configuration
---@param credential table?
function Client:authenticate(consumer, credential) end

---The groups of the client: those a plugin set for this request, else the consumer's.
---
---In every hook, rewrite only after routing.
---@return { name: string }[]
function Client:get_consumer_groups() end

---The first of the groups, or nil.
---
---In every hook, rewrite only after routing.
---@return { name: string }?
function Client:get_consumer_group() end

---Says which groups the client is in, for this request: what a token or a directory says of it.
---
---In access.
---@param groups { name: string }[]
function Client:set_authenticated_consumer_groups(groups) end

---The same of one group.
---
---In access.
---@param group { name: string }
function Client:set_authenticated_consumer_group(group) end

---Puts the client into the groups that the configuration gives that consumer.
---
---In access.
---@param id string
---@return { name: string }[]? groups
---@return string? reason
function Client:authenticate_consumer_group_by_consumer_id(id) end

---ctx.client.tls: how the client is connected, and the certificate it showed. Over plain HTTP there is nothing of it.
---@class moongate.ClientTls
local ClientTls = {}

---The version of TLS: "TLSv1.3" or "TLSv1.2"; nil over plain HTTP.
---
---In every hook.
---@return string?
function ClientTls:get_version() end

---The cipher suite, such as "TLS_AES_128_GCM_SHA256"; nil over plain HTTP.
---
---In every hook.
---@return string?
function ClientTls:get_cipher() end

---What both sides agreed to speak (ALPN): "h2" or "http/1.1"; nil where the client did not ask.
---
---In every hook.
---@return string?
function ClientTls:get_protocol() end

---The name the client asked for in its handshake (SNI), in lower case; nil where it asked for none.
---
---In every hook.
---@return string?
function ClientTls:get_sni() end

---Whether the client took an earlier session up again.
---
---In every hook.
---@return boolean
function ClientTls:is_resumed() end

---The certificate the client showed, or nil. `subject` and `issuer` are written as in RFC 4514 ("CN=alice,O=Example"),
---`names` as "DNS:a.example.com", "URI:spiffe://…", "email:…" (at most 100), `serial` and `fingerprint` (SHA-256) in
---hexadecimal, times in seconds since 1970. One that is not `verified` has a `problem`.
---
---In every hook.
---@return table? certificate
function ClientTls:get_certificate() end

---The certificate the client showed, in PEM form; those above it are not kept. Nil where it showed none.
---
---In every hook.
---@return string? pem
function ClientTls:get_full_client_certificate_chain() end

---How the check of the client's certificate went, in nginx's words: "SUCCESS", "NONE", "FAILED:" with the problem; or
---what a plugin said it was.
---
---In every hook.
---@return string
function ClientTls:get_client_verify() end

---Says how the check of the client's certificate went, for later plugins and the log: "SUCCESS", "NONE" or
---"FAILED:" with a reason. It opens no route.
---
---In rewrite, access, response.
---@param verdict string
function ClientTls:set_client_verify(verdict) end

---Not in this version: asks the client for its certificate; `client_certificate` of a listener or a route does.
---
---In rewrite, access, response.
---@param authorities? any
function ClientTls:request_client_certificate(authorities) end

---Not in this version: the client may not take its TLS session up again.
---
---In rewrite, access, response.
function ClientTls:disable_session_reuse() end

---ctx.router: which way the request took.
---@class moongate.Router
local Router = {}

---The route; nil when none matched. It is everybody's: do not change it.
---
---In every hook, rewrite only after routing.
---@return table?
function Router:get_route() end

---The service of the route, if it has one. It is everybody's: do not change it.
---
---In every hook, rewrite only after routing.
---@return table?
function Router:get_service() end

---ctx.log: lines of the error log that carry the plugin's name and the correlation id.
---@class moongate.Log
local Log = {}

---For who looks closely. The arguments are joined.
---
---In every hook, and in tasks.
---@param ... any
function Log:debug(...) end

---What is good to know.
---
---In every hook, and in tasks.
---@param ... any
function Log:info(...) end

---What an operator should see.
---
---In every hook, and in tasks.
---@param ... any
function Log:notice(...) end

---Something is not as it should be.
---
---In every hook, and in tasks.
---@param ... any
function Log:warn(...) end

---Something failed.
---
---In every hook, and in tasks.
---@param ... any
function Log:err(...) end

---The same as err.
---
---In every hook, and in tasks.
---@param ... any
function Log:error(...) end

---The same as err: there is nothing above it.
---
---In every hook, and in tasks.
---@param ... any
function Log:crit(...) end

---The same as err: there is nothing above it.
---
---In every hook, and in tasks.
---@param ... any
function Log:alert(...) end

---The same as err: there is nothing above it.
---
---In every hook, and in tasks.
---@param ... any
function Log:emerg(...) end

---Values as Lua would write them, tables with what is in them, as a line for who looks closely (debug).
---
---In every hook, and in tasks.
---@param ... any
function Log:inspect(...) end

---Warns of something that will not be there for ever.
---
---In every hook, and in tasks.
---@param message string
---@param options? { after?: string, removal?: string } # versions: since when, and until when
function Log:deprecation(message, options) end

---Puts a value into what ctx.log:serialize() gives to log plugins. Dots in the key go into tables:
---"request.headers.x-team". A value on the way that is no table wins: nothing is set below it.
---
---In every hook.
---@param key string
---@param value any # what JSON can say; nil takes the field away
---@param options? { mode?: "set"|"add"|"replace" } # add: only a new field; replace: only one that is there
function Log:set_serialize_value(key, value, options) end

---What log plugins write: the request and its response as a table, in Kong's shape, ready for JSON. `authorization`,
---`proxy-authorization`, `cookie` and `set-cookie` are REDACTED, and so is what stands
---under the names of plugins' keys (`key_names`), in headers and the query. Sizes are those of the bodies, times whole
---milliseconds.
---
---In log.
---@return table
function Log:serialize() end

---ctx.node: this gateway.
---@class moongate.Node
local Node = {}

---A UUID of this process: all workers and generations tell the same one, a restart makes another.
---
---In every hook.
---@return string
function Node:get_id() end

---The name of the machine.
---
---In every hook.
---@return string
function Node:get_hostname() end

---The memory of this worker's Lua: bytes, or text where a unit is given. There are no shared dictionaries of nginx's.
---
---In every hook.
---@param unit? "b"|"k"|"m"|"g"
---@param scale? integer # digits behind the point (2; 0 to 10)
---@return table stats # { workers_lua_vms = { { http_allocated_gc, pid, worker } }, lua_shared_dicts = {} }
function Node:get_memory_stats(unit, scale) end

---ctx.ip: addresses. Sets of networks are made with moongate.ip.
---@class moongate.Ip
local Ip = {}

---Whether trusted_proxies names the address.
---
---In every hook.
---@param address string
---@return boolean
function Ip:is_trusted(address) end
