import { Flags } from "@oclif/core";
import { evaluateRun } from "../coordinator/evaluate-run.ts";
import { openStorage } from "../storage/open.ts";
import { deviceFlags, deviceRequest } from "../ui/device-flags.ts";
import { runArg, runFlags } from "../ui/run-flags.ts";
import { SltrainCommand } from "../ui/sltrain-command.ts";
import { adapterText } from "../ui/gpu-text.ts";
import { formatCount, formatPercent } from "../units.ts";

export default class Evaluate extends SltrainCommand {
  static override summary = "Measure a trained model's loss and accuracy on a data set";
  static override examples = [
    "<%= config.bin %> <%= command.id %> 20261122-235901-lenet5-3f9a",
    "<%= config.bin %> <%= command.id %> my-run --data fashion-mnist --split validation",
    "<%= config.bin %> <%= command.id %> my-run --device webgpu --adapter 1",
  ];
  static override args = { run: runArg };
  static override flags = {
    data: Flags.string({ summary: "Data set or path. Default: what the run was trained on." }),
    split: Flags.option({ options: ["train", "validation"] as const, default: "validation" as const })({
      summary: "Which part of the data.",
    }),
    ...deviceFlags,
    ...runFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(Evaluate);
    const storage = await openStorage(flags.storage);
    const { data, split } = flags;
    const result = await evaluateRun({ storage, runId: args.run, data, split, device: deviceRequest(flags) });
    await storage.close();
    if (flags.json) {
      this.log(JSON.stringify(result));
      return;
    }
    const accuracy = result.accuracy === null ? "" : `, accuracy ${formatPercent(result.accuracy)}`;
    this.log(`${result.runId} on ${result.data} (${flags.split}, ${formatCount(result.samples)} samples):`);
    this.log(`loss ${result.loss.toFixed(4)}${accuracy}`);
    if (result.adapter !== null) this.log(`on ${adapterText(result.adapter)}`);
  }
}
