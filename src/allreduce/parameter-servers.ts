// sltrain's own parameter servers (`sltrain ps serve`) as what carries a run's gradients: every rank sends each piece of
// its sums to the server that adds it, in rank order, and gets the mean back. Functions for the gradients, virtual
// machines for their sums: Carreira et al., "A case for serverless machine learning" (Cirrus), 2018, section 3.

import { SltrainError } from "../errors.ts";
import { paths } from "./ps/protocol.ts";

/** Where they are. What a worker is told of them is the URI; the token comes from its environment. */
export interface ParameterServers {
  /** `host:port` each, in the same order on every rank. */
  readonly servers: readonly string[];
  readonly token: string;
}

const SCHEME = "ps://";
const TOKEN_VARIABLE = "SLTRAIN_PS_TOKEN";
const DEFAULT_PORT = "7070";
const HOST_PORT = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/;
const ASK_TIMEOUT_MS = 5_000;

export function areParameterServers(uri: string): boolean {
  return uri.startsWith(SCHEME);
}

/** The name of what adds gradients: `ps:2` for two servers, which do that by themselves, else `reduce`. */
export function reduceThrough(channel: string, reduce: string): string {
  return areParameterServers(channel) ? `ps:${channel.split(",").length}` : reduce;
}

/**
 * `ps://host:port,host:port`, and the token of `env`. Throws SltrainError "ps-uri-invalid", or "token-missing"; a URI
 * holds no secret.
 */
export function parameterServers(uri: string, env: NodeJS.ProcessEnv): ParameterServers {
  const servers = uri.slice(SCHEME.length).replace(/\/$/, "").split(",");
  const distinct = new Set(servers).size === servers.length;
  if (!areParameterServers(uri) || !distinct || !servers.every((server) => HOST_PORT.test(server))) {
    throw new SltrainError({
      code: "ps-uri-invalid",
      // What stands before an @ may be a secret.
      message: `parameter servers: expected ps://HOST:PORT[,HOST:PORT…], each once, but got ${uri.replace(/\/\/.*@/, "//")}`,
      suggestions: [`A token goes into ${TOKEN_VARIABLE}, never into the URI.`],
    });
  }
  const token = env[TOKEN_VARIABLE];
  if (token === undefined || token === "") {
    throw new SltrainError({
      code: "token-missing",
      message: `parameter servers: expected their token in ${TOKEN_VARIABLE}, but got none`,
      suggestions: ["`sltrain ps serve` prints it when it starts, unless it was given one."],
    });
  }
  return {
    servers: servers.map((server) => (/:\d+$/.test(server) ? server : `${server}:${DEFAULT_PORT}`)),
    token,
  };
}

/** Throws SltrainError "ps-unreachable" or "ps-unauthorized", naming the server. */
export async function checkServers(servers: ParameterServers): Promise<void> {
  await askAll(servers, "GET", paths.root);
}

/** Lets the servers drop what they hold of a run: it is over, or begins anew. Throws as `checkServers`. */
export async function forgetRun(servers: ParameterServers, runId: string): Promise<void> {
  await askAll(servers, "DELETE", paths.run(runId));
}

async function askAll({ servers, token }: ParameterServers, method: string, path: string): Promise<void> {
  await Promise.all(
    servers.map(async (server) => {
      const { status } = await ask(server, { method, path, token });
      if (status === 401) throw unauthorized(server);
      if (status >= 300) throw unreachable(server, `status ${status}`);
    }),
  );
}

async function ask(
  server: string,
  { method, path, token }: { method: string; path: string; token: string },
): Promise<{ readonly status: number }> {
  try {
    const answer = await fetch(`http://${server}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
    });
    await answer.arrayBuffer();
    return answer;
  } catch (error) {
    const { cause } = error as Error;
    throw unreachable(server, cause instanceof Error ? cause.message : String(error), error);
  }
}

function unauthorized(server: string): SltrainError {
  return new SltrainError({
    code: "ps-unauthorized",
    message: `parameter server ${server}: expected its token in ${TOKEN_VARIABLE}, but got another one`,
    suggestions: [`Set ${TOKEN_VARIABLE} to what \`sltrain ps serve\` printed or was given.`],
  });
}

function unreachable(server: string, got: string, cause?: unknown): SltrainError {
  return new SltrainError({
    code: "ps-unreachable",
    message: `parameter server ${server}: expected an answer, but got ${got}`,
    cause,
    suggestions: [`Start it with \`sltrain ps serve\`, and see that this machine can reach ${server}.`],
    retryable: true,
  });
}
