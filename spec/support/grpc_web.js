"use strict";
// Calls by npm's grpc-web, the client of browsers, with an XMLHttpRequest for Node (NODE_PATH says where both are).
//   node grpc_web.js PORT ASK     makes the calls of ASK (a JSON array) one after the other and says how they ended
// A call: { method, format: "text" | "binary", stream, plan, metadata }; what the plan is, grpc.js says.
const fs = require("fs");
global.XMLHttpRequest = require("xhr2");
const web = require("grpc-web");

const raw = (bytes) => bytes;
const [port, argument] = process.argv.slice(2);

function one({ method, format, stream, plan, metadata }) {
  const client = new web.GrpcWebClientBase({ format });
  const descriptor = new web.MethodDescriptor(method, stream ? "server_streaming" : "unary", Object, Object, raw, (bytes) => Buffer.from(bytes));
  const message = new Uint8Array(Buffer.from(JSON.stringify(plan || {})));
  const url = `http://127.0.0.1:${port}${method}`;
  const seen = { messages: 0, bytes: 0 };
  const count = (got) => {
    seen.messages++;
    seen.bytes += got.length;
  };
  return new Promise((resolve) => {
    const failed = (error) => resolve({ ...seen, code: error.code, details: error.message, metadata: error.metadata });
    if (!stream) {
      let status = {};
      const call = client.rpcCall(url, message, metadata || {}, descriptor, (error, got) => {
        if (error) return failed(error);
        count(got);
        resolve({ ...seen, ...status });
      });
      return call.on("status", ({ code, details, metadata: last }) => (status = { code, details, metadata: last }));
    }
    const call = client.serverStreaming(url, message, metadata || {}, descriptor);
    call.on("data", count);
    call.on("error", failed);
    call.on("status", (status) => (seen.status = status));
    call.on("end", () => resolve({ ...seen, code: seen.status && seen.status.code, details: seen.status && seen.status.details, metadata: seen.status && seen.status.metadata }));
  });
}

(async () => {
  const results = [];
  for (const call of JSON.parse(argument)) results.push(await one(call));
  fs.writeSync(1, JSON.stringify(results) + "\n");
  process.exit(0);
})();
