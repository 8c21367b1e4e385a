// The local service with a real S3 server, as tests of deployments use them.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { useEndpoint } from "../../../src/providers/lambda/endpoint.ts";
import { deploymentRoutes } from "../../../src/providers/local/deployment-api.ts";
import { type LambdaService, startLambdaService } from "../../../src/providers/local/service.ts";
import { useServer } from "../../servers/index.ts";

export interface LocalAws {
  readonly service: LambdaService;
  /** Leads the SDK there. */
  readonly env: NodeJS.ProcessEnv;
  close(): Promise<void>;
}

export async function startLocalAws(accountConcurrency: number): Promise<LocalAws> {
  const s3 = await useServer("s3");
  const folder = mkdtempSync(join(tmpdir(), "sltrain-aws-"));
  const logFolder = join(folder, "logs");
  const service = await startLambdaService({ port: 0, accountConcurrency, logFolder });
  const { endpoint, registry } = service;
  const place = { endpoint, registry, region: "us-east-1", codeFolder: join(folder, "code"), logFolder };
  service.routes.push(...deploymentRoutes(place));
  const env = { ...process.env };
  useEndpoint(endpoint, env);
  return {
    ...{ service, env },
    close: async () => {
      await service.close();
      await s3?.stop();
      rmSync(folder, { recursive: true });
    },
  };
}
