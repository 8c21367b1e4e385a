// `--deadline 90m` or `--deadline 2026-11-24T08:00Z`: until when a run may go on.

import { SltrainError } from "../errors.ts";

const UNITS_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DURATION = /^(\d+(?:\.\d+)?)(s|m|h|d)$/;
/** A date alone would be midnight of some time zone; without a zone it is this machine's. */
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/;

export const deadlineForms = ["90m", "2h", "2026-11-24T08:00Z"] as const;

/** The moment that a run which starts at `start` has to end at. Throws SltrainError "deadline-invalid". */
export function parseDeadline(text: string, start: Date = new Date(0)): Date {
  const [, amount, unit] = DURATION.exec(text) ?? [];
  if (amount !== undefined && Number(amount) > 0) {
    return new Date(start.getTime() + Number(amount) * UNITS_MS[unit as keyof typeof UNITS_MS]);
  }
  const time = new Date(TIME.test(text) ? text : Number.NaN);
  if (!Number.isNaN(time.getTime())) return time;
  throw new SltrainError({
    code: "deadline-invalid",
    message: `expected a duration such as 90m or a time such as 2026-11-24T08:00Z, got ${JSON.stringify(text)}`,
    suggestions: ["Durations end in s, m, h or d; times are ISO 8601 with hours and minutes."],
  });
}
