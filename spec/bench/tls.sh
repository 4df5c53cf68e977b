#!/bin/bash
# TLS 1.3 through nginx and Moongate: a 1 KiB request on a kept connection, and one full handshake each.
# Targets: kept connection at most 0.90 of nginx, handshake at most 1.00.
set -u
. "$(dirname "$0")/lib.sh"
need nginx wrk curl openssl taskset
rounds=${ROUNDS:-7}
seconds=${SECONDS_EACH:-3}

make_certificate
start_upstream
start_nginx nginx '' ssl; nginx_pid=$started nginx_url=$url
start_moongate moongate '[]' "tls: { cert: $work/tls.crt, key: $work/tls.key }"; moongate_pid=$started moongate_url=$url

say "CPU per request, $rounds interleaved rounds of ${seconds}s, medians"
echo "kept connections, 1 KiB"
compare "$rounds" "$seconds" "${CONNECTIONS:-64}" "nginx|$nginx_pid|$nginx_url/1k" "moongate|$moongate_pid|$moongate_url/1k"
echo "a handshake for each request (ECDSA P-256, no resumption)"
load_options=(-H 'Connection: close')
compare "$rounds" "$seconds" 16 "nginx|$nginx_pid|$nginx_url/1k" "moongate|$moongate_pid|$moongate_url/1k"
