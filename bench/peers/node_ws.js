// The peer that most of the web would use: `ws` on node. `node node_ws.js PORT`: viewers on PORT, lines on PORT + 1.
const net = require("node:net");
const { WebSocketServer } = require("ws");

const port = Number(process.argv[2]);

net.createServer((feed) => {
  let rest = "";
  feed.setEncoding("utf8");
  feed.on("data", (data) => {
    const lines = (rest + data).split("\n");
    rest = lines.pop();
    for (const line of lines) broadcast(Buffer.from(line));
  });
}).listen(port + 1, "127.0.0.1");

const server = new WebSocketServer({ port, host: "127.0.0.1", perMessageDeflate: false, backlog: 1024 });

// A Buffer with `binary: false` is framed without being encoded anew for each client.
function broadcast(line) {
  for (const client of server.clients) client.send(line, { binary: false });
}
