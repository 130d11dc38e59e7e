/** The image and the compose file, as far as they can be known without an engine: what they copy, name and set. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { BlockList } from "node:net";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/load-config.ts";

const inProject = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const read = (path: string): Promise<string> => readFile(inProject(path), "utf8");

interface Service {
  readonly environment: Record<string, string>;
  readonly networks: { readonly default: { readonly ipv4_address: string } };
  readonly volumes?: readonly string[];
  readonly ulimits: { readonly nofile: number };
  readonly stop_grace_period: string;
  readonly restart?: string;
}

interface Network {
  readonly ipam: { readonly config: readonly { readonly ip_range: string }[] };
}

const compose: { readonly services: Record<string, Service>; readonly networks: { readonly default: Network } } = parse(
  await read("k8s/compose.yaml"),
  { merge: true },
);
const { node1, node2, haproxy } = compose.services;
const addressOf = (service: Service | undefined): string => service!.networks.default.ipv4_address;

describe("k8s/Dockerfile", () => {
  it("copies what there is, and what .dockerignore lets through", async () => {
    const kept = (await read("k8s/Dockerfile.dockerignore")).split("\n").map((line) => line.replace(/^!/, ""));
    const copies = [...(await read("k8s/Dockerfile")).matchAll(/^COPY (?!--from)(.+) \S+$/gm)];
    const sources = copies.flatMap(([, paths]) => paths!.split(" "));
    assert.ok(sources.length >= 7);
    for (const source of sources) {
      assert.ok(existsSync(inProject(source)), `${source} is not there`);
      assert.ok(kept.includes(source), `${source} is ignored`);
    }
  });

  it("runs the latest Node that package.json allows", async () => {
    const bases = [...(await read("k8s/Dockerfile")).matchAll(/^FROM node:(\d+)-/gm)].map(([, major]) => Number(major));
    const [, firstUnknown] = /<(\d+)$/.exec(JSON.parse(await read("package.json")).engines.node)!;
    assert.deepEqual(bases, [Number(firstUnknown) - 1, Number(firstUnknown) - 1]);
  });
});

describe("k8s/compose.yaml", () => {
  it("has the addresses of config/haproxy.cfg and config/prometheus.yml", async () => {
    const [balanced, scraped] = [await read("config/haproxy.cfg"), await read("config/prometheus.yml")];
    for (const [index, node] of [node1, node2].entries()) {
      assert.ok(balanced.includes(`server node${index + 1} ${addressOf(node)}:9501`));
      assert.ok(scraped.includes(`${addressOf(node)}:9502`));
    }
  });

  it("is a configuration that the gateway accepts without a warning, and trusts the balancer", () => {
    for (const node of [node1!, node2!]) {
      const { config, warnings } = loadConfig({ env: node.environment, flags: {} });
      assert.deepEqual(warnings, []);
      assert.deepEqual(config.trustedProxies, [addressOf(haproxy)]);
      assert.ok(node.ulimits.nofile > config.maxConnections);
      assert.ok(Number.parseInt(node.stop_grace_period, 10) >= config.drain.delaySeconds + config.drain.seconds + 7);
    }
  });

  it("gives nobody an address that another one has by the file", () => {
    const [{ ip_range }] = compose.networks.default.ipam.config as [{ ip_range: string }];
    const [network, bits] = ip_range.split("/");
    const others = new BlockList();
    others.addSubnet(network!, Number(bits));
    for (const node of [node1, node2, haproxy]) assert.equal(others.check(addressOf(node)), false);
  });

  it("starts everything again after the machine", () => {
    for (const [name, { restart }] of Object.entries(compose.services)) assert.equal(restart, "unless-stopped", name);
  });

  it("mounts files that are there", () => {
    const mounted = Object.values(compose.services).flatMap(({ volumes = [] }) => volumes);
    const files = mounted.flatMap((volume) => /^\.\.\/([^:]+):/.exec(volume)?.[1] ?? []);
    assert.ok(files.length >= 4);
    for (const file of files) assert.ok(existsSync(inProject(file)), file);
  });
});
