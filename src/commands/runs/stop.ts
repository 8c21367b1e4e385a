import { createProvider } from "../../providers/create-provider.ts";
import { attachShown } from "../../ui/attach-shown.ts";
import { runArg, runFlags } from "../../ui/run-flags.ts";
import { SltrainCommand } from "../../ui/sltrain-command.ts";

export default class RunsStop extends SltrainCommand {
  static override summary = "Stop a run at the end of a step, and keep its state";
  static override examples = [
    "<%= config.bin %> <%= command.id %> 20261122-235901-lenet5-3f9a",
    "<%= config.bin %> <%= command.id %> my-run --storage s3://my-bucket/runs --json",
  ];
  static override args = { run: runArg };
  static override flags = runFlags;

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(RunsStop);
    const { storage: storageUri, json } = flags;
    await attachShown({ storageUri, runId: args.run, createProvider, stops: true }, json);
  }
}
