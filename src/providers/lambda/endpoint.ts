// Where a deployment's services are, if not at AWS: one address for the three that `sltrain lambda serve` has.

import { SltrainError } from "../../errors.ts";

/** The SDK's variables for them. */
export const ENDPOINT_VARIABLES = [
  "AWS_ENDPOINT_URL_LAMBDA",
  "AWS_ENDPOINT_URL_CLOUDFORMATION",
  "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
];

/** As the SDK's own variables say it, in `env`. Undefined changes nothing. Throws SltrainError "aws-endpoint". */
export function useEndpoint(url: string | undefined, env: NodeJS.ProcessEnv): void {
  if (url === undefined) return;
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? "")) {
    throw new SltrainError({
      code: "aws-endpoint",
      message: `--endpoint-url: expected an address such as http://127.0.0.1:9001, got ${JSON.stringify(url)}`,
    });
  }
  for (const name of ENDPOINT_VARIABLES) env[name] = url;
}
