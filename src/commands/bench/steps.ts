import { writeFile } from "node:fs/promises";
import { Flags } from "@oclif/core";
import { benchDeviceFlags } from "../../ui/bench-device-flags.ts";
import { reportFlag } from "../../ui/report-flag.ts";
import { SltrainCommand, jsonFlag } from "../../ui/sltrain-command.ts";

export default class BenchSteps extends SltrainCommand {
  static override summary = "Time whole training steps of the built-in models";
  static override description =
    "A step is forward, backward and SGD update on a batch that lies in memory. Each round runs sltrain, tf.js on its " +
    "backend for the same device and, with --torch, PyTorch in turns, so that a machine that drifts is slow for all.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --model lenet5 --model mlp --torch",
    "<%= config.bin %> <%= command.id %> --model resnet20 --batch-size 32 --json",
    "<%= config.bin %> <%= command.id %> --device webgpu --adapter nvidia",
  ];
  static override flags = {
    model: Flags.string({
      summary: "Only this model; may be given several times. Default: all but vgg19, which takes gigabytes.",
      multiple: true,
    }),
    "batch-size": Flags.integer({ summary: "Samples per step. Default: by model.", min: 1 }),
    threads: Flags.integer({ summary: "Threads of sltrain and of PyTorch.", default: 1, min: 1, max: 64 }),
    ...benchDeviceFlags,
    tfjs: Flags.boolean({
      summary: "Beside tf.js, where it can train the model.",
      default: true,
      allowNo: true,
    }),
    torch: Flags.boolean({
      summary: "Beside PyTorch (Debian: python3-torch, libopenblas0); with --device webgpu its CUDA.",
    }),
    report: reportFlag(),
    json: jsonFlag,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BenchSteps);
    // The bench and its peers are loaded by this command alone.
    const { benchSteps } = await import("../../../bench/steps/bench-steps.ts");
    const { openTestbed } = await import("../../../bench/testbeds/open.ts");
    const { stepsTable } = await import("../../../bench/steps/table.ts");
    const report = await benchSteps({
      models: flags.model ?? [],
      batchSize: flags["batch-size"],
      threads: flags.threads,
      tfjs: flags.tfjs,
      torch: flags.torch,
      open: () => openTestbed(flags),
      onHint: (hint) => this.warn(hint),
    });
    if (flags.report !== undefined) {
      const { stepsPage } = await import("../../../bench/report/steps-page.ts");
      await writeFile(flags.report, stepsPage(report));
    }
    const { reportJson } = await import("../../../bench/json.ts");
    this.log(flags.json ? reportJson(report) : stepsTable(report));
    if (report.rows.some(({ correct }) => !correct)) this.exit(1);
  }
}
