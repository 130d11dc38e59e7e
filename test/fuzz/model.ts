/**
 * A second opinion on every frame: what protocol.md says about these bytes, written plainly and without a look at the
 * decoder. Slow, and short enough to be checked by reading.
 */

export type Verdict = { readonly code: string } | { readonly message: Record<string, unknown> };
export interface ModelLimits {
  readonly depthMax: number;
  readonly batchItemsMax: number;
}

/** The verdict on a JSON frame. */
export function judgeText(bytes: Uint8Array, limits: ModelLimits): Verdict {
  try {
    return judge(JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)), limits, false);
  } catch {
    return { code: "invalid_message" };
  }
}

/** The verdict on a MessagePack frame. */
export function judgeBytes(bytes: Uint8Array, limits: ModelLimits): Verdict {
  const reader = new NaiveReader(bytes);
  let frame: unknown;
  try {
    frame = reader.value(0);
    if (reader.at !== bytes.length) throw new Error("more than one value");
  } catch {
    return { code: "invalid_message" };
  }
  return judge(frame, limits, false);
}

type Check = (value: unknown, limits: ModelLimits) => boolean;
const isText: Check = (value) => typeof value === "string";
const isShort: Check = (value) => typeof value === "string" && value.length >= 1 && value.length <= 128;
const isFlag: Check = (value) => value === true || value === false;
const isCount: Check = (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 53;
const isIds: Check = (value) => Array.isArray(value) && value.every((id) => ["string", "number"].includes(typeof id));
const isOptions: Check = (value) => {
  if (!isMap(value)) return false;
  const { since, history, presence } = value;
  const isPosition = isAbsent(since) || (isMap(since) && isShort(since.offset, none) && isShort(since.epoch, none));
  return isPosition && (isAbsent(history) || isCount(history, none)) && (isAbsent(presence) || isFlag(presence, none));
};
const none: ModelLimits = { depthMax: 0, batchItemsMax: 0 };

/** The optional fields of each action, beside its required ones. */
const optional: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  subscribe: { options: isOptions, token: isText },
  unsubscribe: {},
  message: { echo: isFlag, key: isShort, recipients: isIds, users: isIds, connections: isIds },
  authenticate: {},
  presence: {},
  history: { limit: isCount, before: isShort },
  ping: {},
  pong: {},
  batch: {},
};
const withChannel = ["subscribe", "unsubscribe", "message", "presence", "history"];

function judge(frame: unknown, limits: ModelLimits, isItem: boolean): Verdict {
  if (!isMap(frame) || typeof frame.action !== "string") return { code: "invalid_message" };
  const { action } = frame;
  const fields = Object.hasOwn(optional, action) ? optional[action] : undefined;
  if (fields === undefined) return { code: "unknown_action" };
  if (isItem && action === "batch") return { code: "invalid_message" };
  const data = isAbsent(frame.data) ? {} : frame.data;
  if (!isMap(data)) return { code: "invalid_field" };
  const code = faultOfRequired(action, data, limits);
  if (code !== undefined) return { code };
  for (const [name, isRight] of Object.entries(fields))
    if (!isAbsent(data[name]) && !isRight(data[name], limits)) return { code: "invalid_field" };
  const id = typeof frame.id === "string" || Number.isFinite(frame.id) ? { id: frame.id } : {};
  return { message: { action, ...(action === "pong" ? {} : id), ...contentOf(action, data, limits) } };
}

function faultOfRequired(action: string, data: Record<string, unknown>, limits: ModelLimits): string | undefined {
  if (withChannel.includes(action)) {
    if (isAbsent(data.channel)) return "missing_field";
    if (typeof data.channel !== "string") return "invalid_field";
    if (!isName(data.channel)) return "invalid_channel";
  }
  if (action === "message") {
    if (data.message === undefined) return "missing_field";
    if (!isJson(data.message) || depthOf(data.message) > limits.depthMax) return "invalid_field";
  }
  if (action === "authenticate") {
    if (isAbsent(data.token)) return "missing_field";
    if (typeof data.token !== "string") return "invalid_field";
  }
  if (action === "batch") {
    if (isAbsent(data.items)) return "missing_field";
    if (!Array.isArray(data.items) || data.items.length > limits.batchItemsMax) return "invalid_field";
  }
  return undefined;
}

/** What the gateway knows of a good frame, absent fields left out. */
function contentOf(action: string, data: Record<string, unknown>, limits: ModelLimits): Record<string, unknown> {
  const given = (...names: string[]) =>
    Object.fromEntries(names.filter((name) => !isAbsent(data[name])).map((name) => [name, data[name]]));
  switch (action) {
    case "subscribe": {
      const { since, history, presence } = (data.options ?? {}) as Record<string, unknown>;
      const { offset, epoch } = (since ?? {}) as Record<string, unknown>;
      const position = isAbsent(since) ? {} : { since: { offset, epoch } };
      return { ...given("channel", "token"), ...position, history: history ?? 0, presence: presence ?? false };
    }
    case "message":
      return { ...given("channel", "echo", "key"), messageJson: JSON.stringify(data.message), ...targetOf(data) };
    case "batch":
      return { items: (data.items as unknown[]).map((item) => judge(item, limits, true)) };
    default:
      return given(
        ...({ history: ["channel", "limit", "before"], authenticate: ["token"] }[action] ??
          (withChannel.includes(action) ? ["channel"] : [])),
      );
  }
}

/** Empty `recipients` are everyone, empty `connections` or `users` nobody. */
function targetOf({ recipients, connections, users }: Record<string, unknown>): Record<string, unknown> {
  const named = (recipients ?? []) as unknown[];
  if (named.length === 0 && isAbsent(connections) && isAbsent(users)) return {};
  const ids = [...named, ...((connections ?? []) as unknown[])].map((id) => Number(id));
  const isId = (id: number) => Number.isInteger(id) && Math.abs(id) < 2 ** 53;
  return { target: { connections: ids.filter(isId), users: ((users ?? []) as unknown[]).map((user) => `${user}`) } };
}

const isAbsent = (value: unknown): boolean => value === undefined || value === null;
const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && value.constructor !== Foreign && !Array.isArray(value);

function isName(name: string): boolean {
  const words = name.split(".");
  return (
    Buffer.byteLength(name) <= 200 &&
    words.every((word) => word !== "" && [...word].every((c) => wordCharacters.includes(c)))
  );
}
const wordCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

function isJson(value: unknown): boolean {
  if (value === null || typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (Array.isArray(value)) return value.every(isJson);
  return isMap(value) && Object.values(value).every(isJson);
}

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

/** Binary or a timestamp: a value, and nothing that JSON has. */
class Foreign {}

/** MessagePack by its specification, without what clients must not send. */
class NaiveReader {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes);
  }

  value(depth: number): unknown {
    if (depth >= 512) throw new Error("too deep");
    const first = this.#take(1).readUInt8();
    if (first < 0x80) return first;
    if (first < 0x90) return this.#map(first - 0x80, depth);
    if (first < 0xa0) return this.#array(first - 0x90, depth);
    if (first < 0xc0) return this.#text(first - 0xa0);
    if (first >= 0xe0) return first - 256;
    const read = this.#long[first];
    if (read === undefined) throw new Error("an extension, or nothing");
    return read(depth);
  }

  readonly #long: Readonly<Record<number, (depth: number) => unknown>> = {
    192: () => null,
    194: () => false,
    195: () => true,
    196: () => this.#foreign(this.#take(1).readUInt8()),
    197: () => this.#foreign(this.#take(2).readUInt16BE()),
    198: () => this.#foreign(this.#take(4).readUInt32BE()),
    199: () => this.#extension(this.#take(1).readUInt8(), [12]),
    202: () => this.#take(4).readFloatBE(),
    203: () => this.#take(8).readDoubleBE(),
    204: () => this.#take(1).readUInt8(),
    205: () => this.#take(2).readUInt16BE(),
    206: () => this.#take(4).readUInt32BE(),
    207: () => Number(this.#take(8).readBigUInt64BE()),
    208: () => this.#take(1).readInt8(),
    209: () => this.#take(2).readInt16BE(),
    210: () => this.#take(4).readInt32BE(),
    211: () => Number(this.#take(8).readBigInt64BE()),
    212: () => {
      if (this.#take(2).readUInt8() !== 0) throw new Error("not undefined");
      return undefined;
    },
    214: () => this.#extension(4, [4]),
    215: () => this.#extension(8, [8]),
    217: () => this.#text(this.#take(1).readUInt8()),
    218: () => this.#text(this.#take(2).readUInt16BE()),
    219: () => this.#text(this.#take(4).readUInt32BE()),
    220: (depth) => this.#array(this.#take(2).readUInt16BE(), depth),
    221: (depth) => this.#array(this.#take(4).readUInt32BE(), depth),
    222: (depth) => this.#map(this.#take(2).readUInt16BE(), depth),
    223: (depth) => this.#map(this.#take(4).readUInt32BE(), depth),
  };

  #take(count: number): Buffer {
    if (this.at + count > this.#bytes.length) throw new Error("cut off");
    this.at += count;
    return this.#bytes.subarray(this.at - count, this.at);
  }

  #text(length: number): string {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.#take(length));
  }

  #foreign(length: number): Foreign {
    this.#take(length);
    return new Foreign();
  }

  #extension(length: number, lengths: readonly number[]): Foreign {
    if (!lengths.includes(length) || this.#take(1).readInt8() !== -1) throw new Error("no timestamp");
    return this.#foreign(length);
  }

  #array(length: number, depth: number): unknown[] {
    const values: unknown[] = [];
    for (let i = 0; i < length; i += 1) values.push(this.value(depth + 1));
    return values;
  }

  #map(length: number, depth: number): Record<string, unknown> {
    const entries: Record<string, unknown> = {};
    for (let i = 0; i < length; i += 1) {
      const token = this.#bytes[this.at] ?? 0;
      if (!(token >= 0xa0 && token <= 0xbf) && !(token >= 0xd9 && token <= 0xdb)) throw new Error("no text for a key");
      const key = String(this.value(0));
      if (key === "__proto__") throw new Error("a key that no reader keeps");
      entries[key] = this.value(depth + 1);
    }
    return entries;
  }
}
