// Services that say back what they are told, one a protocol: node echo.js KEY CERT. The first line of output has their ports:
// {"h1": N, "h2c": N, "https": N, "h2": N}. A body that is read slowly is held back, and trailers come back as they came.
const fs = require("fs");
const http = require("http");
const http2 = require("http2");
const https = require("https");

const tls = { key: fs.readFileSync(process.argv[2]), cert: fs.readFileSync(process.argv[3]), allowHTTP1: false };

function answer(request, response) {
  response.writeHead(200, { "x-seen": request.httpVersion, trailer: "x-length" });
  let length = 0;
  request.on("data", (chunk) => {
    length += chunk.length;
    if (response.write(chunk)) return;
    request.pause();
    response.once("drain", () => request.resume());
  });
  request.on("end", () => {
    response.addTrailers({ "x-length": String(length) });
    response.end();
  });
  request.on("error", () => {});
}

const servers = {
  h1: http.createServer(answer),
  h2c: http2.createServer(answer),
  https: https.createServer(tls, answer),
  h2: http2.createSecureServer(tls, answer),
};
const ports = {};
for (const [name, server] of Object.entries(servers)) {
  server.on("sessionError", () => {});
  server.listen(0, "127.0.0.1", () => {
    ports[name] = server.address().port;
    if (Object.keys(ports).length === 4) fs.writeSync(1, JSON.stringify(ports) + "\n");
  });
}
