// Quantities as people read them: one spelling for every view. Machine-readable output never passes through here.

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** `value` with about three digits: 0.512, 5.12, 51.2, 512, 5120. */
function threeDigits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : 2);
}

/** Binary units, as memory sizes are sold: 1536 -> "1.50 KiB". */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  // 1023.5 KiB would print as "1024 KiB": it is the next unit already.
  while (Math.abs(value) >= 1023.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value.toFixed(0) : threeDigits(value)} ${BYTE_UNITS[unit]!}`;
}

const BYTES = /^(\d+(?:\.\d+)?(?:e\d+)?) ?(k|M|G)?(i?)B?$/;

/** "224", "12e6", "12MB" (10^6), "4MiB" (2^20) -> whole bytes; undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const [, amount, unit = "", binary] = BYTES.exec(text) ?? [];
  if (amount === undefined || (unit === "" && binary !== "")) return undefined;
  const bytes = Number(amount) * (binary === "" ? 1000 : 1024) ** ["", "k", "M", "G"].indexOf(unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** 0.25 -> "250 µs", 12.3 -> "12.3 ms", 1550 -> "1.55 s", 125_000 -> "2 min 5 s", 3_720_000 -> "1 h 2 min". */
export function formatDuration(durationMs: number): string {
  if (durationMs < 0) return `-${formatDuration(-durationMs)}`;
  if (durationMs === 0) return "0 ms";
  if (durationMs < 0.9995) return `${threeDigits(durationMs * 1000)} µs`;
  if (durationMs < 999.5) return `${threeDigits(durationMs)} ms`;
  if (durationMs < 59_950) return `${threeDigits(durationMs / 1000)} s`;
  const seconds = Math.round(durationMs / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(durationMs / 60_000);
  return `${formatCount(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

/** Whole numbers with thousands separators: 60000 -> "60,000". */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

/** "1 epoch", "2 epochs". */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : plural}`;
}

/** Cents from a dollar on, two significant digits below: "$12.34", "$0.058", "$0.0000020". */
export function formatUsd(amountUsd: number): string {
  if (amountUsd < 0) return `-${formatUsd(-amountUsd)}`;
  if (amountUsd === 0) return "$0";
  if (amountUsd < 1e-9) return "<$0.000000001";
  if (amountUsd >= 0.995) {
    return `$${amountUsd.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  }
  const firstDigit = Math.ceil(-Math.log10(amountUsd));
  return `$${amountUsd.toFixed(firstDigit + 1)}`;
}

/** A share of one: 0.981 -> "98.1%". */
export function formatPercent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}
