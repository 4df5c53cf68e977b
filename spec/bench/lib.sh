# Shared by the benches: processes pinned to cores, CPU per request from /proc, medians of interleaved rounds.
# Gateway, load and upstream share core 0, so that whoever runs has work waiting. On a core of its own a gateway that is
# faster than its load sleeps between requests, and pays the kernel for each of its wake-ups: all gateways look alike
# then. LOAD_CORE=1 measures that.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
chmod 755 "$work" # nginx drops to another user when started by root
pids=()
gateway_core=0
load_core=${LOAD_CORE:-0}
ticks=$(getconf CLK_TCK)

say() { printf '%s\n' "$*" >&2; }
die() { say "bench: $*"; exit 1; }

cleanup() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null; done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# free_port: one that nobody listens on now. Good enough for a bench on a quiet loopback.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000)) # below those that connections take
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

# start NAME CORE COMMAND…: runs it pinned, in the background; its pid in $started.
start() {
  local name=$1 core=$2
  shift 2
  taskset -c "$core" "$@" >"$work/$name.out" 2>&1 &
  started=$!
  pids+=("$started")
}

stop() {
  kill "$1" 2>/dev/null
  wait "$1" 2>/dev/null
}

# await URL: until it answers, at most five seconds.
await_option='' # of curl
await() {
  # shellcheck disable=SC2086 # no word or one
  curl -fsSk $await_option -o /dev/null --retry 50 --retry-delay 0 --retry-all-errors --retry-max-time 5 "$1" 2>/dev/null ||
    die "nothing answers at $1: $(tail -n 3 "$work"/*.out)"
}

# A process and all its children.
tree() {
  local pid child
  for pid in "$@"; do
    echo "$pid"
    for child in $(cat "/proc/$pid/task/"*/children 2>/dev/null); do tree "$child"; done
  done
}

# cpu_ticks PID: user and system time of the process tree so far, "USER SYSTEM".
cpu_ticks() {
  local pid user=0 system=0 line
  for pid in $(tree "$1"); do
    line=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
    # shellcheck disable=SC2086
    set -- ${line##*) }
    user=$((user + ${12}))
    system=$((system + ${13}))
  done
  echo "$user $system"
}

# rss_kib PID: resident memory of the process tree (proportional share, so that shared pages count once).
rss_kib() {
  local pid sum=0 one
  for pid in $(tree "$1"); do
    one=$(awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup" 2>/dev/null) || continue
    sum=$((sum + ${one:-0}))
  done
  echo "$sum"
}

median() { sort -n | awk '{ v[NR] = $1 } END { if (!NR) exit 1; print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# load URL SECONDS CONNECTIONS: prints "requests errors". What loads is $load_tool: wrk, or h2load with $streams streams a
# connection; $load_options are given to it.
load_tool=wrk
streams=32
load_options=()
load() {
  "load_by_$load_tool" "$@"
}

load_by_wrk() {
  taskset -c "$load_core" wrk -t1 -c"$3" -d"$2"s "${load_options[@]}" "$1" >"$work/wrk.out" 2>&1 ||
    die "wrk: $(cat "$work/wrk.out")"
  awk '/requests in/ { n = $1 } /Socket errors/ { gsub(/[^0-9 ]/, ""); e = $1 + $2 + $3 + $4 } /Non-2xx/ { e += $NF }
       END { print n + 0, e + 0 }' "$work/wrk.out"
}

load_by_h2load() {
  taskset -c "$load_core" h2load -t1 -c"$3" -m"$streams" -D"$2" "${load_options[@]}" "$1" >"$work/wrk.out" 2>&1 ||
    die "h2load: $(cat "$work/wrk.out")"
  awk '/^requests:/ { e = $10 + $12 } /^status codes:/ { n = $3; e += $5 + $7 + $9 } END { print n + 0, e + 0 }' "$work/wrk.out"
}

# measure PID URL SECONDS CONNECTIONS: microseconds of CPU a request, those in user space, and how busy its core was.
measure() {
  local user system user_after system_after result requests errors
  read -r user system <<<"$(cpu_ticks "$1")"
  result=$(load "$2" "$3" "$4")
  read -r user_after system_after <<<"$(cpu_ticks "$1")"
  read -r requests errors <<<"$result"
  [ "$requests" -gt 0 ] || die "no request went through $2: $(cat "$work/wrk.out")"
  [ "$errors" -eq 0 ] || say "  ! $errors errors at $2"
  awk -v u=$((user_after - user)) -v s=$((system_after - system)) -v n="$requests" -v hz="$ticks" -v wall="$3" \
    'BEGIN { printf "%.3f %.3f %.0f\n", (u + s) * 1000000 / hz / n, u * 1000000 / hz / n, (u + s) * 100 / hz / wall }'
}

need() {
  local command
  for command in "$@"; do command -v "$command" >/dev/null || die "$command is missing (./dev bench installs it)"; done
}

# compare ROUNDS SECONDS CONNECTIONS NAME:PID:URL…: interleaved rounds; medians, and the ratio to the first. "user" is
# the part that is not the kernel's, "core" the gateway's share of its core.
compare() {
  local rounds=$1 seconds=$2 connections=$3 round entry name pid url base='' base_user='' value user busy
  shift 3
  for entry in "$@"; do
    IFS='|' read -r name pid url <<<"$entry"
    measure "$pid" "$url" 1 "$connections" >/dev/null # warm-up: caches, pools, traces
    : >"$work/cpu.$name"
  done
  for ((round = 1; round <= rounds; round++)); do
    printf '\r  round %d of %d ' "$round" "$rounds" >&2
    for entry in "$@"; do
      IFS='|' read -r name pid url <<<"$entry"
      measure "$pid" "$url" "$seconds" "$connections" >>"$work/cpu.$name"
    done
  done
  printf '\r%40s\r' '' >&2
  for entry in "$@"; do
    IFS='|' read -r name pid url <<<"$entry"
    value=$(cut -d' ' -f1 "$work/cpu.$name" | median)
    user=$(cut -d' ' -f2 "$work/cpu.$name" | median)
    busy=$(cut -d' ' -f3 "$work/cpu.$name" | median)
    [ -n "$base" ] || { base=$value base_user=$user; }
    awk -v n="$name" -v v="$value" -v b="$base" -v u="$user" -v bu="$base_user" -v busy="$busy" 'BEGIN {
      printf "  %-18s %7.2f µs/request  %5.2f    user %6.2f  %5.2f    core %3.0f %%\n", n, v, v / b, u, u / bu, busy }'
  done
}

# ── the peers ──────────────────────────────────────────────────────────────────

# An upstream that costs little, so that the gateway's core is the busy one: nginx with /1k from its configuration and /64k
# from a file. /up reads a whole body before it answers with /1k. It speaks HTTP/2 by prior knowledge at $upstream_h2_port.
start_upstream() {
  upstream_port=$(free_port)
  upstream_h2_port=$(free_port)
  mkdir -p "$work/www"
  head -c 65536 /dev/zero | tr '\0' x >"$work/www/64k"
  cat >"$work/upstream.conf" <<CONF
daemon off; pid $work/upstream.pid; error_log stderr crit; worker_processes 1;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000; keepalive_timeout 600s; tcp_nodelay on;
  open_file_cache max=10 inactive=600s; sendfile on;
  client_body_temp_path $work/u1; proxy_temp_path $work/u2; fastcgi_temp_path $work/u3; uwsgi_temp_path $work/u4; scgi_temp_path $work/u5;
  client_max_body_size 0; http2_max_requests 1000000000; http2_max_concurrent_streams 128;
  upstream self { server 127.0.0.1:$upstream_port; keepalive 256; keepalive_requests 1000000; }
  server { listen 127.0.0.1:$upstream_port reuseport; listen 127.0.0.1:$upstream_h2_port http2 reuseport; root $work/www;
    location = /1k { return 200 "$(head -c 1024 /dev/zero | tr '\0' x)"; }
    location = /up { proxy_pass http://self/1k; proxy_http_version 1.1; proxy_set_header Connection ""; client_body_buffer_size 16m;
      proxy_pass_request_body off; proxy_set_header Content-Length 0; } }
}
CONF
  start upstream "$load_core" nginx -p "$work" -c "$work/upstream.conf"
  await "http://127.0.0.1:$upstream_port/1k"
}

# make_certificate: one for localhost (ECDSA, P-256) in $work/tls.crt and $work/tls.key.
make_certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$work/tls.key" -out "$work/tls.crt" 2>/dev/null ||
    die "openssl made no certificate"
}

# start_nginx NAME SNIPPET [LISTEN]: a proxy, tuned as its own documents advise; pid in $started, its address in $url.
# LISTEN: what its listener says beside the address: "ssl", "ssl http2", "http2".
start_nginx() {
  local port modules module='' scheme=http tls=''
  port=$(free_port)
  if [[ ${3:-} = *ssl* ]]; then
    scheme=https
    tls="ssl_certificate $work/tls.crt; ssl_certificate_key $work/tls.key; ssl_protocols TLSv1.2 TLSv1.3;"
  fi
  modules=$(nginx -V 2>&1 | grep -o 'modules-path=[^ ]*' | cut -d= -f2)
  [ -n "$2" ] && module="load_module $modules/ndk_http_module.so; load_module $modules/ngx_http_lua_module.so;"
  cat >"$work/$1.conf" <<CONF
daemon off; pid $work/$1.pid; error_log stderr crit; worker_processes 1;
$module
events { worker_connections 4096; }
http {
  access_log $work/$1.log combined buffer=64k; keepalive_requests 100000000; keepalive_timeout 600s; tcp_nodelay on;
  proxy_buffers 16 64k; proxy_buffer_size 64k; client_max_body_size 0; proxy_request_buffering off;
  client_body_buffer_size 256k; http2_max_requests 1000000000;
  client_body_temp_path $work/$1.1; proxy_temp_path $work/$1.2; fastcgi_temp_path $work/$1.3; uwsgi_temp_path $work/$1.4; scgi_temp_path $work/$1.5;
  upstream back { server 127.0.0.1:$upstream_port; keepalive 512; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:$port reuseport ${3:-};
    $tls
    location / {
      proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For \$remote_addr; proxy_set_header X-Forwarded-Proto \$scheme;
      $2
    }
  }
}
CONF
  start "$1" "$gateway_core" nginx -p "$work" -c "$work/$1.conf"
  url=$scheme://127.0.0.1:$port
  await "$url/1k"
}

# start_haproxy NAME [MODE]: MODE tcp is the floor, bytes relayed without a look at them; h2 speaks HTTP/2 to the upstream.
start_haproxy() {
  local port mode=${2:-http} http_only='' server=127.0.0.1:$upstream_port
  [ "$mode" != h2 ] || { mode=http server="127.0.0.1:$upstream_h2_port proto h2"; }
  [ "$mode" = tcp ] || http_only=$'option forwardfor\n  http-reuse always'
  port=$(free_port)
  cat >"$work/$1.cfg" <<CONF
global
  nbthread 1
  maxconn 4096
  log stderr local0 err
defaults
  mode $mode
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  $http_only
frontend front
  bind 127.0.0.1:$port
  default_backend back
backend back
  server s1 $server
CONF
  start "$1" "$gateway_core" haproxy -db -q -f "$work/$1.cfg"
  url=http://127.0.0.1:$port
  await "$url/1k"
}

# start_moongate NAME [PLUGINS [LISTENER [h2]]]: one worker; PLUGINS is YAML for the route's `plugins:` (flow style), LISTENER
# what its listener says beside the address; h2: the upstream is spoken to in HTTP/2.
start_moongate() {
  local port scheme=http binary=${MOONGATE:-$root/build/release/moongate} back=$upstream_port http2=''
  [ "${4:-}" != h2 ] || { back=$upstream_h2_port http2='http2: true'; }
  [ -x "$binary" ] || die "$binary is not built (./dev build)"
  port=$(free_port)
  cat >"$work/$1.yaml" <<CONF
workers: 1
plugin_paths: [$root/spec/bench/plugins]
admin: { address: "unix:$work/$1.sock" }
log: { access: "$work/$1.log" }
limits: { requests_per_connection: 100000000, body: 8g }
listeners: [{ address: "127.0.0.1:$port"${3:+, $3} }]
services:
  - name: back
    url: http://127.0.0.1:$back
    $http2
    keepalive: { connections: 512, requests: 100000000, idle: 600s }
    routes:
      - { name: all, paths: [/], strip_path: false, public: true, plugins: ${2:-[]} }
CONF
  start "$1" "$gateway_core" "$binary" run -c "$work/$1.yaml"
  [[ ${3:-} != *tls:* ]] || scheme=https
  url=$scheme://127.0.0.1:$port
  admin=$work/$1.sock
  await "$url/1k"
}
