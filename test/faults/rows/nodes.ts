/** Nodes that die: other nodes go on, and clients come back to them with everything that they missed. */
import type { Row } from "../row.ts";

export const nodeRows: readonly Row[] = [
  {
    name: "node-killed",
    title: "a node killed under load, and started again: its clients recover on the others",
    isQuick: true,
    proofs: ["replay of what was missed", "idempotency keys"],
    async run(stage) {
      const node = stage.any(stage.nodes);
      await stage.pause(0, 500);
      await stage.strike(() => node.child.kill("SIGKILL"));
      await stage.fired(node.child.process.signalCode === "SIGKILL", "the node was killed");
      await stage.pause(1000, 2000);
      await node.start();
      await stage.traffic.subscribed();
      await stage.fired(stage.traffic.sum("closes") > 0, "connections ended");
    },
  },
];
