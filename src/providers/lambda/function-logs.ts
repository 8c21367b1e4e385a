// What a function has printed, from CloudWatch Logs:
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html

import {
  CloudWatchLogsClient,
  type FilteredLogEvent,
  FilterLogEventsCommand,
  type FilterLogEventsCommandOutput,
} from "@aws-sdk/client-cloudwatch-logs";
import { setTimeout as sleep } from "node:timers/promises";
import type { LogLine, LogQuery } from "../../coordinator/provider.ts";
import { awsClientSettings, customEndpoint } from "../../storage/aws/account.ts";
import { awsError } from "../../storage/aws/aws-error.ts";

/** CloudWatch takes a few questions a second, and has a line seconds after it was printed. */
const FOLLOW_PAUSE_MS = 1000;
/** So late a line may come behind one that is younger. */
const LATE_MS = 10_000;
const MAX_ATTEMPTS = 6;
/** In Lambda's own lines `RequestId: ID`, in what the function prints the second column. */
const REQUEST_ID = /^(?:START RequestId: |[^\t]*\t)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b/;

export interface LogGroup {
  /** `/aws/lambda/NAME`. */
  readonly name: string;
  readonly region: string;
}

/** Lines in the order of time; those that come late, when they come. Throws the user's error for a refusal. */
export async function* functionLogs(
  { name: logGroupName, region }: LogGroup,
  env: NodeJS.ProcessEnv,
  { since, requestIds, follow }: LogQuery,
): AsyncGenerator<LogLine> {
  const endpoint = customEndpoint("cloudwatch_logs", env);
  const settings = awsClientSettings(endpoint, { ...env, AWS_REGION: region });
  const client = new CloudWatchLogsClient({ ...settings, maxAttempts: MAX_ATTEMPTS });
  const place = { resource: logGroupName, endpoint: endpoint?.origin ?? "AWS", region };
  const wanted = requestIds && new Set(requestIds);
  /** Which invocation runs in a stream: there is one at a time. */
  const running = new Map<string, string>();
  let told = new Map<string, number>();
  let startTime = since.getTime();
  try {
    do {
      for await (const event of pages(startTime)) {
        const { eventId = "", timestamp = 0, message = "", logStreamName = "" } = event;
        if (told.has(eventId)) continue;
        told.set(eventId, timestamp);
        const text = message.trimEnd();
        const requestId = REQUEST_ID.exec(text)?.[1] ?? running.get(logStreamName);
        if (requestId !== undefined) running.set(logStreamName, requestId);
        if (wanted && !(requestId !== undefined && wanted.has(requestId))) continue;
        const at = new Date(timestamp).toISOString();
        yield { at, text, ...(requestId === undefined ? {} : { requestId }) };
      }
      startTime = Math.max(startTime, Math.max(0, ...told.values()) - LATE_MS);
      told = new Map([...told].filter(([, timestamp]) => timestamp >= startTime));
      if (follow) await sleep(FOLLOW_PAUSE_MS, undefined, { signal: follow }).catch(() => undefined);
    } while (follow && !follow.aborted);
  } finally {
    client.destroy();
  }

  async function* pages(startTime: number): AsyncGenerator<FilteredLogEvent> {
    let nextToken: string | undefined;
    do {
      const command = new FilterLogEventsCommand({ logGroupName, startTime, nextToken });
      const page: FilterLogEventsCommandOutput = await client.send(command).catch((error: unknown) => {
        throw awsError({ ...place, part: "functions", what: "read logs" }, error);
      });
      yield* page.events ?? [];
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
  }
}
