// What `deploy` and `destroy` print: a line for each step that ends, and what there is now.

import { formatBytes } from "../../units.ts";
import type { Deployment, DeployEvent } from "./deploy.ts";

/** Undefined for steps that only begin. */
function deployLine(event: DeployEvent): string | undefined {
  if (event.event === "code.uploaded") return `${event.key} uploaded, ${formatBytes(event.bytes)}`;
  const { resource, status, type, reason } = event;
  if (status.endsWith("_IN_PROGRESS") && !status.includes("ROLLBACK")) return undefined;
  const what = `${resource} ${status.toLowerCase().replaceAll("_", " ")}`;
  return reason === undefined ? `${what} (${type})` : `${what} (${type}): ${reason}`;
}

/** Prints each event as a command does, with `--json` or without. */
export function deployPrinter(json: boolean, print: (line: string) => void): (event: DeployEvent) => void {
  return (event) => {
    const line = json ? JSON.stringify(event) : deployLine(event);
    if (line !== undefined) print(line);
  };
}

const CHANGES = { created: "is made", updated: "is changed", none: "is up to date" } as const;

export function deploymentText({
  stack,
  region,
  functions,
  storage,
  channel,
  settings,
  change,
}: Deployment): string {
  const given = Object.entries(settings).filter(([, value]) => value !== "");
  return [
    `Stack ${stack} in ${region} ${CHANGES[change]}.`,
    `  function  ${functions}`,
    `  storage   ${storage}`,
    ...(channel === undefined ? [] : [`  channel   ${channel}`]),
    `  settings  ${given.map(([name, value]) => `${name}=${value}`).join(" ")}`,
    "While no run goes on it costs nothing but what the bucket and the logs hold ($0.023 and $0.03 a GB and month).",
    `Train with \`sltrain train --provider lambda --stack ${stack}\`; \`sltrain destroy --stack ${stack}\` removes it all.`,
  ].join("\n");
}
