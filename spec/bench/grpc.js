"use strict";
// A gRPC server and a client that makes COUNT calls of each kind to it directly and through a gateway, and compares what
// they end with: status, message, trailing metadata, how many messages and how many bytes came.
//
//   node grpc.js server              prints its port
//   node grpc.js compare DIRECT VIA COUNT [CA]    host:port each; VIA by TLS where CA is a file
const fs = require("fs");
const path = require("path");
const grpc = require(path.join(process.env.GRPC_JS, "node_modules/@grpc/grpc-js"));

const bytes = { requestSerialize: (b) => b, requestDeserialize: (b) => b, responseSerialize: (b) => b, responseDeserialize: (b) => b };
const method = (name, requestStream, responseStream) => ({ path: `/bench.Calls/${name}`, requestStream, responseStream, ...bytes });
const service = {
  unary: method("Unary", false, false),
  produce: method("Produce", false, true),
  consume: method("Consume", true, false),
  both: method("Both", true, true),
};
const BIG = 200 * 1024;

const plan_of = (message) => JSON.parse(message.toString("utf8").trimEnd());
const trailers_of = (plan) => {
  const metadata = new grpc.Metadata();
  metadata.set("x-plan", plan.name);
  metadata.set("x-raw-bin", Buffer.from([0, 1, 255]));
  return metadata;
};
const failure_of = (plan) => ({ code: plan.code, details: plan.details, metadata: trailers_of(plan) });

const handlers = {
  unary(call, done) {
    const plan = plan_of(call.request);
    if (plan.name === "slow" || plan.name === "cancel") return setTimeout(() => done(null, Buffer.from("late")), 2000).unref();
    if (plan.name === "error") return done(failure_of(plan));
    done(null, Buffer.alloc(plan.size, "a"), trailers_of(plan));
  },
  produce(call) {
    const plan = plan_of(call.request);
    call.on("cancelled", () => call.end());
    for (let i = 0; i < plan.messages; i++) call.write(Buffer.alloc(plan.size, "b"));
    if (plan.name === "slow" || plan.name === "cancel") return;
    if (plan.name === "error") return call.emit("error", failure_of(plan));
    call.end(trailers_of(plan));
  },
  consume(call, done) {
    let plan, size = 0;
    call.on("data", (message) => { plan = plan || plan_of(message); size += message.length; });
    call.on("cancelled", () => {});
    call.on("error", () => {});
    call.on("end", () => {
      if (!plan || plan.name === "slow" || plan.name === "cancel") return; // none: it was cancelled before it had begun
      if (plan.name === "error") return done(failure_of(plan));
      done(null, Buffer.from(String(size)), trailers_of(plan));
    });
  },
  both(call) {
    let plan;
    call.on("error", () => {});
    call.on("cancelled", () => call.end());
    call.on("data", (message) => { plan = plan || plan_of(message); call.write(message); });
    call.on("end", () => {
      if (!plan || plan.name === "slow" || plan.name === "cancel") return; // none: it was cancelled before it had begun
      if (plan.name === "error") return call.emit("error", failure_of(plan));
      call.end(trailers_of(plan));
    });
  },
};

function serve() {
  const server = new grpc.Server({ "grpc.max_concurrent_streams": 1000 });
  server.addService(service, handlers);
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(port);
  });
}

// What call number i is to be.
function plan_for(i) {
  switch (i % 10) {
    case 0: return { name: "error", code: (i / 10) % 16 + 1, details: `no. ${i}: ungültig, 100 %`, size: 10, messages: 0 };
    case 1: return { name: "error", code: (i / 10 | 0) % 16 + 1, details: "after two", size: 10, messages: 2 };
    case 2: return { name: "slow", size: 10, messages: 1, told: i % 20 === 2 };
    case 3: return { name: "cancel", size: 10, messages: 1 };
    case 4: return { name: "big", size: BIG, messages: 4 };
    case 5: return { name: "empty", size: 0, messages: 1 };
    default: return { name: "plain", size: 100, messages: 3 };
  }
}

function one(client, kind, i) {
  const plan = plan_for(i);
  const spec = service[kind];
  const first = Buffer.from(JSON.stringify(plan).padEnd(plan.size, " "));
  // Who is told of a deadline has no timer of its own: what is in between must end the call, or the service.
  const options = plan.told ? {} : { deadline: Date.now() + (plan.name === "slow" ? 150 : 20000) };
  const metadata = new grpc.Metadata();
  if (plan.told) metadata.set("grpc-timeout", "150m");
  metadata.set("x-call", String(i));
  return new Promise((resolve) => {
    const seen = { messages: 0, bytes: 0, code: -1, details: "", trailers: "" };
    let call;
    const count = (message) => {
      seen.messages++;
      seen.bytes += message.length;
      if (plan.name === "cancel" && seen.messages === 1) call.cancel();
    };
    const answered = (error, message) => { if (message) count(message); };
    const raw = [spec.path, (b) => b, (b) => b];
    if (kind === "unary") call = client.makeUnaryRequest(...raw, first, metadata, options, answered);
    else if (kind === "produce") call = client.makeServerStreamRequest(...raw, first, metadata, options);
    else if (kind === "consume") call = client.makeClientStreamRequest(...raw, metadata, options, answered);
    else call = client.makeBidiStreamRequest(...raw, metadata, options);
    if (spec.responseStream) {
      call.on("data", count);
      call.on("error", () => {});
    }
    if (spec.requestStream) {
      call.write(first);
      for (let n = 1; n < plan.messages; n++) call.write(Buffer.alloc(plan.size, "c"));
      call.end();
    }
    if (plan.name === "cancel" && !spec.responseStream) setTimeout(() => call.cancel(), 50);
    call.on("status", (status) => {
      seen.code = status.code;
      // The client's own words for its deadline name the address; those of a cancelled one are its own, too.
      seen.details = status.code === 4 || status.code === 1 && plan.name === "cancel" ? "" : status.details;
      seen.trailers = JSON.stringify([status.metadata.get("x-plan"), status.metadata.get("x-raw-bin").map((b) => b.toString("hex"))]);
      resolve(seen);
    });
  });
}

async function all(address, credentials, count) {
  const client = new grpc.Client(address, credentials, { "grpc.max_receive_message_length": 64 << 20 });
  const results = {};
  for (const kind of Object.keys(service)) {
    const list = (results[kind] = new Array(count));
    let next = 0;
    await Promise.all(Array.from({ length: 50 }, async () => {
      while (next < count) {
        const i = next++;
        list[i] = await one(client, kind, i);
      }
    }));
  }
  client.close();
  return results;
}

async function compare(direct, via, count, ca) {
  const secure = ca ? grpc.credentials.createSsl(fs.readFileSync(ca)) : grpc.credentials.createInsecure();
  const wanted = await all(direct, grpc.credentials.createInsecure(), count);
  const got = await all(via, secure, count);
  let different = 0;
  for (const kind of Object.keys(service)) {
    const codes = {};
    let same = 0;
    for (let i = 0; i < count; i++) {
      codes[got[kind][i].code] = (codes[got[kind][i].code] || 0) + 1;
      // How many messages a call that is cut off had before that is a race, also without a gateway.
      const cut = ["slow", "cancel"].includes(plan_for(i).name) || got[kind][i].code !== 0;
      const view = (r) => JSON.stringify(cut ? [r.code, r.details, r.trailers] : r);
      if (view(wanted[kind][i]) === view(got[kind][i])) same++;
      else if (different++ < 10)
        console.log(`  ${kind} ${i} (${plan_for(i).name}): directly ${view(wanted[kind][i])}, through it ${view(got[kind][i])}`);
    }
    console.log(`  ${kind.padEnd(8)} ${same} of ${count} as without the gateway; by status: ${JSON.stringify(codes)}`);
  }
  process.exit(different ? 1 : 0);
}

const [what, ...rest] = process.argv.slice(2);
if (what === "server") serve();
else compare(rest[0], rest[1], Number(rest[2]), rest[3]);
