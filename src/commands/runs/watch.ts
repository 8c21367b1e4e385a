import { createProvider } from "../../providers/create-provider.ts";
import { attachShown } from "../../ui/attach-shown.ts";
import { runArg, runFlags } from "../../ui/run-flags.ts";
import { SltrainCommand } from "../../ui/sltrain-command.ts";

export default class RunsWatch extends SltrainCommand {
  static override summary = "Follow a run from anywhere, and finish it when its workers have ended";
  static override description =
    "Shows the run from its first epoch on. While it makes no progress, workers that died are started again, as their " +
    "peers do. Ctrl-C leaves the run to itself.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> 20261122-235901-lenet5-3f9a",
    "<%= config.bin %> <%= command.id %> my-run --storage s3://my-bucket/runs --json",
  ];
  static override args = { run: runArg };
  static override flags = runFlags;

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(RunsWatch);
    const { storage: storageUri, json } = flags;
    await attachShown({ storageUri, runId: args.run, createProvider, stops: false }, json);
  }
}
