/**
 * Manifests against the Kubernetes schemas. The compiled validators of `kubernetes-models` find wrong types and missing
 * fields, and pass over fields that they do not know. But they look at every field that the schema has: a field that they
 * never looked at is unknown.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);

const schemas: Readonly<Record<string, string>> = {
  "v1/ConfigMap": "IoK8sApiCoreV1ConfigMap",
  "v1/Namespace": "IoK8sApiCoreV1Namespace",
  "v1/Secret": "IoK8sApiCoreV1Secret",
  "v1/Service": "IoK8sApiCoreV1Service",
  "apps/v1/Deployment": "IoK8sApiAppsV1Deployment",
  "autoscaling/v2/HorizontalPodAutoscaler": "IoK8sApiAutoscalingV2HorizontalPodAutoscaler",
  "networking.k8s.io/v1/Ingress": "IoK8sApiNetworkingV1Ingress",
  "networking.k8s.io/v1/NetworkPolicy": "IoK8sApiNetworkingV1NetworkPolicy",
  "policy/v1/PodDisruptionBudget": "IoK8sApiPolicyV1PodDisruptionBudget",
  "monitoring.coreos.com/v1/PrometheusRule": "MonitoringCoreosComV1PrometheusRule",
  "monitoring.coreos.com/v1/ServiceMonitor": "MonitoringCoreosComV1ServiceMonitor",
};

interface Validate {
  (data: unknown): boolean;
  errors: readonly { readonly instancePath: string; readonly keyword: string; readonly params: unknown }[] | null;
}

/** Everything that is wrong with `manifest`, a line each; empty where it is valid. */
export function faultsOf(manifest: { readonly apiVersion: string; readonly kind: string }): string[] {
  const type = `${manifest.apiVersion}/${manifest.kind}`;
  const name = schemas[type];
  if (name === undefined) return [`${type}: no schema for it in this test`];
  const isOperator = type.startsWith("monitoring.coreos.com");
  const home = dirname(require.resolve(isOperator ? "@kubernetes-models/prometheus-operator" : "kubernetes-models"));
  const { validate } = require(join(home, "_schemas", `${name}.js`)) as { validate: Validate };
  const unread = new Set<string>();
  const isValid = validate(watched(manifest, type, unread));
  const errors = isValid ? [] : (validate.errors ?? []);
  return [
    ...errors.map(
      ({ instancePath, keyword, params }) => `${type}${instancePath}: ${keyword} ${JSON.stringify(params)}`,
    ),
    ...[...unread].map((path) => `${path}: unknown field`),
  ];
}

/** `value`, whose fields leave `unread` when they are looked at, one by one or as the keys of a map. */
function watched(value: unknown, path: string, unread: Set<string>): unknown {
  if (typeof value !== "object" || value === null) return value;
  const below = Object.entries(value).map(([key, inner]) => [key, watched(inner, `${path}/${key}`, unread)] as const);
  if (Array.isArray(value)) return below.map(([, inner]) => inner);
  for (const [key] of below) unread.add(`${path}/${key}`);
  return new Proxy(Object.fromEntries(below), {
    get(target, key) {
      unread.delete(`${path}/${String(key)}`);
      return target[key as string];
    },
    ownKeys(target) {
      for (const key of Object.keys(target)) unread.delete(`${path}/${key}`);
      return Reflect.ownKeys(target);
    },
  });
}
