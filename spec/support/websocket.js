"use strict";
// WebSocket peers, by npm's ws over HTTP/1.1 and over Node's streams of HTTP/2 (RFC 8441). NODE_PATH says where ws is.
//   node websocket.js server KIND             KIND: h1, h2, h2-without (no extended CONNECT), h1-liar (a wrong proof), h1-200
//                                             the first line of output is {"port": N}, then a line for what happens
//   node websocket.js ask KIND PORT PATH ASK  opens one by h1 or h2, does what ASK (JSON) says and prints what came
//
// The service echoes messages; "close CODE" closes, "send N" sends a text of N bytes, "frames HEX" writes those bytes.
// ASK: { send: ["text", { binary: N }, { raw: HEX }, …], expect: messages until it closes (all sent), headers, extensions }
const fs = require("fs");
const http = require("http");
const http2 = require("http2");
const WebSocket = require("ws");

const say = (line) => fs.writeSync(1, JSON.stringify(line) + "\n");
const seen_of = (headers) => ({ key: headers["sec-websocket-key"] !== undefined, version: headers["sec-websocket-version"],
  extensions: headers["sec-websocket-extensions"], upgrade: headers.upgrade, wanted: headers["sec-websocket-protocol"] });

function over(stream, isServer) {
  const socket = new WebSocket(null, undefined, { closeTimeout: 30000, autoPong: true });
  socket._isServer = isServer;
  socket.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 1 << 26, skipUTF8Validation: isServer });
  return socket;
}

function attend(socket, path, headers, stream) {
  say({ open: path, ...seen_of(headers) });
  socket.on("error", (error) => say({ error: error.message }));
  socket.on("close", (code, reason) => say({ closed: code, reason: reason.toString(), path }));
  socket.on("ping", (data) => say({ ping: data.toString() }));
  socket.on("message", (data, binary) => {
    const [word, argument] = binary ? [] : data.toString().split(" ");
    if (word === "close") return socket.close(Number(argument), "as asked");
    if (word === "send") return socket.send("s".repeat(Number(argument)));
    if (word === "frames") return stream.write(Buffer.from(argument, "hex"));
    socket.send(data, { binary });
  });
}

function listen(server) {
  server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
}

function serve_h1(kind) {
  const server = http.createServer((request, response) => response.end("plain"));
  const sockets = new WebSocket.Server({ noServer: true, perMessageDeflate: kind === "h1-deflate", handleProtocols: (all) => [...all][0] });
  server.on("upgrade", (request, socket, head) => {
    if (kind === "h1-200") return socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    if (kind === "h1-liar") return socket.on("end", () => socket.end()).resume().write("HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAA\r\n\r\n");
    sockets.handleUpgrade(request, socket, head, (one) => attend(one, request.url, request.headers, socket));
  });
  listen(server);
}

function serve_h2(offers) {
  const server = http2.createServer({ settings: { enableConnectProtocol: offers } });
  server.on("session", () => say({ session: true }));
  server.on("sessionError", () => {});
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    if (headers[":method"] !== "CONNECT") {
      stream.respond({ ":status": 200 });
      return stream.end("plain");
    }
    if (headers[":path"].endsWith("/no")) return stream.respond({ ":status": 403 }, { endStream: true });
    const wanted = headers["sec-websocket-protocol"];
    stream.respond({ ":status": 200, ...(wanted && { "sec-websocket-protocol": wanted.split(",")[0] }) });
    attend(over(stream, true), headers[":path"], headers, stream);
  });
  listen(server);
}

function converse(socket, stream, { send, expect }, told) {
  const result = { ...told, opened: true, messages: [] };
  const whole = expect === undefined ? send.filter((one) => one.raw === undefined && !/^(close|frames)/.test(one)).length : expect;
  const look = () => expect !== -1 && result.messages.length === whole && socket.close(1000, "done");
  socket.on("message", (data, binary) => {
    result.messages.push(data.length > 200 ? data.length : data.toString(binary ? "hex" : "utf8"));
    look();
  });
  socket.on("pong", () => (result.pongs = (result.pongs || 0) + 1));
  socket.on("error", (error) => (result.error = error.message));
  socket.on("close", (code, reason) => {
    say({ ...result, code, reason: reason.toString() });
    stream.session ? stream.session.close(() => process.exit(0)) : process.exit(0);
  });
  for (const one of send) {
    if (typeof one === "string") socket.send(one);
    else if (one.binary !== undefined) socket.send(Buffer.alloc(one.binary, 7));
    else if (one.ping !== undefined) socket.ping(one.ping);
    else if (one.fragments !== undefined) for (let i = 0; i < one.fragments; i++) socket.send(one.piece, { fin: i === one.fragments - 1, binary: false });
    else stream.write(Buffer.from(one.raw, "hex"));
  }
  look();
}

function ask_h1(port, path, ask) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, ask.protocols || [], { headers: ask.headers, perMessageDeflate: !!ask.deflate });
  socket.on("unexpected-response", (request, response) => {
    let body = "";
    response.on("data", (chunk) => (body += chunk));
    response.on("end", () => (say({ status: response.statusCode, headers: response.headers, body }), process.exit(0)));
  });
  socket.once("error", (error) => socket._socket || (say({ error: error.message }), process.exit(0)));
  socket.on("open", () => converse(socket, socket._socket, ask, { protocol: socket.protocol, extensions: socket.extensions }));
}

function ask_h2(port, path, ask) {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on("remoteSettings", (settings) => {
    if (!settings.enableConnectProtocol) return say({ refused: "no extended CONNECT" });
    const wanted = ask.protocols && { "sec-websocket-protocol": ask.protocols.join(",") };
    const stream = session.request({ ":method": "CONNECT", ":protocol": ask.protocol || "websocket", ":path": path, "sec-websocket-version": "13", ...wanted, ...ask.headers });
    stream.on("error", () => {});
    stream.on("response", (headers) => {
      if (headers[":status"] === 200) return converse(over(stream, false), stream, ask, { protocol: headers["sec-websocket-protocol"] || "", accept: headers["sec-websocket-accept"] });
      let body = "";
      stream.on("data", (chunk) => (body += chunk));
      stream.on("close", () => (say({ status: headers[":status"], headers, body, code: stream.rstCode }), process.exit(0)));
    });
  });
}

const [what, kind, port, path, argument] = process.argv.slice(2);
if (what === "server") kind.startsWith("h1") ? serve_h1(kind) : serve_h2(kind === "h2");
else (kind === "h1" ? ask_h1 : ask_h2)(port, path, { send: [], ...JSON.parse(argument || "{}") });
