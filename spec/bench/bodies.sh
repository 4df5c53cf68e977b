#!/bin/bash
# Two GB each way at once through the gateway, the reader at 20 MB/s: memory must grow by less than 15 MB.
set -u
. "$(dirname "$0")/lib.sh"
need node curl taskset
bytes=${BYTES:-2147483648}
rate=${RATE:-20000000}

node "$root/spec/bench/bodies.js" upstream >"$work/port" &
pids+=("$!")
until [ -s "$work/port" ]; do :; done
upstream_port=$(cat "$work/port")
start_moongate moongate
gateway=$started
load "$url/1k" 1 8 >/dev/null # one-time allocations belong to the baseline
before=$(rss_kib "$gateway")
peak=$before
node "$root/spec/bench/bodies.js" client "$url/echo" "$bytes" "$rate" >"$work/client" &
client=$!
while kill -0 "$client" 2>/dev/null; do
  now=$(rss_kib "$gateway")
  [ "$now" -gt "$peak" ] && peak=$now
  read -rt 0.2 <> <(:) || :
done
wait "$client"
status=$?
cat "$work/client"
awk -v a="$before" -v b="$peak" 'BEGIN { printf "memory before %.1f MB, at its peak %.1f MB, grown by %.1f MB\n", a / 1024, b / 1024, (b - a) / 1024 }'
exit "$status"
