#!/bin/bash
# Mixed traffic with reloads for ten minutes (MINUTES=10, or ./dev bench soak): memory, descriptors, counters at their baseline.
set -u
. "$(dirname "$0")/lib.sh"
need node curl
minutes=${MINUTES:-10}
node "$root/spec/bench/soak.js" "${MOONGATE:-$root/build/release/moongate}" "$minutes" "$work"
