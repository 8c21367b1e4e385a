import { Flags } from "@oclif/core";
import { SltrainCommand, jsonFlag } from "../../ui/sltrain-command.ts";

export default class BenchKernels extends SltrainCommand {
  static override summary = "Check and time every kernel on the shapes of the built-in models";
  static override description =
    "Each row is checked against a float64 reference, then timed: median, GFLOP/s, the share of the machine's FMA " +
    "peak measured in the same run, and the ratio to tfjs-backend-wasm on the same shape.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --op conv2d --json",
    "<%= config.bin %> <%= command.id %> --filter lenet5",
  ];
  static override flags = {
    op: Flags.string({ summary: "Only this op (conv2d, dense, matmul, …)." }),
    filter: Flags.string({ summary: "Only rows whose op, shape or model contains this text." }),
    "batch-size": Flags.integer({ summary: "Samples per batch.", default: 128, min: 1 }),
    json: jsonFlag,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BenchKernels);
    // The bench and its peer are loaded by this command alone.
    const { benchKernels } = await import("../../../bench/kernels/bench-kernels.ts");
    const { benchTable } = await import("../../../bench/kernels/table.ts");
    const report = await benchKernels({
      ...(flags.op === undefined ? {} : { op: flags.op }),
      ...(flags.filter === undefined ? {} : { filter: flags.filter }),
      batchSize: flags["batch-size"],
    });
    this.log(flags.json ? JSON.stringify(report) : benchTable(report));
    if (report.rows.some((row) => !row.correct)) this.exit(1);
  }
}
