import { Args, Flags } from "@oclif/core";
import { attachRun } from "../../coordinator/attach-run.ts";
import { createProvider } from "../../providers/create-provider.ts";
import { exitCodeOf, jsonFlag, SltrainCommand } from "../../ui/sltrain-command.ts";
import { chooseView } from "../../ui/train-view.ts";

export default class RunsStop extends SltrainCommand {
  static override summary = "Stop a run at the end of a step, and keep its state";
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
    const { args, flags } = await this.parse(RunsStop);
    const view = chooseView(flags.json, process.stdout);
    const left = new AbortController();
    process.once("SIGINT", () => left.abort());
    try {
      await attachRun({
        ...{ storageUri: flags.storage, runId: args.run, createProvider, stops: true },
        onEvent: (event) => view.show(event),
        leave: left.signal,
      });
    } catch (error) {
      view.fail(error);
      if (!flags.json) throw error;
      process.exitCode = exitCodeOf(error as Error);
    }
  }
}
