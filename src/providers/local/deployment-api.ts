// What deploying functions and reading their logs needs beside Lambda's own API: CloudFormation and CloudWatch Logs, both
// of which take all requests at one path. Their parts, and with them the client of S3, are loaded when they are first asked.

import { join } from "node:path";
import { text } from "node:stream/consumers";
import { answerJson, route, type Route } from "../../http-routes.ts";
import type { Place } from "./cloudformation/resources.ts";
import type { Stacks } from "./cloudformation/stacks.ts";
import { LambdaError } from "./lambda-error.ts";
import { readLogs } from "./log-reader.ts";

const LOG_GROUP = "/aws/lambda/";
/** https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html: events of one answer, at most. */
const PAGE_EVENTS = 10_000;

export interface DeploymentOptions extends Place {
  readonly logFolder: string;
}

export function deploymentRoutes(options: DeploymentOptions): Route[] {
  let stacks: Stacks | undefined;
  return [
    route("POST", "/", async ({ request, response }) => {
      const body = await text(request);
      const target = request.headers["x-amz-target"];
      if (target === "Logs_20140328.FilterLogEvents") {
        answerJson(response, await filterLogEvents(options, JSON.parse(body) as LogRequest));
        return;
      }
      if (target !== undefined)
        throw new LambdaError(400, "UnknownOperationException", { Message: String(target) });
      const [{ Stacks }, { answerCloudFormation }] = await Promise.all([
        import("./cloudformation/stacks.ts"),
        import("./cloudformation/cloudformation-api.ts"),
      ]);
      const answer = answerCloudFormation((stacks ??= new Stacks(options)), body);
      response.writeHead(answer.status, { "content-type": "text/xml", "x-amzn-requestid": answer.requestId });
      response.end(answer.body);
    }),
  ];
}

interface LogRequest {
  readonly logGroupName: string;
  /** Milliseconds since 1970. */
  readonly startTime?: number;
  readonly nextToken?: string;
}

interface LogEvent {
  readonly logStreamName: string;
  readonly timestamp: number;
  readonly message: string;
  readonly eventId: string;
}

/** Each invocation is a stream of its own; an event's id says where in it the line stands. */
async function filterLogEvents(
  { logFolder }: DeploymentOptions,
  { logGroupName, startTime = 0, nextToken = "0" }: LogRequest,
): Promise<{ readonly events: readonly LogEvent[]; readonly nextToken?: string }> {
  const name = logGroupName.startsWith(LOG_GROUP) ? logGroupName.slice(LOG_GROUP.length) : "";
  if (!/^[A-Za-z0-9_-]+$/.test(name)) {
    throw new LambdaError(400, "ResourceNotFoundException", {
      message: "The specified log group does not exist.",
    });
  }
  const lines = new Map<string, number>();
  const events: LogEvent[] = [];
  for await (const { at, requestId = "init", text: message } of readLogs(join(logFolder, name), {
    since: new Date(0),
  })) {
    const line = lines.get(requestId) ?? 0;
    lines.set(requestId, line + 1);
    events.push({
      ...{ logStreamName: requestId, message, eventId: `${requestId}-${line}` },
      timestamp: Date.parse(at),
    });
  }
  const found = events.filter(({ timestamp }) => timestamp >= startTime);
  const begin = Number(nextToken);
  const end = begin + PAGE_EVENTS;
  return { events: found.slice(begin, end), ...(end < found.length ? { nextToken: String(end) } : {}) };
}
