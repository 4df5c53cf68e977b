#!/bin/bash
# One GB each way at once through body hooks that sleep 1 ms a chunk, both readers at 5 MB/s.
# Targets: memory grows by less than 15 MB, and the senders are held back.
set -u
. "$(dirname "$0")/lib.sh"
need node curl taskset
bytes=${BYTES:-1073741824}
rate=${RATE:-5000000}

mkfifo "$work/go"
taskset -c "$load_core" node "$root/spec/bench/bodyhooks.js" "$bytes" "$rate" <"$work/go" >"$work/flows" &
flows=$!
pids+=("$flows")
exec 3>"$work/go"
until [ -s "$work/flows" ]; do read -rt 0.05 <> <(:) || :; done
upstream_port=$(head -n 1 "$work/flows")
start_moongate moongate '[{ name: body-slow }]'
gateway=$started
load "$url/1k" 1 8 >/dev/null # one-time allocations belong to the baseline
before=$(rss_kib "$gateway")
peak=$before
echo "$url" >&3
while kill -0 "$flows" 2>/dev/null; do
  now=$(rss_kib "$gateway")
  [ "$now" -gt "$peak" ] && peak=$now
  read -rt 0.2 <> <(:) || :
done
wait "$flows"
status=$?
tail -n +2 "$work/flows"
awk -v a="$before" -v b="$peak" 'BEGIN { printf "memory before %.1f MB, at its peak %.1f MB, grown by %.1f MB\n", a / 1024, b / 1024, (b - a) / 1024 }'
exit "$status"
