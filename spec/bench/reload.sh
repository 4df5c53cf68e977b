#!/bin/bash
# Reloads in a loop under load, code and configuration changing: no failed request, memory and descriptors flat (RELOADS=1000).
set -u
. "$(dirname "$0")/lib.sh"
need wrk curl taskset node
reloads=${RELOADS:-1000}
early=$((reloads < 200 ? reloads / 4 : 50))
start long-upstream "$load_core" node "$root/spec/bench/long.js" upstream
until [ -s "$work/long-upstream.out" ]; do sleep 0.1; done
upstream_port=$(cat "$work/long-upstream.out")
mkdir -p "$work/plugins/versioned"
cat >"$work/plugins/versioned/schema.lua" <<'LUA'
local t = require("moongate.schema")
return t.record { number = t.integer { required = true } }
LUA
port=$(free_port)
version() { # by rename, so that no reload sees half a file
  cat >"$work/handler.new" <<LUA
local M = { version = "1.0.0", priority = 1000 }
function M.access(conf, ctx) ctx.service.request:set_header("x-code", "$1") end
function M.response(conf, ctx)
  ctx.response:set_header("x-version", "$1." .. conf.number)
end
return M
LUA
  mv "$work/handler.new" "$work/plugins/versioned/handler.lua"
  cat >"$work/gateway.new" <<CONF
workers: 2
plugin_paths: [$work/plugins]
admin: { address: "unix:$work/admin.sock" }
log: { access: $work/access.log, error: $work/error.log }
limits: { requests_per_connection: 100000000 }
listeners: [{ address: "127.0.0.1:$port" }]
plugins: [{ name: correlation-id }]
services:
  - name: back
    url: http://127.0.0.1:$upstream_port
    keepalive: { connections: 512, requests: 100000000, idle: 600s }
    routes:
      - { name: all, paths: [/], strip_path: false, public: true,
          plugins: [{ name: versioned, config: { number: $1 } }, { name: security-headers }] }
      - { name: "extra-$(($1 % 10))", paths: ["/extra/$1"], strip_path: false, public: true }
CONF
  mv "$work/gateway.new" "$work/gateway.yaml"
}
descriptors() {
  local pid sum=0
  for pid in $(tree "$1"); do sum=$((sum + $(ls "/proc/$pid/fd" 2>/dev/null | wc -l))); done
  echo "$sum"
}
version 0
start gateway "$gateway_core" "${MOONGATE:-$root/build/release/moongate}" run -c "$work/gateway.yaml"
gateway=$started
url=http://127.0.0.1:$port
await "$url/1k"
api() { curl -fsS --unix-socket "$work/admin.sock" "$@"; }
metric() { api http://localhost/metrics | awk -v n="$1" 'index($1, n) == 1 { s += $2 } END { print s + 0 }'; }
start long-client "$load_core" node "$root/spec/bench/long.js" client 127.0.0.1 "$port"
long=$started
until grep -q open "$work/long-client.out"; do sleep 0.1; kill -0 "$long" || die "no long streams: $(cat "$work/long-client.out")"; done
taskset -c "$load_core" wrk -t1 -c64 -d36000s "$url/1k" >"$work/wrk.out" 2>&1 &
wrk_pid=$!
pids+=("$wrk_pid")
before=$(descriptors "$gateway")
for ((i = 1; i <= reloads; i++)); do
  version "$i"
  api -X POST http://localhost/reload >/dev/null || die "reload $i failed: $(tail -n 3 "$work/error.log")"
  got=$(curl -fsS -o /dev/null -D - "$url/1k" | tr -d '\r' | awk 'tolower($1) == "x-version:" { print $2 }')
  [ "$got" = "$i.$i" ] || die "after reload $i a new request was served by version '$got'"
  [ "$i" -eq "$early" ] && rss_early=$(rss_kib "$gateway") && fds_early=$(descriptors "$gateway")
  printf '\r  reload %d of %d ' "$i" "$reloads" >&2
done
printf '\r%40s\r' '' >&2
rss_last=$(rss_kib "$gateway")
fds_last=$(descriptors "$gateway")
kill -INT "$wrk_pid"
wait "$wrk_pid" 2>/dev/null
status=0
grep -E 'requests in|Socket errors|Non-2xx' "$work/wrk.out"
grep -qE 'Socket errors|Non-2xx' "$work/wrk.out" && status=1
awk -v n="$early" -v a="$rss_early" -v b="$rss_last" 'BEGIN {
  printf "memory after reload %d %.1f MB, after the last %.1f MB (%+.1f %%)\n", n, a / 1024, b / 1024, (b - a) * 100 / a
  exit b > a * 1.05 }' || status=1
echo "descriptors with load: at first $before, after reload $early $fds_early, after the last $fds_last"
[ "$fds_last" -le $((fds_early + 8)) ] || status=1
kill -TERM "$long"
wait "$long" || status=1
tail -n 1 "$work/long-client.out"
alive=$(metric moongate_generations_alive)
for ((i = 0; i < 50 && alive != 1; i++)); do sleep 0.1; alive=$(metric moongate_generations_alive); done
echo "generations alive at the end: $alive; log lines dropped: $(metric 'moongate_log_dropped_total{sink="access"')"
[ "$alive" = 1 ] || status=1
[ "$status" = 0 ] && echo "good" || echo "NOT GOOD"
exit "$status"
