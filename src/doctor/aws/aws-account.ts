// Whose account at AWS a run would use, and one question at a time about it.

import type { AwsCredentialIdentity } from "@smithy/types";
import {
  awsClientSettings,
  type AwsClientSettings,
  customEndpoint,
  type ServiceName,
  settledRegion,
} from "../../storage/aws/account.ts";
import { Stack, type StackState } from "../../providers/lambda/stack.ts";
import { awsError } from "../../storage/aws/aws-error.ts";
import type { AwsPart } from "../../storage/aws/explanations.ts";

/** Who asks, as AWS knows them. */
export interface Caller {
  readonly account: string;
  readonly arn: string;
}

/** The SDK notes in `$source` where it found them. */
export type Credentials = AwsCredentialIdentity & { readonly $source?: Readonly<Record<string, string>> };

interface Client {
  readonly config: {
    readonly region: () => Promise<string>;
    readonly credentials: () => Promise<Credentials>;
  };
  destroy(): void;
}

interface Question {
  readonly service: ServiceName;
  readonly part: AwsPart;
  /** `read the account's limits`. */
  readonly what: string;
  /** What the answer is about. */
  readonly resource: string;
}

export class AwsAccount {
  readonly #env: NodeJS.ProcessEnv;
  #caller: Promise<Caller> | undefined;
  #stack: Promise<StackState | undefined> | undefined;

  /** Sends nothing. */
  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  /** Where `service` is asked, if not at AWS. Throws "aws-endpoint". */
  endpoint(service: ServiceName): URL | undefined {
    return customEndpoint(service, this.#env);
  }

  /** As the SDK finds them. Rejects with the SDK's errors. */
  async settled(): Promise<Client["config"]> {
    const { STSClient } = await import("@aws-sdk/client-sts");
    return new STSClient(awsClientSettings(this.endpoint("sts"), this.#env)).config;
  }

  /** Throws "aws-region". */
  async region(): Promise<string> {
    const { region } = await this.settled();
    return settledRegion({ region, credentials: () => Promise.resolve() });
  }

  /** Asks CloudFormation once. Undefined if there is no such stack. */
  stack(name: string): Promise<StackState | undefined> {
    return (this.#stack ??= Stack.open(name, this.#env).then((stack) =>
      stack.describe().finally(() => stack.close()),
    ));
  }

  /** Asks AWS once. */
  caller(): Promise<Caller> {
    return (this.#caller ??= this.#ask());
  }

  async #ask(): Promise<Caller> {
    const { GetCallerIdentityCommand, STSClient } = await import("@aws-sdk/client-sts");
    const question = { service: "sts", part: "account", what: "ask who I am", resource: "sts" } as const;
    const { Account, Arn } = await this.ask(question, STSClient, (sts) =>
      sts.send(new GetCallerIdentityCommand()),
    );
    return { account: Account!, arn: Arn! };
  }

  /** One answer. Throws the user's error for a refusal. */
  async ask<C extends Client, T>(
    { service, ...place }: Question,
    Client: new (settings: AwsClientSettings) => C,
    request: (client: C) => Promise<T>,
  ): Promise<T> {
    const endpoint = this.endpoint(service);
    const client = new Client(awsClientSettings(endpoint, this.#env));
    try {
      return await request(client);
    } catch (error) {
      const region = await client.config.region();
      throw awsError({ ...place, region, endpoint: endpoint?.origin ?? "AWS" }, error);
    } finally {
      client.destroy();
    }
  }
}
