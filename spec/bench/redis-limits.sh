#!/bin/bash
# What a limit in Redis costs: CPU of a gateway's request beside a local limit, how long a request takes one after the
# other, and how long requests take while Redis is stopped by a signal.
# Targets: strict costs one round trip; leased about what local does; with a timeout of 20 ms no request that meets a
# silent Redis takes much longer than that.
set -u
. "$(dirname "$0")/lib.sh"
need nginx wrk curl taskset redis-server redis-cli
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-2}
connections=${CONNECTIONS:-64}

start_upstream
socket=$work/redis.sock
start redis "$load_core" redis-server --port 0 --unixsocket "$socket" --save '' --appendonly no
redis=$started
until redis-cli -s "$socket" ping >/dev/null 2>&1; do sleep 0.05; done

# gateway NAME PLUGINS
gateway() {
  local port
  port=$(free_port)
  cat >"$work/$1.yaml" <<CONF
workers: 1
admin: { address: "unix:$work/$1.sock" }
log: { access: "$work/$1.log" }
limits: { requests_per_connection: 100000000 }
listeners: [{ address: "127.0.0.1:$port" }]
redis: { main: { unix_socket: "$socket" } }
services:
  - name: back
    host: 127.0.0.1
    port: $upstream_port
    keepalive: { connections: 512, requests: 100000000, idle: 600s }
    routes:
      - name: all
        paths: [/]
        strip_path: false
        public: true
        plugins: [$2]
CONF
  start "$1" "$gateway_core" "${MOONGATE:-$root/build/release/moongate}" run -c "$work/$1.yaml"
  url=http://127.0.0.1:$port
  await "$url/1k"
}

much='limit: 1000000000, window: 3600, limit_by: ip'
gateway none ''; none=$started none_url=$url
gateway near "{ name: rate-limiting, config: { $much } }"; near=$started near_url=$url
gateway strict "{ name: rate-limiting, config: { $much, policy: redis, redis: main, timeout: 1s } }"
strict=$started strict_url=$url
gateway leased "{ name: rate-limiting, config: { $much, policy: redis, redis: main, timeout: 1s, sync: leased } }"
leased=$started leased_url=$url
gateway slow "{ name: rate-limiting, config: { $much, policy: redis, redis: main, timeout: 20ms, on_failure: open } }"
slow_url=$url

say "CPU per request, $connections keep-alive connections, $rounds interleaved rounds of ${seconds}s, medians"
compare "$rounds" "$seconds" "$connections" "none|$none|$none_url/1k" "near|$near|$near_url/1k" \
  "strict|$strict|$strict_url/1k" "leased|$leased|$leased_url/1k"

# times URL COUNT: milliseconds of requests one after the other.
times() { curl -s -o /dev/null -w '%{time_total}\n' "$1/1k?[1-$2]" | awk '{ print $1 * 1000 }' | sort -n; }
spread() {
  awk -v n="$1" '{ v[NR] = $1 }
    END { printf "  %-18s median %.2f ms, 99 %% %.2f ms, most %.2f ms\n", n, v[int((NR + 1) / 2)], v[int(NR * 0.99)], v[NR] }'
}

say "one after the other"
times "$none_url" 500 | spread none
times "$strict_url" 500 | spread strict
times "$leased_url" 500 | spread leased

say "Redis stopped by a signal, timeout 20ms, on_failure open"
times "$slow_url" 100 | spread before
kill -STOP "$redis"
times "$slow_url" 300 | spread stopped
kill -CONT "$redis"
