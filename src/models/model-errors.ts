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

/**
 * The value as the schema reads it. A known key or value that the schema leaves out throws "model-unsupported",
 * a value of the wrong kind "model-damaged", both with its path; `subject` opens the message.
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
  const issue = result.error.issues[0]!;
  const at = z.core.toDotPath([...path, ...issue.path]);
  if (issue.code === "unrecognized_keys") {
    const settings = issue.keys.map((key) => `${key} = ${JSON.stringify((issue.input as never)[key])}`);
    throw unsupported(where, `${subject}${settings.join(", ")} (at ${at})`);
  }
  if (issue.code === "invalid_value") {
    const setting = [...issue.path].reverse().find((key) => typeof key === "string");
    throw unsupported(
      where,
      `${subject}${setting ?? "value"} = ${JSON.stringify(issue.input)} (at ${at})`,
      issue.values.map(String),
    );
  }
  throw damaged(where, `${subject}${issue.message} at ${at}`);
}
