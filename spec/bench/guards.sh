#!/bin/bash
# What all that guards upstreams costs a request: breakers of service and route, retries with a budget, places, health, ejection, slow start.
# Targets: all of it on adds at most 0.5 µs of user CPU to a 1 KiB request (what the clock says; ./dev bench health counts instructions);
# a breaker that is open answers within 50 µs.
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
  start "$1" "$gateway_core" "${MOONGATE:-$root/build/release/moongate}" run -c "$work/$1.yaml"
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

# An answer of an open breaker waits for nobody, so the gateway's time for it is its CPU time, and no client can see less.
dead=$(free_port)
port=$(free_port)
cat >"$work/open.yaml" <<CONF
workers: 1
admin: { address: "unix:$work/open.sock" }
log: { access: "$work/open.log" }
limits: { requests_per_connection: 100000000 }
listeners: [{ address: "127.0.0.1:$port" }]
services:
  - name: back
    url: http://127.0.0.1:$dead
    retries: 0
    circuit_breaker: { failure_threshold: 1, half_open_after: 600s }
    routes: [{ name: all, paths: [/], public: true }]
CONF
start open "$gateway_core" "${MOONGATE:-$root/build/release/moongate}" run -c "$work/open.yaml"
for _ in $(seq 100); do
  [ "$(curl -s "http://127.0.0.1:$port/" | grep -c breaker_open)" = 1 ] && break
  sleep 0.1
done
curl -s "http://127.0.0.1:$port/" | grep -q breaker_open || die "the breaker does not open: $(cat "$work/open.out")"
load "http://127.0.0.1:$port/" 1 "$connections" >/dev/null
read -r user system <<<"$(cpu_ticks "$started")"
read -r _ refused <<<"$(load "http://127.0.0.1:$port/" "$seconds" "$connections")"
read -r user_after system_after <<<"$(cpu_ticks "$started")"
taskset -c 1 wrk -t1 -c1 -d"$seconds"s --latency "http://127.0.0.1:$port/" >"$work/wrk.one" 2>&1
awk -v u=$((user_after - user)) -v s=$((system_after - system)) -v n="$refused" -v hz="$ticks" 'BEGIN {
  each = (u + s) * 1000000 / hz / n
  printf "an open breaker: %d answers, %.2f µs of CPU each (%.2f in user space): %s\n", n, each, u * 1000000 / hz / n,
    each < 50 ? "within 50 µs" : "TOO SLOW" }'
awk '$1 == "50%" || $1 == "99%" { printf "  as one client on one connection sees it, kernel and all: %s within %s\n", $1, $2 }' "$work/wrk.one"
