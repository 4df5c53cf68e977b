#!/bin/bash
# How long after a save under --watch new requests are served by the new code: by rename, in place, in a required module.
set -u
. "$(dirname "$0")/lib.sh"
need nginx curl taskset
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
printf 'saved to served: median %s ms, worst %s ms (20 saves)\n' "$(median <"$work/times")" "$(sort -n "$work/times" | tail -1)"
