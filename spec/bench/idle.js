// Opens COUNT connections to PORT; each has one answered request, then stays. Says "ready", ends with its stdin.
// WAY: plain, tls (HTTP/1.1), h2 (over TLS).
const http2 = require("http2");
const net = require("net");
const tls = require("tls");
const [port, count] = process.argv.slice(2, 4).map(Number);
const way = process.argv[4] || "plain";
let open = 0, begun = 0;
const kept = [];

function fail(what) {
  console.log(what);
  process.exit(1);
}

function answered() {
  open++;
  if (open === count) console.log("ready");
}

function watch(peer) {
  kept.push(peer);
  peer.on("error", (error) => fail(`failed: ${error.message}`));
  peer.on("close", () => fail("closed early"));
}

function one() {
  const ask = () => socket.write("GET /1k HTTP/1.1\r\nHost: bench\r\n\r\n");
  const socket =
    way === "tls"
      ? tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, ask)
      : net.connect(port, "127.0.0.1", ask);
  let bytes = 0;
  watch(socket);
  socket.on("data", (data) => {
    const before = bytes;
    bytes += data.length;
    if (before < 1024 && bytes >= 1024) answered();
  });
}

function oneH2() {
  const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  watch(session);
  const stream = session.request({ ":path": "/1k" });
  stream.resume();
  stream.on("close", answered);
}

function next() {
  if (begun === count) return;
  begun++;
  if (way === "h2") oneH2();
  else one();
}

// 500 a second (200 with a handshake): those at work need more, and what they need must not be taken for what the idle
// ones hold.
setInterval(() => { for (let i = 0; i < (way === "plain" ? 10 : 4); i++) next(); }, 20);
process.stdin.resume().on("end", () => process.exit(0));
