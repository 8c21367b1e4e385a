import { Args, Flags } from "@oclif/core";
import { attachRun } from "../../coordinator/attach-run.ts";
import { createProvider } from "../../providers/create-provider.ts";
import { watchCommand } from "../../run/resume-command.ts";
import { exitCodeOf, jsonFlag, SltrainCommand } from "../../ui/sltrain-command.ts";
import { chooseView } from "../../ui/train-view.ts";

export default class RunsWatch extends SltrainCommand {
  static override summary = "Follow a run from anywhere, and finish it when its workers have ended";
  static override description =
    "Shows the run from its first epoch on. While it makes no progress, workers that died are started again, as their " +
    "peers do. Ctrl-C leaves the run to itself.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> 20261122-235901-lenet5-3f9a",
    "<%= config.bin %> <%= command.id %> my-run --storage s3://my-bucket/runs --json",
  ];
  static override args = {
    run: Args.string({ description: "Run id, as `sltrain runs ls` lists it.", required: true }),
  };
  static override flags = {
    storage: Flags.string({ summary: "Where the run is.", default: "fs:.sltrain", env: "SLTRAIN_STORAGE" }),
    json: jsonFlag,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(RunsWatch);
    const view = chooseView(flags.json, process.stdout);
    const left = new AbortController();
    process.once("SIGINT", () => left.abort());
    try {
      const summary = await attachRun({
        ...{ storageUri: flags.storage, runId: args.run, createProvider, stops: false },
        onEvent: (event) => view.show(event),
        leave: left.signal,
      });
      const watch = watchCommand(args.run, flags.storage);
      if (!summary) view.show({ event: "run.detached", runId: args.run, watch });
    } catch (error) {
      view.fail(error);
      if (!flags.json) throw error;
      process.exitCode = exitCodeOf(error as Error);
    }
  }
}
