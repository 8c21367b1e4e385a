// How many functions the account may run at once:
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html

import { executionsOf, workersWithin } from "../../plan/concurrency.ts";
import { formatCount } from "../../units.ts";
import type { Finding, Subject } from "../check.ts";

/** Lambda's quota "Concurrent executions". */
const QUOTA =
  "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384";
/** What AWS gives established accounts. */
const USUAL_EXECUTIONS = 1000;

/** Throws the user's error for a refusal, or an endpoint that is not Lambda. */
export async function checkConcurrency({ aws, config }: Subject): Promise<Finding> {
  const { workers, provider, stack } = config;
  const { GetAccountSettingsCommand, LambdaClient } = await import("@aws-sdk/client-lambda");
  const question = { service: "lambda", part: "functions", what: "read the account's limits" } as const;
  const { AccountLimit } = await aws.ask({ ...question, resource: "lambda" }, LambdaClient, (lambda) =>
    lambda.send(new GetAccountSettingsCommand()),
  );
  const all = AccountLimit?.ConcurrentExecutions ?? 0;
  const unreserved = AccountLimit?.UnreservedConcurrentExecutions ?? all;
  // What is in the way of asking is told by the stack's own check.
  const state = await aws.stack(stack).catch(() => undefined);
  const own = Number(state?.parameters["ReservedConcurrency"] || Number.NaN);
  const [free, words] = Number.isNaN(own)
    ? [unreserved, unreserved < all ? `, ${formatCount(all - unreserved)} of them reserved for others` : ""]
    : [own, `, ${formatCount(own)} of them reserved for ${stack}`];
  const most = workersWithin(free);
  const found = `${formatCount(all)} functions at once${words}: ${formatCount(most)} workers with their successors`;
  const wanted = Math.max(executionsOf(workers), USUAL_EXECUTIONS);
  const remedies = [
    ...(most > 0 ? [`Use --workers ${most} or fewer.`] : []),
    Number.isNaN(own)
      ? `Ask AWS for more, which takes hours to days: \`${QUOTA} --desired-value ${wanted}\`.`
      : `Reserve more: \`sltrain deploy --stack ${stack} --reserved-concurrency ${executionsOf(workers)}\`.`,
  ];
  if (provider === "lambda" && workers > free) {
    return { outcome: "failing", found: `${found}; --workers ${workers} do not fit`, remedies };
  }
  return most < workers || all < USUAL_EXECUTIONS
    ? { outcome: "warning", found, remedies }
    : { outcome: "ok", found };
}
