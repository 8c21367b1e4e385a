// lambda:NAME?region=REGION: a function of AWS Lambda's, or of a server that speaks its protocol (AWS_ENDPOINT_URL_LAMBDA),
// by the SDK over the transport that stores use: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html

import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { SltrainError } from "../errors.ts";
import { awsClientSettings, customEndpoint, settledRegion, trim } from "../storage/aws/account.ts";
import { awsError, foreignAnswer } from "../storage/aws/aws-error.ts";
import type { RequestPlace } from "../storage/aws/explanations.ts";
import { encodeEvent, type Functions } from "./functions.ts";

/** https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_RequestSyntax */
const LOCATION = /^([A-Za-z0-9_-]{1,64})\?region=([a-z0-9-]+)$/;
const ACCEPTED = 202;

/** `region` decides over that of the environment: workers and coordinator may run with different ones. */
export function lambdaUri(name: string, region: string): string {
  return `lambda:${name}?region=${region}`;
}

/**
 * Sends nothing. Throws SltrainError "functions-unknown" for a location of another form, "aws-credentials" and
 * "aws-endpoint".
 */
export async function open(location: string, env: NodeJS.ProcessEnv): Promise<Functions> {
  const [, name, region] = LOCATION.exec(location) ?? [];
  if (name === undefined || region === undefined) {
    throw new SltrainError({
      code: "functions-unknown",
      message: `functions: expected lambda:NAME?region=REGION, got ${JSON.stringify(`lambda:${location}`)}`,
    });
  }
  const endpoint = customEndpoint("lambda", env);
  const client = new LambdaClient(awsClientSettings(endpoint, { ...env, AWS_REGION: region }));
  trim(client);
  await settledRegion(client.config);
  const place: RequestPlace = {
    ...{ part: "functions", what: "invoke", resource: `lambda:${name}`, region },
    endpoint: endpoint?.origin ?? "AWS",
    createCommand: `sltrain deploy --stack ${name}`,
  };
  return {
    async invoke(event) {
      const Payload = Buffer.from(encodeEvent(event));
      const command = new InvokeCommand({ FunctionName: name, InvocationType: "Event", Payload });
      const { StatusCode } = await client.send(command).catch((error: unknown) => {
        throw awsError(place, error);
      });
      if (StatusCode !== ACCEPTED) throw foreignAnswer(place, `status ${StatusCode}`);
    },
    close() {
      client.destroy();
      return Promise.resolve();
    },
  };
}
