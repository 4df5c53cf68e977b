#!/bin/bash
# What rate-limiting costs: one limit without and with headers, Kong's two windows, three limits at once.
# Target: one limit without headers at most 0.3 µs of user CPU a request over an access hook that does nothing.
set -u
. "$(dirname "$0")/lib.sh"
need nginx wrk curl taskset
rounds=${ROUNDS:-9}
seconds=${SECONDS_EACH:-2}
connections=${CONNECTIONS:-64}
much='limit: 1000000000, window: 60'

start_upstream
entries=()
use() { # NAME PLUGINS
  start_moongate "$1" "$2"
  entries+=("$1|$started|$url/1k")
}
use none ''
use empty '[{ name: access }]'
use quiet "[{ name: rate-limiting, config: { $much, limit_by: ip, headers: \"off\" } }]"
use draft "[{ name: rate-limiting, config: { $much, limit_by: ip } }]"
use kong '[{ name: rate-limiting, config: { minute: 1000000000, hour: 2000000000, limit_by: ip, headers: both } }]'
use three "[{ name: rate-limiting, config: { limit_by: ip, limits: [{ $much }, { limit: 1000000000, window: day },
  { algorithm: token-bucket, capacity: 1000000000, refill_rate: 1000000 }] } }]"

# what_it_adds NAME BASE: medians of the differences round by round, of all and of the part that is not the kernel's.
what_it_adds() {
  local all user
  all=$(paste "$work/cpu.$1" "$work/cpu.$2" | awk '{ print $1 - $4 }' | median)
  user=$(paste "$work/cpu.$1" "$work/cpu.$2" | awk '{ print $2 - $5 }' | median)
  printf '  %-6s adds %.2f µs a request to %s, %.2f of them in user space\n' "$1" "$all" "$2" "$user"
}

say "CPU per request, $connections keep-alive connections, $rounds interleaved rounds of ${seconds}s, medians"
compare "$rounds" "$seconds" "$connections" "${entries[@]}"
what_it_adds empty none
for name in quiet draft kong three; do what_it_adds $name empty; done
