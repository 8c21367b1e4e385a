import { writeFile } from "node:fs/promises";
import { Flags, ux } from "@oclif/core";
import { benchDeviceFlags } from "../../ui/bench-device-flags.ts";
import { reportFlag } from "../../ui/report-flag.ts";
import { SltrainCommand, jsonFlag } from "../../ui/sltrain-command.ts";

export default class BenchKernels extends SltrainCommand {
  static override summary = "Check and time every kernel on the shapes of the built-in models";
  static override description =
    "Each row is checked against a float64 reference, then timed: median, GFLOP/s, the share of the limit that the " +
    "device's FMA peak and bandwidth set (both measured in the same run), and the ratio to tf.js's backend of the same " +
    "kind on the same shape. On a GPU, what has no kernel yet is listed below the rows.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --op conv2d --json",
    "<%= config.bin %> <%= command.id %> --filter lenet5",
    "<%= config.bin %> <%= command.id %> --quick --no-tfjs",
    "<%= config.bin %> <%= command.id %> --device webgpu --adapter nvidia",
  ];
  static override flags = {
    op: Flags.string({ summary: "Only this op (conv2d, dense, matmul, …)." }),
    filter: Flags.string({ summary: "Only rows whose op, shape or model contains this text." }),
    "batch-size": Flags.integer({ summary: "Samples per batch. Default: several, by model.", min: 1 }),
    quick: Flags.boolean({ summary: "Small models at one batch, fewer samples." }),
    ...benchDeviceFlags,
    tfjs: Flags.boolean({ summary: "Beside tf.js's backend.", default: true, allowNo: true }),
    target: Flags.option({
      summary: "What wasm is compiled for; 128: without V8's joining of vectors.",
      options: ["auto", "128"] as const,
      default: "auto",
    })(),
    report: reportFlag(),
    json: jsonFlag,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BenchKernels);
    // The bench and its peer are loaded by this command alone.
    const { benchKernels } = await import("../../../bench/kernels/bench-kernels.ts");
    const { openTestbed } = await import("../../../bench/testbeds/open.ts");
    const { benchTable } = await import("../../../bench/kernels/table.ts");
    const watched = process.stderr.isTTY;
    if (watched) ux.action.start("Measuring");
    const report = await benchKernels({
      ...flags,
      batchSize: flags["batch-size"],
      open: () => openTestbed(flags),
      ...(watched && { onCase: (done, total, name) => (ux.action.status = `${done} of ${total}, ${name}`) }),
    });
    if (watched) ux.action.stop();
    if (flags.report !== undefined) {
      const { kernelsPage } = await import("../../../bench/report/kernels-page.ts");
      await writeFile(flags.report, kernelsPage(report));
    }
    const { reportJson } = await import("../../../bench/json.ts");
    this.log(flags.json ? reportJson(report) : benchTable(report));
    if (report.rows.some((row) => !row.correct) || report.skipped.some(({ why }) => why === "failed"))
      this.exit(1);
  }
}
