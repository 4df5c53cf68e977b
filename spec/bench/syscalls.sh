#!/bin/bash
# System calls a plain request makes at saturation, counted by strace.
# Targets: read 2.0, write or writev 2.0, epoll_ctl 0, all together at most 4.3.
set -u
. "$(dirname "$0")/lib.sh"
need nginx wrk strace curl taskset
start_upstream
start_moongate moongate
load "$url/1k" 2 64 >/dev/null # connections to the upstream are made here
# shellcheck disable=SC2046 # the supervisor and its worker process: words
strace -f -c -o "$work/strace" $(tree "$started" | sed 's/^/-p /') 2>"$work/attached" &
tracer=$!
pids+=("$tracer")
until grep -q attached "$work/attached"; do kill -0 "$tracer" || die "strace: $(cat "$work/attached")"; done
read -r requests _ <<<"$(load "$url/1k" 4 64)"
kill -INT "$tracer"
wait "$tracer" 2>/dev/null
echo "$requests requests while tracing; calls per request (64 accepts and closes of the load are among them):"
awk -v n="$requests" '$4 ~ /^[0-9]+$/ && $NF != "total" { printf "  %-16s %6.3f\n", $NF, $4 / n; sum += $4 } END { printf "  %-16s %6.3f\n", "all", sum / n }' "$work/strace"
