// A report as JSON: five digits of a measurement are more than it is worth.

const DIGITS = 5;

export function reportJson(report: object): string {
  return JSON.stringify(report, (_, value: unknown) =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(DIGITS)) : value,
  );
}
