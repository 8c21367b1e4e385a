// A stack's parameters: what was given, what was before, and defaults, checked as CloudFormation does:
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html

import type { Value } from "../../lambda/intrinsics.ts";
import type { StackParameter } from "../../lambda/parameters.ts";
import { StackError } from "./stack-error.ts";

export interface GivenParameter {
  readonly ParameterKey: string;
  readonly ParameterValue?: string;
  readonly UsePreviousValue?: string;
}

type Declared = Readonly<Record<string, StackParameter>>;

/** Throws StackError for one that the template does not have or whose value it refuses. */
export function resolveParameters(
  declared: Declared,
  given: readonly GivenParameter[],
  before: Readonly<Record<string, string>>,
): Record<string, string> {
  const unknown = given.map(({ ParameterKey }) => ParameterKey).filter((name) => !(name in declared));
  if (unknown.length > 0)
    throw new StackError(`Parameters: [${unknown.join(", ")}] do not exist in the template`);
  const values = given.map(
    ({ ParameterKey, ParameterValue, UsePreviousValue }): [string, string | undefined] => [
      ParameterKey,
      UsePreviousValue === "true" ? before[ParameterKey] : ParameterValue,
    ],
  );
  const chosen = Object.fromEntries(values.filter(([, value]) => value !== undefined)) as Record<
    string,
    string
  >;
  return Object.fromEntries(
    Object.entries(declared).map(([name, parameter]) => {
      const value = chosen[name] ?? String(parameter.Default);
      checkParameter(name, parameter, value);
      return [name, value];
    }),
  );
}

/** As `Ref` gives it. */
export function parameterValue({ Type }: StackParameter, value: string): Value {
  return Type === "CommaDelimitedList" ? value.split(",").filter((item) => item !== "") : value;
}

/** As it is shown. */
export function shownParameter({ NoEcho }: StackParameter, value: string): string {
  return NoEcho ? "****" : value;
}

function checkParameter(name: string, parameter: StackParameter, value: string): void {
  const { Type, AllowedValues, AllowedPattern, MinValue = -Infinity, MaxValue = Infinity } = parameter;
  const number = Number(value);
  const isRefused =
    (AllowedValues && !AllowedValues.map(String).includes(value)) ||
    (AllowedPattern !== undefined && !new RegExp(AllowedPattern).test(value)) ||
    (Type === "Number" && !(number >= MinValue && number <= MaxValue));
  if (!isRefused) return;
  const constraint =
    parameter.ConstraintDescription ??
    `Member must satisfy ${JSON.stringify({ AllowedValues, MinValue: parameter.MinValue, MaxValue: parameter.MaxValue })}`;
  throw new StackError(`Parameter ${name} failed to satisfy constraint: ${constraint}`);
}
