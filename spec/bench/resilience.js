// Five services, of which one is well: `node resilience.js` prints "CONTROL slow slower flapping resetting dead" as ports. GET on the
// control port tells what each saw: requests, the most at a time, what it did to them, and the most it worked on at a time.
//
// The gateway's cap is about requests that somebody waits for: one that was given up (its connection was ended from the other
// side) is not counted from then on, but the service goes on working on it, as most services do. Whether one was given up is looked
// at when all that has arrived was read, because what ended and what came in its place may lie there together.
'use strict';
const http = require('http');
const net = require('net');

const GOOD_MS = 3000;
const BAD_MS = 3000;

function service(name, answer) {
  const seen = { name, requests: 0, awaited: 0, most: 0, failed: 0, worked: 0, mostWorked: 0 };
  const look = () => (seen.most = Math.max(seen.most, seen.awaited));
  const server = http.createServer((request, response) => {
    let awaited = true;
    const left = () => {
      if (awaited) seen.awaited--;
      awaited = false;
    };
    seen.requests++;
    seen.awaited++;
    seen.mostWorked = Math.max(seen.mostWorked, ++seen.worked);
    setImmediate(look);
    for (const event of ['end', 'error', 'close']) request.socket.once(event, left);
    response.once('close', () => {
      for (const event of ['end', 'error', 'close']) request.socket.removeListener(event, left);
    });
    answer(request, response, seen, () => {
      seen.worked--;
      left();
    });
  });
  server.keepAliveTimeout = 0;
  return { seen, server };
}

const well = (response, done) => {
  done();
  response.end('hello\n');
};
const after = (ms) => (request, response, seen, done) => setTimeout(well, ms, response, done);

const services = [
  service('slow', after(20)),
  service('slower', after(60)),
  service('flapping', (request, response, seen, done) => {
    if (Date.now() % (GOOD_MS + BAD_MS) < GOOD_MS) return well(response, done);
    seen.failed++;
    done();
    response.writeHead(503).end();
  }),
  service('resetting', (request, response, seen, done) => {
    if (seen.requests % 3) return well(response, done);
    seen.failed++;
    done();
    request.socket.resetAndDestroy ? request.socket.resetAndDestroy() : request.socket.destroy();
  }),
];

const listen = (server) =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));

async function main() {
  const control = http.createServer((request, response) => {
    const line = ({ seen }) => `${seen.name} ${seen.requests} ${seen.most} ${seen.failed} ${seen.mostWorked}\n`;
    response.end(services.map(line).join(''));
  });
  const ports = [await listen(control)];
  for (const one of services) ports.push(await listen(one.server));
  const dead = net.createServer(); // bound once, so that nobody else has the port; nobody listens now
  ports.push(await listen(dead));
  dead.close(() => console.log(ports.join(' ')));
}

main();
