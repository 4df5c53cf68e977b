#!/bin/bash
# System calls a plain request makes at saturation, counted by strace.
# Targets: read 2.0, write or writev 2.0, epoll_ctl 0, all together at most 4.3.
set -u
. "$(dirname "$0")/lib.sh"
need nginx wrk strace curl taskset
start_upstream
start_moongate moongate
load "$url/1k" 2 64 >/dev/null # connections to the upstream are made here
before=$(curl -fsS --unix-socket "$admin" http://localhost/metrics | awk '/^moongate_requests_total/ { n += $NF } END { print n + 0 }')
taskset -c 1 wrk -t1 -c64 -d6s "$url/1k" >"$work/wrk.out" 2>&1 &
wrk_pid=$!
# The load's own connections come first: attach when it runs at full speed.
until [ "$(curl -fsS --unix-socket "$admin" http://localhost/metrics | awk '/^moongate_requests_total/ { n += $NF } END { print n + 0 }')" -gt $((before + 5000)) ]; do :; done
first=$(curl -fsS --unix-socket "$admin" http://localhost/metrics | awk '/^moongate_requests_total/ { n += $NF } END { print n + 0 }')
timeout -s INT 3 strace -f -c -o "$work/strace" -p "$started" 2>/dev/null
last=$(curl -fsS --unix-socket "$admin" http://localhost/metrics | awk '/^moongate_requests_total/ { n += $NF } END { print n + 0 }')
kill "$wrk_pid" 2>/dev/null
wait "$wrk_pid" 2>/dev/null
requests=$((last - first))
echo "$requests requests while tracing; calls per request:"
awk -v n="$requests" '$4 ~ /^[0-9]+$/ && $NF != "total" { printf "  %-16s %6.3f\n", $NF, $4 / n; sum += $4 } END { printf "  %-16s %6.3f\n", "all", sum / n }' "$work/strace"
