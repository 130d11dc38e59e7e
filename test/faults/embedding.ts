/**
 * A program that embeds the gateway and answers all of its hooks, for a node of the soak. Its arguments are those of
 * `tidegate serve --config FILE`.
 */
import { readFile } from "node:fs/promises";
import { setImmediate as turn } from "node:timers/promises";
import { createGateway, HookRefusal } from "../../src/gateway/index.ts";

const options = JSON.parse(await readFile(process.argv.at(-1)!, "utf8"));
const gateway = createGateway({
  ...options,
  hooks: {
    async onConnect({ user }) {
      await turn();
      if (user?.id === "user3") return new HookRefusal("forbidden", "not today");
      return { data: { since: performance.now() } };
    },
    onSubscribe: ({ channel }) => (channel === "chat.aside" ? { history: 5 } : undefined),
    onMessage: ({ message }) => (typeof message === "object" ? { message: { ...message, isSeen: true } } : undefined),
    async onClose() {
      await turn();
    },
  },
});
await gateway.start();
process.stdout.write(`${JSON.stringify({ msg: "listening" })}\n`);
process.once("SIGTERM", async () => {
  await gateway.stop();
  process.exit(0);
});
