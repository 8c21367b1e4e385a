// The two ways in which a model.json is refused, and the check of JSON against a schema that throws them.

import { z } from "zod";
import { SltrainError } from "../errors.ts";

/** Keys and indices from the file's root. */
export type JsonPath = readonly PropertyKey[];

/** The model is sound, but sltrain cannot train it. `supported` says what could stand there instead. */
export function unsupported(where: string, what: string, supported: readonly string[] = []): SltrainError {
  return new SltrainError({
    code: "model-unsupported",
    message: `${where}: ${what} is not supported`,
    suggestions: supported.length === 0 ? [] : [`Supported: ${supported.join(", ")}.`],
  });
}

/** The text is no model that Keras or TensorFlow.js would write. */
export function damaged(where: string, what: string, cause?: unknown): SltrainError {
  return new SltrainError({ code: "model-damaged", message: `${where}: ${what}`, cause });
}

/** Throws them as one: the first that is damage, else all that is not supported. Nothing without errors. */
export function throwAll(errors: readonly SltrainError[], where: string): void {
  const [first, ...others] = errors;
  if (first === undefined) return;
  const damage = errors.find(({ code }) => code !== "model-unsupported");
  if (damage !== undefined || others.length === 0) throw damage ?? first;
  throw new SltrainError({
    code: "model-unsupported",
    message: [first.message, ...others.map(({ message }) => message.replace(`${where}: `, ""))].join("; "),
    suggestions: [...new Set(errors.flatMap(({ suggestions }) => suggestions))],
  });
}

/** What each `read` returns; their errors as `throwAll` throws them. */
export function readAll<T>(reads: readonly (() => T)[], where: string): readonly T[] {
  const errors: SltrainError[] = [];
  const results = reads.flatMap((read) => {
    try {
      return [read()];
    } catch (error) {
      if (!(error instanceof SltrainError)) throw error;
      errors.push(error);
      return [];
    }
  });
  throwAll(errors, where);
  return results;
}

/**
 * The value as the schema reads it. Known keys or values that the schema leaves out throw "model-unsupported",
 * a value of the wrong kind "model-damaged", both with their path; `subject` opens the message.
 */
export function check<T>(
  schema: z.ZodType<T>,
  value: unknown,
  where: string,
  path: JsonPath,
  subject = "",
): T {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const errors = result.error.issues.map((issue) => issueError(issue, where, path, subject));
  throwAll(errors, where);
  throw result.error;
}

function issueError(issue: z.core.$ZodIssue, where: string, path: JsonPath, subject: string): SltrainError {
  const at = z.core.toDotPath([...path, ...issue.path]);
  if (issue.code === "unrecognized_keys") {
    const settings = issue.keys.map((key) => `${key} = ${JSON.stringify((issue.input as never)[key])}`);
    return unsupported(where, `${subject}${settings.join(", ")} (at ${at})`);
  }
  if (issue.code === "invalid_value") {
    const setting = [...issue.path].reverse().find((key) => typeof key === "string");
    const what = `${subject}${setting ?? "value"} = ${JSON.stringify(issue.input)} (at ${at})`;
    return unsupported(where, what, issue.values.map(String));
  }
  return damaged(where, `${subject}${issue.message} at ${at}`);
}
