import { readRun, statusOf } from "../../run/registry.ts";
import { openStorage } from "../../storage/open.ts";
import { runReport } from "../../ui/run-report.ts";
import { runArg, runFlags } from "../../ui/run-flags.ts";
import { SltrainCommand } from "../../ui/sltrain-command.ts";
import { terminalWidth } from "../../ui/table.ts";

export default class RunsShow extends SltrainCommand {
  static override summary = "Show one run: its configuration, its curve and its results";
  static override examples = [
    "<%= config.bin %> <%= command.id %> 20261122-235901-lenet5-3f9a",
    "<%= config.bin %> <%= command.id %> my-run --storage s3://my-bucket/runs --json",
  ];
  static override args = { run: runArg };
  static override flags = runFlags;

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(RunsShow);
    const storage = await openStorage(flags.storage);
    const run = await readRun(storage, args.run);
    await storage.close();
    if (flags.json) this.log(JSON.stringify({ status: statusOf(run), ...run }));
    else this.log(runReport(run, flags.storage, terminalWidth()));
  }
}
