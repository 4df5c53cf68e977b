#!/bin/bash
# A hundred reloads under load, the plugin's code changing each time: no failed request, memory flat, one generation.
set -u
. "$(dirname "$0")/lib.sh"
need nginx wrk curl taskset
reloads=${RELOADS:-100}
start_upstream
mkdir -p "$work/plugins/versioned"
cp "$root/spec/bench/plugins/bench/schema.lua" "$work/plugins/versioned/"
version() { # by rename, so that no reload sees half a file
  cat >"$work/handler.new" <<LUA
local M = { version = "1.0.0", priority = 1000 }
function M.response(_, ctx) ctx.response:set_header("x-version", "$1") end
return M
LUA
  mv "$work/handler.new" "$work/plugins/versioned/handler.lua"
}
version 0
port=$(free_port)
cat >"$work/gateway.yaml" <<CONF
workers: 2
plugin_paths: [$work/plugins]
admin: { address: "unix:$work/admin.sock" }
log: { access: off }
limits: { requests_per_connection: 100000000 }
listeners: [{ address: "127.0.0.1:$port" }]
services:
  - name: back
    url: http://127.0.0.1:$upstream_port
    keepalive: { connections: 512, requests: 100000000, idle: 600s }
    routes: [{ name: all, paths: [/], strip_path: false, public: true, plugins: [{ name: versioned }] }]
CONF
start gateway "$gateway_core" "${MOONGATE:-$root/build/release/moongate}" run -c "$work/gateway.yaml"
gateway=$started
url=http://127.0.0.1:$port
await "$url/1k"
api() { curl -fsS --unix-socket "$work/admin.sock" "$@"; }
taskset -c "$load_core" wrk -t1 -c64 -d600s "$url/1k" >"$work/wrk.out" 2>&1 &
wrk_pid=$!
pids+=("$wrk_pid")
at20=0
for ((i = 1; i <= reloads; i++)); do
  version "$i"
  api -X POST http://localhost/reload >/dev/null || die "reload $i failed"
  got=$(curl -fsS -o /dev/null -D - "$url/1k" | tr -d '\r' | awk 'tolower($1) == "x-version:" { print $2 }')
  [ "$got" = "$i" ] || die "after reload $i a new request was served by version '$got'"
  [ "$i" -eq 20 ] && at20=$(rss_kib "$gateway")
  printf '\r  reload %d of %d ' "$i" "$reloads" >&2
done
printf '\r%40s\r' '' >&2
last=$(rss_kib "$gateway")
kill -INT "$wrk_pid"
wait "$wrk_pid" 2>/dev/null
grep -E 'requests in|Socket errors|Non-2xx' "$work/wrk.out"
awk -v a="$at20" -v b="$last" 'BEGIN { printf "memory after reload 20 %.1f MB, after the last %.1f MB (%+.1f %%)\n", a / 1024, b / 1024, (b - a) * 100 / a }'
api http://localhost/status | tr ',' '\n' | grep -E 'generation' | tr '\n' ' '
echo
! grep -qE 'Socket errors|Non-2xx' "$work/wrk.out"
