/** Commands and answers as records, over worker buses within this process. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { AnswerRecord, Bus, CommandRecord, LogRecord } from "../../src/bus/bus.ts";
import { MemoryBus } from "../../src/bus/memory-bus.ts";
import type { Command, CommandResult } from "../../src/calls/commands.ts";
import { type Gathered, Gathering } from "../../src/calls/gathering.ts";
import { createWorkerNodes } from "../bus/worker-nodes.ts";

const silent = { error() {} };
const command: Command = { name: "disconnect", users: ["a"], connections: [1], sessions: [], code: 4503, reason: "" };

interface TestProcess {
  readonly gathering: Gathering;
  readonly done: Command[];
  apply(record: LogRecord, position: unknown, ageMs: number): void;
}

/** `connections`: what it answers to each command; absent: it has none. */
function createProcess(bus: Bus, connections?: number, others: readonly string[] = []): TestProcess {
  const done: Command[] = [];
  const act = (asked: Command): CommandResult => {
    done.push(asked);
    return { connections: connections! };
  };
  const parts = { bus, act: connections === undefined ? undefined : act, others: () => others, log: silent };
  const gathering = new Gathering(parts);
  return {
    gathering,
    done,
    apply: (record, _position, ageMs) => gathering.apply(record as CommandRecord | AnswerRecord, ageMs),
  };
}

describe("Gathering", () => {
  it("a worker hears all others through the process that holds the log, which answers with no connections", async () => {
    const nodes = await createWorkerNodes();
    const workers = [nodes.worker(), nodes.worker(), nodes.worker()];
    const incarnations = workers.map(({ bus }) => bus.incarnation);
    const supervisor = createProcess(nodes.source, undefined, incarnations);
    await nodes.source.start((record, position, ageMs) => {
      nodes.hub.apply(record, position, ageMs);
      supervisor.apply(record, position, ageMs);
    });
    const processes = workers.map(({ bus }, n) => createProcess(bus, n + 1));
    await Promise.all(workers.map(({ bus }, n) => bus.start(processes[n]!.apply)));
    const gatherings = [...processes, supervisor].map(({ gathering }) => gathering);
    for (const gathering of gatherings) {
      const gathered: Gathered<{ connections: number }> = await gathering.ask(command);
      const counts = gathered.results.map(({ connections }) => connections).sort();
      assert.deepEqual([counts, gathered.isPartial], [[1, 2, 3], false]);
    }
    for (const { done } of processes) assert.deepEqual(done, [command, command, command, command]);
    workers[2]!.kill();
    const { results, isPartial } = await processes[0]!.gathering.ask(command);
    assert.deepEqual([results.length, isPartial], [2, true]);
  });

  it("asks one process alone without an answer in the log", async () => {
    const bus = new MemoryBus();
    const process = createProcess(bus, 5);
    const kinds: string[] = [];
    await bus.start((record, position, ageMs) => {
      kinds.push(record.kind);
      process.apply(record, position, ageMs);
    });
    assert.deepEqual(await process.gathering.ask(command), { results: [{ connections: 5 }], isPartial: false });
    assert.deepEqual(kinds, ["command"]);
  });

  it("carries out commands of the past, and answers none of them; questions of the past it passes over", async () => {
    const bus = new MemoryBus();
    const process = createProcess(bus, 5);
    const kinds: string[] = [];
    await bus.start((record) => void kinds.push(record.kind));
    const record = { kind: "command", channel: "", node: "other", id: 1, keptUntil: 0 } as const;
    process.gathering.apply({ ...record, body: JSON.stringify(command) }, 1);
    process.gathering.apply({ ...record, body: JSON.stringify({ name: "info" }) }, 1);
    assert.deepEqual([process.done, kinds], [[command], []]);
    process.gathering.apply({ ...record, body: JSON.stringify(command) }, 0);
    assert.deepEqual([process.done.length, kinds], [2, ["answer"]]);
  });

  it("passes over what is malformed or of a later release: nothing is done, nothing thrown, nothing answered", async () => {
    const bus = new MemoryBus();
    const process = createProcess(bus, 5);
    const kinds: string[] = [];
    await bus.start((record) => void kinds.push(record.kind));
    const bodies = [
      "",
      "{",
      "null",
      "[]",
      "7",
      "{}",
      '{"name":"explode"}',
      '{"name":"disconnect"}',
      JSON.stringify({ ...command, users: "a" }),
      JSON.stringify({ ...command, users: [1] }),
      JSON.stringify({ ...command, connections: ["1"] }),
      JSON.stringify({ ...command, code: 1000 }),
      '{"name":"revoke","tokens":[],"users":["a"],"before":"now","until":1}',
      '{"name":"channels","pattern":">","after":"","limit":0}',
    ];
    for (const body of bodies)
      process.gathering.apply({ kind: "command", channel: "", node: "other", id: 1, body, keptUntil: 0 }, 0);
    assert.deepEqual([process.done, kinds], [[], []]);
    const answer = { kind: "answer", channel: "", node: bus.incarnation, id: 1, from: "other" } as const;
    for (const body of ["", "{}", '{"also":[1]}', '{"also":[],"result":{"connections":-1}}'])
      process.gathering.apply({ ...answer, body }, 0); // to nobody's question
  });

  it("a malformed answer counts as none", async () => {
    const bus = new MemoryBus();
    const process = createProcess(bus, 5, ["other"]);
    await bus.start(process.apply);
    const gathered = process.gathering.ask(command);
    const answer = { kind: "answer", channel: "", node: bus.incarnation, id: 1, from: "other" } as const;
    for (const body of ["", "{}", '{"also":[1]}', '{"also":[],"result":{"connections":-1}}'])
      process.gathering.apply({ ...answer, body }, 0);
    assert.deepEqual(await gathered, { results: [{ connections: 5 }], isPartial: true });
  });

  it("an answer that comes too late, of a process that stood still, counts for no call: not for the next one either", async () => {
    const bus = new MemoryBus();
    const process = createProcess(bus, 5, ["other"]);
    await bus.start(process.apply);
    const answer = (id: number, connections: number): void => {
      const body = JSON.stringify({ result: { connections }, also: [] });
      process.gathering.apply({ kind: "answer", channel: "", node: bus.incarnation, id, from: "other", body }, 0);
    };
    assert.equal((await process.gathering.ask(command)).isPartial, true);
    const next = process.gathering.ask(command);
    answer(1, 7);
    answer(2, 8);
    assert.deepEqual(await next, { results: [{ connections: 5 }, { connections: 8 }], isPartial: false });
  });

  it("lets no more than a thousand calls wait", async () => {
    const bus = new MemoryBus();
    const process = createProcess(bus, 5, ["silent"]);
    await bus.start(process.apply);
    const asked = Array.from({ length: 1001 }, () => process.gathering.ask(command));
    await assert.rejects(asked.at(-1)!, { code: "unavailable" });
    for (const gathered of await Promise.all(asked.slice(0, 1000))) assert.equal(gathered.isPartial, true);
    await sleep(0);
    assert.equal((await process.gathering.ask(command)).isPartial, true);
  });
});
