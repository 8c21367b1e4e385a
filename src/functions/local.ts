// local:http://127.0.0.1:PORT/NAME: a function of the local service (providers/local/), by the same request as on AWS,
// without a signature and without the SDK: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html

import { text } from "node:stream/consumers";
import { SltrainError } from "../errors.ts";
import { Agent, request } from "../node-http.ts";
import { encodeEvent, type Functions } from "./functions.ts";

const LOCATION = /^(http:\/\/127\.0\.0\.1:\d{1,5})\/([A-Za-z0-9_-]{1,64})$/;
const ACCEPTED = 202;
const ANSWER_TIMEOUT_MS = 10_000;

export function localUri(endpoint: string, name: string): string {
  return `local:${endpoint}/${name}`;
}

/**
 * Throws SltrainError "functions-unknown" for a location of another form. Posts by node:http, which the function's runtime has
 * loaded already: to load another client took a cold successor 100 ms, while its peers waited for it.
 */
export function open(location: string): Promise<Functions> {
  return Promise.resolve(functionsAt(location));
}

function functionsAt(location: string): Functions {
  const [, endpoint, name] = LOCATION.exec(location) ?? [];
  if (endpoint === undefined || name === undefined) {
    throw new SltrainError({
      code: "functions-unknown",
      message: `functions: expected local:http://127.0.0.1:PORT/NAME, got ${JSON.stringify(`local:${location}`)}`,
    });
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  return {
    async invoke(event) {
      const url = `${endpoint}/2015-03-31/functions/${name}/invocations`;
      const { status, body } = await post(url, encodeEvent(event), agent).catch((cause: unknown) => {
        throw unreachable(endpoint, cause);
      });
      if (status !== ACCEPTED) throw refused(location, status, body);
    },
    close() {
      agent.destroy();
      return Promise.resolve();
    },
  };
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

function post(url: string, content: string | Uint8Array, agent: InstanceType<typeof Agent>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(content),
      "x-amz-invocation-type": "Event",
    };
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const sent = request(url, { method: "POST", agent, headers, signal }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    sent.once("error", reject);
    sent.end(content);
  });
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
