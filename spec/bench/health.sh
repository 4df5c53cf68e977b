#!/bin/bash
# What health checks, passive checks, ejection and slow start add to a request, in instructions of user space: callgrind
# counts the same ones each time, so that what is smaller than the noise of a clock shows.
# Target: everything on costs less than 1,000 instructions a request (about 0.2 µs).
set -u
. "$(dirname "$0")/lib.sh"
need valgrind h2load curl
few=${FEW:-2000} many=${MANY:-6000}
binary=$root/build/release/moongate

configure() { # NAME PORT BACKEND REST
  cat >"$work/$1.yaml" <<Y
workers: 1
log: { access: "off", error: $1.log }
listeners: [{ address: 127.0.0.1:$2 }]
admin: { address: "unix:$work/$1.sock" }
default_access: allow
services: [{ name: s, url: http://u/, routes: [{ name: r, paths: [/] }] }]
upstreams:
  - name: u
    targets: [{ target: "127.0.0.1:$3" }]
$4
Y
}

ON='    slow_start: 10s
    healthchecks:
      active: { timeout: 10, healthy: { interval: 60, successes: 1 }, unhealthy: { interval: 60, tcp_failures: 2 } }
      passive: { healthy: { successes: 2 }, unhealthy: { http_failures: 3, tcp_failures: 3, timeouts: 3 } }
    ejection: { consecutive_gateway_failures: 5, failure_percentage: 85 }'

backend=$(free_port)
cat >"$work/backend.yaml" <<Y
workers: 1
log: { access: "off", error: backend.log }
listeners: [{ address: 127.0.0.1:$backend }]
admin: { address: "unix:$work/backend.sock" }
default_access: allow
routes: [{ name: e, paths: [/], plugins: [{ name: request-termination, config: { status_code: 200, message: hi } }] }]
Y
start backend "$load_core" "$binary" run --no-supervisor -c "$work/backend.yaml"
await "http://127.0.0.1:$backend/"

# instructions NAME REQUESTS: of the whole life of a gateway that served so many.
instructions() {
  local port
  port=$(free_port)
  configure "$1" "$port" "$backend" "$2"
  start "$1" "$gateway_core" valgrind --tool=callgrind --callgrind-out-file=/dev/null \
    "$binary" run --no-supervisor -c "$work/$1.yaml"
  for _ in $(seq 100); do curl -s -o /dev/null "http://127.0.0.1:$port/" && break; sleep 0.2; done
  h2load --h1 -n "$3" -c 1 "http://127.0.0.1:$port/" >"$work/$1.load" 2>&1
  stop "$started"
  sed -n 's/.*Collected : //p' "$work/$1.out"
}

per_request() { # NAME REST
  local less more
  less=$(instructions "$1-few" "$2" "$few")
  more=$(instructions "$1-many" "$2" "$many")
  echo $(((more - less) / (many - few)))
}

off=$(per_request off "")
on=$(per_request on "$ON")
say "instructions of user space a request: $off without, $on with all of it ($((on - off)) more)"
