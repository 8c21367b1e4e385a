import { Flags } from "@oclif/core";
import { listRunIds, readRun, statusOf } from "../../run/registry.ts";
import { openStorage } from "../../storage/open.ts";
import { SltrainCommand, jsonFlag } from "../../ui/sltrain-command.ts";
import { drawTable } from "../../ui/table.ts";
import { formatDuration, formatPercent } from "../../units.ts";

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
    const rows = runs.map((run) => ({
      runId: run.manifest.runId,
      status: statusOf(run),
      model: run.manifest.config.model,
      data: run.manifest.config.data,
      workers: run.manifest.config.workers,
      epochs: run.metrics.length,
      loss: run.metrics.at(-1)?.loss ?? null,
      accuracy: run.summary?.accuracy ?? run.metrics.at(-1)?.accuracy ?? null,
      wallMs: run.summary?.wallMs ?? null,
      createdAt: run.manifest.createdAt,
    }));
    if (flags.json) this.log(JSON.stringify({ runs: rows }));
    else if (rows.length === 0) this.log(`no runs in ${flags.storage}; start one with \`sltrain train\``);
    else {
      const right = { align: "right" } as const;
      const columns = [
        { header: "run", whole: true },
        { header: "status", whole: true },
        { header: "model, data" },
        { header: "epochs", ...right },
        { header: "accuracy", ...right },
        { header: "time", ...right },
      ];
      const cells = rows.map((row) => [
        row.runId,
        row.status,
        `${row.model}, ${row.data}`,
        String(row.epochs),
        row.accuracy === null ? "-" : formatPercent(row.accuracy),
        row.wallMs === null ? "-" : formatDuration(row.wallMs),
      ]);
      this.log(drawTable(columns, cells));
    }
  }
}
