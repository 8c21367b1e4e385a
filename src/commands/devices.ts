import { listAdapters } from "../device/webgpu/adapters.ts";
import { devicesView } from "../ui/devices-view.ts";
import { SltrainCommand, jsonFlag } from "../ui/sltrain-command.ts";

export default class Devices extends SltrainCommand {
  static override summary = "List what this machine can train on: its processor and its GPUs";
  static override description =
    "GPUs by the index and the name that --adapter takes, with the features and limits that decide which kernels they " +
    "run. `sltrain doctor --device webgpu` says what to do where one is missing.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --json",
  ];
  static override flags = { json: jsonFlag };

  override async run(): Promise<void> {
    const { flags } = await this.parse(Devices);
    const adapters = await listAdapters();
    this.log(flags.json ? JSON.stringify({ adapters }) : devicesView(adapters));
  }
}
