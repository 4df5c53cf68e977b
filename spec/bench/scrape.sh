#!/bin/bash
# GET /metrics with 1,000 routes that were all used: bytes, milliseconds, and what a scraped gateway's requests notice.
set -u
. "$(dirname "$0")/lib.sh"
need wrk curl taskset nginx
routes=${ROUTES:-1000}
start_upstream
port=$(free_port)
{
  cat <<CONF
workers: 2
admin: { address: "unix:$work/admin.sock" }
log: { access: off }
limits: { requests_per_connection: 100000000 }
listeners: [{ address: "127.0.0.1:$port" }]
plugins: [{ name: correlation-id }, { name: security-headers }]
services:
  - name: back
    url: http://127.0.0.1:$upstream_port
    keepalive: { connections: 512, requests: 100000000, idle: 600s }
    routes:
      - { name: all, paths: [/1k], strip_path: false, public: true }
CONF
  for ((i = 0; i < routes; i++)); do
    echo "      - { name: route-number-$i, paths: [/r/$i/], public: true }"
  done
} >"$work/gateway.yaml"
start gateway "$gateway_core" "${MOONGATE:-$root/build/release/moongate}" run -c "$work/gateway.yaml"
url=http://127.0.0.1:$port
await "$url/1k"
for ((i = 0; i < routes; i++)); do # three statuses of each route, on one connection
  printf 'url = "%s/r/%d/1k"\nurl = "%s/r/%d/64k"\nurl = "%s/r/%d/none"\n' "$url" "$i" "$url" "$i" "$url" "$i"
done >"$work/urls"
curl -s -K "$work/urls" >/dev/null
scrape() { curl -fsS -o "$work/metrics" -w '%{time_total} %{size_download}\n' --unix-socket "$work/admin.sock" http://localhost/metrics; }
computed() { echo $(($(cpu_ticks "$1" | tr ' ' '+'))); } # user and system together, in ticks
before=$(computed "$started")
for ((i = 0; i < 100; i++)); do scrape; done | sort -n >"$work/times"
awk -v t=$(($(computed "$started") - before)) -v hz="$ticks" 'BEGIN { printf "computing: %.1f ms a scrape\n", t * 10 / hz }'
awk '{ t[NR] = $1 * 1000; b = $2 } END { printf "idle:      %d bytes; median %.1f ms, slowest of %d %.1f ms\n", b, t[int((NR + 1) / 2)], NR, t[NR] }' "$work/times"
grep -c . "$work/metrics" | sed 's/$/ lines/'
p99() { awk '$1 == "99%" { print $2 }' "$work/wrk.out"; }
load "$url/1k" 5 16 >/dev/null
echo "under load, not scraped: p99 $(p99), $(awk '/Requests\/sec/ { print $2 }' "$work/wrk.out") requests/s"
(while :; do scrape; done) >"$work/times" 2>/dev/null &
scraper=$!
pids+=("$scraper")
load "$url/1k" 5 16 >/dev/null
kill "$scraper" && wait "$scraper" 2>/dev/null
echo "scraped without a pause:  p99 $(p99), $(awk '/Requests\/sec/ { print $2 }' "$work/wrk.out") requests/s"
sort -n "$work/times" | awk '{ t[NR] = $1 * 1000 } END { printf "scrapes:   %d; median %.1f ms, slowest %.1f ms\n", NR, t[int((NR + 1) / 2)], t[NR] }'
