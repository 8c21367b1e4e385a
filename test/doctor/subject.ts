// Who is examined in tests, and one check alone.

import { AwsAccount } from "../../src/doctor/aws/aws-account.ts";
import type { Check, DoctoredConfig, Subject } from "../../src/doctor/check.ts";
import { type CheckResult, examine } from "../../src/doctor/examine.ts";

const config: DoctoredConfig = {
  ...{ storage: "memory:a", channel: "memory:a", provider: "lambda", device: "wasm", stack: "sltrain" },
  ...{ workers: 2, memoryMiB: 1769 },
};

export function subjectOf(env: NodeJS.ProcessEnv, changes: Partial<DoctoredConfig> = {}): Subject {
  return { config: { ...config, ...changes }, env, aws: new AwsAccount(env) };
}

export async function checkAlone(run: Check["run"], subject: Subject): Promise<CheckResult> {
  const { checks } = await examine([{ name: "one", topic: "lambda", run }], subject);
  return checks[0]!;
}
