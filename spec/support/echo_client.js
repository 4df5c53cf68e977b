// Node as a client of HTTP/2: node echo_client.js URL FILE. Sends the file on three streams at once, reads one of them slowly, and
// says what came: one line of JSON a stream.
const fs = require("fs");
const http2 = require("http2");

const url = new URL(process.argv[2]);
const body = fs.readFileSync(process.argv[3]);
const session = http2.connect(url.origin, { rejectUnauthorized: false });
let open = 3;
for (let nth = 0; nth < 3; nth++) {
  const stream = session.request({ ":method": "POST", ":path": url.pathname, "content-length": body.length });
  const chunks = [];
  let status, trailers;
  stream.on("response", (head) => (status = head[":status"]));
  stream.on("trailers", (fields) => (trailers = fields["x-length"]));
  stream.on("data", (chunk) => {
    chunks.push(chunk);
    if (nth !== 0 || chunks.length % 16 !== 0) return;
    stream.pause();
    setTimeout(() => stream.resume(), 2);
  });
  stream.on("close", () => {
    const got = Buffer.concat(chunks);
    console.log(JSON.stringify({ status, same: got.equals(body), trailers, code: stream.rstCode }));
    if (--open === 0) session.close();
  });
  for (let at = 0; at < body.length; at += 100000) stream.write(body.subarray(at, at + 100000));
  stream.end();
}
