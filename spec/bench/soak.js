// node soak.js MOONGATE MINUTES FOLDER: a gateway under everything at once, then everything must be as it was.
// Clients that behave, send bodies, go away in the middle, read slowly, send rubbish; services that answer, fail, reset and hang;
// plugins with hooks, fetches and waits; reloads with changed code every few seconds.
'use strict';
const fs = require('fs');
const http = require('http');
const net = require('net');
const { spawn } = require('child_process');
const [binary, minutes, folder] = process.argv.slice(2);
const until = Date.now() + Number(minutes) * 60000;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const counts = { requests: 0, reloads: 0 };
const wrong = [];
const expect = (good, what) => { if (!good && wrong.length < 50) wrong.push(what); };

// ── services ──
const service = http.createServer((req, res) => {
  const path = req.url.split('?')[0];
  if (path === '/reset') return req.socket.resetAndDestroy();
  if (path === '/error') { res.statusCode = 500; return res.end('error'); }
  if (path === '/hang') return; // the gateway's timeout ends it
  if (path === '/big') return res.end(Buffer.alloc(3 << 20, 'b'));
  if (path === '/cut') { res.writeHead(200, { 'content-length': 100 }); res.write('half'); return setTimeout(() => req.socket.destroy(), 5); }
  if (req.method === 'POST') return req.pipe(res);
  res.end('hello');
});
service.on('clientError', (error, socket) => socket.destroy());

// ── the gateway ──
const HANDLER = (n) => `
local M = { version = "1.0.0", priority = 100 }
function M.access(_, ctx)
  ctx.shared.began = ${n}
  if ctx.request:get_path() == "/fetch" then
    local res = ctx:fetch { service = "back", path = "/plain" }
    return ctx.response:exit(res and res.status or 502, res and res.body or "nothing")
  end
  if ctx.request:get_query_arg("wait") then ctx:sleep(0.01) end
  if ctx.request:get_query_arg("fail") then error("as asked") end
end
function M.response(_, ctx) ctx.response:set_header("x-generation", "${n}") end
function M.log(_, ctx) if ctx.request:get_query_arg("say") then ctx.log:warn("said") end end
return M
`;
const admin = `${folder}/admin.sock`;
let port;
function configure(n) {
  fs.mkdirSync(`${folder}/plugins/mixed`, { recursive: true });
  fs.writeFileSync(`${folder}/plugins/mixed/schema.lua`, 'return require("moongate.schema").record {}\n');
  fs.writeFileSync(`${folder}/plugins/mixed/handler.lua`, HANDLER(n));
  fs.writeFileSync(`${folder}/moongate.yaml`, `
workers: 2
plugin_paths: [${folder}/plugins]
admin: { address: "unix:${admin}" }
log: { access: ${folder}/access.log, error: ${folder}/error.log }
default_access: allow
listeners: [{ address: "127.0.0.1:${port}" }]
limits: { head_timeout: 2s, idle_timeout: 5s, body: 4m }
drain_timeout: 5s
plugins: [{ name: correlation-id }, { name: mixed }]
services:
  - name: back
    url: http://127.0.0.1:${service.address().port}
    response_timeout: 20s
    keepalive: { idle: 2s }
    routes: [{ name: "all", paths: [/], strip_path: false }, { name: "changing-${n % 7}", paths: ["/only/${n}"] }]
  - name: hangs
    url: http://127.0.0.1:${service.address().port}
    response_timeout: 300ms
    routes: [{ name: hang, paths: [/hang], strip_path: false }]
`);
}

function ask(method, path) {
  return new Promise((resolve, reject) => {
    const req = http.request({ socketPath: admin, path, method, headers: { Host: 'localhost' } }, (res) => {
      let text = '';
      res.on('data', (data) => { text += data; });
      res.on('end', () => resolve({ status: res.statusCode, text }));
    });
    req.on('error', reject);
    req.end();
  });
}

async function metrics() {
  const result = {};
  for (const line of (await ask('GET', '/metrics')).text.split('\n')) {
    const [, name, labels, value] = line.match(/^(\w+)(?:\{(.*)\})? (\S+)$/) || [];
    if (!name) continue;
    result[name] = (result[name] || 0) + Number(value);
    if (labels) result[`${name}{${labels}}`] = Number(value);
  }
  return result;
}

function tree(pid) {
  const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return [pid, ...(children ? children.split(' ') : []).flatMap((child) => tree(Number(child)))];
}

function measure(pid) {
  let rss = 0, fds = 0;
  for (const one of tree(pid)) {
    rss += Number((fs.readFileSync(`/proc/${one}/smaps_rollup`, 'utf8').match(/^Pss:\s+(\d+)/m) || [0, 0])[1]);
    fds += fs.readdirSync(`/proc/${one}/fd`).length;
  }
  return { mb: rss / 1024, fds };
}

// ── clients ──
const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });

function request(method, path, options = {}) {
  return new Promise((resolve) => {
    counts.requests++;
    const req = http.request({ host: '127.0.0.1', port, path, method, agent, headers: options.headers }, (res) => {
      const parts = [];
      res.on('data', (data) => parts.push(data));
      res.on('end', () => resolve({ status: res.statusCode, body: Buffer.concat(parts) }));
      res.on('error', () => resolve({ status: res.statusCode, cut: true }));
    });
    req.on('error', (error) => resolve({ status: 0, error }));
    req.end(options.body);
  });
}

// Sends bytes, reads as `behave` says, ends.
function raw(bytes, behave) {
  return new Promise((resolve) => {
    counts.requests++;
    const socket = net.connect(port, '127.0.0.1', () => { socket.write(bytes); behave(socket); });
    socket.on('error', () => {});
    socket.on('close', resolve);
  });
}

const kinds = [
  async () => { const r = await request('GET', '/plain'); expect(r.status === 200, `plain: ${r.status} ${r.error}`); },
  async () => { const r = await request('GET', '/plain?wait&say'); expect(r.status === 200, `wait: ${r.status} ${r.error}`); },
  async () => {
    const body = Buffer.alloc(1 + Math.floor(Math.random() * 200000), 'p');
    const r = await request('POST', '/echo', { body });
    expect(r.status === 200 && r.body.equals(body), `body: ${r.status} ${r.error}`);
  },
  async () => { const r = await request('GET', '/fetch'); expect(r.status === 200, `fetch: ${r.status} ${r.error}`); },
  async () => { const r = await request('GET', '/error'); expect(r.status === 500, `error: ${r.status} ${r.error}`); },
  async () => { const r = await request('GET', '/reset'); expect(r.status === 502, `reset: ${r.status} ${r.error}`); },
  async () => { const r = await request('GET', '/hang'); expect(r.status === 504, `hang: ${r.status} ${r.error}`); },
  async () => { const r = await request('GET', '/plain?fail'); expect(r.status === 500, `fail: ${r.status} ${r.error}`); },
  async () => { const r = await request('GET', '/cut'); expect(r.status === 200 && (r.cut || r.error), `cut: ${r.status}`); },
  () => raw('GET /big HTTP/1.1\r\nHost: a\r\n\r\n', (s) => s.once('data', () => s.destroy())),
  () => raw('GET /hang HTTP/1.1\r\nHost: a\r\n\r\n', (s) => setTimeout(() => s.resetAndDestroy(), 20)),
  () => raw('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf', (s) => setTimeout(() => s.destroy(), 20)),
  () => raw('rubbish \x01\x02\r\n\r\n', (s) => s.resume()),
  () => raw('GET /plain HTTP/1.1\r\nHos', (s) => setTimeout(() => s.destroy(), 50)),
  () => raw('GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', (s) => { // reads slowly
    s.on('data', () => { s.pause(); setTimeout(() => s.resume(), 10); });
  }),
];

async function client() {
  while (Date.now() < until && wrong.length === 0) await kinds[Math.floor(Math.random() * kinds.length)]();
}

async function reloads() {
  for (let n = 1; Date.now() < until && wrong.length === 0; n++) {
    configure(n);
    const answer = await ask('POST', '/reload');
    expect(answer.status === 200, `reload: ${answer.text}`);
    counts.reloads++;
    await pause(2000);
  }
}

async function quiet(limit) {
  for (let i = 0; i < limit * 10; i++) {
    const m = await metrics();
    if (m.moongate_connections === 0 && m.moongate_active_requests === 0 && m.moongate_generations_alive === 1 &&
        (m.moongate_upstream_idle_connections || 0) === 0) return m;
    await pause(100);
  }
  return metrics();
}

async function main() {
  await new Promise((resolve) => service.listen(0, '127.0.0.1', resolve));
  const probe = net.createServer();
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve));
  port = probe.address().port;
  await new Promise((resolve) => probe.close(resolve));
  configure(0);
  const gateway = spawn(binary, ['run', '-c', `${folder}/moongate.yaml`], { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = new Promise((resolve) => gateway.on('exit', (code, signal) => resolve(signal || code)));
  process.on('exit', () => gateway.kill('SIGKILL'));
  while ((await request('GET', '/plain')).status !== 200) { counts.requests--; await pause(100); }
  await request('GET', '/fetch');
  const baseline = { ...measure(gateway.pid) };
  let warm = null;
  const started = Date.now();
  const watcher = setInterval(() => {
    const now = measure(gateway.pid);
    if (!warm && Date.now() - started > (until - started) / 4) warm = now;
    process.stderr.write(`\r  ${Math.round((until - Date.now()) / 1000)} s left, ${counts.requests} requests, ` +
      `${counts.reloads} reloads, ${now.mb.toFixed(1)} MB, ${now.fds} descriptors   `);
  }, 1000);
  await Promise.all([reloads(), ...Array.from({ length: 32 }, client)]);
  clearInterval(watcher);
  process.stderr.write('\n');
  agent.destroy();
  const end = measure(gateway.pid);
  const m = await quiet(30);
  const rest = measure(gateway.pid);
  await pause(200);
  const lines = fs.readFileSync(`${folder}/access.log`, 'utf8').split('\n').slice(0, -1);
  for (const line of lines) JSON.parse(line);
  console.log(`${counts.requests} requests, ${counts.reloads} reloads, ${lines.length} lines of log`);
  console.log(`memory: ${baseline.mb.toFixed(1)} MB at first, ${(warm || end).mb.toFixed(1)} after a quarter, ${end.mb.toFixed(1)} at the end, ${rest.mb.toFixed(1)} at rest`);
  console.log(`descriptors: ${baseline.fds} at first, ${end.fds} at the end, ${rest.fds} at rest`);
  expect(end.mb <= (warm || end).mb * 1.1 + 2, 'memory grew');
  expect(rest.fds <= baseline.fds + 2, 'descriptors are left');
  for (const name of ['moongate_connections', 'moongate_active_requests', 'moongate_upstream_active_requests', 'moongate_restarts_total'])
    expect(m[name] === 0, `${name} is ${m[name]}`);
  expect(m.moongate_generations_alive === 1, `${m.moongate_generations_alive} generations are alive`);
  expect(m.moongate_requests_total === lines.length + m['moongate_log_dropped_total{sink="access"}'],
    `${m.moongate_requests_total} requests counted, ${lines.length} lines`);
  expect(m.moongate_request_duration_seconds_count === m.moongate_requests_total, 'counters and histograms differ');
  gateway.kill('SIGTERM');
  const code = await Promise.race([ended, pause(20000).then(() => 'it does not end')]);
  expect(code === 0, `the gateway ended with ${code}`);
  if (wrong.length) console.log(fs.readFileSync(`${folder}/error.log`, 'utf8').split('\n').slice(-20).join('\n'));
  console.log(wrong.length ? `NOT GOOD:\n  ${wrong.slice(0, 20).join('\n  ')}` : 'good');
  process.exit(wrong.length ? 1 : 0);
}

main().catch((error) => { console.error(error); process.exit(1); });
