local config = require("moongate.config")
local plugins = dofile("spec/support/fake_plugins.lua")

-- What is wrong, the text of the file, and the error: its line, its path, and a part of what it says.
-- A file without listeners and with default_access allow is otherwise fine; H is such a beginning, of one line.
local H = "default_access: allow\n"

local CASES = {
  -- the file itself
  { "a syntax error", "a: [1\nb: 2\n", 2, "", "did not find expected ',' or ']'" },
  { "a tab", "a:\n\t- 1\n", 2, "", "(indent with spaces, not tabs)" },
  { "a sign that YAML keeps", "a: @b\n", 1, "", "(put it in quotes)" },
  { "a list", "- a\n", 1, "", "a configuration is a map" },
  { "a duplicate key", H .. "services: []\nservices: []\n", 3, "", 'the key "services" stands here twice' },
  { "a variable that is not set", H .. "workers: ${NO_SUCH_THING}\n", 2, "", "the environment has no NO_SUCH_THING" },
  -- the top
  { "an unknown key", H .. "servcies: []\n", 2, "servcies", 'unknown field (did you mean "services"?)' },
  { "a key far from any other", H .. "zzz: 1\n", 2, "zzz", "unknown field (known: " },
  { "the version as a number", "_format_version: 3.0\n", 1, "_format_version", "(write it in quotes)" },
  { "an old version", "_format_version: '1.1'\n", 1, "_format_version", "known, not in this version" },
  { "an unknown version", "_format_version: '4'\n", 1, "_format_version", "no version of Kong's format" },
  { "a duration without a unit", H .. "drain_timeout: 60\n", 2, "drain_timeout", 'expected a duration such as "30s"' },
  { "a duration with a wrong unit", H .. "drain_timeout: 60sec\n", 2, "drain_timeout", "needs a number and its unit" },
  { "a mirror without a service", H .. "services:\n  - { name: a, host: a, mirror: {} }\n", 3, "services[0].mirror.service",
    "is required" },
  { "a mirror to nobody",
    H .. "services:\n  - { name: a, host: a, mirror: { service: b }, routes: [{ paths: [/] }] }\n", 3,
    "services[0].mirror.service", 'no service named "b"' },
  { "a mirror to itself",
    H .. "services:\n  - { name: a, host: a, routes: [{ paths: [/], mirror: { service: a } }] }\n", 3,
    "services[0].routes[0].mirror.service", "is the service that the requests go to anyway" },
  { "a mirror of more than all",
    H .. "services:\n  - { name: a, host: a, mirror: { service: b, percentage: 101 } }\n", 3,
    "services[0].mirror.percentage", "must be between 0 and 100" },
  { "a mirror without a place", H .. "services:\n  - { name: a, host: a, mirror: { service: b, max_concurrent: 0 } }\n", 3,
    "services[0].mirror.max_concurrent", "must be between 1 and 100000" },
  { "a mirror's body without a unit",
    H .. "services:\n  - { name: a, host: a, mirror: { service: b, max_body: 1000 } }\n", 3,
    "services[0].mirror.max_body", "expected a size" },
  { "a mirror that waits for ever", H .. "services:\n  - { name: a, host: a, mirror: { service: b, timeout: 2h } }\n", 3,
    "services[0].mirror.timeout", "must be between" },
  { "a name server by name", H .. "dns:\n  servers: [ns.test]\n", 3, "dns.servers[0]", "is not an IP address, with or" },
  { "a name server at port 0", H .. "dns:\n  servers: [10.0.0.1, 10.0.0.2:0]\n", 3, "dns.servers[1]",
    '"10.0.0.2:0" is not an IP address' },
  { "no name server", H .. "dns: { servers: [] }\n", 2, "dns.servers", "must not be empty" },
  { "too many name servers",
    H .. "dns: { servers: [10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 10.0.0.6, 10.0.0.7, 10.0.0.8, 10.0.0.9] }\n",
    2, "dns.servers", "takes at most 8 elements" },
  { "no time for a name server", H .. "dns: { timeout: 0ms }\n", 2, "dns.timeout", "must be more than 0" },
  { "no try of a name server", H .. "dns: { tries: 0 }\n", 2, "dns.tries", "must be between 1 and 10" },
  { "a TTL without a unit", H .. "dns: { min_ttl: 5 }\n", 2, "dns.min_ttl", 'expected a duration such as "30s"' },
  { "a smallest TTL above the largest", H .. "dns: { min_ttl: 2m, max_ttl: 1m }\n", 2, "dns.min_ttl",
    "is longer than max_ttl" },
  { "no empty answers", H .. "dns: { empty_answers: 0 }\n", 2, "dns.empty_answers", "" },
  { "a hold without a unit", H .. "dns: { empty_hold: 5 }\n", 2, "dns.empty_hold", "expected a duration such as" },
  { "a host that is none", H .. "dns:\n  hosts:\n    'a b': [10.0.0.1]\n", 4, 'dns.hosts["a b"]',
    "is not a host name" },
  { "a host without addresses", H .. "dns:\n  hosts:\n    a.test: []\n", 4, 'dns.hosts["a.test"]',
    "must not be empty" },
  { "a host with a name for an address", H .. "dns:\n  hosts:\n    a.test: [b.test]\n", 4, 'dns.hosts["a.test"][0]',
    "is not an IP address" },
  { "SRV records of an address",
    H .. "upstreams:\n  - name: u\n    targets:\n      - { target: '10.0.0.1:80', resolve: srv }\n", 5,
    "upstreams[0].targets[0].resolve", "is for names" },
  { "an unknown way to resolve",
    H .. "upstreams:\n  - name: u\n    targets:\n      - { target: 'a:80', resolve: txt }\n", 5,
    "upstreams[0].targets[0].resolve", "must be one of" },
  { "a size without a unit", H .. "limits:\n  body: 1000\n", 3, "limits.body", 'expected a size such as "10m"' },
  { "an unknown limit", H .. "limits:\n  bodi: 1m\n", 3, "limits.bodi", 'did you mean "body"?' },
  { "no workers", H .. "workers: 0\n", 2, "workers", 'must be "auto" or a whole number' },
  { "an access log to none", H .. "log: { access: none }\n", 2, "log.access", "must be stdout, off or a path" },
  { "an error log to stdout", H .. "log: { error: stdout }\n", 2, "log.error", "must be stderr or a path" },
  { "a wrong log level", H .. "log: { level: loud }\n", 2, "log.level", 'must be one of "debug"' },
  { "a listener without an address", H .. "listeners:\n  - limits: {}\n", 3, "listeners[0].address", "is required" },
  { "a listener by name", H .. "listeners:\n  - address: example.com:80\n", 3, "listeners[0].address",
    "is not an address such as 127.0.0.1:8000" },
  { "a listener without a port", H .. "listeners:\n  - address: 127.0.0.1\n", 3, "listeners[0].address",
    "is not an address" },
  { "two listeners at one place", H .. "listeners:\n  - address: 127.0.0.1:1\n  - address: 127.0.0.1:1\n", 4,
    "listeners[1].address", "is listened to already (line 3)" },
  { "an unknown key of TLS", H .. "listeners:\n  - address: 127.0.0.1:1\n    tls: { a: b }\n", 4, "listeners[0].tls.a",
    "unknown field" },
  { "a certificate without its key", H .. "listeners:\n  - address: 127.0.0.1:1\n    tls: { cert: a.pem }\n", 4,
    "listeners[0].tls", "cert needs key beside it" },
  { "a file of TLS that is not there",
    H .. "listeners:\n  - address: 127.0.0.1:1\n    tls: { client_certificate: required, client_ca: a.pem }\n", 4,
    "listeners[0].tls.client_ca", '"a.pem" cannot be read' },
  { "client certificates without who signed them",
    H .. "listeners:\n  - address: 127.0.0.1:1\n    tls: { client_certificate: required }\n", 4,
    "listeners[0].tls", "client_certificate needs client_ca" },
  { "a CA without effect", H .. "listeners:\n  - address: 127.0.0.1:1\n    tls: { client_ca: /dev/null }\n", 4,
    "listeners[0].tls.client_ca", "has no effect without client_certificate" },
  { "a bad server name", H .. "snis:\n  - name: a.*.b\n", 3, "snis[0].name", "must be a host name" },
  { "a server name without a certificate", H .. "snis:\n  - name: a.b\n", 3, "snis[0]", "needs a certificate" },
  { "an admin port without a token", H .. "admin:\n  address: 127.0.0.1:8001\n", 2, "admin", "needs a token" },
  { "a bad network", H .. "trusted_proxies: [10.0.0.0/33]\n", 2, "trusted_proxies[0]", "is not an IP address or" },
  { "a folder that is not there", H .. "plugin_paths: [./nope]\n", 2, "plugin_paths[0]", "there is no folder" },
  { "a certificate without a key", H .. "certificates:\n  - cert: x\n", 3, "certificates[0].key", "is required" },
  { "a CA certificate without one", H .. "ca_certificates:\n  - name: x\n", 3, "ca_certificates[0].cert",
    "is required" },
  { "a CA certificate that is none", H .. "ca_certificates:\n  - cert: |\n      hello\n      world\n", 3,
    "ca_certificates[0].cert", "is neither PEM" },
  { "a file of a CA that is not there", H .. "ca_certificates:\n  - cert: no.pem\n", 3, "ca_certificates[0].cert",
    '"no.pem" cannot be read' },
  { "a digest that is none", H .. "ca_certificates:\n  - { cert: a.pem, cert_digest: xyz }\n", 3,
    "ca_certificates[0].cert_digest", "does not match" },
  { "a budget without a unit", H .. "lua:\n  budget: 50\n", 3, "lua.budget", "expected a duration" },
  { "a zone without a size", H .. "zones:\n  p/a: {}\n", 3, 'zones["p/a"].size', "is required" },
  { "a zone without a plugin", H .. "zones:\n  a: { size: 1m }\n", 3, "zones.a", 'must be "plugin/name"' },
  { "a zone that is too small", H .. "zones:\n  p/a: { size: 1k }\n", 3, 'zones["p/a"].size', "must be between 65536" },
  { "redis", H .. "redis: { main: { host: x } }\n", 2, "redis", "known, not in this version" },
  -- services
  { "a service that is no map", H .. "services: [x]\n", 2, "services[0]",
    "expected a service (a map), got the string" },
  { "services that are no list", H .. "services: { a: {} }\n", 2, "services", "expected an array of services" },
  { "a service without a place", H .. "services:\n  - name: a\n", 3, "services[0]", "needs a url, or a host" },
  { "a service said twice", H .. "services:\n  - url: http://a\n    port: 80\n", 4, "services[0].port",
    "is said by url already" },
  { "a grpc service with a path", H .. "services:\n  - name: a\n    url: grpc://a/b\n", 4, "services[0].url",
    "does not go with grpc" },
  { "a grpc service without HTTP/2", H .. "services:\n  - url: grpc://a\n    http2: false\n", 4, "services[0].http2",
    "gRPC is spoken over HTTP/2" },
  { "a grpc service with a PROXY header", H .. "services:\n  - url: grpc://a\n    proxy_protocol: v2\n", 4,
    "services[0].proxy_protocol", "names one client a connection" },
  { "quiet calls without a unit", H .. "services:\n  - url: grpc://a\n    grpc_idle_timeout: 5\n", 4,
    "services[0].grpc_idle_timeout", "expected a duration" },
  { "a protocol nobody knows", H .. "services:\n  - host: a\n    protocol: htp\n", 4, "services[0].protocol",
    "must be one of http, https, grpc" },
  { "too many retries", H .. "services:\n  - host: a\n    retries: 99999\n", 4, "services[0].retries",
    "must be between 0 and 32767, got 99999" },
  { "a failure nobody tries again for", H .. "services:\n  - host: a\n    retry: { on: [conect] }\n", 4,
    "services[0].retry.on[0]", 'must be one of "connect"' },
  { "a status that is none of an error", H .. "services:\n  - host: a\n    retry: { statuses: [302] }\n", 4,
    "services[0].retry.statuses[0]", "must be between 400 and 599" },
  { "a timeout that nothing measures", H .. "services:\n  - host: a\n    retry: { on: [timeout] }\n", 4,
    "services[0].retry.on", "timeout needs per_try_timeout" },
  { "a pause that shrinks", H .. "services:\n  - host: a\n    retry: { backoff: { base: 1s } }\n", 4,
    "services[0].retry.backoff.max", "must not be less than base" },
  { "a budget above all", H .. "services:\n  - host: a\n    retry: { budget: { ratio: 20 } }\n", 4,
    "services[0].retry.budget.ratio", "must be between 0 and 1" },
  { "rules for retries that there are not", H .. "services:\n  - host: a\n    retries: 0\n    retry: {}\n", 5,
    "services[0].retry", "has no effect with retries: 0" },
  { "a bound of nothing", H .. "services:\n  - host: a\n    concurrency: { max_pending: 1 }\n", 4,
    "services[0].concurrency", "needs at least one of max_requests, max_requests_per_target" },
  { "no room at all", H .. "services:\n  - host: a\n    concurrency: { max_requests: 0 }\n", 4,
    "services[0].concurrency.max_requests", 'must be a whole number' },
  { "a wait without a unit", H .. "services:\n  - host: a\n    concurrency: { max_requests: 1, pending_timeout: 1 }\n", 4,
    "services[0].concurrency.pending_timeout", 'expected a duration' },
  { "a bound of an upstream at a service",
    H .. "upstreams: [{ name: up, targets: [{ target: 'a:1' }] }]\nservices:\n  - host: up\n"
      .. "    concurrency: { max_requests: 1 }\n", 5,
    "services[0].concurrency", 'is the upstream\'s: write it at "up"' },
  { "a deadline in a header of framing", H .. "services:\n  - host: a\n    deadline_header: Content-Length\n", 4,
    "services[0].deadline_header", "has a meaning of its own" },
  { "a fallback to nothing", H .. "services:\n  - host: a\n    circuit_breaker: { fallback: {} }\n", 4,
    "services[0].circuit_breaker.fallback", "needs at least one of upstream, status" },
  { "a fallback to two things", H .. "services:\n  - host: a\n    circuit_breaker: { fallback: { upstream: b, status: 200 } }\nupstreams: [{ name: b, targets: [{ target: 'a:1' }] }]\n",
    4, "services[0].circuit_breaker.fallback", "upstream" },
  { "a fallback to nobody", H .. "services:\n  - host: a\n    circuit_breaker: { fallback: { upstream: b } }\n", 4,
    "services[0].circuit_breaker.fallback.upstream", 'no upstream named "b"' },
  { "a route's fallback to nobody",
    H .. "services: [{ name: s, host: x }]\nroutes:\n  - paths: [/]\n    service: s\n"
      .. "    circuit_breaker: { fallback: { upstream: b } }\n", 6,
    "routes[0].circuit_breaker.fallback.upstream", 'no upstream named "b"' },
  { "hedging", H .. "services:\n  - host: a\n    hedge: { after: 50ms }\n", 4, "services[0].hedge",
    "known, not in this version" },
  { "a bound that finds itself", H .. "services:\n  - host: a\n    concurrency: { max_requests: 1, adaptive: true }\n", 4,
    "services[0].concurrency.adaptive", "known, not in this version" },
  { "a route's timeout that nothing measures",
    H .. "services: [{ name: s, host: x }]\nroutes:\n  - paths: [/]\n    service: s\n    retry: { on: [timeout] }\n", 6,
    "routes[0].retry.on", "timeout needs per_try_timeout" },
  { "a time of nothing", H .. "services:\n  - host: a\n    read_timeout: 0\n", 4, "services[0].read_timeout",
    "must be a whole number of milliseconds" },
  { "our own time without a unit", H .. "services:\n  - host: a\n    response_timeout: 100\n", 4,
    "services[0].response_timeout", "expected a duration" },
  { "a service's path without a slash", H .. "services:\n  - host: a\n    path: x\n", 4, "services[0].path",
    'must begin with "/"' },
  { "two services of one name", H .. "services:\n  - { name: a, host: x }\n  - { name: a, host: y }\n", 4,
    "services[1].name", 'a service named "a" is already there (line 3)' },
  { "an id that is none", H .. "services:\n  - { id: 5x, host: x }\n", 3, "services[0].id", "is not a UUID" },
  { "tls_verify without TLS", H .. "services:\n  - { host: x, tls_verify: true }\n", 3, "services[0].tls_verify",
    "has no effect without TLS: write https" },
  { "tls_server_name without TLS", H .. "services:\n  - { host: x, tls_server_name: y }\n", 3,
    "services[0].tls_server_name", "has no effect without TLS" },
  { "tls_verify that is no boolean", H .. "services:\n  - url: https://a\n    tls_verify: sometimes\n", 4,
    "services[0].tls_verify", "expected a boolean" },
  { "a depth over 64", H .. "services:\n  - url: https://a\n    tls_verify_depth: 65\n", 4,
    "services[0].tls_verify_depth", "must be between 0 and 64, got 65" },
  { "a CA certificate that is not there", H .. "services:\n  - url: https://a\n    ca_certificates: [own]\n", 4,
    "services[0].ca_certificates[0]", 'no CA certificate named "own"' },
  { "a list of CA certificates that is none", H .. "services:\n  - url: https://a\n    ca_certificates: own\n", 4,
    "services[0].ca_certificates", "expected an array" },
  { "a CA certificate that is a number", H .. "services:\n  - url: https://a\n    ca_certificates: [7]\n", 4,
    "services[0].ca_certificates[0]", "must be the name or id of a CA certificate" },
  { "a client certificate that is not there", H .. "services:\n  - url: https://a\n    client_certificate: own\n", 4,
    "services[0].client_certificate", 'no certificate named "own"' },
  { "a client certificate without a key",
    H .. "services:\n  - url: https://a\n    client_certificate:\n      cert: a.pem\n", 4,
    "services[0].client_certificate.key", "is required" },
  { "a client certificate whose file is not there",
    H .. "services:\n  - url: https://a\n    client_certificate:\n      cert: '-----BEGIN CERTIFICATE-----'\n"
      .. "      key: a.key\n", 6,
    "services[0].client_certificate.key", '"a.key" cannot be read' },
  { "a server name that is none", H .. "services:\n  - url: https://a\n    tls_server_name: '*.a'\n", 4,
    "services[0].tls_server_name", "" },
  { "Kong's names beside the host", H .. "services:\n  - url: https://a\n    tls_sans: { dnsnames: [b] }\n", 4,
    "services[0].tls_sans", "known, not in this version" },
  { "an upstream's client certificate that is not there",
    H .. "services:\n  - url: https://u\nupstreams:\n  - name: u\n    client_certificate: x\n"
      .. "    targets: [{ target: a }]\n", 6,
    "upstreams[0].client_certificate", 'no certificate named "x"' },
  { "a misspelt field of a service", H .. "services:\n  - host: x\n    retires: 1\n", 4, "services[0].retires",
    'unknown field (did you mean "retries"?)' },
  -- routes
  { "a route that takes nothing", H .. "routes:\n  - name: r\n", 3, "routes[0]", "needs at least one of paths" },
  { "a route to nowhere", H .. "services: [{ name: users, host: x }]\nroutes:\n  - paths: [/]\n    service: billing\n",
    5,
    "routes[0].service", 'no service named "billing" (known: users)' },
  { "a route to nearly somewhere",
    H .. "services: [{ name: users, host: x }]\nroutes:\n  - paths: [/]\n    service: usres\n",
    5, "routes[0].service", 'no service named "usres" (did you mean "users"?)' },
  { "a route with two services", H .. "services:\n  - { name: a, host: x }\n  - name: b\n    host: y\n    routes:\n"
    .. "      - paths: [/]\n        service: a\n", 8, "services[1].routes[0].service", "contradicts the service" },
  { "a path without a slash", H .. "routes:\n  - paths: [/a, users]\n", 3, "routes[0].paths[1]",
    'must begin with "/"' },
  { "a cookie of a name that none can have", H .. "routes:\n  - cookies:\n      'a b': [x]\n", 4,
    'routes[0].cookies["a b"]', "" },
  { "a cookie's value that is no list", H .. "routes:\n  - cookies:\n      a: x\n", 4, "routes[0].cookies.a", "" },
  { "sources that are no networks", H .. "routes:\n  - sources: [10.0.0.0/8, example.com]\n", 3,
    "routes[0].sources[1]", "is not an IP address" },
  { "sources with a zero in front", H .. "routes:\n  - sources: [010.0.0.1]\n", 3, "routes[0].sources[0]",
    "is not an IP address" },
  { "a path with a query", H .. "routes:\n  - paths: ['/a?b']\n", 3, "routes[0].paths[0]", "must not hold" },
  { "a path with dots", H .. "routes:\n  - paths: [/a/../b]\n", 3, "routes[0].paths[0]", "holds . or .." },
  { "a broken template", H .. "routes:\n  - paths: ['/a/x{id}']\n", 3, "routes[0].paths[0]", "is not a whole segment" },
  { "a template with a double name", H .. "routes:\n  - paths: ['/{id}/{id}']\n", 3, "routes[0].paths[0]",
    "{id} stands there twice" },
  { "a regex without a slash", H .. "routes:\n  - paths: ['~abc']\n", 3, "routes[0].paths[0]", 'must begin with "~/"' },
  { "a broken regex", H .. "routes:\n  - paths: ['~/(']\n", 3, "routes[0].paths[0]",
    "is not a regular expression: no )" },
  { "a host with two stars", H .. "routes:\n  - hosts: ['*.a.*']\n", 3, "routes[0].hosts[0]", 'takes one "*"' },
  { "a host with blanks", H .. "routes:\n  - hosts: ['a b']\n", 3, "routes[0].hosts[0]", "is not a host" },
  { "a host with a port", H .. "routes:\n  - hosts: ['a.com:80']\n", 3, "routes[0].hosts[0]",
    "known, not in this version" },
  { "a method in small letters", H .. "routes:\n  - methods: [get]\n", 3, "routes[0].methods[0]",
    "in capital letters" },
  { "Host among the headers", H .. "routes:\n  - headers: { Host: [a] }\n", 3, "routes[0].headers", "write hosts" },
  { "a header that is no list", H .. "routes:\n  - headers: { X-A: a }\n", 3, "routes[0].headers.X-A",
    'expected an array of strings, got the string "a"' },
  { "a route for grpc and http", H .. "routes:\n  - paths: [/]\n    protocols: [http, grpc]\n", 4,
    "routes[0].protocols", "http and grpc do not go together" },
  { "a grpc route that strips its path",
    H .. "routes:\n  - paths: [/]\n    protocols: [grpc]\n    strip_path: true\n", 5, "routes[0].strip_path",
    "does not go with grpc" },
  { "a grpc route with methods", H .. "routes:\n  - paths: [/]\n    protocols: [grpc]\n    methods: [POST]\n", 5,
    "routes[0].methods", "does not go with grpc" },
  { "names alone on a route for plain HTTP", H .. "routes:\n  - snis: [a.b]\n", 3, "routes[0]",
    "or snis with protocols: [https]" },
  { "path_handling v1", H .. "routes:\n  - paths: [/]\n    path_handling: v1\n", 4, "routes[0].path_handling",
    "known, not in this version" },
  { "another redirect status", H .. "routes:\n  - paths: [/]\n    https_redirect_status_code: 303\n", 4,
    "routes[0].https_redirect_status_code", "must be one of 426, 301, 302, 307, 308" },
  { "a name on a route that is none", H .. "routes:\n  - paths: [/]\n    snis: [a.*]\n", 4, "routes[0].snis[0]",
    "must be a host name" },
  { "every name on a route", H .. "routes:\n  - paths: [/]\n    snis: ['*']\n", 4, "routes[0].snis[0]",
    "names one server" },
  { "a CA of a route without effect", H .. "routes:\n  - paths: [/]\n    client_ca: a.pem\n", 4, "routes[0].client_ca",
    "has no effect without client_certificate" },
  { "a CA of a route that nobody knows",
    H .. "routes:\n  - paths: [/]\n    client_certificate: required\n    ca_certificates: [x]\n", 5,
    "routes[0].ca_certificates[0]", 'no CA certificate named "x"' },
  { "client certificates of a route without who signed them",
    H .. "listeners:\n  - { address: 127.0.0.1:1, tls: {} }\nroutes:\n  - paths: [/]\n"
      .. "    client_certificate: required\n", 5, "routes[0]", "client_certificate needs client_ca or ca_certificates" },
  { "another redirect of a listener", H .. "listeners:\n  - { address: 127.0.0.1:1, redirect_https: 426 }\n", 3,
    "listeners[0].redirect_https", "must be one of 301, 302, 307, 308" },
  { "a certificate of a listener that nobody knows",
    H .. "listeners:\n  - { address: 127.0.0.1:1, tls: { certificates: [x] } }\n", 3,
    "listeners[0].tls.certificates[0]", 'no certificate named "x"' },
  { "a limit that comes too early for a route", H .. "routes:\n  - paths: [/]\n    limits: { connections: 5 }\n", 4,
    "routes[0].limits.connections", "is decided before a route is known" },
  { "an open route", "routes:\n  - name: r\n    paths: [/]\n", 2, "routes[0]", "the route r is open to everybody" },
  { "a route whose guard lets strangers in", "routes:\n  - paths: [/]\n    plugins:\n"
    .. "      - { name: key-auth, config: { anonymous: x } }\n", 2, "routes[0]", "is open to everybody" },
  { "a route whose guard is off", "routes:\n  - paths: [/]\n    plugins: [{ name: key-auth, enabled: false }]\n", 2,
    "routes[0]", "write public: true" },
  -- upstreams
  { "an upstream without a name", H .. "upstreams:\n  - targets: []\n", 3, "upstreams[0].name", "is required" },
  { "an algorithm that is none", H .. "upstreams:\n  - { name: u, algorithm: round_robin }\n", 3, "upstreams[0].algorithm",
    "is no algorithm (did you mean \"round-robin\"?)" },
  { "an algorithm to come", H .. "upstreams:\n  - { name: u, algorithm: sticky-sessions }\n", 3, "upstreams[0].algorithm",
    "known, not in this version" },
  { "hashing on a header that is not named", H .. "upstreams:\n  - { name: u, hash_on: header }\n", 3,
    "upstreams[0].hash_on", "header needs hash_on_header" },
  { "a fallback that is never asked", H .. "upstreams:\n  - { name: u, hash_fallback: ip }\n", 3,
    "upstreams[0].hash_fallback", "is never asked, because hash_on is none" },
  { "checks of no kind", H .. "upstreams:\n  - name: u\n    healthchecks: { active: { type: ftp } }\n", 4,
    "upstreams[0].healthchecks.active.type", "must be one of \"http\", \"https\", \"tcp\", \"grpc\", \"grpcs\"" },
  { "a gRPC service without a name",
    H .. "upstreams:\n  - name: u\n    healthchecks: { active: { grpc_service: '' } }\n", 4,
    "upstreams[0].healthchecks.active.grpc_service", "must not be empty" },
  { "a check of somebody who is nobody",
    H .. "upstreams:\n  - name: u\n    healthchecks: { active: { https_sni: 'a b' } }\n", 4,
    "upstreams[0].healthchecks.active.https_sni", "is not a host" },
  { "a check that takes no time",
    H .. "upstreams:\n  - name: u\n    healthchecks: { active: { timeout: 0 } }\n", 4,
    "upstreams[0].healthchecks.active.timeout", "must be more than 0" },
  { "too many checks at once",
    H .. "upstreams:\n  - name: u\n    healthchecks: { active: { concurrency: 0 } }\n", 4,
    "upstreams[0].healthchecks.active.concurrency", "must be between 1 and 1000" },
  { "a check of no path",
    H .. "upstreams:\n  - name: u\n    healthchecks: { active: { http_path: x } }\n", 4,
    "upstreams[0].healthchecks.active.http_path", 'must begin with "/"' },
  { "an empty text to look for",
    H .. "upstreams:\n  - name: u\n    healthchecks: { active: { http_body: '' } }\n", 4,
    "upstreams[0].healthchecks.active.http_body", "must not be empty" },
  { "a field that ends the head",
    H .. "upstreams:\n  - name: u\n    healthchecks: { active: { headers: { a: [\"x\\r\"] } } }\n", 4,
    "upstreams[0].healthchecks.active.headers.a[0]", "must not match" },
  { "an interval that is none",
    H .. "upstreams:\n  - name: u\n    healthchecks: { active: { healthy: { interval: soon } } }\n", 4,
    "upstreams[0].healthchecks.active.healthy.interval", "needs a number and its unit" },
  { "more failures than are counted",
    H .. "upstreams:\n  - name: u\n    healthchecks: { passive: { unhealthy: { http_failures: 256 } } }\n", 4,
    "upstreams[0].healthchecks.passive.unhealthy.http_failures", "must be between 0 and 255" },
  { "a status that is good and bad",
    H .. "upstreams:\n  - name: u\n    healthchecks: { passive: { unhealthy: { http_statuses: [200] } } }\n", 4,
    "upstreams[0].healthchecks.passive.unhealthy.http_statuses", "200 is in healthy.http_statuses, too" },
  { "checks that verify sometimes",
    H .. "upstreams:\n  - name: u\n    healthchecks: { active: { https_verify_certificate: often } }\n", 4,
    "upstreams[0].healthchecks.active.https_verify_certificate", "expected a boolean" },
  { "a threshold over all",
    H .. "upstreams:\n  - name: u\n    healthchecks: { threshold: 101 }\n", 4,
    "upstreams[0].healthchecks.threshold", "must be between 0 and 100" },
  { "panic said twice",
    H .. "upstreams:\n  - name: u\n    healthchecks: { threshold: 50 }\n    fail_traffic_on_panic: true\n", 4,
    "upstreams[0].healthchecks.threshold", "write one of them" },
  { "a panic threshold over all",
    H .. "upstreams:\n  - name: u\n    panic_threshold: 101\n", 4,
    "upstreams[0].panic_threshold", "must be between 0 and 100" },
  { "panic that is no switch",
    H .. "upstreams:\n  - name: u\n    fail_traffic_on_panic: 1\n", 4,
    "upstreams[0].fail_traffic_on_panic", "expected a boolean" },
  { "slow start of no time",
    H .. "upstreams:\n  - name: u\n    slow_start: 0s\n", 4,
    "upstreams[0].slow_start", "must be more than 0" },
  { "aggression without slow start",
    H .. "upstreams:\n  - name: u\n    slow_start_aggression: 2\n", 4,
    "upstreams[0].slow_start_aggression", "needs slow_start" },
  { "ejection by nothing known",
    H .. "upstreams:\n  - name: u\n    ejection: { failures: 3 }\n", 4,
    "upstreams[0].ejection.failures", "unknown field" },
  { "ejection that gets shorter",
    H .. "upstreams:\n  - name: u\n    ejection: { time: 30s, time_max: 10s }\n", 4,
    "upstreams[0].ejection.time_max", "is less than time" },
  { "ejection of more than all",
    H .. "upstreams:\n  - name: u\n    ejection: { max_ejected: 101 }\n", 4,
    "upstreams[0].ejection.max_ejected", "must be between 0 and 100" },
  { "a target without a place", H .. "upstreams:\n  - name: u\n    targets: [{ weight: 1 }]\n", 4,
    "upstreams[0].targets[0].target", "is required" },
  { "a target that is no host", H .. "upstreams:\n  - name: u\n    targets: [{ target: 'a b:80' }]\n", 4,
    "upstreams[0].targets[0].target", "is not a host:port" },
  { "a target twice", H .. "upstreams:\n  - name: u\n    targets:\n      - target: a:1\n      - target: a:1\n", 6,
    "upstreams[0].targets[1]", "is a target of this upstream already" },
  { "a weight out of range", H .. "upstreams:\n  - name: u\n    targets: [{ target: a, weight: 70000 }]\n", 4,
    "upstreams[0].targets[0].weight", "must be between 0 and 65535" },
  { "a target of nobody", H .. "targets:\n  - target: a:1\n", 3, "targets[0]", "needs an upstream" },
  -- consumers
  { "a consumer without a name", H .. "consumers:\n  - tags: [x]\n", 3, "consumers[0]",
    "needs at least one of username, custom_id" },
  { "two consumers of one custom_id",
    H .. "consumers:\n  - { username: a, custom_id: 1x }\n  - { username: b, custom_id: 1x }\n",
    4, "consumers[1].custom_id", "another consumer has this custom_id (line 3)" },
  { "two credentials with one key", H .. "consumers:\n  - username: a\n    keyauth_credentials:\n      - key: secret\n"
    .. "      - key: secret\n", 6, "consumers[0].keyauth_credentials[1].key",
    "another credential has the same key (line 5)" },
  { "a credential of nobody", H .. "keyauth_credentials:\n  - { consumer: ann, key: x }\n", 3,
    "keyauth_credentials[0].consumer", 'no consumer named "ann"' },
  { "a credential without a key", H .. "consumers:\n  - username: a\n    keyauth_credentials: [{}]\n", 4,
    "consumers[0].keyauth_credentials[0].key", "is required" },
  { "credentials of a plugin to come",
    H .. "consumers:\n  - username: a\n    basicauth_credentials: [{ username: x }]\n", 4,
    "consumers[0].basicauth_credentials", "known, not in this version" },
  { "a group nobody declared",
    H .. "consumer_groups: [{ name: gold }]\nconsumers:\n  - username: a\n    groups: [glod]\n", 5,
    "consumers[0].groups[0]", 'no consumer group named "glod" (did you mean "gold"?)' },
  -- plugins
  { "a plugin nobody knows", H .. "plugins:\n  - name: kye-auth\n", 3, "plugins[0].name",
    'no plugin named "kye-auth" (did you mean "key-auth"?)' },
  { "a plugin of Kong's to come", H .. "plugins:\n  - name: rate-limiting\n", 3, "plugins[0].name",
    '"rate-limiting" is known, not in this version' },
  { "a misspelt field of a plugin", H .. "plugins:\n  - name: key-auth\n    config:\n      keynames: [x]\n", 5,
    "plugins[0].config.keynames", 'unknown field (did you mean "key_names"?)' },
  { "a plugin's field of the wrong type", H .. "plugins:\n  - name: key-auth\n    config:\n      key_names: x\n", 5,
    "plugins[0].config.key_names", 'expected an array of header names, got the string "x"' },
  { "a plugin's field to come",
    H .. "plugins:\n  - name: request-transformer\n    config:\n      add:\n        body: [a:b]\n", 6,
    "plugins[0].config.add.body", "known, not in this version" },
  { "the same plugin twice", H .. "plugins:\n  - name: echo\n  - name: echo\n", 4, "plugins[1]",
    "echo is used in this scope already (line 3)" },
  { "one instance_name twice",
    H .. "plugins:\n  - { name: echo, instance_name: a }\n  - { name: key-auth, instance_name: a }\n",
    4, "plugins[1].instance_name", '"a" is taken (line 3)' },
  { "a priority for one consumer", H .. "consumers:\n  - username: a\n    plugins: [{ name: echo, priority: 5 }]\n", 4,
    "consumers[0].plugins[0].priority", "has no effect for one consumer" },
  { "a condition that is no expression", H .. "plugins:\n  - name: echo\n    when: request.method = 'GET'\n", 4,
    "plugins[0].when", 'cannot read "= \'GET\'"' },
  { "a condition over what nobody knows", H .. "plugins:\n  - { name: echo, when: request.metod }\n", 3,
    "plugins[0].when", 'request has no field "metod" (did you mean "method"?)' },
  { "a condition that is no text", H .. "plugins:\n  - { name: echo, when: true }\n", 3, "plugins[0].when",
    "expected a string" },
  { "a route whose guard has a condition", "services:\n  - url: http://a\n    routes:\n      - name: r\n"
    .. "        paths: [/]\n        plugins: [{ name: key-auth, when: request.query.a }]\n", 4,
    "services[0].routes[0]", "key-auth (services[0].routes[0].plugins[0]) does not count, because it has a condition" },
  { "skipping a guard's errors", H .. "plugins:\n  - { name: key-auth, on_error: skip }\n", 3, "plugins[0].on_error",
    "skip is refused" },
  { "a plugin of a route that is not there", H .. "plugins:\n  - { name: echo, route: r }\n", 3, "plugins[0].route",
    'no route named "r"' },
  { "a plugin without a name", H .. "plugins:\n  - config: {}\n", 3, "plugins[0].name", "is required" },
}

local function check_regex(pattern)
  return pattern ~= "/(", "no )"
end

local function load(text, file)
  return config.load(file or "moongate.yaml", {
    text = text, folder = "/nowhere", plugins = plugins, check_regex = check_regex,
    env = function() end,
  })
end

local function texts(errors)
  local lines = {}
  for i, err in ipairs(errors or {}) do
    lines[i] = config.format(err)
  end
  return table.concat(lines, "\n")
end

describe("a configuration is refused, with line and path:", function()
  for _, case in ipairs(CASES) do
    local name, text, line, path, message = unpack(case)
    it(name, function()
      local result, errors = load(text)
      assert.is_nil(result)
      local found
      for _, err in ipairs(errors) do
        if err.line == line and err.path == path and err.message:find(message, 1, true) then
          found = err
        end
      end
      assert(found, ("wanted %d: %s: %s\ngot %s"):format(line, path, message, texts(errors)))
      assert.equal(1, #errors, texts(errors))
      assert.equal(("moongate.yaml:%d: %s%s"):format(line, path ~= "" and path .. ": " or "", found.message),
        config.format(found))
    end)
  end
end)

describe("errors of a configuration", function()
  it("come all at once, in the order of the file", function()
    local _, errors = load("workers: none\nservces: []\nroutes:\n"
      .. "  - path: /a\n    paths: [a]\nplugins:\n  - name: nope\n")
    local paths = {}
    for i, err in ipairs(errors) do
      paths[i] = err.line .. " " .. err.path
    end
    assert.same({ "1 workers", "2 servces", "4 routes[0].path", "5 routes[0].paths[0]", "7 plugins[0].name" }, paths)
  end)

  it("do not repeat what only follows from a missing variable", function()
    local _, errors = load("default_access: allow\ndrain_timeout: ${X}\nworkers: none\n")
    assert.equal(2, #errors, texts(errors))
  end)

  it("never show a secret", function()
    local _, errors = load("consumers:\n  - username: a\n    keyauth_credentials: [{ key: hush }, { key: hush }]\n")
    assert.is_nil(texts(errors):find("hush", 1, true))
  end)

  it("have lines in JSON, too", function()
    local _, errors = load('{\n  "default_access": "allow",\n'
      .. '  "services": [\n    { "host": "a",\n      "port": 0 }\n  ]\n}\n',
      "moongate.json")
    assert.equal("moongate.json:5: services[0].port: 0 must be a port from 1 to 65535", texts(errors))
  end)

  it("say when the file cannot be read", function()
    local _, errors = config.load("/nowhere/moongate.yaml")
    assert.equal("/nowhere/moongate.yaml: cannot be read: No such file or directory", texts(errors))
  end)

  it("include warnings where strict is on", function()
    local _, errors = load("strict: true\n")
    assert.is_truthy(texts(errors):find("there are no listeners", 1, true))
  end)
end)
