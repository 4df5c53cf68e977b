// A service that writes a line of JSON for every whole request it saw, and answers with its method and target.
// Listens on a free port of 127.0.0.1; the first line of output is {"port": N}.
const fs = require("fs");
const http = require("http");

const say = (line) => fs.writeSync(1, JSON.stringify(line) + "\n");

const server = http.createServer({ keepAliveTimeout: 60000 }, (request, response) => {
  const parts = [];
  request.on("data", (chunk) => parts.push(chunk));
  request.on("error", () => {});
  request.on("end", () => {
    say({
      method: request.method,
      target: request.url,
      host: request.headers.host,
      judged: request.headers["x-judged"],
      names: request.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase()),
      trailers: request.rawTrailers,
      body: Buffer.concat(parts).toString("latin1"),
    });
    response.setHeader("Content-Type", "text/plain");
    response.end(`${request.method} ${request.url}`);
  });
});

// What is no HTTP to Node must never have been sent to it.
server.on("clientError", (error, socket) => {
  if (error.code !== "ECONNRESET" && error.code !== "HPE_INVALID_EOF_STATE") say({ fault: error.code });
  socket.destroy();
});
server.on("upgrade", (request, socket) => {
  say({ method: request.method, target: request.url, host: request.headers.host, judged: request.headers["x-judged"], names: [], body: "", upgrade: true });
  socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${request.method.length + 1 + request.url.length}\r\n\r\n${request.method} ${request.url}`);
});
server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
