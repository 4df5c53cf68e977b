// Five services, of which one is well: `node resilience.js` prints "CONTROL slow slower flapping resetting dead" as ports. GET on the
// control port tells what each saw: requests, the most at a time, and what it did to them.
'use strict';
const http = require('http');
const net = require('net');

const GOOD_MS = 3000;
const BAD_MS = 3000;

function service(name, answer) {
  const seen = { name, requests: 0, now: 0, most: 0, failed: 0 };
  const server = http.createServer((request, response) => {
    seen.requests++;
    seen.now++;
    seen.most = Math.max(seen.most, seen.now);
    response.on('close', () => seen.now--);
    answer(request, response, seen);
  });
  server.keepAliveTimeout = 0;
  return { seen, server };
}

const well = (response) => response.end('hello\n');
const after = (ms) => (request, response) => setTimeout(well, ms, response);

const services = [
  service('slow', after(20)),
  service('slower', after(60)),
  service('flapping', (request, response, seen) => {
    if (Date.now() % (GOOD_MS + BAD_MS) < GOOD_MS) return well(response);
    seen.failed++;
    response.writeHead(503).end();
  }),
  service('resetting', (request, response, seen) => {
    if (seen.requests % 3) return well(response);
    seen.failed++;
    request.socket.resetAndDestroy ? request.socket.resetAndDestroy() : request.socket.destroy();
  }),
];

const listen = (server) =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));

async function main() {
  const control = http.createServer((request, response) => {
    response.end(services.map(({ seen }) => `${seen.name} ${seen.requests} ${seen.most} ${seen.failed}\n`).join(''));
  });
  const ports = [await listen(control)];
  for (const one of services) ports.push(await listen(one.server));
  const dead = net.createServer(); // bound once, so that nobody else has the port; nobody listens now
  ports.push(await listen(dead));
  dead.close(() => console.log(ports.join(' ')));
}

main();
