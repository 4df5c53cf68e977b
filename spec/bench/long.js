// Two streams that live through everything: a tunnel (Upgrade) that echoes, and a download that never hurries.
// node long.js upstream            prints its port; answers /1k, /slow (a numbered line each 100 ms), and Upgrade
// node long.js client HOST PORT    opens both through the gateway, prints "open", and on SIGTERM what became of them
'use strict';
const http = require('http');
const [role, host, port] = process.argv.slice(2);

if (role === 'upstream') {
  const server = http.createServer((req, res) => {
    if (req.url !== '/slow') return res.end('x'.repeat(1024));
    let n = 0;
    const timer = setInterval(() => res.write(`${n++}\n`), 100);
    res.on('close', () => clearInterval(timer));
  });
  server.on('upgrade', (req, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    socket.pipe(socket);
    socket.on('error', () => {});
  });
  server.keepAliveTimeout = 600000;
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
} else {
  const state = { tunnel: 0, lines: 0, wrong: [] };
  let open = 0;
  const opened = () => ++open === 2 && console.log('open');
  const broken = (what) => state.wrong.push(what);

  const download = http.get({ host, port, path: '/slow' }, (res) => {
    opened();
    let rest = '';
    res.on('data', (data) => {
      const lines = (rest + data).split('\n');
      rest = lines.pop();
      for (const line of lines) if (Number(line) !== state.lines++) broken(`line ${line} at ${state.lines}`);
    });
    res.on('close', () => broken('the download ended'));
  });
  download.on('error', (error) => broken(`download: ${error.message}`));

  const upgrade = http.request({ host, port, path: '/tunnel', headers: { Connection: 'Upgrade', Upgrade: 'echo' } });
  upgrade.on('upgrade', (res, socket) => {
    opened();
    let expected = '';
    socket.on('data', (data) => {
      const text = data.toString();
      if (!expected.startsWith(text)) return broken('the tunnel echoes something else');
      expected = expected.slice(text.length);
      state.tunnel++;
    });
    socket.on('close', () => broken('the tunnel ended'));
    const timer = setInterval(() => {
      const text = `${Date.now()};`;
      expected += text;
      socket.write(text);
    }, 100);
    timer.unref();
  });
  upgrade.on('response', (res) => broken(`no tunnel but ${res.statusCode}`));
  upgrade.on('error', (error) => broken(`tunnel: ${error.message}`));
  upgrade.end();
  process.on('SIGTERM', () => {
    console.log(`tunnel: ${state.tunnel} echoes, download: ${state.lines} lines` +
      (state.wrong.length ? `; BROKEN: ${state.wrong.slice(0, 5).join(', ')}` : ', both alive and in order'));
    process.exit(state.wrong.length ? 1 : 0);
  });
}
