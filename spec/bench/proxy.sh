#!/bin/bash
# A plain 1 KiB request and a 64 KiB one through nginx, HAProxy and Moongate; then the same with Lua in four phases.
# "relay" is HAProxy passing bytes on without reading them: what the kernel alone costs here.
# Targets: plain at most 0.80 of nginx and 0.95 of HAProxy, with Lua at most 0.80 of nginx's Lua.
set -u
. "$(dirname "$0")/lib.sh"
need nginx haproxy wrk curl taskset
rounds=${ROUNDS:-7}
seconds=${SECONDS_EACH:-3}
connections=${CONNECTIONS:-64}

start_upstream
start_nginx nginx ''; nginx_pid=$started nginx_url=$url
start_haproxy haproxy; haproxy_pid=$started haproxy_url=$url
start_haproxy relay tcp; relay_pid=$started relay_url=$url
start_moongate moongate; moongate_pid=$started moongate_url=$url

say "CPU per request, $connections keep-alive connections, $rounds interleaved rounds of ${seconds}s, medians"
echo "plain, 1 KiB"
compare "$rounds" "$seconds" "$connections" "nginx|$nginx_pid|$nginx_url/1k" "haproxy|$haproxy_pid|$haproxy_url/1k" \
  "moongate|$moongate_pid|$moongate_url/1k" "relay|$relay_pid|$relay_url/1k"
echo "plain, 64 KiB"
compare "$rounds" "$seconds" "$connections" "nginx|$nginx_pid|$nginx_url/64k" "haproxy|$haproxy_pid|$haproxy_url/64k" \
  "moongate|$moongate_pid|$moongate_url/64k"
stop "$haproxy_pid"
stop "$relay_pid"

lua='rewrite_by_lua_block { ngx.ctx.start = ngx.req.get_headers()["user-agent"] or "none" }
      access_by_lua_block { ngx.req.set_header("x-bench", "1") }
      header_filter_by_lua_block { ngx.header["x-served-by"] = "nginx" }
      log_by_lua_block { ngx.ctx.done = ngx.status }'
start_nginx nginx-lua "$lua"; lua_pid=$started lua_url=$url
start_moongate moongate-lua '[{ name: bench }]'; mlua_pid=$started mlua_url=$url
echo "Lua in rewrite, access, response and log, 1 KiB"
compare "$rounds" "$seconds" "$connections" "nginx-lua|$lua_pid|$lua_url/1k" "moongate-lua|$mlua_pid|$mlua_url/1k" \
  "moongate|$moongate_pid|$moongate_url/1k"
