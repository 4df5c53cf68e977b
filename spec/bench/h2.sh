#!/bin/bash
# HTTP/2 over TLS from the client, HTTP/1.1 to the upstream, through nginx and Moongate: 1 KiB and 64 KiB.
# Target: 1 KiB at most 0.85 of nginx.
set -u
. "$(dirname "$0")/lib.sh"
need nginx h2load curl openssl taskset
rounds=${ROUNDS:-7}
seconds=${SECONDS_EACH:-3}
connections=${CONNECTIONS:-4}
load_tool=h2load

make_certificate
start_upstream
start_nginx nginx '' 'ssl http2'; nginx_pid=$started nginx_url=$url
start_moongate moongate '[]' "tls: { cert: $work/tls.crt, key: $work/tls.key }"; moongate_pid=$started moongate_url=$url

say "CPU per request, $connections connections with 32 streams each, $rounds interleaved rounds of ${seconds}s, medians"
for size in 1k 64k; do
  echo "$size"
  compare "$rounds" "$seconds" "$connections" "nginx|$nginx_pid|$nginx_url/$size" "moongate|$moongate_pid|$moongate_url/$size"
done
