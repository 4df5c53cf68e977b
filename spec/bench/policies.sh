#!/bin/bash
# What each of the access plugins adds to a request, and ip-restriction with 100,000 networks.
# Targets: none adds 3 µs, and the size of a list of networks does not show.
set -u
. "$(dirname "$0")/lib.sh"
need nginx wrk curl taskset
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-2}
connections=${CONNECTIONS:-64}

networks() {
  awk 'BEGIN { for (i = 0; i < 100000; i++) printf "%s%d.%d.%d.0/25", i ? ", " : "", 11 + i / 65536, i / 256 % 256, i % 256 }'
}

start_upstream
start_moongate none; none_pid=$started none_url=$url
entries=("none|$none_pid|$none_url/1k")
add() { # NAME PLUGINS
  start_moongate "$1" "$2"
  entries+=("$1|$started|$url/1k")
}
add cors '[{ name: cors, config: { origins: ["https://app.example.com", "https://other.example.com"] } }]'
add bot-detection '[{ name: bot-detection }]'
add size-limiting '[{ name: request-size-limiting }]'
add security-headers '[{ name: security-headers }]'
add ip-restriction '[{ name: ip-restriction, config: { allow: [127.0.0.0/8] } }]'
add ip-100000 "[{ name: ip-restriction, config: { deny: [$(networks)] } }]"

say "CPU per request, 1 KiB, $connections keep-alive connections, $rounds interleaved rounds of ${seconds}s, medians"
compare "$rounds" "$seconds" "$connections" "${entries[@]}"
