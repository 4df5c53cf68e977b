#!/bin/bash
# How long after a save under --watch new requests are served by it: a plugin's code (by rename, in place, in a required
# module), the configuration, a certificate. Target: within a second.
set -u
. "$(dirname "$0")/lib.sh"
need nginx curl taskset openssl
start_upstream
mkdir -p "$work/plugins/live"
cp "$root/spec/bench/plugins/bench/schema.lua" "$work/plugins/live/"
cat >"$work/plugins/live/handler.lua" <<'LUA'
local text = require("live.text")
local M = { version = "1.0.0", priority = 1000 }
function M.response(_, ctx) ctx.response:set_header("x-version", text) end
return M
LUA
echo 'return "0"' >"$work/plugins/live/text.lua"
port=$(free_port)
cat >"$work/gateway.yaml" <<CONF
workers: 2
plugin_paths: [$work/plugins]
admin: { address: "unix:$work/admin.sock" }
log: { access: off }
listeners: [{ address: "127.0.0.1:$port" }]
services:
  - name: back
    url: http://127.0.0.1:$upstream_port
    routes: [{ name: all, paths: [/], strip_path: false, public: true, plugins: [{ name: live }] }]
CONF
start gateway "$gateway_core" "${MOONGATE:-$root/build/release/moongate}" run -c "$work/gateway.yaml" --watch
url=http://127.0.0.1:$port
await "$url/1k"
now_ms() { local t=${EPOCHREALTIME/./}; echo $((t / 1000)); }
served() { curl -sS -o /dev/null -D - "$url/1k" | tr -d '\r' | awk 'tolower($1) == "x-version:" { print $2 }'; }
for ((i = 1; i <= 20; i++)); do
  case $((i % 3)) in
    0) echo "return \"$i\"" >"$work/new" && mv "$work/new" "$work/plugins/live/text.lua" ;;
    1) echo "return \"$i\"" >"$work/plugins/live/text.lua" ;;
    2) sed "s|\"x-version\", .*)|\"x-version\", \"$i\")|" "$work/plugins/live/handler.lua" >"$work/new" &&
      cat "$work/new" >"$work/plugins/live/handler.lua" ;;
  esac
  start_ms=$(now_ms)
  until [ "$(served)" = "$i" ]; do
    [ $(($(now_ms) - start_ms)) -lt 5000 ] || die "change $i was never served"
  done
  echo $(($(now_ms) - start_ms)) >>"$work/times"
  # The next change goes through the module again.
  [ $((i % 3)) -eq 2 ] && sed -i 's|"x-version", .*)|"x-version", text)|' "$work/plugins/live/handler.lua" &&
    until [ "$(served)" != "$i" ] || [ "$(cat "$work/plugins/live/text.lua")" = "return \"$i\"" ]; do :; done
done
say_times() { # FILE WHAT
  printf '%-14s saved to served: median %s ms, worst %s ms (%s saves)\n' "$2" "$(median <"$1")" "$(sort -n "$1" | tail -1)" "$(wc -l <"$1")"
}
say_times "$work/times" code

# until_served NAME COMMAND…: tries it until it works, and writes down how long that took.
until_served() {
  local name=$1 start_ms
  start_ms=$(now_ms)
  shift
  until "$@"; do
    [ $(($(now_ms) - start_ms)) -lt 5000 ] || die "a change was never served: $name"
  done
  echo $(($(now_ms) - start_ms)) >>"$work/times.$name"
}

certificate() { # NAME
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$1.key" -out "$work/$1.pem" \
    -subj "/CN=$1" -addext subjectAltName=DNS:a.test -days 30 2>/dev/null
}
use_certificate() { # NAME: not both at once, as tools do it
  mv "$work/$1.key" "$work/own.key"
  mv "$work/$1.pem" "$work/own.pem"
}
configure() { # PATH
  cat >"$work/new" <<CONF
workers: 2
admin: { address: "unix:$work/other.sock" }
log: { access: off }
listeners:
  - { address: "127.0.0.1:$plain" }
  - { address: "127.0.0.1:$secure", tls: { cert: "$work/own.pem", key: "$work/own.key" } }
routes: [{ name: all, paths: ["$1"], public: true, plugins: [{ name: echo }] }]
CONF
  mv "$work/new" "$work/other.yaml"
}
answers() { [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$plain$1")" = 200 ]; }
shows() { openssl s_client -connect "127.0.0.1:$secure" -servername a.test </dev/null 2>/dev/null | grep -q "CN = $1"; }

plain=$(free_port) secure=$(free_port)
certificate c0 && use_certificate c0
configure /v0
start other "$gateway_core" "${MOONGATE:-$root/build/release/moongate}" run -c "$work/other.yaml" --watch
await "http://127.0.0.1:$plain/v0"
for ((i = 1; i <= 20; i++)); do
  configure "/v$i"
  until_served configuration answers "/v$i"
  certificate "c$i" && use_certificate "c$i"
  until_served certificate shows "c$i"
done
say_times "$work/times.configuration" configuration
say_times "$work/times.certificate" certificate
