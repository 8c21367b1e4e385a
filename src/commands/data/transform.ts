import { Flags } from "@oclif/core";
import { transformData } from "../../coordinator/transform-data.ts";
import { STEPS } from "../../data/transform/parse-steps.ts";
import { openStorage } from "../../storage/open.ts";
import { dataArg, dataFlags } from "../../ui/data-flags.ts";
import { importReport, importView, transformSummary } from "../../ui/import-view.ts";
import { SltrainCommand } from "../../ui/sltrain-command.ts";

export default class DataTransform extends SltrainCommand {
  static override summary = "Make a data set from another one by steps of preprocessing";
  static override description = [
    "Rows keep their split and their order. Statistics are those of the training rows that a step gets. Steps:",
    ...Object.values(STEPS).map(({ form, description }) => `${form}: ${description}`),
  ].join("\n");
  static override examples = [
    "<%= config.bin %> <%= command.id %> higgs --to higgs-01 --steps min-max",
    "<%= config.bin %> <%= command.id %> counts --to text --steps l2-norm,hash:18",
    "<%= config.bin %> <%= command.id %> census --to census-1hot --steps one-hot:workclass+3 --json",
  ];
  static override args = { data: dataArg };
  static override flags = {
    to: Flags.string({ summary: "Name of the data set that is made.", required: true }),
    steps: Flags.string({
      summary: "What is done with the rows, in this order, separated by commas.",
      required: true,
      helpValue: Object.keys(STEPS).join("|"),
    }),
    ...dataFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(DataTransform);
    const storage = await openStorage(flags.storage);
    const view = importView(process.stderr);
    try {
      const made = await transformData({
        ...{ storage, from: args.data, to: flags.to, steps: flags.steps },
        onProgress: (progress) => view.progress(progress),
      });
      view.end();
      this.log(flags.json ? JSON.stringify(importReport(made)) : transformSummary(made));
    } finally {
      view.end();
      await storage.close();
    }
  }
}
