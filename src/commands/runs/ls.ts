import { Flags } from "@oclif/core";
import { listRunIds, readRun } from "../../run/registry.ts";
import { openStorage } from "../../storage/open.ts";
import { SltrainCommand, jsonFlag } from "../../ui/sltrain-command.ts";
import { runRow, runsTable } from "../../ui/runs-table.ts";

export default class RunsLs extends SltrainCommand {
  static override summary = "List the runs that a storage knows, oldest first";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --storage fs:/mnt/efs/sltrain --json",
  ];
  static override flags = {
    storage: Flags.string({ summary: "Where the runs are.", default: "fs:.sltrain", env: "SLTRAIN_STORAGE" }),
    json: jsonFlag,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(RunsLs);
    const storage = await openStorage(flags.storage);
    const runs = await Promise.all((await listRunIds(storage)).map((id) => readRun(storage, id)));
    await storage.close();
    runs.sort((a, b) => a.manifest.createdAt.localeCompare(b.manifest.createdAt));
    const rows = runs.map(runRow);
    if (flags.json) this.log(JSON.stringify({ runs: rows }));
    else if (rows.length === 0) this.log(`no runs in ${flags.storage}; start one with \`sltrain train\``);
    else this.log(runsTable(rows));
  }
}
