import { Args, Flags } from "@oclif/core";
import { readOptionFlags, readOptionsOfFlags } from "../../ui/read-option-flags.ts";
import { importData } from "../../coordinator/import-data.ts";
import { openStorage } from "../../storage/open.ts";
import { dataFlags } from "../../ui/data-flags.ts";
import { importReport, importSummary } from "../../ui/import-summary.ts";
import { sourceView } from "../../ui/source-view.ts";
import { SltrainCommand } from "../../ui/sltrain-command.ts";

export default class DataImport extends SltrainCommand {
  static override summary = "Bring data into storage, in partitions that functions load";
  static override description =
    "The content says what format a file is (docs/data.md lists them). Rows are read as a stream, split by a fixed " +
    "seed, shuffled once, measured, and written as compressed blocks; `train --data NAME` then begins at once. The same " +
    "content is not imported twice.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> collisions.csv.gz",
    "<%= config.bin %> <%= command.id %> rcv1_train.binary --name rcv1-small --storage s3://my-bucket/runs",
    "<%= config.bin %> <%= command.id %> day_0.tsv.gz --name criteo --label-column 0 --hash-bits 18 --on-bad-record skip",
    "<%= config.bin %> <%= command.id %> synthetic:higgs --rows 1000000 --name higgs-twin",
    "<%= config.bin %> <%= command.id %> photos/ --image-size 64x64 --json",
  ];
  static override args = {
    source: Args.string({
      description: "Path of a file or folder, or the name of a known data set.",
      required: true,
    }),
  };
  static override flags = {
    name: Flags.string({ summary: "What it is called from now on. Default: the file's name." }),
    ...readOptionFlags,
    rows: Flags.integer({ summary: "Rows to train on, of data sets that are generated.", min: 10 }),
    seed: Flags.integer({ summary: "Of data sets that are generated.", default: 1, min: 0 }),
    ...dataFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(DataImport);
    const read = readOptionsOfFlags(flags);
    const storage = await openStorage(flags.storage);
    const view = sourceView(flags.json, process.stderr);
    try {
      const imported = await importData({
        ...{ storage, source: args.source, name: flags.name, read, seed: flags.seed, rows: flags.rows },
        onProgress: view.progress,
      });
      view.end();
      this.log(flags.json ? JSON.stringify(importReport(imported)) : importSummary(imported));
    } finally {
      view.end();
      await storage.close();
    }
  }
}
