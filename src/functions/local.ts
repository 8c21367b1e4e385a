// local:http://127.0.0.1:PORT/NAME: a function of the local service (providers/local/), by the same request as on AWS,
// without a signature and without the SDK: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html

import { SltrainError } from "../errors.ts";
import { encodeEvent, type Functions } from "./functions.ts";

const LOCATION = /^(http:\/\/127\.0\.0\.1:\d{1,5})\/([A-Za-z0-9_-]{1,64})$/;
const ACCEPTED = 202;
const ANSWER_TIMEOUT_MS = 10_000;

export function localUri(endpoint: string, name: string): string {
  return `local:${endpoint}/${name}`;
}

/** Throws SltrainError "functions-unknown" for a location of another form. */
export async function open(location: string): Promise<Functions> {
  const [, endpoint, name] = LOCATION.exec(location) ?? [];
  if (endpoint === undefined || name === undefined) {
    throw new SltrainError({
      code: "functions-unknown",
      message: `functions: expected local:http://127.0.0.1:PORT/NAME, got ${JSON.stringify(`local:${location}`)}`,
    });
  }
  // By its default export: the bundle of functions has its names only there.
  const { default: undici } = await import("undici");
  const pool = new undici.Pool(endpoint, { connections: 4, headersTimeout: ANSWER_TIMEOUT_MS });
  return {
    async invoke(event) {
      const request = {
        method: "POST",
        path: `/2015-03-31/functions/${name}/invocations`,
        headers: { "content-type": "application/json", "x-amz-invocation-type": "Event" },
        body: encodeEvent(event),
      } as const;
      const { statusCode, body } = await pool.request(request).catch((cause: unknown) => {
        throw unreachable(endpoint, cause);
      });
      const text = await body.text();
      if (statusCode !== ACCEPTED) throw refused(location, statusCode, text);
    },
    close: () => pool.close(),
  };
}

function unreachable(endpoint: string, cause: unknown): SltrainError {
  return new SltrainError({
    code: "functions-unreachable",
    message: `functions: expected the local service at ${endpoint} to answer, got ${String(cause)}`,
    cause,
    suggestions: ["It ends when it is idle; `sltrain train --run-id ID` starts another one for the run."],
    retryable: true,
  });
}

function refused(location: string, status: number, answer: string): SltrainError {
  const code =
    status === 429 ? "functions-throttled" : status === 404 ? "function-missing" : "functions-unreachable";
  return new SltrainError({
    code,
    message: `functions: expected ${location} to be invoked, got status ${status} ${answer}`,
    retryable: status === 429 || status >= 500,
  });
}
