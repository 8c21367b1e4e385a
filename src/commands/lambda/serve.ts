import { Flags } from "@oclif/core";
import { serveLambda, serveLines } from "../../providers/local/serve.ts";
import { SltrainCommand, jsonFlag } from "../../ui/sltrain-command.ts";

export default class LambdaServe extends SltrainCommand {
  static override summary = "Run Lambda on this machine: its Invoke API, over processes with Lambda's limits";
  static override description =
    "Functions get Lambda's memory, CPU, time-out, payload limits, concurrency, cold starts and retries; what this " +
    "machine enforces is printed at the start, with the variables that lead AWS's SDK here. Only this machine can " +
    "reach it. `sltrain train` with the local provider starts one by itself.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --port 9001 --concurrency 10",
    "<%= config.bin %> <%= command.id %> --worker sltrain --memory-mib 1769 --timeout-s 60 --json",
  ];
  static override flags = {
    port: Flags.integer({
      summary: "Port; 0: any that is free.",
      default: 9001,
      min: 0,
      max: 65_535,
      helpValue: "N",
    }),
    concurrency: Flags.integer({
      summary: "Invocations at one time; more are refused with status 429.",
      default: 1000,
      min: 1,
      helpValue: "N",
    }),
    folder: Flags.string({
      summary: "Where functions log, and deployed ones have their code.",
      default: ".sltrain/lambda",
      helpValue: "FOLDER",
    }),
    worker: Flags.string({ summary: "Have sltrain's worker as a function of this name.", helpValue: "NAME" }),
    "memory-mib": Flags.integer({
      summary: "Memory of --worker.",
      default: 1769,
      min: 128,
      max: 10_240,
      helpValue: "N",
    }),
    "timeout-s": Flags.integer({
      summary: "Seconds that one invocation of --worker may take.",
      default: 900,
      min: 1,
      max: 900,
      helpValue: "N",
    }),
    json: jsonFlag,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(LambdaServe);
    const { port, concurrency, folder, worker, json } = flags;
    const ended = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => ended.abort());
    const region = process.env.AWS_REGION ?? "us-east-1";
    const limits = { memoryMiB: flags["memory-mib"], timeoutS: flags["timeout-s"] };
    await serveLambda({
      ...{ port, concurrency, folder, region, signal: ended.signal },
      ...(worker === undefined ? {} : { worker: { name: worker, ...limits } }),
      onEvent: (event) => {
        for (const line of json ? [JSON.stringify(event)] : serveLines(event, process.env)) this.log(line);
      },
    });
  }
}
