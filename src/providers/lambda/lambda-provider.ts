// Functions at AWS Lambda, as `deploy` has made them. They live in their stack: nothing here is started or ended.

import { GetAccountSettingsCommand, LambdaClient } from "@aws-sdk/client-lambda";
import type { LogLine, LogQuery, ProvidedRun, Provider } from "../../coordinator/provider.ts";
import { SltrainError } from "../../errors.ts";
import { awsClientSettings, customEndpoint } from "../../storage/aws/account.ts";
import { awsError, refusalCode } from "../../storage/aws/aws-error.ts";
import { type Deployment, findDeployment } from "./deploy.ts";
import { functionLogs } from "./function-logs.ts";

export class LambdaProvider implements Provider {
  readonly name = "lambda";
  readonly #stack: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(stack: string, env: NodeJS.ProcessEnv) {
    this.#stack = stack;
    this.#env = env;
  }

  /** Throws SltrainError "stack-missing", and "too-many-workers" for more than may run at once. */
  async open({ workers }: ProvidedRun): Promise<{ readonly functions: string }> {
    const deployment = await this.#deployment();
    const limit = await this.#concurrency(deployment);
    if (limit !== undefined && workers > limit.executions) {
      throw new SltrainError({
        code: "too-many-workers",
        message: `--workers: expected at most ${limit.executions}, as many functions as ${limit.whose} may run at once, got ${workers}`,
        suggestions: [`Use --workers ${limit.executions} or fewer.`, limit.remedy],
      });
    }
    return { functions: deployment.functions };
  }

  async *logs(query: LogQuery): AsyncGenerator<LogLine> {
    const { stack, region } = await this.#deployment();
    yield* functionLogs({ name: `/aws/lambda/${stack}`, region }, this.#env, query);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #deployment(): Promise<Deployment> {
    return findDeployment({ stack: this.#stack, env: this.#env });
  }

  /** Undefined where this user may not ask: Lambda itself then refuses what is too much. */
  async #concurrency({ stack, region, settings }: Deployment): Promise<Limit | undefined> {
    if (settings.ReservedConcurrency !== "") {
      const remedy = `Or reserve more: \`sltrain deploy --stack ${stack} --reserved-concurrency N\`.`;
      return { executions: Number(settings.ReservedConcurrency), whose: `the stack ${stack}`, remedy };
    }
    const endpoint = customEndpoint("lambda", this.#env);
    const client = new LambdaClient(awsClientSettings(endpoint, { ...this.#env, AWS_REGION: region }));
    const answer = client.send(new GetAccountSettingsCommand()).catch((error: unknown) => {
      if (refusalCode(error) === "AccessDeniedException") return undefined;
      const place = { resource: "lambda", endpoint: endpoint?.origin ?? "AWS", region };
      throw awsError({ ...place, part: "functions", what: "read the account's limits" }, error);
    });
    const { AccountLimit } = (await answer.finally(() => client.destroy())) ?? {};
    const executions = AccountLimit?.UnreservedConcurrentExecutions;
    if (executions === undefined) return undefined;
    const remedy =
      "Or ask AWS for more concurrent executions, which takes hours to days: `sltrain doctor` says how.";
    return { executions, whose: `the account in ${region}`, remedy };
  }
}

interface Limit {
  readonly executions: number;
  readonly whose: string;
  readonly remedy: string;
}
