// A body each way through a gateway, both read at a fixed rate: node bodyhooks.js BYTES BYTES_PER_SECOND. Service and
// client are one process, so it knows at every moment how far a sender is ahead of its reader. It prints the service's
// port, then waits for the gateway's URL on its standard input.
'use strict';
const http = require('http');
const readline = require('readline');
const [bytesText, rateText] = process.argv.slice(2);
const total = Number(bytesText);
const perSecond = Number(rateText);
const chunk = Buffer.alloc(256 * 1024, 'y');

// Sends `total` bytes as fast as they are taken; flow.sent is what left this process.
function send(stream, flow) {
  let given = 0;
  const more = () => {
    while (given < total) {
      const piece = total - given < chunk.length ? chunk.subarray(0, total - given) : chunk;
      given += piece.length;
      if (!stream.write(piece)) return stream.once('drain', more);
    }
    stream.end();
  };
  flow.sent = () => given - stream.writableLength;
  more();
}

function read(stream, flow, done) {
  const start = Date.now();
  stream.on('data', (data) => {
    flow.got += data.length;
    const ahead = flow.got / perSecond * 1000 - (Date.now() - start);
    if (ahead > 5) {
      stream.pause();
      setTimeout(() => stream.resume(), ahead);
    }
  });
  stream.on('end', done);
}

const flows = {
  response: { got: 0, sent: () => 0, ahead: 0, over: false },
  request: { got: 0, sent: () => 0, ahead: 0, over: false },
};

const server = http.createServer((req, res) => {
  if (req.url === '/1k') return res.end('x'.repeat(1024));
  if (req.url === '/down') {
    res.writeHead(200, { 'content-length': total });
    return send(res, flows.response);
  }
  read(req, flows.request, () => res.end('done'));
});
server.requestTimeout = 0;

function fail(why) {
  console.log('failed: ' + why);
  process.exit(1);
}

function finish(flow) {
  flow.over = true;
  if (!flows.response.over || !flows.request.over) return;
  for (const [name, one] of Object.entries(flows)) {
    console.log(`${name}: got ${one.got} of ${total}, the sender was at most ` +
      `${(one.ahead / 1048576).toFixed(1)} MB ahead of the reader`);
  }
  process.exit(flows.response.got === total && flows.request.got === total ? 0 : 1);
}

function run(url) {
  http.get(url + '/down', (response) => {
    response.on('aborted', () => fail('cut after ' + flows.response.got));
    read(response, flows.response, () => finish(flows.response));
  }).on('error', (error) => fail(error.message));
  const request = http.request(url + '/up', { method: 'POST', headers: { 'content-length': total } }, (response) => {
    if (response.statusCode !== 200) fail('status ' + response.statusCode);
    response.resume();
    response.on('end', () => finish(flows.request));
  });
  request.on('error', (error) => fail(error.message));
  send(request, flows.request);
  setInterval(() => {
    for (const flow of Object.values(flows)) flow.ahead = Math.max(flow.ahead, flow.sent() - flow.got);
  }, 50).unref();
}

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
readline.createInterface({ input: process.stdin }).once('line', run);
