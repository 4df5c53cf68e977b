#!/bin/bash
# Memory of ten thousand idle keep-alive connections that have served a request each, and that all of it comes back.
# WAY=tls and WAY=h2: the same of two thousand over TLS, with HTTP/1.1 and HTTP/2.
set -u
. "$(dirname "$0")/lib.sh"
need nginx node curl taskset
way=${WAY:-plain}
case $way in # so many connections, and what one may hold of ours
  plain) usual=10000 bound=800 tls= scheme=http ;;
  tls) usual=2000 bound=14000 tls=', tls: {}' scheme=https ;;
  h2) usual=2000 bound=40000 tls=', tls: {}' scheme=https ;;
  *) die "WAY is plain, tls or h2" ;;
esac
count=${CONNECTIONS:-$usual}
most=${MOST_BYTES:-$bound}
ulimit -n "$(ulimit -Hn)"
[ "$(ulimit -n)" -gt $((count + 200)) ] || die "only $(ulimit -n) files may be open: CONNECTIONS=500 ./dev bench idle"
start_upstream
port=$(free_port)
cat >"$work/gateway.yaml" <<CONF
workers: 1
admin: { address: "unix:$work/admin.sock" }
log: { access: off }
limits: { idle_timeout: 600s, connections: off }
listeners: [{ address: "127.0.0.1:$port"$tls }]
services:
  - name: back
    url: http://127.0.0.1:$upstream_port
    keepalive: { idle: 1s }
    routes: [{ name: all, paths: [/], strip_path: false, public: true }]
CONF
start gateway "$gateway_core" "${MOONGATE:-$root/build/release/moongate}" run -c "$work/gateway.yaml"
gateway=$started
await "$scheme://127.0.0.1:$port/1k"
metric() { curl -fsS --unix-socket "$work/admin.sock" http://localhost/metrics | awk -v name="$1" 'index($0, name) == 1 { print $2 }'; }
settled() { # COUNT: so many clients, and everything at rest
  for _ in $(seq 100); do
    [ "$(metric moongate_connections{)" = "$1" ] && [ "$(metric moongate_upstream_idle_connections)" = 0 ] && break
    sleep 0.1
  done
  [ "$(metric moongate_connections{)" = "$1" ] || die "connections: $(metric moongate_connections{), expected $1"
  sleep 2 # they are at rest after one
}
hold() { # COUNT
  coproc clients { exec taskset -c "$load_core" node "$root/spec/bench/idle.js" "$port" "$1" "$way"; }
  pids+=("$clients_PID")
  read -r answer <&"${clients[0]}"
  [ "$answer" = ready ] || die "$answer"
}
let_go() {
  local pid=$clients_PID
  eval "exec ${clients[1]}>&-"
  wait "$pid" 2>/dev/null
}
hold 200 # to warm up
settled 200
let_go
settled 0
before=$(rss_kib "$gateway")
hold "$count"
settled "$count"
with=$(rss_kib "$gateway")
let_go
settled 0
after=$(rss_kib "$gateway")
echo "resident: $before KiB without connections, $with KiB with $count, $after KiB when they are gone"
awk -v a="$before" -v b="$with" -v n="$count" -v most="$most" 'BEGIN { each = (b - a) * 1024 / n
  printf "%.0f bytes a connection (at most %d)\n", each, most; exit each > most }'
