import { after, before, describe, type TestContext } from "node:test";
import { connect } from "../support/client.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { callRules, ruleSettings } from "./rules.ts";

describe("The calls of one process", () => {
  let gateway: TestGateway;
  const cleanups: (() => unknown)[] = [];
  const suite = { after: (cleanup: () => unknown) => void cleanups.push(cleanup) } as unknown as TestContext;
  before(async () => {
    gateway = await startTestGateway(suite, ruleSettings);
  });
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });
  callRules(() => ({
    doors: [gateway.calls],
    processes: 1,
    connectToEach: async (t, query = "") => [await connect(t, `${gateway.url}/${query}`)],
  }));
});
