/**
 * The OpenAPI 3.1 document of the server API, made of the schemas that check the calls: what it says is what is done.
 * Source: OpenAPI Specification 3.1.1; its schemas are JSON Schema 2020-12, which zod writes.
 */
import { z } from "zod";
import { callError } from "../calls/call-schemas.ts";
import { type CallName, type CallRow, callNames, callPath, callTable } from "../calls/call-table.ts";

export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly paths: Readonly<Record<string, { readonly post: Operation }>>;
  readonly components: object;
  readonly security: readonly object[];
  readonly servers: readonly object[];
}

interface Operation {
  readonly operationId: CallName;
  readonly summary: string;
  readonly requestBody: object;
  readonly responses: Readonly<Record<string, object>>;
}

/** `needsKey`: there are keys, so nobody comes in without one. */
export function openApiDocument(version: string, needsKey: boolean): OpenApiDocument {
  return {
    openapi: "3.1.1",
    info: {
      title: "Tidegate server API",
      version,
      description:
        "For backends: publish to channels, ask who is there, send connections away. Every call acts on all nodes and " +
        "workers. Keep it away from the internet, and its keys away from browsers.",
    },
    servers: [{ url: "/" }],
    security: [{ bearer: [] }, { header: [] }, ...(needsKey ? [] : [{}])],
    paths: Object.fromEntries(callNames.map((name) => [callPath(name), { post: operation(name) }])),
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "A key of `api.keys`." },
        header: { type: "apiKey", in: "header", name: "X-API-Key", description: "The same key." },
      },
      schemas: { Error: jsonSchema(z.strictObject({ error: callError }), "output") },
      responses: Object.fromEntries(
        errors.map(([status, { name, description }]) => [name, errorResponse(status, description)]),
      ),
    },
  };
}

function operation(name: CallName): Operation {
  const { summary, input, result }: CallRow = callTable[name];
  const answer = { schema: jsonSchema(z.strictObject({ result }), "output") };
  const lines = name === "batch" ? { "application/x-ndjson": { schema: { type: "string" } } } : {};
  return {
    operationId: name,
    summary,
    requestBody: {
      required: true,
      content: { "application/json": { schema: jsonSchema(input, "input") }, ...lines },
    },
    responses: {
      "200": { description: "Carried out.", content: { "application/json": answer, ...lines } },
      ...Object.fromEntries(errors.map(([status, { name }]) => [status, { $ref: `#/components/responses/${name}` }])),
    },
  };
}

/** Every status besides 200 that a call may be answered with. */
const errors = Object.entries({
  400: { name: "Invalid", description: "A field is missing, unknown, of a wrong type or out of range; or no JSON." },
  401: { name: "Unauthorized", description: "No API key, or a wrong one." },
  403: { name: "Forbidden", description: "From another machine without a key; a foreign Host or Origin." },
  404: { name: "NotFound", description: "What the call names does not exist, or the channel has no such thing." },
  405: { name: "MethodNotAllowed", description: "Only POST is." },
  408: { name: "Timeout", description: "The body did not come in time." },
  413: { name: "TooLarge", description: "The body, a message or a batch is too large." },
  415: { name: "UnsupportedMediaType", description: "The body is not application/json." },
  429: { name: "TooManyRequests", description: "Of this API key; Retry-After says when to come again." },
  500: { name: "Internal", description: "The gateway's log tells why." },
  503: { name: "Unavailable", description: "The log is away, or a process did not answer. Try again." },
} as const);

function errorResponse(status: string, description: string): object {
  const content = { "application/json": { schema: { $ref: "#/components/schemas/Error" } } };
  const retry = { "Retry-After": { description: "Seconds.", schema: { type: "integer" } } };
  const allow = { Allow: { schema: { type: "string" } } };
  const headers =
    status === "429" || status === "503" ? { headers: retry } : status === "405" ? { headers: allow } : {};
  return { description, ...headers, content };
}

/** Without `$schema`: the document's dialect is its own. */
function jsonSchema(schema: z.ZodType, io: "input" | "output"): object {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io, target: "draft-2020-12" });
  return rest;
}
