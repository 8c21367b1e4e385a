import { Args, Flags } from "@oclif/core";
import { exportData, exportSplits } from "../../coordinator/export-data.ts";
import { rowFileFormats } from "../../data/write-rows.ts";
import { openStorage } from "../../storage/open.ts";
import { dataFlags } from "../../ui/data-flags.ts";
import { exportSummary } from "../../ui/export-summary.ts";
import { sourceView } from "../../ui/source-view.ts";
import { SltrainCommand } from "../../ui/sltrain-command.ts";

export default class DataExport extends SltrainCommand {
  static override summary = "Write a data set as a file that other programs read";
  static override description =
    "Values are those that are stored, which a model sees scaled. csv: a header, the label first. libsvm: columns " +
    "from 1, zeros left out. npy: features, and labels beside them (X.npy, X.labels.npy). All read back as the same f32.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> higgs higgs.csv",
    "<%= config.bin %> <%= command.id %> criteo criteo.svm --split validation",
    "<%= config.bin %> <%= command.id %> synthetic:higgs higgs.svm --rows 900000 --split train --json",
  ];
  static override args = {
    data: Args.string({
      description: "A data set as `sltrain data ls` lists it, or synthetic:NAME.",
      required: true,
    }),
    path: Args.string({ description: "The file; one that is there is replaced.", required: true }),
  };
  static override flags = {
    format: Flags.option({ options: rowFileFormats })({ summary: "Default: by the file's extension." }),
    split: Flags.option({ options: exportSplits })({
      summary: "Which rows; all are those to train on, then those to validate on.",
      default: "all",
    }),
    rows: Flags.integer({ summary: "Rows to train on, of data sets that are generated.", min: 10 }),
    seed: Flags.integer({ summary: "Of data sets that are generated.", default: 1, min: 0 }),
    ...dataFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(DataExport);
    const { format, split, rows, seed } = flags;
    const storage = await openStorage(flags.storage);
    const view = sourceView(flags.json, process.stderr);
    try {
      const exported = await exportData({
        ...{ storage, data: args.data, path: args.path, format, split, rows, seed },
        onProgress: view.progress,
      });
      view.end();
      this.log(flags.json ? JSON.stringify(exported) : exportSummary(exported));
    } finally {
      view.end();
      await storage.close();
    }
  }
}
