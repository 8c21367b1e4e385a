import { Flags } from "@oclif/core";
import { runLogs } from "../../coordinator/run-logs.ts";
import { createProvider } from "../../providers/create-provider.ts";
import { readRun } from "../../run/registry.ts";
import { openStorage } from "../../storage/open.ts";
import { logText } from "../../ui/log-text.ts";
import { runArg, runFlags } from "../../ui/run-flags.ts";
import { SltrainCommand } from "../../ui/sltrain-command.ts";

export default class RunsLogs extends SltrainCommand {
  static override summary = "Print what a run's functions have printed";
  static override examples = [
    "<%= config.bin %> <%= command.id %> 20261122-235901-lenet5-3f9a",
    "<%= config.bin %> <%= command.id %> my-run --rank 3 --follow",
  ];
  static override args = { run: runArg };
  static override flags = {
    rank: Flags.integer({ summary: "Only this worker's lines.", min: 0 }),
    follow: Flags.boolean({ summary: "Go on with what is printed from now on, until Ctrl-C." }),
    ...runFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(RunsLogs);
    const storage = await openStorage(flags.storage);
    const { manifest } = await readRun(storage, args.run);
    await storage.close();
    const left = new AbortController();
    process.once("SIGINT", () => left.abort());
    const query = {
      ...{
        provider: createProvider(manifest, flags.storage),
        runId: args.run,
        since: new Date(manifest.createdAt),
      },
      ...(flags.rank === undefined ? {} : { rank: flags.rank }),
      ...(flags.follow ? { follow: left.signal } : {}),
    };
    for await (const line of runLogs(query)) this.log(flags.json ? JSON.stringify(line) : logText(line));
  }
}
