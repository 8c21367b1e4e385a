import { Flags } from "@oclif/core";
import { describeData } from "../../coordinator/describe-data.ts";
import { openStorage } from "../../storage/open.ts";
import { dataArg, dataFlags } from "../../ui/data-flags.ts";
import { dataReport } from "../../ui/data-report.ts";
import { SltrainCommand } from "../../ui/sltrain-command.ts";
import { terminalWidth } from "../../ui/table.ts";

export default class DataShow extends SltrainCommand {
  static override summary = "Show one data set: its schema, its statistics and some of its rows";
  static override examples = [
    "<%= config.bin %> <%= command.id %> higgs",
    "<%= config.bin %> <%= command.id %> higgs --samples 20",
    "<%= config.bin %> <%= command.id %> 3f9a01b2c4d5 --storage s3://my-bucket/runs --json",
  ];
  static override args = { data: dataArg };
  static override flags = {
    samples: Flags.integer({ summary: "Rows that are shown.", default: 5, min: 0, max: 1000 }),
    ...dataFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(DataShow);
    const storage = await openStorage(flags.storage);
    try {
      const description = await describeData(storage, args.data, flags.samples);
      if (flags.json) this.log(JSON.stringify(description));
      else this.log(dataReport(description, terminalWidth()));
    } finally {
      await storage.close();
    }
  }
}
