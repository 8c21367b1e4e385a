// Whether whoever asks may deploy and train: by IAM's simulator where they may use it, else by a dry run of the function.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html

import type { Finding, Subject } from "../check.ts";
import { neededRights, type NeededRights, type Place } from "./rights.ts";

const remedies = ["Give your user or role these rights (docs/lambda.md lists them), or ask whoever may."];

/** Throws the user's error for a refusal other than that of asking. */
export async function checkPermissions(subject: Subject): Promise<Finding> {
  const { aws, config } = subject;
  const { account, arn } = await aws.caller();
  const [, partition = "aws"] = arn.split(":");
  if (arn.endsWith(":root")) {
    return {
      outcome: "warning",
      found: "all: these are the root user's credentials",
      remedies: [
        "Use a user or a role with the rights of docs/lambda.md: nothing limits what the root user does.",
      ],
    };
  }
  const place = { partition, account, region: await aws.region(), stack: config.stack };
  const denied = await deniedActions(subject, place, arn);
  if (denied === undefined) return dryRun(subject);
  if (denied.train.length > 0) {
    return { outcome: "failing", found: `not allowed: ${denied.train.join(", ")}`, remedies };
  }
  if (denied.deploy.length > 0) {
    return { outcome: "warning", found: `may train but not deploy: ${denied.deploy.join(", ")}`, remedies };
  }
  return { outcome: "ok", found: "may deploy and train, as far as IAM's simulator knows" };
}

type Denied = Readonly<Record<NeededRights["use"], readonly string[]>>;

/** Undefined where the simulator may not be asked, or knows no such user. */
async function deniedActions({ aws }: Subject, place: Place, caller: string): Promise<Denied | undefined> {
  const { GetRoleCommand, IAMClient, SimulatePrincipalPolicyCommand } = await import("@aws-sdk/client-iam");
  const question = { service: "iam", part: "account", what: "simulate rights", resource: caller } as const;
  return aws.ask(question, IAMClient, async (iam) => {
    const answer = async (): Promise<Denied> => {
      // A session names its role without the path that the role's own ARN has.
      const [, roleName] = /:assumed-role\/([^/]+)\//.exec(caller) ?? [];
      const principal =
        roleName === undefined
          ? caller
          : (await iam.send(new GetRoleCommand({ RoleName: roleName }))).Role!.Arn!;
      const results = neededRights.map(async ({ use, resource, actions }) => {
        const command = new SimulatePrincipalPolicyCommand({
          ...{ PolicySourceArn: principal, ActionNames: [...actions], ResourceArns: [resource(place)] },
        });
        const { EvaluationResults = [] } = await iam.send(command);
        const names = EvaluationResults.filter(({ EvalDecision }) => EvalDecision !== "allowed");
        return { use, names: names.map(({ EvalActionName }) => EvalActionName!) };
      });
      const found = await Promise.all(results);
      const deniedTo = (wanted: string) =>
        found.filter(({ use }) => use === wanted).flatMap(({ names }) => names);
      return { train: deniedTo("train"), deploy: deniedTo("deploy") };
    };
    return answer().catch((error: unknown) => {
      if (error instanceof Error && UNKNOWING.includes(error.name)) return undefined;
      throw error;
    });
  });
}

const UNKNOWING = [
  "AccessDenied",
  "AccessDeniedException",
  "NoSuchEntity",
  "NoSuchEntityException",
  "InvalidInput",
];

/** Throws the user's error where the function may not be started. */
async function dryRun({ aws, config }: Subject): Promise<Finding> {
  const unknown = "IAM's simulator may not be asked (iam:SimulatePrincipalPolicy)";
  const state = await aws.stack(config.stack);
  const name = state?.outputs["Function"];
  if (name === undefined) return { outcome: "info", found: `${unknown}, and there is no function to try` };
  const { InvokeCommand, LambdaClient } = await import("@aws-sdk/client-lambda");
  const question = { service: "lambda", part: "functions", what: "try to invoke" } as const;
  await aws.ask({ ...question, resource: `lambda:${name}` }, LambdaClient, (lambda) =>
    lambda.send(new InvokeCommand({ FunctionName: name, InvocationType: "DryRun" })),
  );
  return { outcome: "ok", found: `may start ${name}; more is not known: ${unknown}` };
}
