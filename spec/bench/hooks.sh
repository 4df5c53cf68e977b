#!/bin/bash
# What hooks cost: empty ones, one that waits for nothing, a body hook that passes 64 KiB on.
# Targets: empty hooks together at most 0.5 µs a request, ctx:sleep(0) at most 2 µs, the body hook at most 10 % over none.
set -u
. "$(dirname "$0")/lib.sh"
need nginx wrk curl taskset
rounds=${ROUNDS:-9}
seconds=${SECONDS_EACH:-2}
connections=${CONNECTIONS:-64}

start_upstream
start_moongate none; none=$started none_url=$url
start_moongate empty '[{ name: empty }]'; empty=$started empty_url=$url
start_moongate wait '[{ name: wait }]'; wait_pid=$started wait_url=$url
start_moongate body '[{ name: body-pass }]'; body=$started body_url=$url

# what_it_adds NAME BASE: the median of the differences round by round, because both saw the same minute.
what_it_adds() {
  paste "$work/cpu.$1" "$work/cpu.$2" | awk '{ print $1 - $4 }' | median |
    awk -v n="$1" '{ printf "  %s adds %.2f µs a request\n", n, $1 }'
}

say "CPU per request, $connections keep-alive connections, $rounds interleaved rounds of ${seconds}s, medians"
echo "1 KiB: rewrite, access, response and log with nothing in them; access with ctx:sleep(0)"
compare "$rounds" "$seconds" "$connections" "none|$none|$none_url/1k" "empty|$empty|$empty_url/1k" \
  "wait|$wait_pid|$wait_url/1k"
what_it_adds empty none
what_it_adds wait none
echo "64 KiB: a body hook that looks at each chunk"
compare "$rounds" "$seconds" "$connections" "none|$none|$none_url/64k" "body|$body|$body_url/64k"
