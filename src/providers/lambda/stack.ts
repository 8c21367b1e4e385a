// One stack of CloudFormation's: what it is now, and changes of it followed to their end:
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/Welcome.html

import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  type Parameter,
  type StackEvent,
  UpdateStackCommand,
} from "@aws-sdk/client-cloudformation";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { SltrainError } from "../../errors.ts";
import { awsClientSettings, customEndpoint, settledRegion } from "../../storage/aws/account.ts";
import { awsError } from "../../storage/aws/aws-error.ts";
import type { RequestPlace } from "../../storage/aws/explanations.ts";

/** What CloudFormation takes, shorter, for functions have names of at most 64 characters and roles' are made from it. */
const NAME = /^[A-Za-z][A-Za-z0-9-]{0,39}$/;
/** CloudFormation answers a few questions a second, and needs half a minute for a stack. */
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 3000;
const PAUSE_GROWTH = 1.5;
/** The SDK repeats what CloudFormation throttles: nothing here is in a hurry. */
const MAX_ATTEMPTS = 6;

export interface StackState {
  readonly id: string;
  /** `UPDATE_COMPLETE`. */
  readonly status: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
}

/** A step of a change. */
export interface StackProgress {
  readonly at: string;
  /** Its name in the template, or the stack's. */
  readonly resource: string;
  /** `AWS::S3::Bucket`. */
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
}

export interface StackChange {
  readonly template: string;
  /** Without one that the stack has: what it was. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
}

export class Stack {
  readonly name: string;
  readonly region: string;
  readonly #client: CloudFormationClient;
  readonly #place: Omit<RequestPlace, "what">;
  readonly #onProgress: (progress: StackProgress) => void;

  private constructor(
    client: CloudFormationClient,
    place: Omit<RequestPlace, "what">,
    name: string,
    onProgress: (progress: StackProgress) => void,
  ) {
    this.name = name;
    this.region = place.region;
    this.#client = client;
    this.#place = place;
    this.#onProgress = onProgress;
  }

  /** Sends nothing. Throws SltrainError "stack-invalid", "aws-region", "aws-credentials" or "aws-endpoint". */
  static async open(
    name: string,
    env: NodeJS.ProcessEnv,
    onProgress: (progress: StackProgress) => void = () => undefined,
  ): Promise<Stack> {
    if (!NAME.test(name)) {
      throw new SltrainError({
        code: "stack-invalid",
        message: `--stack: expected 1 to 40 letters, digits and hyphens, the first one a letter, got ${JSON.stringify(name)}`,
      });
    }
    const endpoint = customEndpoint("cloudformation", env);
    const client = new CloudFormationClient({
      ...awsClientSettings(endpoint, env),
      maxAttempts: MAX_ATTEMPTS,
    });
    const region = await settledRegion(client.config);
    const place = {
      part: "stack",
      resource: `stack ${name}`,
      endpoint: endpoint?.origin ?? "AWS",
      region,
    } as const;
    return new Stack(client, { ...place, createCommand: `sltrain deploy --stack ${name}` }, name, onProgress);
  }

  /** `nameOrId`: one that is deleted is known by its id only. Undefined if there is none. */
  async describe(nameOrId = this.name): Promise<StackState | undefined> {
    const answer = this.#client
      .send(new DescribeStacksCommand({ StackName: nameOrId }))
      .catch((error: unknown) => {
        if (isRefusal(error, /does not exist/)) return undefined;
        throw this.#refusal("describe", error);
      });
    const stack = (await answer)?.Stacks?.[0];
    if (stack === undefined) return undefined;
    const { StackId, StackStatus, Parameters = [], Outputs = [], Tags = [] } = stack;
    return {
      ...{ id: StackId!, status: StackStatus! },
      parameters: record(
        Parameters.map(({ ParameterKey, ParameterValue }) => [ParameterKey, ParameterValue]),
      ),
      outputs: record(Outputs.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue])),
      tags: record(Tags.map(({ Key, Value }) => [Key, Value])),
    };
  }

  /** What it is once nobody changes it: somebody else may be at it. */
  async settled(): Promise<StackState | undefined> {
    const state = await this.describe();
    return state?.status.endsWith("_IN_PROGRESS") ? this.#follow(state.id) : state;
  }

  /** Throws SltrainError "stack-failed" with what CloudFormation says of the first resource that failed. */
  async create({ template, parameters, tags }: StackChange): Promise<StackState> {
    const token = randomUUID();
    const command = new CreateStackCommand({
      ...{ StackName: this.name, TemplateBody: template, Capabilities: ["CAPABILITY_IAM"] },
      ...{ Parameters: parameterList(parameters), Tags: tagList(tags), ClientRequestToken: token },
    });
    const { StackId } = await this.#ask("create", this.#client.send(command));
    return this.#succeeded(await this.#follow(StackId!, token), token);
  }

  /** As `create`. Parameters that are not given stay what they were. */
  async update(before: StackState, { template, parameters, tags }: StackChange): Promise<StackState> {
    const token = randomUUID();
    const kept = Object.keys(before.parameters).filter((name) => !(name in parameters));
    const command = new UpdateStackCommand({
      ...{ StackName: this.name, TemplateBody: template, Capabilities: ["CAPABILITY_IAM"] },
      Parameters: [
        ...parameterList(parameters),
        ...kept.map((ParameterKey) => ({ ParameterKey, UsePreviousValue: true })),
      ],
      ...{ Tags: tagList(tags), ClientRequestToken: token },
    });
    try {
      await this.#client.send(command);
    } catch (error) {
      if (isRefusal(error, /No updates are to be performed/)) return before;
      throw this.#refusal("update", error);
    }
    return this.#succeeded(await this.#follow(before.id, token), token);
  }

  /** Throws SltrainError "stack-failed". */
  async delete({ id }: StackState): Promise<void> {
    const token = randomUUID();
    const command = new DeleteStackCommand({ StackName: id, ClientRequestToken: token });
    await this.#ask("delete", this.#client.send(command));
    await this.#succeeded(await this.#follow(id, token), token);
  }

  close(): void {
    this.#client.destroy();
  }

  async #follow(id: string, token?: string): Promise<StackState> {
    const told = new Set<string>();
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * PAUSE_GROWTH)) {
      const state = await this.describe(id);
      if (state === undefined) throw this.#gone();
      if (token !== undefined) {
        for (const event of await this.#events(id, token)) {
          if (told.has(event.EventId!)) continue;
          told.add(event.EventId!);
          this.#onProgress(progressOf(event));
        }
      }
      if (!state.status.endsWith("_IN_PROGRESS")) return state;
      await sleep(pauseMs);
    }
  }

  /** Of the change with this token, the oldest first. */
  async #events(id: string, token: string): Promise<StackEvent[]> {
    const { StackEvents = [] } = await this.#ask(
      "follow",
      this.#client.send(new DescribeStackEventsCommand({ StackName: id })),
    );
    return StackEvents.filter(({ ClientRequestToken }) => ClientRequestToken === token).reverse();
  }

  async #succeeded(state: StackState, token: string): Promise<StackState> {
    if (/^(CREATE|UPDATE|DELETE)_COMPLETE$/.test(state.status)) return state;
    const failed = (await this.#events(state.id, token)).find(
      ({ ResourceStatus, ResourceStatusReason }) =>
        ResourceStatus?.endsWith("_FAILED") && !/cancelled/i.test(ResourceStatusReason ?? ""),
    );
    const got = failed === undefined ? "" : `: ${failed.LogicalResourceId!}: ${failed.ResourceStatusReason!}`;
    throw new SltrainError({
      code: "stack-failed",
      message: `stack ${this.name} (${this.region}): expected the change to succeed, got ${state.status}${got}`,
      suggestions: [
        ...(/not authorized|AccessDenied/.test(got)
          ? ["Give your user or role the rights to deploy (docs/lambda.md has the policy)."]
          : []),
        `Correct what CloudFormation names, then run \`sltrain deploy --stack ${this.name}\` again.`,
      ],
    });
  }

  #gone(): SltrainError {
    return new SltrainError({
      code: "stack-missing",
      message: `stack ${this.name} (${this.region}): expected it to be there until its change has ended, but it is gone`,
    });
  }

  async #ask<T>(what: string, answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw this.#refusal(what, error);
    }
  }

  #refusal(what: string, error: unknown): unknown {
    return awsError({ ...this.#place, what: `stack ${what}` }, error);
  }
}

function isRefusal(error: unknown, message: RegExp): boolean {
  return error instanceof Error && error.name === "ValidationError" && message.test(error.message);
}

function progressOf({
  Timestamp,
  LogicalResourceId,
  ResourceType,
  ResourceStatus,
  ResourceStatusReason,
}: StackEvent): StackProgress {
  return {
    at: Timestamp!.toISOString(),
    ...{ resource: LogicalResourceId!, type: ResourceType!, status: ResourceStatus! },
    ...(ResourceStatusReason === undefined ? {} : { reason: ResourceStatusReason }),
  };
}

function parameterList(parameters: StackChange["parameters"]): Parameter[] {
  return Object.entries(parameters).map(([ParameterKey, ParameterValue]) => ({
    ParameterKey,
    ParameterValue,
  }));
}

function tagList(tags: StackChange["tags"]): { readonly Key: string; readonly Value: string }[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

function record(
  entries: readonly (readonly [string | undefined, string | undefined])[],
): Record<string, string> {
  return Object.fromEntries(entries.map(([name, value]) => [name!, value ?? ""]));
}
