#!/bin/bash
# HTTP/2 clients and an HTTP/1.1 upstream through nginx and Moongate: 1 KiB and 64 KiB, both ways, TLS and cleartext.
# Then HTTP/1.1 clients and an HTTP/2 upstream, which nginx cannot, through HAProxy and Moongate.
# Target: every row at most 0.85 of nginx. nginx streams requests as Moongate does (proxy_request_buffering off).
set -u
. "$(dirname "$0")/lib.sh"
need nginx haproxy h2load wrk curl openssl taskset
rounds=${ROUNDS:-7}
seconds=${SECONDS_EACH:-3}
connections=${CONNECTIONS:-4}

make_certificate
start_upstream
head -c 65536 /dev/zero >"$work/up64k"
head -c 10485760 /dev/zero >"$work/up10m"

# rows NAME NGINX_LISTEN MOONGATE_LISTENER
rows() {
  local nginx_pid nginx_url moongate_pid moongate_url size
  start_nginx "nginx-$1" '' "$2"; nginx_pid=$started nginx_url=$url
  start_moongate "moongate-$1" '[]' "$3"; moongate_pid=$started moongate_url=$url
  load_tool=h2load
  for size in 1k 64k; do
    echo "$1, $size down"
    compare "$rounds" "$seconds" "$connections" "nginx|$nginx_pid|$nginx_url/$size" "moongate|$moongate_pid|$moongate_url/$size"
  done
  for size in 64k 10m; do
    echo "$1, $size up"
    load_options=(-d "$work/up$size")
    [ "$size" = 64k ] || streams=2
    compare "$rounds" "$seconds" "$connections" "nginx|$nginx_pid|$nginx_url/up" "moongate|$moongate_pid|$moongate_url/up"
  done
  load_options=()
  streams=32
  load_tool=wrk
  stop "$nginx_pid"
  stop "$moongate_pid"
}

say "CPU per request, $connections connections with 32 streams each (2 for 10m), $rounds interleaved rounds of ${seconds}s, medians"
rows TLS 'ssl http2' "tls: { cert: $work/tls.crt, key: $work/tls.key }"
await_option=--http2-prior-knowledge
rows cleartext http2 'http2: true'
await_option=''

start_haproxy haproxy h2; haproxy_pid=$started haproxy_url=$url
start_moongate moongate '[]' '' h2; moongate_pid=$started moongate_url=$url
for size in 1k 64k; do
  echo "HTTP/1.1 to an HTTP/2 upstream, $size down"
  compare "$rounds" "$seconds" 64 "haproxy|$haproxy_pid|$haproxy_url/$size" "moongate|$moongate_pid|$moongate_url/$size"
done
