import { Flags, ux } from "@oclif/core";
import { SltrainCommand, jsonFlag } from "../../ui/sltrain-command.ts";

export default class BenchTrees extends SltrainCommand {
  static override summary = "Compare the merge trees of Feng et al. 2018, predicted and measured";
  static override description =
    "The closed form at every depth, the exact optima and the flat tree, over a channel with emulated latency and " +
    "bandwidth. Ranks are tasks of one process: the channel's waiting is real, their own work hardly counts.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --workers 27 --latency-ms 20 --json",
  ];
  static override flags = {
    workers: Flags.integer({ summary: "Ranks.", default: 100, min: 2, max: 1000, helpValue: "N" }),
    bytes: Flags.integer({
      summary: "Size of the gradient in f32.",
      default: 40_000,
      min: 4,
      helpValue: "N",
    }),
    "latency-ms": Flags.integer({ summary: "Latency of a request.", default: 5, min: 0, helpValue: "N" }),
    "link-mbs": Flags.integer({
      summary: "Bandwidth of each rank's link in MB/s.",
      default: 4,
      min: 1,
      helpValue: "N",
    }),
    rounds: Flags.integer({ summary: "Rounds that count, at most.", default: 5, min: 1, helpValue: "N" }),
    json: jsonFlag,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BenchTrees);
    // The bench is loaded by this command alone.
    const { benchTrees, treesTable } = await import("../../../bench/exchange/trees.ts");
    const watched = process.stderr.isTTY;
    if (watched) ux.action.start("Merging");
    const report = await benchTrees({
      ...flags,
      latencyMs: flags["latency-ms"],
      linkMBs: flags["link-mbs"],
      ...(watched && {
        onProgress: (done, total, name) => (ux.action.status = `${done} of ${total}, ${name}`),
      }),
    });
    if (watched) ux.action.stop();
    const { reportJson } = await import("../../../bench/json.ts");
    this.log(flags.json ? reportJson(report) : treesTable(report));
  }
}
