// Opens COUNT connections to PORT; each has one answered request, then stays. Says "ready", ends with its stdin.
const net = require("net");
const [port, count] = process.argv.slice(2).map(Number);
let open = 0, begun = 0;
const sockets = [];

function next() {
  if (begun === count) return;
  begun++;
  const socket = net.connect(port, "127.0.0.1", () => socket.write("GET /1k HTTP/1.1\r\nHost: bench\r\n\r\n"));
  let bytes = 0;
  sockets.push(socket);
  socket.on("data", (data) => {
    const before = bytes;
    bytes += data.length;
    if (before < 1024 && bytes >= 1024) {
      open++;
      if (open === count) console.log("ready");
    }
  });
  socket.on("error", (error) => { console.log(`failed: ${error.message}`); process.exit(1); });
  socket.on("close", () => { console.log("closed early"); process.exit(1); });
}

// 500 a second: those at work need more, and what they need must not be taken for what the idle ones hold.
setInterval(() => { for (let i = 0; i < 10; i++) next(); }, 20);
process.stdin.resume().on("end", () => process.exit(0));
