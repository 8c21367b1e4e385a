// What AWS has no request for: faults on request, a look at the sandboxes, the end of the service. Only for whoever knows
// the token that the service was started with.

import { createHash, timingSafeEqual } from "node:crypto";
import { json } from "node:stream/consumers";
import { answerJson, type Call, route, type Route } from "../../http-routes.ts";
import type { DeliveryFault, Faults } from "./faults.ts";
import { type EndReason, type Match, matches } from "./invocation.ts";
import { LambdaError } from "./lambda-error.ts";
import type { Sandbox } from "./sandbox.ts";
import type { SandboxPool } from "./sandbox-pool.ts";

/** Of the service's environment; the arguments of a process are for all to read. */
export const CONTROL_TOKEN_VARIABLE = "SLTRAIN_LAMBDA_CONTROL_TOKEN";

export interface ControlOptions {
  readonly token: string;
  readonly pool: SandboxPool;
  readonly faults: Faults;
}

/** `{"match":{"rank":2},"signal":"SIGSTOP"}`, or an `end` as the service itself would make it. */
type SandboxFault = { readonly match: Match } & (
  { readonly signal: NodeJS.Signals } | { readonly end: EndReason }
);

export function controlRoutes({ token, pool, faults }: ControlOptions): Route[] {
  const row = (method: string, path: string, handle: (call: Call, body: unknown) => void): Route =>
    route(method, `/sltrain/${path}`, async (call) => {
      const body = method === "POST" ? await json(call.request) : undefined;
      if (!isToken(call, token))
        throw new LambdaError(403, "AccessDeniedException", { Message: "another token" });
      handle(call, body);
    });
  return [
    row("GET", "sandboxes", ({ response }) => answerJson(response, [...pool.sandboxes].map(described))),
    row("POST", "throttle", ({ response }, body) => {
      faults.throttle((body as { readonly forMs: number }).forMs);
      response.writeHead(204).end();
    }),
    row("POST", "deliveries", ({ response }, body) => {
      faults.disturb(body as DeliveryFault);
      response.writeHead(204).end();
    }),
    row("POST", "sandboxes", ({ response }, body) => {
      const fault = body as SandboxFault;
      const hit = [...pool.sandboxes].filter(
        ({ invocation }) => invocation !== undefined && matches(invocation, fault.match),
      );
      for (const sandbox of hit) {
        if ("signal" in fault) sandbox.signal(fault.signal);
        else sandbox.end(fault.end);
      }
      answerJson(response, hit.map(described));
    }),
  ];
}

function described({ pid, spec, invocation }: Sandbox): object {
  return {
    pid,
    function: spec.name,
    ...(invocation && {
      requestId: invocation.requestId,
      event: JSON.parse(new TextDecoder().decode(invocation.payload)) as unknown,
    }),
  };
}

/** Hashes have one length, and tell nothing by the time that it takes to compare them. */
function isToken({ request }: Call, token: string): boolean {
  const hash = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(request.headers.authorization ?? ""), hash(`Bearer ${token}`));
}
