import { createGateway, HookRefusal } from "../../src/gateway/index.ts";

const banned = new Set(["mallory"]);
const gateway = createGateway({
  port: Number(process.env.PORT ?? 9501),
  adminPort: 0,
  log: { level: "warn" },
  channels: { clock: { publish: "nobody" }, "orders.{user}": { subscribe: "owner", publish: "nobody" } },
  hooks: {
    timeoutMs: 2000,
    async onConnect({ query }) {
      const name = query.get("name"); // or a cookie, looked up in your sessions
      if (name === null) return new HookRefusal("unauthenticated", "Say who you are: ?name=");
      if (banned.has(name)) return new HookRefusal("forbidden", "Not welcome");
      return { user: { id: name }, data: { since: Date.now() } };
    },
    onMessage: ({ message }) =>
      typeof message === "string" ? { message: message.replace(/darn/gi, "****") } : undefined,
    onClose: ({ connection, reason }) => console.log(`${connection.user?.id} left: ${reason}`),
  },
});

await gateway.start();
console.log(`clients connect to port ${gateway.port}`);
const ticking = setInterval(async () => {
  await gateway.publish({ channel: "clock", message: new Date().toISOString() });
  const { items } = await gateway.connections({ limit: 1000 });
  await gateway.broadcastBatch(
    items.map(({ user }) => ({ channel: `orders.${user}`, message: { status: "shipped" } })),
  );
}, 1000);
process.once("SIGTERM", async () => {
  clearInterval(ticking);
  await gateway.stop({ delaySeconds: 0, seconds: 1 });
});
