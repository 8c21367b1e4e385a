// Makes or changes the stack that functions run in. Its bucket holds the function's code, so a new stack is made in two
// changes: all but the function, then, once the code is there, the function.

import { createHash } from "node:crypto";
import { listRunIds } from "../../run/registry.ts";
import { SltrainError } from "../../errors.ts";
import { lambdaUri } from "../../functions/lambda.ts";
import { openStorage } from "../../storage/open.ts";
import type { Storage } from "../../storage/storage.ts";
import { archiveFunction } from "../function-bundle.ts";
import { secretVariables, settings, type StackSetting } from "./parameters.ts";
import { Stack, type StackProgress, type StackState } from "./stack.ts";
import { templateText } from "./template.ts";

const CODE_FOLDER = "functions/";
/** Tells one template from another. */
const templateTag = { "sltrain-template": createHash("sha256").update(templateText).digest("hex") };
/** A function that still runs writes to the bucket that was just emptied. */
const EMPTYINGS = 3;
const DELETE_BATCH = 1000;

export type StackSettings = { readonly [setting in StackSetting]?: string };

export type DeployEvent =
  | ({ readonly event: "stack.progress" } & StackProgress)
  | { readonly event: "code.uploaded"; readonly key: string; readonly bytes: number };

export interface DeployOptions {
  readonly stack: string;
  /** Those that are not given stay what they were. */
  readonly settings: StackSettings;
  readonly env: NodeJS.ProcessEnv;
  readonly onEvent: (event: DeployEvent) => void;
  /**
   * Also where nothing else has changed: what a function has of them cannot be read, so CloudFormation has to be asked.
   * Default: only with other changes.
   */
  readonly sendsSecrets?: boolean;
}

export interface Deployment {
  readonly stack: string;
  readonly region: string;
  /** URI of its function, for events. */
  readonly functions: string;
  /** URI of its bucket, and of its Express bucket if it has one. */
  readonly storage: string;
  readonly channel?: string;
  readonly settings: Readonly<Record<StackSetting, string>>;
  readonly change: "created" | "updated" | "none";
}

/** Throws what `Stack` throws, and what the bucket throws at the upload of the code. */
export async function deploy(options: DeployOptions): Promise<Deployment> {
  const stack = await openStack(options);
  try {
    const before = await usableState(stack);
    const change = { template: templateText, tags: templateTag };
    const secrets = secretsOf(options.env);
    const given = { ...options.settings, ...secrets };
    const { bytes, key } = functionCode();
    const mustAsk = options.sendsSecrets === true && Object.keys(secrets).length > 0;
    if (before && !mustAsk && isUpToDate(before, { ...options.settings, CodeKey: key }, change.tags)) {
      return deploymentOf(stack, before, "none");
    }
    const bare = before ?? (await stack.create({ ...change, parameters: given }));
    if (bare.parameters.CodeKey !== key) {
      await withStorage(bare.outputs.Storage!, (storage) => storage.put(key, [bytes], { ifAbsent: true }));
      options.onEvent({ event: "code.uploaded", key, bytes: bytes.byteLength });
    }
    const after = await stack.update(bare, { ...change, parameters: { ...given, CodeKey: key } });
    await withStorage(after.outputs.Storage!, (storage) => deleteOldCode(storage, key));
    return deploymentOf(
      stack,
      after,
      before === undefined ? "created" : after === before ? "none" : "updated",
    );
  } finally {
    stack.close();
  }
}

/** The stack as it is. Throws SltrainError "stack-missing". */
export async function findDeployment(options: Pick<DeployOptions, "stack" | "env">): Promise<Deployment> {
  const stack = await Stack.open(options.stack, options.env);
  try {
    const state = await stack.describe();
    if (state?.outputs.Function === undefined) throw missing(stack);
    return deploymentOf(stack, state, "none");
  } finally {
    stack.close();
  }
}

/** Whether code and template of a stack are this version's, whatever its settings. */
export function isCurrent(state: StackState): boolean {
  return isUpToDate(state, { CodeKey: functionCode().key }, templateTag);
}

/** The function's archive, and its key in the stack's bucket. */
function functionCode(): { readonly bytes: Buffer; readonly key: string } {
  const { bytes, sha256 } = archiveFunction();
  return { bytes, key: `${CODE_FOLDER}${sha256}.zip` };
}

export interface DestroyOptions extends Pick<DeployOptions, "stack" | "env" | "onEvent"> {
  /** Without it nothing is deleted, and "confirmation-missing" says what would be. */
  readonly confirmed: boolean;
}

/** Deletes the stack with all that its buckets hold. Throws SltrainError "stack-missing" and "confirmation-missing". */
export async function destroy(options: DestroyOptions): Promise<void> {
  const stack = await openStack(options);
  try {
    const state = await stack.settled();
    if (state === undefined) throw missing(stack);
    const { Storage: storageUri, Channel: channelUri } = state.outputs;
    if (!options.confirmed) throw await unconfirmed(stack, storageUri);
    for (let tries = 1; ; tries++) {
      for (const uri of [storageUri, channelUri]) if (uri !== undefined) await withStorage(uri, empty);
      try {
        await stack.delete(state);
        return;
      } catch (error) {
        const isFilled = error instanceof SltrainError && /not empty/i.test(error.message);
        if (!isFilled || tries === EMPTYINGS) throw error;
      }
    }
  } finally {
    stack.close();
  }
}

function openStack({
  stack,
  env,
  onEvent,
}: Pick<DeployOptions, "stack" | "env" | "onEvent">): Promise<Stack> {
  return Stack.open(stack, env, (progress) => onEvent({ event: "stack.progress", ...progress }));
}

/** What can be updated. A stack that was never made has to be deleted first, and holds nothing. */
async function usableState(stack: Stack): Promise<StackState | undefined> {
  const state = await stack.settled();
  if (state === undefined || !/^(ROLLBACK_|CREATE_FAILED|DELETE_FAILED)/.test(state.status)) return state;
  if (state.outputs.Storage !== undefined) await withStorage(state.outputs.Storage, empty);
  await stack.delete(state);
  return undefined;
}

function isUpToDate(
  { parameters, tags }: StackState,
  wanted: Readonly<Record<string, string>>,
  wantedTags: Readonly<Record<string, string>>,
): boolean {
  return (
    Object.entries(wanted).every(([name, value]) => parameters[name] === value) &&
    Object.entries(wantedTags).every(([name, value]) => tags[name] === value)
  );
}

function deploymentOf(
  stack: Stack,
  { outputs, parameters }: StackState,
  change: Deployment["change"],
): Deployment {
  const names = Object.keys(settings) as StackSetting[];
  return {
    ...{ stack: stack.name, region: stack.region, change },
    functions: lambdaUri(outputs.Function!, stack.region),
    storage: outputs.Storage!,
    ...(outputs.Channel === undefined ? {} : { channel: outputs.Channel }),
    settings: Object.fromEntries(
      names.map((name) => [name, parameters[name] ?? ""]),
    ) as Deployment["settings"],
  };
}

function secretsOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(secretVariables).flatMap(([name, variable]) => {
      const value = env[variable];
      return value ? [[name, value]] : [];
    }),
  );
}

/** A change that was undone needs the code before it no longer: Lambda has a copy of what it runs. */
async function deleteOldCode(storage: Storage, key: string): Promise<void> {
  const old = (await Array.fromAsync(storage.list(CODE_FOLDER))).filter((other) => other !== key);
  if (old.length > 0) await storage.delete(old);
}

async function empty(storage: Storage): Promise<void> {
  let keys: string[] = [];
  for await (const key of storage.list("")) {
    keys.push(key);
    if (keys.length < DELETE_BATCH) continue;
    await storage.delete(keys);
    keys = [];
  }
  if (keys.length > 0) await storage.delete(keys);
}

async function withStorage<T>(uri: string, use: (storage: Storage) => Promise<T>): Promise<T> {
  const storage = await openStorage(uri);
  try {
    return await use(storage);
  } finally {
    await storage.close();
  }
}

function missing({ name, region }: Stack): SltrainError {
  return new SltrainError({
    code: "stack-missing",
    message: `expected a stack ${name} with a function in ${region}, got none`,
    suggestions: [
      `Make it with \`sltrain deploy --stack ${name}\`.`,
      "Or check AWS_REGION, AWS_PROFILE and --stack: it may be in another region or account.",
    ],
  });
}

async function unconfirmed({ name, region }: Stack, storageUri: string | undefined): Promise<SltrainError> {
  const runs = storageUri === undefined ? [] : await withStorage(storageUri, listRunIds);
  return new SltrainError({
    code: "confirmation-missing",
    message: `stack ${name} (${region}): expected --yes to delete it with its bucket ${storageUri ?? ""} and the ${runs.length} runs there, got no confirmation`,
    suggestions: [`Run \`sltrain destroy --stack ${name} --yes\`; nothing can bring the runs back.`],
  });
}
