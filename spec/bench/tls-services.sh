#!/bin/bash
# TLS to services, verified, through nginx, HAProxy and Moongate: kept connections, then a resumed handshake for each request.
# Targets: at most 1.00 of nginx.
set -u
. "$(dirname "$0")/lib.sh"
need nginx haproxy wrk curl openssl taskset
rounds=${ROUNDS:-7}
seconds=${SECONDS_EACH:-3}

make_certificate

# The service: what start_upstream offers, over TLS.
start_upstream
service_port=$(free_port)
cat >"$work/service.conf" <<CONF
daemon off; pid $work/service.pid; error_log stderr crit; worker_processes 1;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
  client_body_temp_path $work/s.1; proxy_temp_path $work/s.2; fastcgi_temp_path $work/s.3; uwsgi_temp_path $work/s.4; scgi_temp_path $work/s.5;
  server {
    listen 127.0.0.1:$service_port ssl;
    ssl_certificate $work/tls.crt; ssl_certificate_key $work/tls.key; ssl_protocols TLSv1.3;
    location / { return 200 "$(head -c 1024 /dev/zero | tr '\0' x)"; }
  }
}
CONF
start service "$load_core" nginx -p "$work" -c "$work/service.conf"

# nginx_of NAME KEEPALIVE
nginx_of() {
  local port keep='' header='proxy_set_header Connection close;'
  port=$(free_port)
  [ -z "$2" ] || { keep="keepalive 512; keepalive_requests 100000000;" header='proxy_set_header Connection "";'; }
  cat >"$work/$1.conf" <<CONF
daemon off; pid $work/$1.pid; error_log stderr crit; worker_processes 1;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s; tcp_nodelay on;
  client_body_temp_path $work/$1.1; proxy_temp_path $work/$1.2; fastcgi_temp_path $work/$1.3; uwsgi_temp_path $work/$1.4; scgi_temp_path $work/$1.5;
  upstream back { server 127.0.0.1:$service_port; $keep }
  server {
    listen 127.0.0.1:$port;
    location / {
      proxy_pass https://back; proxy_http_version 1.1; $header
      proxy_ssl_verify on; proxy_ssl_trusted_certificate $work/tls.crt; proxy_ssl_name localhost; proxy_ssl_server_name on;
      proxy_ssl_protocols TLSv1.3;
    }
  }
}
CONF
  start "$1" "$gateway_core" nginx -p "$work" -c "$work/$1.conf"
  url=http://127.0.0.1:$port
  await "$url/1k"
}

# haproxy_of NAME KEEPALIVE
haproxy_of() {
  local port reuse='option httpclose'
  port=$(free_port)
  [ -z "$2" ] || reuse='http-reuse always'
  cat >"$work/$1.cfg" <<CONF
global
  nbthread 1
  maxconn 4096
  log stderr local0 err
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend front
  bind 127.0.0.1:$port
  default_backend back
backend back
  $reuse
  server s1 127.0.0.1:$service_port ssl verify required ca-file $work/tls.crt sni str(localhost) verifyhost localhost
CONF
  start "$1" "$gateway_core" haproxy -db -q -f "$work/$1.cfg"
  url=http://127.0.0.1:$port
  await "$url/1k"
}

# moongate_of NAME KEEPALIVE
moongate_of() {
  local port binary=${MOONGATE:-$root/build/release/moongate}
  [ -x "$binary" ] || die "$binary is not built (./dev build)"
  port=$(free_port)
  cat >"$work/$1.yaml" <<CONF
workers: 1
admin: { address: "unix:$work/$1.sock" }
log: { access: "off" }
limits: { requests_per_connection: 100000000 }
listeners: [{ address: "127.0.0.1:$port" }]
ca_certificates: [{ name: own, cert: $work/tls.crt }]
services:
  - name: back
    url: https://localhost:$service_port
    ca_certificates: [own]
    keepalive: { connections: ${2:-0}, requests: 100000000, idle: 600s }
    routes: [{ name: all, paths: [/], strip_path: false, public: true }]
CONF
  start "$1" "$gateway_core" "$binary" run -c "$work/$1.yaml"
  url=http://127.0.0.1:$port
  await "$url/1k"
}

# each TITLE KEEPALIVE
each() {
  local nginx haproxy moongate
  nginx_of "nginx$2" "$2"; nginx="$started|$url/1k"
  haproxy_of "haproxy$2" "$2"; haproxy="$started|$url/1k"
  moongate_of "moongate$2" "$2"; moongate="$started|$url/1k"
  echo "$1"
  compare "$rounds" "$seconds" "${CONNECTIONS:-64}" "nginx|$nginx" "haproxy|$haproxy" "moongate|$moongate"
  stop "${nginx%%|*}"
  stop "${haproxy%%|*}"
  stop "${moongate%%|*}"
}

say "CPU per request, $rounds interleaved rounds of ${seconds}s, medians"
each "kept connections, 1 KiB" 512
each "a handshake for each request (TLS 1.3, resumed), 1 KiB" ""
