/** Numbers and times as people read them. Pure. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (value: number): string => (value < 100_000 ? whole.format(value) : compact.format(value));

/** A rate: small ones with a digit behind the point, where they need one. */
export const rate = (value: number): string =>
  value >= 100 || Number.isInteger(value) ? count(value) : value.toFixed(1);

export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let scaled = value;
  let unit = 0;
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${scaled >= 100 || unit === 0 ? Math.round(scaled) : scaled.toFixed(1)} ${units[unit]}`;
}

/** Of a latency; `undefined`: there was none. */
export function latency(seconds: number | undefined): string {
  if (seconds === undefined) return "–";
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${trimmed(seconds * 1000)} ms`;
  return `${trimmed(seconds)} s`;
}

const trimmed = (value: number): string => (value >= 10 ? value.toFixed(0) : value.toFixed(1));

export const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** The two largest units. */
export function duration(seconds: number): string {
  const steps = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ] as const;
  const at = Math.max(
    0,
    steps.findIndex(([, length]) => seconds >= length),
  );
  const [unit, length] = steps[at]!;
  if (seconds < 1) return "0 s";
  const next = steps[at + 1];
  const rest = next === undefined ? 0 : Math.floor((seconds % length) / next[1]);
  return `${Math.floor(seconds / length)} ${unit}${rest === 0 || next === undefined ? "" : ` ${rest} ${next[0]}`}`;
}

export const clockTime = (date: Date): string => date.toLocaleTimeString("en-GB");
