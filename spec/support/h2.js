// Peers of HTTP/2 by prior knowledge.
//   node h2.js server         a service; the first line of output is {"port": N}, then one line a connection
//   node h2.js ask PORT ASK   sends all requests of ASK (a JSON array) at once on one connection and says what came, in order
//   node h2.js hold PORT PATH sends one, says {"open": true}, and what came when the connection ended
const fs = require("fs");
const http2 = require("http2");

const say = (line) => fs.writeSync(1, JSON.stringify(line) + "\n");

// What came, and trailers behind it. …/hang: nothing, and a line with the code when the stream ends. /refused: nothing was done with it, the first time. /reset: it breaks off. /leave: GOAWAY
// goes out before the answer.
function serve() {
  const refused = new Set();
  const server = http2.createServer({ settings: { enableConnectProtocol: true, maxConcurrentStreams: 100 } });
  server.on("session", () => say({ connection: true }));
  server.on("sessionError", () => {});
  server.on("stream", (stream, headers) => {
    const path = headers[":path"];
    const parts = [];
    stream.on("error", () => {});
    if (path.startsWith("/refused") && !refused.has(path)) {
      refused.add(path);
      return stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    }
    if (path === "/reset") return stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    if (path.endsWith("/hang")) return stream.on("close", () => say({ closed: stream.rstCode }));
    if (headers[":protocol"]) {
      stream.respond({ ":status": 200 });
      stream.on("data", (chunk) => stream.write(chunk));
      return stream.on("end", () => stream.end());
    }
    stream.on("data", (chunk) => parts.push(chunk));
    stream.on("end", () => {
      if (path === "/leave") stream.session.close();
      stream.respond({ ":status": 200, "content-type": "application/json" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-last": "yes" }));
      stream.end(JSON.stringify({ headers, length: Buffer.concat(parts).length }));
    });
  });
  server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
}

function request(session, { headers, body, size }, done) {
  const stream = session.request(headers, { endStream: body === undefined && size === undefined });
  const answer = { body: "", length: 0 };
  stream.on("response", (got) => {
    answer.headers = got;
    answer.status = got[":status"];
  });
  stream.on("trailers", (got) => (answer.trailers = got));
  stream.on("data", (chunk) => {
    answer.length += chunk.length;
    if (answer.length < 100000) answer.body += chunk;
  });
  stream.on("error", (error) => (answer.error = error.code));
  stream.on("close", () => done({ ...answer, code: stream.rstCode }));
  if (size !== undefined) stream.end(Buffer.alloc(size, "x"));
  else if (body !== undefined) stream.end(body);
}

function ask(port, asks) {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  const answers = [];
  let left = asks.length;
  session.on("error", (error) => say({ error: error.code }) || process.exit(1));
  asks.forEach((one, i) =>
    request(session, one, (answer) => {
      answers[i] = answer;
      if (--left > 0) return;
      say(answers);
      session.destroy();
    }),
  );
}

function hold(port, path) {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  let answer, goaway;
  session.on("goaway", (code) => {
    goaway = code;
    say({ goaway: code });
  });
  session.on("close", () => say({ answer, goaway, closed: true }));
  request(session, { headers: { ":path": path } }, (got) => {
    answer = got;
    say({ open: true });
  });
}

const [what, port, argument] = process.argv.slice(2);
if (what === "server") serve();
else if (what === "ask") ask(port, JSON.parse(argument));
else hold(port, argument);
