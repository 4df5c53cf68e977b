// Clients of TLS that come and stay while certificates change.
//   node tls_visitors.js PORT COUNT NAME   opens COUNT connections, asks on each, says {"open": COUNT}. Then new connections come
//     without a pause, eight at a time; when one of them is shown a certificate that none was before, a line {"shown": CN}.
//     At SIGTERM: asks once more on every connection that is open, and says
//     {"answers": N, "handshakes": N, "failures": [texts]}.
const fs = require("fs");
const tls = require("tls");

const [port, count, name] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];
const say = (line) => fs.writeSync(1, JSON.stringify(line) + "\n");
const failures = [];
const seen = new Set();
let handshakes = 0;
let running = true;

function connect(done) {
  const socket = tls.connect({ host: "127.0.0.1", port, servername: name, rejectUnauthorized: false }, () => done(null, socket));
  socket.once("error", (error) => done(error, socket));
}

function ask(socket, done) {
  let text = "";
  const take = (chunk) => {
    text += chunk;
    if (!text.includes("\r\n\r\n") || !text.includes("}")) return;
    socket.off("data", take);
    done(text.startsWith("HTTP/1.1 200"));
  };
  socket.on("data", take);
  socket.write(`GET / HTTP/1.1\r\nHost: ${name}\r\n\r\n`);
}

function note(cn) {
  if (seen.has(cn)) return;
  seen.add(cn);
  say({ shown: cn });
}

function visit() {
  if (!running) return;
  connect((error, socket) => {
    if (error) {
      failures.push(String(error.message));
      return setImmediate(visit);
    }
    handshakes++;
    note(socket.getPeerCertificate().subject.CN);
    socket.on("error", () => {});
    socket.end();
    socket.on("close", visit);
    socket.resume();
  });
}

const held = [];

function finish() {
  running = false;
  let answers = 0;
  let left = held.length;
  for (const socket of held)
    ask(socket, (good) => {
      answers += good ? 1 : 0;
      if (--left === 0) {
        say({ answers, handshakes, failures: failures.slice(0, 5) });
        process.exit(0);
      }
    });
}

function hold() {
  if (held.length === count) {
    say({ open: count });
    for (let i = 0; i < 8; i++) visit();
    process.once("SIGTERM", finish);
    return;
  }
  connect((error, socket) => {
    if (error) throw error;
    held.push(socket);
    socket.on("error", (reason) => failures.push("held: " + reason.message));
    ask(socket, hold);
  });
}

hold();
