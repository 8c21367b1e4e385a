// What a policy of Allow statements lets its holder do:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html

import { evaluate, holds, type Scope, type Value } from "../../../src/providers/lambda/intrinsics.ts";
import { policyDocument } from "../../../src/providers/lambda/policy.ts";
import { template } from "../../../src/providers/lambda/template.ts";

interface Statement {
  readonly Action: readonly string[];
  readonly Resource: string | readonly string[];
}

/** A stack of these parameters in account 1, with the bucket `bucket`. */
export function scopeOf(given: Readonly<Record<string, Value>> = {}): Scope {
  const defaults = Object.entries(template.Parameters).map(([name, { Type, Default }]): [string, Value] => [
    name,
    Type === "CommaDelimitedList" ? String(Default).split(",").filter(Boolean) : Default,
  ]);
  const values: Record<string, Value> = {
    ...Object.fromEntries(defaults),
    ...{ "AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "1", "AWS::StackName": "s" },
    Bucket: "bucket",
    ...given,
  };
  const bucketName = values.Bucket as string;
  return {
    ref: (name) => values[name] ?? `id-of-${name}`,
    getAtt: (resource, attribute) =>
      resource === "Bucket" ? `arn:aws:s3:::${bucketName}` : `${attribute}-of-${resource}`,
    conditions: template.Conditions,
  };
}

export function resourcesOf(scope: Scope): string[] {
  return Object.entries(template.Resources)
    .filter(([, { Condition }]) => Condition === undefined || holds(Condition, scope))
    .map(([name]) => name);
}

export function statementsOf(scope: Scope): readonly Statement[] {
  return (evaluate(policyDocument, scope) as unknown as { Statement: Statement[] }).Statement;
}

export function isAllowed(statements: readonly Statement[], action: string, resource: string): boolean {
  return statements.some(
    ({ Action, Resource }) =>
      Action.includes(action) && [Resource].flat().some((pattern) => matches(pattern, resource)),
  );
}

/** `*` stands for any characters, `?` for one. */
function matches(pattern: string, text: string): boolean {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`).test(text);
}
