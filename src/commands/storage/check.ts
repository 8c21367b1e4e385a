import { Args, ux } from "@oclif/core";
import { checkStorage } from "../../storage/check/check-storage.ts";
import { SltrainCommand, jsonFlag } from "../../ui/sltrain-command.ts";
import { storageCheckView } from "../../ui/storage-check-view.ts";

export default class StorageCheck extends SltrainCommand {
  static override summary = "Test whether a store is fit for training, and measure it";
  static override description =
    "Tries on the store itself what sltrain needs, then measures latency and bandwidth from this machine. Writes under " +
    "a folder of its own and removes it. Exit code 1 if the store cannot be used or something that it offers fails.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> s3://my-bucket/sltrain",
    "<%= config.bin %> <%= command.id %> memcached://10.0.0.7 --json",
    "<%= config.bin %> <%= command.id %> fs:/mnt/efs/sltrain",
  ];
  static override args = {
    uri: Args.string({ description: "What --storage or --channel shall be.", required: true }),
  };
  static override flags = { json: jsonFlag };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(StorageCheck);
    const isWatched = process.stderr.isTTY;
    if (isWatched) ux.action.start("Checking");
    const check = await checkStorage(args.uri);
    if (isWatched) ux.action.stop();
    this.log(flags.json ? JSON.stringify(check) : storageCheckView(check));
    if (check.fitFor.length === 0 || check.probes.some(({ outcome }) => outcome === "failed")) this.exit(1);
  }
}
