#!/bin/bash
# Two slow services, one flapping, one resetting, one dead behind one upstream: what clients see of it (RESILIENCE_SECONDS=60).
set -u
. "$(dirname "$0")/lib.sh"
need wrk curl taskset node
seconds=${RESILIENCE_SECONDS:-60}
cap=25
start services "$load_core" node "$root/spec/bench/resilience.js"
until [ -s "$work/services.out" ]; do sleep 0.1; done
read -r control slow slower flapping resetting dead <"$work/services.out"
port=$(free_port)
cat >"$work/gateway.yaml" <<CONF
workers: 2
admin: { address: "unix:$work/admin.sock" }
log: { access: off, error: $work/error.log }
listeners: [{ address: "127.0.0.1:$port" }]
upstreams:
  - name: five
    algorithm: least-connections
    panic_threshold: 0
    concurrency: { max_requests_per_target: $cap, max_pending: 200, pending_timeout: 2s }
    ejection:
      { consecutive_failures: 5, failure_percentage: 10, failure_percentage_targets: 2, failure_percentage_requests: 20, interval: 500ms,
        time: 10s, max_ejected: 60 }
    targets:
      - { target: "127.0.0.1:$slow" }
      - { target: "127.0.0.1:$slower" }
      - { target: "127.0.0.1:$flapping" }
      - { target: "127.0.0.1:$resetting" }
      - { target: "127.0.0.1:$dead" }
services:
  - name: five
    host: five
    retries: 4
    retry:
      on: [connect, refused, reset, timeout]
      per_try_timeout: 1s
      backoff: { base: 5ms, max: 50ms }
    routes: [{ name: all, paths: [/], public: true }]
CONF
start gateway "$gateway_core" "${MOONGATE:-$root/build/release/moongate}" run -c "$work/gateway.yaml"
until grep -q "serves: generation 1" "$work/error.log" 2>/dev/null; do
  sleep 0.1
  kill -0 "$started" 2>/dev/null || die "the gateway ended: $(cat "$work/error.log" "$work/gateway.out")"
done
taskset -c "$load_core" wrk -t1 -c64 -d"${seconds}"s --latency "http://127.0.0.1:$port/" >"$work/wrk.out" 2>&1 ||
  die "wrk: $(cat "$work/wrk.out")"
curl -fsS --unix-socket "$work/admin.sock" http://localhost/metrics >"$work/metrics"
metric() { awk -v n="$1" 'index($1, n) == 1 { s += $2 } END { print s + 0 }' "$work/metrics"; }
requests=$(awk '/requests in/ { print $1 }' "$work/wrk.out")
errors=$(awk '/Socket errors/ { gsub(/[^0-9 ]/, ""); e += $1 + $2 + $3 + $4 } /Non-2xx/ { e += $NF } END { print e + 0 }' "$work/wrk.out")
retries=$(metric moongate_upstream_retries_total)
# "awaited": in flight as the gateway counts; "worked on": with those that were given up, which a service works on all the same.
printf '  %-10s %10s %13s %15s %10s\n' service requests 'most awaited' 'most worked on' failed
curl -fsS "http://127.0.0.1:$control/" >"$work/seen"
while read -r name count most failed worked; do
  printf '  %-10s %10d %13d %15d %10d\n' "$name" "$count" "$most" "$worked" "$failed"
done <"$work/seen"
printf '  %-10s %10s %13s %15s %10d\n' dead - - - "$(metric 'moongate_upstream_retries_total{service="five",reason="connect"')"
awk '$1 == "50%" || $1 == "99%" { printf "  latency %s %s\n", $1, $2 }' "$work/wrk.out"
printf '  %d requests, %d failed for their clients; %d ejections, %d retries, %d refused by the budget\n' "$requests" "$errors" \
  "$(metric moongate_upstream_ejections_total)" "$retries" "$(metric moongate_upstream_retries_refused_total)"
status=0
verdict() { # TEXT GOOD(0|1)
  printf '  %-50s %s\n' "$1" "$([ "$2" -eq 1 ] && echo good || echo BAD)"
  [ "$2" -eq 1 ] || status=1
}
verdict "under 0.1 % failed for their clients" "$(awk -v e="$errors" -v n="$requests" 'BEGIN { print (n > 0 && e < n / 1000) }')"
verdict "no service above its $cap requests" "$(awk -v c="$cap" '$3 > c { bad = 1 } END { print !bad }' "$work/seen")"
verdict "retries within their budget" "$(awk -v r="$retries" -v n="$requests" 'BEGIN { print (r <= n * 0.2 + 3) }')"
exit $status
