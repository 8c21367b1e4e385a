// A proxy before an S3 server that notes for which rights its clients ask. Signatures stay valid: the host is part of them,
// and the server is given the one that the client wrote.

import { createServer, request as forward, type Server } from "node:http";
import { buffer } from "node:stream/consumers";
import { listen } from "../../storage/refusals.ts";

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html */
export interface AskedRight {
  readonly action: string;
  /** ARN. */
  readonly resource: string;
}

export interface S3Requests {
  readonly endpoint: string;
  readonly rights: readonly AskedRight[];
  close(): void;
}

export async function recordS3Requests(server: string): Promise<S3Requests> {
  const { hostname, port } = new URL(server);
  const rights: AskedRight[] = [];
  const proxy: Server = createServer((request, response) => {
    void (async () => {
      const body = await buffer(request);
      rights.push(...rightsOf(request.method!, request.url!, body.toString("latin1")));
      const { method, url: path, headers } = request;
      const forwarded = forward({ hostname, port, method, path, headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      });
      forwarded.on("error", () => response.destroy());
      forwarded.end(body);
    })();
  });
  const endpoint = await listen(proxy);
  return {
    ...{ endpoint, rights },
    close: () => {
      proxy.close();
      proxy.closeAllConnections();
    },
  };
}

function rightsOf(method: string, url: string, body: string): AskedRight[] {
  const { pathname, searchParams: query } = new URL(url, "http://server");
  const [, bucket = "", key = ""] = /^\/([^/]+)\/?(.*)$/.exec(decodeURIComponent(pathname)) ?? [];
  const on = (verb: string, name = key): AskedRight => ({
    action: `s3:${verb}`,
    resource: name === "" ? `arn:aws:s3:::${bucket}` : `arn:aws:s3:::${bucket}/${name}`,
  });
  if (query.has("delete")) {
    return [...body.matchAll(/<Key>(.*?)<\/Key>/g)].map(([, name]) => on("DeleteObject", name));
  }
  if (key === "" && (method === "GET" || method === "HEAD")) return [on("ListBucket")];
  const verbs: Readonly<Record<string, string>> = {
    GET: "GetObject",
    HEAD: "GetObject",
    PUT: "PutObject",
    POST: "PutObject",
    DELETE: query.has("uploadId") ? "AbortMultipartUpload" : "DeleteObject",
  };
  return [on(verbs[method] ?? method)];
}
