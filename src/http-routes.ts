// HTTP by a table: each row has a method, a path with named parts (`/runs/:run/:step`), and what answers.

import type { IncomingMessage, ServerResponse } from "node:http";

export interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The named parts of the path, decoded. */
  readonly path: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
}

export interface Route {
  readonly method: string;
  readonly path: RegExp;
  readonly handle: (call: Call) => void | Promise<void>;
}

export function route(method: string, path: string, handle: Route["handle"]): Route {
  return { method, path: new RegExp(`^${path.replace(/:(\w+)/g, "(?<$1>[^/]+)")}$`), handle };
}

/** Lets the first row that fits answer. False: none does, and nothing was answered. Throws what the row throws. */
export async function answerByRoutes(
  routes: readonly Route[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  const { pathname, searchParams: query } = new URL(request.url ?? "/", "http://server");
  for (const { method, path, handle } of routes) {
    const groups = request.method === method ? path.exec(pathname) : null;
    if (groups === null) continue;
    const parts = Object.entries(groups.groups ?? {}).map(([name, part]) => [name, decodeURIComponent(part)]);
    await handle({ request, response, query, path: Object.fromEntries(parts) as Record<string, string> });
    return true;
  }
  return false;
}

export function answerJson(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
