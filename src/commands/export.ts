import { Flags } from "@oclif/core";
import { exportFormats, exportRun } from "../coordinator/export-run.ts";
import { openStorage } from "../storage/open.ts";
import { runArg, runFlags } from "../ui/run-flags.ts";
import { SltrainCommand } from "../ui/sltrain-command.ts";
import { formatBytes } from "../units.ts";

export default class Export extends SltrainCommand {
  static override summary = "Write a trained model as files for other tools";
  static override description =
    "tfjs: a folder with the model.json and weights.bin that tf.loadLayersModel reads. onnx: one file of opset 17 with " +
    "NHWC input, a free batch and the data's transform inside. safetensors: the tensors alone, under Keras's names.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> my-run --format onnx --to model.onnx",
    "<%= config.bin %> <%= command.id %> my-run --format tfjs --to web/model",
    "<%= config.bin %> <%= command.id %> my-run --format safetensors --to model.safetensors --json",
  ];
  static override args = { run: runArg };
  static override flags = {
    format: Flags.option({ options: exportFormats, required: true })({
      summary: "What the other tool reads.",
    }),
    to: Flags.string({ summary: "The file, or tfjs's folder.", required: true }),
    ...runFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(Export);
    const { format, to } = flags;
    const storage = await openStorage(flags.storage);
    const exported = await exportRun({ storage, runId: args.run, format, to });
    await storage.close();
    if (flags.json) {
      this.log(JSON.stringify(exported));
      return;
    }
    for (const { path, bytes } of exported.files) this.log(`${path} (${formatBytes(bytes)})`);
    for (const note of exported.notes) this.log(note);
  }
}
