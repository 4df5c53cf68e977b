// A service that speaks TLS: node tls_server.js OPTIONS, a JSON object: those of tls.createServer() with files for `key`, `cert`
// and `ca`, `http2`: it speaks that, `silent`: it agrees to no protocol, `bytes`: everything it says comes byte by byte, `proxy`:
// connections begin with a PROXY line.
//
// The first line of output is {"port": N}, then one line a handshake and one a request. Answers say what was seen.
//   /close  no length: its end is that of the connection, said properly       /cut  the same, and the connection just ends
//   /size/N  so many bytes                                                    /slow  reads its body with pauses
//   an upgrade: what comes is given back; /end in it ends it, /cut ends the connection alone
const fs = require("fs");
const http = require("http");
const http2 = require("http2");
const https = require("https");
const net = require("net");
const tls = require("tls");

const options = JSON.parse(process.argv[2]);
const say = (line) => fs.writeSync(1, JSON.stringify(line) + "\n");
for (const name of ["key", "cert", "ca"]) if (options[name]) options[name] = fs.readFileSync(options[name]);

const raws = new Map(); // by the peer's port

function facts(socket) {
  const peer = socket.getPeerCertificate && socket.getPeerCertificate();
  return {
    name: socket.servername || null,
    protocol: socket.alpnProtocol,
    reused: socket.isSessionReused(),
    version: socket.getProtocol(),
    client: (peer && peer.subject && peer.subject.CN) || null,
    header: raws.get(socket.remotePort)?.header,
  };
}

function answer(request, response) {
  const socket = (request.stream && request.stream.session && request.stream.session.socket) || request.socket;
  const raw = raws.get(socket.remotePort);
  if (request.url === "/close") {
    socket.write("HTTP/1.1 200 OK\r\n\r\nall of it");
    return socket.end();
  }
  if (request.url === "/cut") {
    return socket.write("HTTP/1.1 200 OK\r\n\r\nsome of it", () => raw.end());
  }
  const size = request.url.match(/^\/size\/(\d+)/);
  if (size) return response.end(Buffer.alloc(Number(size[1]), "0123456789abcdef"));
  let length = 0;
  request.on("data", (chunk) => {
    length += chunk.length;
    if (request.url !== "/slow" || length % 7 !== 0) return;
    request.pause();
    setTimeout(() => request.resume(), 1);
  });
  request.on("end", () => {
    const seen = { ...facts(socket), length, host: request.headers.host || request.authority, scheme: request.headers[":scheme"] };
    say({ request: request.url });
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(seen));
  });
}

function make() {
  if (options.http2) return http2.createSecureServer({ ...options, allowHTTP1: false }, answer);
  if (!options.silent) return https.createServer(options, answer);
  const inner = http.createServer(answer);
  return tls.createServer(options, (socket) => inner.emit("connection", socket));
}

const server = make();
// A tunnel that gives back what it gets; /cut in it ends the connection alone, /end says so.
server.on("upgrade", (request, socket) => {
  const raw = raws.get(socket.remotePort);
  socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
  socket.on("data", (chunk) => {
    if (chunk.includes("/cut")) return raw.end();
    if (chunk.includes("/end")) return socket.end("bye");
    socket.write(chunk);
  });
});
server.on("secureConnection", (socket) => {
  socket.on("error", () => {});
  say({ handshake: facts(socket) });
});
server.on("sessionError", () => {});
server.on("tlsClientError", (error) => say({ failed: error.code || error.message }));

function begin(raw, rest) {
  if (rest && rest.length) raw.unshift(rest);
  raws.set(raw.remotePort, raw);
  server.emit("connection", raw);
}

// The line, and what stands behind it.
function readHeader(raw, done) {
  let got = Buffer.alloc(0);
  const onData = (chunk) => {
    got = Buffer.concat([got, chunk]);
    const end = got.indexOf("\r\n");
    if (end < 0) return;
    raw.removeListener("data", onData);
    raw.pause();
    raw.header = got.subarray(0, end).toString();
    done(got.subarray(end + 2));
  };
  raw.on("data", onData);
}

// Between the gateway and the server: what goes to the gateway goes byte by byte.
function dribble(port, ready) {
  const front = net.createServer({ noDelay: true }, (socket) => {
    const back = net.connect(port, "127.0.0.1");
    socket.on("error", () => back.destroy());
    back.on("error", () => socket.destroy());
    socket.pipe(back);
    back.on("data", async (chunk) => {
      back.pause();
      for (const byte of chunk) {
        socket.write(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
      back.resume();
    });
    back.on("end", () => socket.end());
  });
  front.listen(0, "127.0.0.1", () => ready(front.address().port));
}

const outer = net.createServer((raw) => {
  raw.on("error", () => {});
  if (options.proxy) readHeader(raw, (rest) => begin(raw, rest));
  else begin(raw);
});
outer.listen(0, "127.0.0.1", () => {
  const port = outer.address().port;
  if (options.bytes) dribble(port, (front) => say({ port: front }));
  else say({ port });
});
