import { it } from "node:test";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
const rounds = Number(process.env.ROUNDS ?? 10);
it("holes", { timeout: 600000 }, async (t) => {
  const size = Number(process.env.SIZE ?? 2000);
  const g = await startTestGateway(t, { sendQueueBytesMax: 1048576, messageBytesMax: 16384*4, channels: { "chat.>": { history: { size: 100, seconds: 300 } } } });
  let holes = 0, cut = 0;
  for (let r = 0; r < rounds; r++) {
    const ch = "chat.r" + r;
    const c = spawn(process.execPath, ["/tmp/slowreader.mjs", String(g.port), ch, process.env.BURST ?? "3", process.env.PAUSE ?? "30"], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface(c.stdout)[Symbol.asyncIterator]();
    await lines.next();
    const pub = await connect(t, g.url);
    await pub.subscribe(ch, {});
    const items = Math.min(100, Math.floor(60000 / (size + 80)));
    let n = 0; let over = false; const result = lines.next().then(v => { over = true; return v; });
    const until = Date.now() + 8000;
    while (Date.now() < until && !over) {
      for (let k=0;k<8;k++) pub.send({ action: "batch", data: { items: Array.from({ length: items }, () => ({ action: "message", data: { channel: ch, message: { n: n++, pad: "x".repeat(size) }, echo: false } })) } });
      while (pub.of("message_sent").length < n && !pub.closed && !over) await new Promise(r => setImmediate(r));
      if (pub.closed) { console.log("pub closed"); break; }
    }
    pub.socket.terminate();
    if (over) cut++; else c.kill();
    const res = over ? JSON.parse((await result).value) : {};
    if (res.hole >= 0) holes++;
    console.log(r, "sent", n, JSON.stringify(res));
  }
  console.log({ holes, cut, dropped: await g.metric("tidegate_dropped_messages_total") });
});
