import { ux } from "@oclif/core";
import { resolveTrainConfig } from "../config/resolve.ts";
import { AwsAccount } from "../doctor/aws/aws-account.ts";
import { checks } from "../doctor/checks.ts";
import { doctorView } from "../doctor/doctor-view.ts";
import { examine } from "../doctor/examine.ts";
import { useEndpoint } from "../providers/lambda/endpoint.ts";
import { SltrainCommand, jsonFlag } from "../ui/sltrain-command.ts";
import { trainFlags } from "../ui/train-flags.ts";

export default class Doctor extends SltrainCommand {
  static override summary = "Tell whether this machine and account can train";
  static override description =
    "Checks Node, the processor and GPUs, the stores, and for AWS Lambda credentials, region, limits and permissions. Takes " +
    "the settings that `train` would take. Starts no function and changes nothing but a probe in each store, which it " +
    "removes. Exit code 1 if something that was asked for cannot work.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --provider lambda --workers 100",
    "<%= config.bin %> <%= command.id %> --device webgpu",
    "<%= config.bin %> <%= command.id %> --storage s3://my-bucket/runs --channel redis://cache.internal --json",
  ];
  static override flags = {
    storage: trainFlags["storage"]!,
    channel: trainFlags["channel"]!,
    provider: trainFlags["provider"]!,
    device: trainFlags["device"]!,
    adapter: trainFlags["adapter"]!,
    "functions-per-gpu": trainFlags["functions-per-gpu"]!,
    stack: trainFlags["stack"]!,
    "endpoint-url": trainFlags["endpoint-url"]!,
    workers: trainFlags["workers"]!,
    json: jsonFlag,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(Doctor);
    const { json, ...settings } = flags;
    const { env } = process;
    const { config, sources } = await resolveTrainConfig({ flags: settings, env, cwd: process.cwd() });
    useEndpoint(config.endpointUrl, env);
    const isWatched = process.stderr.isTTY;
    if (isWatched) ux.action.start("Examining");
    const isOfStack = config.provider === "lambda" && sources.storage === "default";
    const report = await examine(checks, {
      config: {
        ...config,
        storage: isOfStack ? undefined : config.storage,
        channel: sources.channel === "default" ? undefined : config.channel,
      },
      ...{ env, aws: new AwsAccount(env) },
    });
    if (isWatched) ux.action.stop();
    this.log(json ? JSON.stringify(report) : doctorView(report));
    // In any case: a question that nobody answers would keep the process alive.
    this.exit(report.healthy ? 0 : 1);
  }
}
