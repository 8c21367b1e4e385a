import { Args, Flags } from "@oclif/core";
import { predictRun } from "../coordinator/predict-run.ts";
import { openStorage } from "../storage/open.ts";
import { deviceFlags, deviceRequest } from "../ui/device-flags.ts";
import { runArg, runFlags } from "../ui/run-flags.ts";
import { SltrainCommand } from "../ui/sltrain-command.ts";
import { drawTable } from "../ui/table.ts";
import { formatCount, formatPercent } from "../units.ts";

export default class Predict extends SltrainCommand {
  static override summary = "Ask a trained model about the rows of a file";
  static override description =
    "The file is IDX, CSV or LibSVM, also gzipped, with the features that the model was trained on; a label column is left out.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> my-run t10k-images-idx3-ubyte.gz --limit 5",
    "<%= config.bin %> <%= command.id %> my-run samples.csv --json",
  ];
  static override args = {
    run: runArg,
    file: Args.string({ description: "IDX, CSV or LibSVM file.", required: true }),
  };
  static override flags = {
    limit: Flags.integer({ summary: "Print the first rows only; --json prints all.", default: 20, min: 1 }),
    ...deviceFlags,
    ...runFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(Predict);
    const storage = await openStorage(flags.storage);
    const { run: runId, file } = args;
    const answer = await predictRun({ storage, runId, file, device: deviceRequest(flags) });
    const { predictions } = answer;
    await storage.close();
    if (flags.json) {
      this.log(JSON.stringify({ runId, file, ...answer }));
      return;
    }
    const shown = predictions.slice(0, flags.limit);
    const isRegression = predictions[0]?.class === null;
    const rows = shown.map(({ outputs, class: label, className }, row) => {
      if (label === null) return [String(row), outputs.map((value) => value.toPrecision(5)).join(" ")];
      const name = className ?? String(label);
      if (answer.outputKind === "score" || answer.outputKind === "distance")
        return [String(row), name, Math.max(...outputs).toPrecision(4)];
      const probability = outputs.length === 1 && label === 0 ? 1 - outputs[0]! : Math.max(...outputs);
      return [String(row), name, formatPercent(probability)];
    });
    const columns = [{ header: "row", align: "right" }, { header: "prediction" }] as const;
    this.log(drawTable(isRegression ? columns : [...columns, { header: answer.outputKind }], rows));
    if (predictions.length > rows.length)
      this.log(`… and ${formatCount(predictions.length - rows.length)} more rows`);
  }
}
