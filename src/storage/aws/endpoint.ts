// Where a service is: at AWS, or where AWS_ENDPOINT_URL_<SERVICE> or AWS_ENDPOINT_URL say, as for all tools of AWS:
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html

import { SltrainError } from "../../errors.ts";

/** The address that the user has set for `service`, if any. Throws "storage-unreachable" for what is no address. */
export function customEndpoint(service: "s3" | "dynamodb", env: NodeJS.ProcessEnv): URL | undefined {
  const name = `AWS_ENDPOINT_URL_${service.toUpperCase()}`;
  const text = env[name] || env.AWS_ENDPOINT_URL;
  if (!text) return undefined;
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  throw new SltrainError({
    code: "storage-unreachable",
    message: `${name}: expected an address such as http://127.0.0.1:9000, but got ${JSON.stringify(text)}`,
  });
}

/** `s3.us-east-1.amazonaws.com`. */
export function awsHost(service: string, region: string): string {
  return `${service}.${region}.${region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com"}`;
}
