import { Flags } from "@oclif/core";
import { SltrainCommand, jsonFlag } from "../../ui/sltrain-command.ts";

export default class BenchData extends SltrainCommand {
  static override summary = "Time how data are parsed, imported and loaded";
  static override description =
    "Texts of the shapes of real data sets are parsed by sltrain, by a plain split loop and by csv-parse (where it is " +
    "installed) in turns, and all must find the same rows. Then files are imported into a folder and loaded from it. " +
    "Speeds are per second of one core's time, so that what else runs on the machine does not count.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --quick",
    "<%= config.bin %> <%= command.id %> --json > data.json",
  ];
  static override flags = {
    quick: Flags.boolean({ summary: "Small texts, once each: some seconds." }),
    json: jsonFlag,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BenchData);
    // The bench and its peers are loaded by this command alone.
    const { benchData } = await import("../../../bench/data/bench-data.ts");
    const report = await benchData({ quick: flags.quick });
    if (flags.json) {
      const { reportJson } = await import("../../../bench/json.ts");
      this.log(reportJson(report));
    } else {
      const { dataTables } = await import("../../../bench/data/table.ts");
      this.log(dataTables(report));
    }
  }
}
