/** k8s/ as kustomize builds it, against the schemas of Kubernetes and against what the gateway itself says. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { parse, parseAllDocuments } from "yaml";
import { loadConfig } from "../../src/config/load-config.ts";
import { healthPaths } from "../../src/metrics/health.ts";
import { kustomize } from "../support/kubectl.ts";
import { faultsOf } from "./schema.ts";

const inProject = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

// biome-ignore lint/suspicious/noExplicitAny: YAML of many kinds, whose shapes the schemas check
type Manifest = any;

const built: Record<string, Manifest[]> = {};
for (const overlay of ["dev", "production"]) {
  const text = await kustomize(inProject(`k8s/overlays/${overlay}`));
  built[overlay] = parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

const find = (overlay: string, kind: string, name = "tidegate"): Manifest => {
  const found = built[overlay]!.find((one) => one.kind === kind && one.metadata.name.startsWith(name));
  assert.ok(found, `${overlay} has no ${kind} ${name}`);
  return found;
};

describe("The check of manifests", () => {
  const deployment = (): Manifest => structuredClone(find("dev", "Deployment", "tidegate"));
  const broken: [string, (one: Manifest) => void, RegExp][] = [
    ["a wrong type", (one) => (one.spec.replicas = "2"), /replicas: type/],
    ["a missing field", (one) => delete one.spec.selector, /spec: required .*selector/],
    ["an unknown field on top", (one) => (one.sepc = {}), /sepc: unknown field/],
    [
      "an unknown field deep down",
      (one) => (one.spec.template.spec.containers[0].prots = []),
      /0\/prots: unknown field/,
    ],
  ];
  for (const [fault, breakIt, wanted] of broken)
    it(`finds ${fault}`, () => {
      const one = deployment();
      breakIt(one);
      assert.match(faultsOf(one).join("\n"), wanted);
    });
});

for (const overlay of ["dev", "production"])
  describe(`k8s/overlays/${overlay}`, () => {
    it("is valid, every field known", () => {
      assert.ok(built[overlay]!.length >= 8);
      assert.deepEqual(built[overlay]!.flatMap(faultsOf), []);
    });

    it("mounts config/production.yaml as it is", async () => {
      const map = find(overlay, "ConfigMap");
      assert.equal(map.data["production.yaml"], await readFile(inProject("config/production.yaml"), "utf8"));
      const { volumes } = find(overlay, "Deployment", "tidegate").spec.template.spec;
      assert.equal(volumes[0].configMap.name, map.metadata.name);
    });

    it("is a configuration that the gateway accepts without a warning, on its ports", () => {
      const [container] = find(overlay, "Deployment", "tidegate").spec.template.spec.containers;
      const secrets: Record<string, string> = {
        "auth-secret": "x".repeat(32),
        "redis-url": "redis://redis:6379",
        "api-keys": `${"a".repeat(16)},${"b".repeat(16)}`,
      };
      const env = Object.fromEntries(
        container.env.map((one: Manifest) => [one.name, one.value ?? secrets[one.valueFrom.secretKeyRef.key]]),
      );
      const { config, warnings } = loadConfig({ file: inProject("config/production.yaml"), env, flags: {} });
      assert.deepEqual(warnings, []);
      const ports = container.ports.map((port: Manifest) => port.containerPort);
      assert.deepEqual(ports, [config.port, config.adminPort]);
      assert.equal(config.redis.enabled, true);
      // Other pods are answered by a key alone: the Service of the admin port would be of no use without.
      assert.equal(config.api.keys.length, 2);
    });

    it("asks whether a pod lives where that is answered without Redis, and whether it is ready where clients come", () => {
      const [{ startupProbe, livenessProbe, readinessProbe }] = find(overlay, "Deployment", "tidegate").spec.template
        .spec.containers;
      for (const { httpGet } of [startupProbe, livenessProbe])
        assert.deepEqual(httpGet, { path: "/healthz", port: "admin" });
      assert.deepEqual(readinessProbe.httpGet, { path: "/readyz", port: "clients" });
    });

    it("holds no more clients than fit into its memory, beside everything else that it may take", async () => {
      const [{ env, resources }] = find(overlay, "Deployment", "tidegate").spec.template.spec.containers;
      const { value } = env.find(({ name }: Manifest) => name === "TIDEGATE_MAX_CONNECTIONS");
      const { config } = loadConfig({ env: {}, flags: {} });
      const [bytesOfClient, bytesOfProcess] = [7 * 1024, 150 * 2 ** 20];
      const taken = config.history.bytesMax + config.redis.queueBytesMax + bytesOfProcess + value * bytesOfClient;
      assert.equal(resources.limits.memory, "1Gi");
      assert.ok(taken < 2 ** 30, `${taken}`);
    });

    it("gives a drain the time that it needs, and the probes less than its delay", async () => {
      const { terminationGracePeriodSeconds, containers } = find(overlay, "Deployment", "tidegate").spec.template.spec;
      const [{ lifecycle, readinessProbe }] = containers;
      const { drain } = parse(await readFile(inProject("config/production.yaml"), "utf8"));
      const preStopSeconds = Number(lifecycle.preStop.exec.command[1]);
      assert.ok(terminationGracePeriodSeconds >= preStopSeconds + drain.delaySeconds + drain.seconds + 2 + 5);
      // The next node goes when the new one is available: not before the last drain has ended.
      const { minReadySeconds, progressDeadlineSeconds = 600 } = find(overlay, "Deployment", "tidegate").spec;
      assert.ok(minReadySeconds >= preStopSeconds + drain.delaySeconds + drain.seconds + 2);
      assert.ok(progressDeadlineSeconds > minReadySeconds + 60);
      const { periodSeconds, failureThreshold, timeoutSeconds } = readinessProbe;
      assert.ok(periodSeconds * failureThreshold + timeoutSeconds < drain.delaySeconds);
    });

    it("runs every container without rights, on a read-only file system and without a token", () => {
      const deployments = built[overlay]!.filter(({ kind }) => kind === "Deployment");
      for (const { spec } of deployments) {
        const pod = spec.template.spec;
        assert.equal(pod.automountServiceAccountToken, false);
        assert.equal(pod.securityContext.runAsNonRoot, true);
        for (const { securityContext } of pod.containers) {
          assert.equal(securityContext.readOnlyRootFilesystem, true);
          assert.equal(securityContext.allowPrivilegeEscalation, false);
          assert.deepEqual(securityContext.capabilities, { drop: ["ALL"] });
        }
      }
    });

    it("keeps the admin port apart from the clients' Service, and from everybody but those who are named", () => {
      const portsOf = (name: string): unknown[] =>
        built[overlay]!.find((one) => one.kind === "Service" && one.metadata.name === name)!.spec.ports.map(
          ({ targetPort }: Manifest) => targetPort,
        );
      assert.deepEqual(portsOf("tidegate"), ["clients"]);
      assert.deepEqual(portsOf("tidegate-admin"), ["admin"]);
      const rules = find(overlay, "NetworkPolicy").spec.ingress;
      for (const { ports, from } of rules)
        if (ports.some(({ port }: Manifest) => port !== "clients")) assert.ok(from.length > 0);
    });

    it("selects the pods that it makes", () => {
      const labels = find(overlay, "Deployment", "tidegate").spec.template.metadata.labels;
      assert.equal(labels["app.kubernetes.io/name"], "tidegate");
      const selectors = [
        find(overlay, "Service").spec.selector,
        find(overlay, "PodDisruptionBudget").spec.selector.matchLabels,
        find(overlay, "NetworkPolicy").spec.podSelector.matchLabels,
      ];
      for (const selector of selectors)
        for (const [key, value] of Object.entries(selector)) assert.equal(labels[key], value);
    });
  });

describe("k8s/overlays/production", () => {
  it("runs the image of this version", async () => {
    const { version } = JSON.parse(await readFile(inProject("package.json"), "utf8"));
    const [{ image }] = find("production", "Deployment").spec.template.spec.containers;
    assert.equal(image, `registry.example.com/tidegate:${version}`);
  });

  it("has no secret in it", () => {
    assert.equal(
      built.production!.some(({ kind }) => kind === "Secret"),
      false,
    );
  });

  it("lets a WebSocket be silent for longer than the gateway does", () => {
    const { annotations } = find("production", "Ingress").metadata;
    const { config } = loadConfig({ env: {}, flags: {} });
    for (const direction of ["read", "send"])
      assert.ok(
        Number(annotations[`nginx.ingress.kubernetes.io/proxy-${direction}-timeout`]) > config.connectionTimeout,
      );
  });

  it("serves the clients' path to the world, and no health page", () => {
    const [{ http }] = find("production", "Ingress").spec.rules;
    for (const { path, pathType } of http.paths) {
      assert.equal(pathType, "Exact"); // a prefix would have /readyz in it, which tells what is wrong
      assert.ok(!healthPaths.includes(path));
    }
  });

  it("has the rules and alerts of config/rules for the operator", async () => {
    const { groups } = parse(await readFile(inProject("config/rules/tidegate.yml"), "utf8"));
    assert.deepEqual(find("production", "PrometheusRule").spec.groups, groups);
  });

  it("scrapes the Service of the admin port, under the job that the rules ask for", () => {
    const { selector, endpoints, jobLabel } = find("production", "ServiceMonitor").spec;
    const service = find("production", "Service", "tidegate-admin");
    for (const [key, value] of Object.entries(selector.matchLabels)) assert.equal(service.metadata.labels[key], value);
    assert.equal(service.metadata.labels[jobLabel], "tidegate");
    assert.equal(service.spec.ports[0].name, endpoints[0].port);
  });
});
