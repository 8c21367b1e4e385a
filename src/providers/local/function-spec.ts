// What a function is to the local service, and the functions that it has.

export interface FunctionSpec {
  readonly name: string;
  readonly memoryMiB: number;
  readonly timeoutS: number;
  /** Over the environment that the service itself was started with. */
  readonly environment: Readonly<Record<string, string>>;
  /** The folder of its code, LAMBDA_TASK_ROOT. */
  readonly bundlePath: string;
  /** `FILE.EXPORT` in that folder: `handler.handler`. */
  readonly handler: string;
  /** Where its relative paths lead; Lambda's is `bundlePath`, the default. */
  readonly workingDirectory?: string;
  /** Invocations at one time that are kept for it, and are its most. 0 stops it. */
  readonly reservedConcurrency?: number;
  /** Of asynchronous invocations that failed: 0 to 2, the default. */
  readonly maximumRetryAttempts?: number;
  /** Default 6 hours, Lambda's most. */
  readonly maximumEventAgeS?: number;
}

/** Whoever holds a spec that has been replaced or removed is told so by its identity. */
export class FunctionRegistry {
  readonly #specs = new Map<string, FunctionSpec>();

  register(spec: FunctionSpec): void {
    this.#specs.set(spec.name, spec);
  }

  remove(name: string): void {
    this.#specs.delete(name);
  }

  /** By name, by ARN, or by `ACCOUNT:function:NAME`, each perhaps with a `:QUALIFIER`. */
  find(nameOrArn: string): FunctionSpec | undefined {
    const name = /(?:^|:)function:([^:]+)/.exec(nameOrArn)?.[1] ?? nameOrArn.split(":")[0]!;
    return this.#specs.get(name);
  }

  all(): readonly FunctionSpec[] {
    return [...this.#specs.values()];
  }
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html, for an account that is none. */
export function functionArn(region: string | undefined, name: string): string {
  return `arn:aws:lambda:${region ?? "us-east-1"}:000000000000:function:${name}`;
}
