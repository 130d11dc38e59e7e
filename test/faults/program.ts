/**
 * The gateway as it is shipped, JavaScript in a folder of its own; or the same with one protection taken out of its source,
 * so that a run can show that it would have failed without it.
 */
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";

/** A change of the source: `from`, which stands in `file` once, becomes `to`. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** Changes that each take one protection out. */
export const protections = {
  "replay of what was missed": {
    file: "channel/subscriptions.ts",
    from: "const entries = missed ?? history.latest(channel, request.history);",
    to: "const entries = missed === undefined ? history.latest(channel, request.history) : [];",
  },
  "proof of a recovery": {
    file: "channel/subscriptions.ts",
    from: "const missed = since && history.since(channel, since);",
    to: "const missed = since && (history.since(channel, since) ?? []);",
  },
  "idempotency keys": {
    file: "channel/idempotency.ts",
    from: "return seen !== undefined && !this.#isPast(seen.atMs, acceptedAtMs) ? seen.position : undefined;",
    to: "return undefined;",
  },
  "sequences of writers, against doubles": {
    file: "bus/shard-reader.ts",
    from: "if (sequence <= last) return this.#events.passed(entry.epoch);",
    to: "",
  },
  "sequences of writers, against gaps": {
    file: "bus/shard-reader.ts",
    from: "if (sequence > last + 1 && !isCovered) this.#broken(",
    to: "if (sequence > last + 1 && !isCovered && sequence < 0) this.#broken(",
  },
  "look at the cursor": {
    file: "bus/shard-reader.ts",
    from: "if (this.#cursor === beginning) return;",
    to: "if (this.#cursor !== undefined) return;",
  },
  "the new epoch": {
    file: "bus/shard.ts",
    from: "this.#enter(newEpoch(this.#epoch), reason, true);\n    this.probe();",
    to: "this.probe();",
  },
  "sending again": {
    file: "bus/shard-writer.ts",
    from: "this.#events.failed(error as Error);",
    to: "this.#events.failed(error as Error); added ??= { ms: Date.now(), sequence: 0 }; isConfirmed = true; break;",
  },
  "the wait for a replica": {
    file: "bus/shard-writer.ts",
    from: "if (durable) await this.#replicated();",
    to: "",
  },
  "the burial of the dead": {
    file: "bus/membership.ts",
    from: "if (quietMs() < this.leaseMs) return;",
    to: "if (quietMs() >= 0) return;",
  },
} as const satisfies Record<string, Change>;

export type Protection = keyof typeof protections;

/** No protection: a node of a later release, whose entries end with a record of a kind that this one does not know. */
export const laterRelease: Change = {
  file: "bus/entry-batch.ts",
  from: "this.companions.length, this.#bytes.subarray(0, this.#length));",
  to: `this.companions.length + 1,
    Buffer.concat([this.#bytes.subarray(0, this.#length), Buffer.from([0x92, 60, 0xa1, 0x78])]));`,
};

const project = fileURLToPath(new URL("../..", import.meta.url));
const built = new Map<Change | undefined, Promise<string>>();
const home = join(tmpdir(), `tidegate-faults-${process.pid}`);

/** The path of `main.js`, built once in this process. Rejects where the change does not fit the source. */
export function buildProgram(change?: Change): Promise<string> {
  let program = built.get(change);
  if (program === undefined) {
    program = build(join(home, String(built.size)), change);
    built.set(change, program);
  }
  return program;
}

/** The path of a program that embeds the gateway as it is shipped, see `embedding.ts`. */
export async function buildEmbedding(): Promise<string> {
  const path = join(dirname(await buildProgram()), "embedding.js");
  const text = await readFile(join(project, "test/faults/embedding.ts"), "utf8");
  await writeFile(path, await translated(text.replace("../../src/", "./")));
  return path;
}

/** Removes all that was built. */
export async function removePrograms(): Promise<void> {
  built.clear();
  await rm(home, { recursive: true, force: true });
}

async function build(folder: string, change: Change | undefined): Promise<string> {
  const source = join(project, "src");
  const paths = (await readdir(source, { recursive: true })).filter((path) => path.endsWith(".ts"));
  await mkdir(folder, { recursive: true });
  await Promise.all([
    cp(join(project, "package.json"), join(folder, "package.json")),
    cp(join(project, "config"), join(folder, "config"), { recursive: true }),
    symlink(join(project, "node_modules"), join(folder, "node_modules")),
    ...paths.map(async (path) => {
      const text = await readFile(join(source, path), "utf8");
      const to = join(folder, "dist", path.replace(/\.ts$/, ".js"));
      await mkdir(dirname(to), { recursive: true });
      await writeFile(to, await translated(path === change?.file ? changed(text, change) : text));
    }),
  ]);
  return join(folder, "dist", "main.js");
}

/** JavaScript of a source, which imports JavaScript. */
async function translated(text: string): Promise<string> {
  const { code } = await transform(text, {
    loader: "ts",
    format: "esm",
    target: "node20",
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
  });
  return code.replace(/(from |import\(|import )"(\.[^"]+)\.ts"/g, '$1"$2.js"');
}

function changed(text: string, { file, from, to }: Change): string {
  if (text.split(from).length !== 2)
    throw new Error(`cannot change ${file}: it must hold once what is replaced: ${from}`);
  return text.replace(from, () => to);
}
