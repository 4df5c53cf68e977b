#!/bin/bash
# What all that guards upstreams costs a request: breakers of service and route, retries with a budget, places, health, ejection, slow start.
# Target: all of it on adds at most 0.5 µs of user CPU to a 1 KiB request (what the clock says; ./dev bench health counts instructions).
set -u
. "$(dirname "$0")/lib.sh"
need nginx wrk curl taskset
rounds=${ROUNDS:-9}
seconds=${SECONDS_EACH:-2}
connections=${CONNECTIONS:-64}

start_upstream

# gateway NAME SERVICE ROUTE UPSTREAM: lines for each, at their depth.
gateway() {
  local port
  port=$(free_port)
  cat >"$work/$1.yaml" <<CONF
workers: 1
admin: { address: "unix:$work/$1.sock" }
log: { access: "$work/$1.log" }
limits: { requests_per_connection: 100000000 }
listeners: [{ address: "127.0.0.1:$port" }]
services:
  - name: back
    host: back
    keepalive: { connections: 512, requests: 100000000, idle: 600s }
$2
    routes:
      - name: all
        paths: [/]
        strip_path: false
        public: true
$3
upstreams:
  - name: back
    targets: [{ target: "127.0.0.1:$upstream_port" }]
$4
CONF
  start "$1" "$gateway_core" "$root/build/release/moongate" run -c "$work/$1.yaml"
  url=http://127.0.0.1:$port
  await "$url/1k"
}

gateway off '' '' ''; off=$started off_url=$url
gateway on '    circuit_breaker: { failure_threshold: 5, failure_ratio: 0.5, window: 10s, minimum_volume: 20 }
    retry: { statuses: [502, 503], per_try_timeout: 5s }
    deadline_header: x-request-deadline' '        circuit_breaker: { failure_threshold: 5 }' '    concurrency: { max_requests: 500, max_requests_per_target: 500, max_pending: 100, pending_timeout: 1s }
    slow_start: 10s
    healthchecks:
      active: { healthy: { interval: 5, successes: 1 }, unhealthy: { interval: 5, tcp_failures: 2 } }
      passive: { healthy: { successes: 2 }, unhealthy: { http_failures: 3, tcp_failures: 3, timeouts: 3 } }
    ejection: { consecutive_gateway_failures: 5, failure_percentage: 85 }'; on=$started on_url=$url

say "CPU per request, $connections keep-alive connections, $rounds interleaved rounds of ${seconds}s, medians"
compare "$rounds" "$seconds" "$connections" "off|$off|$off_url/1k" "on|$on|$on_url/1k"
for column in "1:all" "2:user"; do
  paste "$work/cpu.on" "$work/cpu.off" | awk -v c="${column%%:*}" '{ print $c - $(c + 3) }' | median |
    awk -v n="${column#*:}" '{ printf "  on adds %.2f µs a request (%s)\n", $1, n }'
done
