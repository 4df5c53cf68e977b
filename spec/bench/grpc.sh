#!/bin/bash
# 1,000 gRPC calls of each kind directly and through Moongate, cleartext and TLS: they must end alike (no measurement).
set -u
. "$(dirname "$0")/lib.sh"
need node npm openssl
version=1.14.1
count=${CALLS:-1000}

export GRPC_JS=$root/build/npm/grpc
mkdir -p "$GRPC_JS"
if ! grep -q "\"version\": \"$version\"" "$GRPC_JS/node_modules/@grpc/grpc-js/package.json" 2>/dev/null; then
  (cd "$GRPC_JS" && echo '{ "private": true }' >package.json &&
    npm install --no-audit --no-fund --ignore-scripts --save-exact "@grpc/grpc-js@$version") >"$work/npm.out" 2>&1 ||
    die "npm did not bring @grpc/grpc-js: $(tail -n 3 "$work/npm.out")"
fi

make_certificate
start server 0 node "$root/spec/bench/grpc.js" server
for _ in $(seq 100); do [ -s "$work/server.out" ] && break; sleep 0.1; done
server=127.0.0.1:$(cat "$work/server.out")
plain=$(free_port)
secure=$(free_port)
cat >"$work/moongate.yaml" <<CONF
workers: 2
admin: { address: "unix:$work/admin.sock" }
log: { access: "$work/access.log" }
listeners:
  - { address: "127.0.0.1:$plain", http2: true }
  - { address: "127.0.0.1:$secure", tls: { cert: $work/tls.crt, key: $work/tls.key } }
services:
  - name: calls
    url: grpc://$server
    routes:
      - { name: calls, protocols: [grpc], paths: [/bench.Calls], public: true }
CONF
start moongate 1 "${MOONGATE:-$root/build/release/moongate}" run -c "$work/moongate.yaml"
for _ in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$plain") 2>/dev/null && break; sleep 0.1; done

status=0
echo "cleartext (h2c)"
node "$root/spec/bench/grpc.js" compare "$server" "127.0.0.1:$plain" "$count" || status=1
echo "TLS"
node "$root/spec/bench/grpc.js" compare "$server" "localhost:$secure" "$count" "$work/tls.crt" || status=1
[ "$status" -eq 0 ] && echo "good" || tail -n 5 "$work/moongate.out"
exit $status
