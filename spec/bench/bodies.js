// An upstream that echoes bodies, and a client that sends and reads one, both throttled: node bodies.js upstream
// | node bodies.js client URL BYTES BYTES_PER_SECOND. Both print one line when they are ready or done.
'use strict';
const http = require('http');
const [role, url, bytes, rate] = process.argv.slice(2);

if (role === 'upstream') {
  const server = http.createServer((req, res) => {
    if (req.url === '/1k') return res.end('x'.repeat(1024));
    res.writeHead(200, req.headers['content-length'] ? { 'content-length': req.headers['content-length'] } : {});
    req.pipe(res);
  });
  server.requestTimeout = 0;
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
} else {
  const total = Number(bytes);
  const perSecond = Number(rate);
  const chunk = Buffer.alloc(256 * 1024, 'y');
  const request = http.request(url, { method: 'POST', headers: { 'content-length': total } });
  let sent = 0;
  const send = () => {
    while (sent < total) {
      const piece = total - sent < chunk.length ? chunk.subarray(0, total - sent) : chunk;
      sent += piece.length;
      if (!request.write(piece)) return request.once('drain', send);
    }
    request.end();
  };
  request.on('error', (error) => { console.log('failed: ' + error.message); process.exit(1); });
  request.on('response', (response) => {
    const start = Date.now();
    let got = 0;
    response.on('data', (data) => {
      got += data.length;
      const ahead = got / perSecond * 1000 - (Date.now() - start);
      if (ahead > 5) {
        response.pause();
        setTimeout(() => response.resume(), ahead);
      }
    });
    response.on('aborted', () => { console.log('failed: cut after ' + got); process.exit(1); });
    response.on('end', () => {
      console.log(`status ${response.statusCode}, sent ${sent}, got ${got}`);
      process.exit(got === total && response.statusCode === 200 ? 0 : 1);
    });
  });
  send();
}
