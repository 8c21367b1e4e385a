import { Flags } from "@oclif/core";
import { resizeRun } from "../../coordinator/resize-run.ts";
import { runArg, runFlags } from "../../ui/run-flags.ts";
import { SltrainCommand } from "../../ui/sltrain-command.ts";

export default class RunsResize extends SltrainCommand {
  static override summary = "Let workers join or leave a run that goes on";
  static override description =
    "At the end of a step the workers make a checkpoint, and as many as are wanted go on from there.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> 20261122-235901-lenet5-3f9a --workers 8",
    "<%= config.bin %> <%= command.id %> my-run --workers 2 --storage s3://my-bucket/runs --json",
  ];
  static override args = { run: runArg };
  static override flags = {
    workers: Flags.integer({ summary: "Workers that go on.", required: true, min: 1, max: 10_000 }),
    ...runFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(RunsResize);
    const { workers } = flags;
    await resizeRun({ storageUri: flags.storage, runId: args.run, workers });
    this.log(
      flags.json
        ? JSON.stringify({ runId: args.run, workers })
        : `${args.run} was asked for ${workers} workers`,
    );
  }
}
