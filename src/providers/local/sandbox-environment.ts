// The variables that Lambda sets for a function's process:
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime.

import type { FunctionSpec } from "./function-spec.ts";
import type { LogStream } from "./log-stream.ts";
import type { RuntimeEndpoint } from "./runtime-api.ts";

export interface SandboxPlace {
  readonly endpoint: RuntimeEndpoint;
  readonly region: string | undefined;
  readonly log: LogStream;
}

/** Without credentials: those come from the environment that the service was started with. */
export function sandboxEnvironment(
  { name, memoryMiB, bundlePath, handler }: FunctionSpec,
  { endpoint, region, log }: SandboxPlace,
): Record<string, string> {
  return {
    _HANDLER: handler,
    LAMBDA_TASK_ROOT: bundlePath,
    ...(region === undefined ? {} : { AWS_REGION: region }),
    AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
    AWS_LAMBDA_RUNTIME_API: endpoint.address,
    AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMiB),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: log.name,
  };
}
