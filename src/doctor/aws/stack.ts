// Whether functions are deployed, and those of this version.

import { isCurrent } from "../../providers/lambda/deploy.ts";
import { formatCount } from "../../units.ts";
import type { Finding, Subject } from "../check.ts";

/** Throws the user's error for a refusal. */
export async function checkStack({ aws, config: { stack, provider } }: Subject): Promise<Finding> {
  const state = await aws.stack(stack);
  const deploy = `sltrain deploy --stack ${stack}`;
  if (state === undefined) {
    const found = `no ${stack} here; \`${deploy}\` makes it`;
    return {
      outcome: "info",
      found: provider === "lambda" ? `${found}, and so does \`sltrain train\`` : found,
    };
  }
  const { status, parameters, outputs } = state;
  if (status.endsWith("_IN_PROGRESS")) {
    return {
      outcome: "warning",
      found: `${stack} is being changed (${status})`,
      remedies: ["Wait for its end."],
    };
  }
  if (outputs["Function"] === undefined || /FAILED|^ROLLBACK/.test(status)) {
    return {
      outcome: "failing",
      found: `${stack} has no function that works (${status})`,
      remedies: [`Run \`${deploy}\`: it repairs the stack or says what is in the way.`],
    };
  }
  const { MemoryMiB, TimeoutS, Architecture } = parameters;
  const found = `${stack}: ${formatCount(Number(MemoryMiB))} MiB, ${TimeoutS} s, ${Architecture}`;
  if (isCurrent(state)) return { outcome: "ok", found: `${found}, this version` };
  return {
    outcome: "warning",
    found: `${found}, another version`,
    remedies: [`Update it with \`${deploy}\`.`],
  };
}
