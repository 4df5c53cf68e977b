"use strict";
// A gRPC service and a client, by @grpc/grpc-js (NODE_PATH says where it is). Messages are JSON, and no protobuf.
//   node grpc.js server [KEY CERT]      the first line of output is {"port": N}, then one line for what happens to each call
//   node grpc.js ask ADDRESS ASK [CA]   makes the calls of ASK (a JSON array) at once, and says how they ended
// Over TLS where there are files for it; the other side is called localhost.
//
// A call: { method, kind: "unary" | "produce" | "consume" | "both", plan, metadata, deadline (ms), cancel (after so many
// messages; "told": at SIGUSR1), messages (to send), open (it never ends its side) }. The plan is what the service is to do:
// { code, details } after `messages` messages of `size` bytes, "slow": it never ends.
const fs = require("fs");
const grpc = require("@grpc/grpc-js");

const say = (line) => fs.writeSync(1, JSON.stringify(line) + "\n");
const raw = (b) => b;
const service = {};
for (const [name, requestStream, responseStream] of [["unary", 0, 0], ["produce", 0, 1], ["consume", 1, 0], ["both", 1, 1]])
  service[name] = {
    path: `/spec.Calls/${name}`, requestStream: !!requestStream, responseStream: !!responseStream,
    requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw,
  };

const trailers = () => {
  const metadata = new grpc.Metadata();
  metadata.set("x-last", "yes");
  metadata.set("x-raw-bin", Buffer.from([0, 1, 255]));
  return metadata;
};

function began(call, name) {
  const seen = call.metadata.getMap();
  say({ call: name, metadata: Object.fromEntries(Object.entries(seen).map(([k, v]) => [k, String(v)])), timeout: call.getDeadline() - Date.now() });
  call.on("cancelled", () => say({ cancelled: name }));
  call.on("error", () => {});
}

const failure = (plan) => ({ code: plan.code, details: plan.details, metadata: trailers() });
const size_of = (plan) => Buffer.alloc(plan.size || 10, "a");

function produce(call, plan) {
  for (let i = 0; i < (plan.messages || 0); i++) call.write(size_of(plan));
  if (plan.slow) return;
  if (plan.code) return call.emit("error", failure(plan));
  call.end(trailers());
}

function serve(key, cert) {
  const pair = key && { private_key: fs.readFileSync(key), cert_chain: fs.readFileSync(cert) };
  const credentials = pair ? grpc.ServerCredentials.createSsl(null, [pair]) : grpc.ServerCredentials.createInsecure();
  const server = new grpc.Server();
  const handlers = {
    unary(call, done) {
      began(call, "unary");
      const plan = JSON.parse(call.request);
      if (plan.slow) return;
      if (plan.code) return done(failure(plan));
      done(null, size_of(plan), trailers());
    },
    produce(call) {
      began(call, "produce");
      produce(call, JSON.parse(call.request));
    },
    consume(call, done) {
      let plan, count = 0;
      began(call, "consume");
      call.on("data", (message) => { plan = plan || JSON.parse(message); count++; });
      call.on("end", () => plan.slow || (plan.code ? done(failure(plan)) : done(null, Buffer.from(String(count)), trailers())));
    },
    both(call) {
      let plan;
      began(call, "both");
      call.on("data", (message) => { plan = plan || JSON.parse(message); call.write(message); });
      call.on("end", () => produce(call, plan));
    },
  };
  for (const name of ["spec", "late", "short", "quiet"]) {
    const named = (method) => ({ ...service[method], path: `/${name}.Calls/${method}` });
    server.addService(Object.fromEntries(Object.keys(service).map((method) => [method, named(method)])), handlers);
  }
  // grpc.health.v1: of "", "up" and "down"; the message is one field by hand
  const check = { path: "/grpc.health.v1.Health/Check", requestStream: false, responseStream: false,
    requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw };
  server.addService({ check }, {
    check(call, done) {
      const name = call.request.subarray(2).toString();
      if (name !== "" && name !== "up" && name !== "down") return done({ code: grpc.status.NOT_FOUND, details: "no" });
      done(null, Buffer.from([8, name === "down" ? 2 : 1]));
    },
  });
  server.bindAsync("127.0.0.1:0", credentials, (error, port) => say({ port }));
}

function one(client, { method, kind, plan, metadata, deadline, cancel, messages, open }) {
  const spec = service[kind];
  const first = Buffer.from(JSON.stringify(plan || {}));
  const fields = new grpc.Metadata();
  for (const [name, value] of Object.entries(metadata || {})) fields.set(name, value);
  const options = { deadline: Date.now() + (deadline || 20000) };
  const way = [method || spec.path, raw, raw];
  return new Promise((resolve) => {
    const seen = { messages: 0, bytes: 0 };
    let call;
    const count = (message) => {
      seen.messages++;
      seen.bytes += message.length;
      if (cancel === seen.messages) call.cancel();
    };
    const answered = (error, message) => message && count(message);
    if (kind === "unary") call = client.makeUnaryRequest(...way, first, fields, options, answered);
    else if (kind === "produce") call = client.makeServerStreamRequest(...way, first, fields, options);
    else if (kind === "consume") call = client.makeClientStreamRequest(...way, fields, options, answered);
    else call = client.makeBidiStreamRequest(...way, fields, options);
    if (spec.responseStream) {
      call.on("data", count);
      call.on("error", () => {});
    }
    if (spec.requestStream) {
      call.write(first);
      for (let i = 1; i < (messages || 1); i++) call.write(Buffer.from("more"));
      if (!open) call.end();
    }
    call.on("metadata", (got) => (seen.head = got.getMap()));
    if (cancel === "told") process.once("SIGUSR1", () => call.cancel());
    call.on("status", ({ code, details, metadata: got }) =>
      resolve({ ...seen, code, details, last: got.get("x-last")[0], raw: (got.get("x-raw-bin")[0] || "").toString("hex"), trailers: got.getMap() }));
  });
}

async function ask(address, calls, ca) {
  const credentials = ca ? grpc.credentials.createSsl(fs.readFileSync(ca)) : grpc.credentials.createInsecure();
  const client = new grpc.Client(address, credentials, ca ? { "grpc.ssl_target_name_override": "localhost" } : {});
  say(await Promise.all(calls.map((call) => one(client, call))));
  client.close();
}

const [what, first, second, third] = process.argv.slice(2);
if (what === "server") serve(first, second);
else ask(first, JSON.parse(second), third);
