import { Flags } from "@oclif/core";
import { removeData } from "../../coordinator/data-use.ts";
import { openStorage } from "../../storage/open.ts";
import { dataArg, dataFlags } from "../../ui/data-flags.ts";
import { dataRow, storedBytes } from "../../ui/data-table.ts";
import { SltrainCommand } from "../../ui/sltrain-command.ts";
import { formatBytes } from "../../units.ts";

export default class DataRm extends SltrainCommand {
  static override summary = "Delete a data set from storage";
  static override examples = [
    "<%= config.bin %> <%= command.id %> higgs",
    "<%= config.bin %> <%= command.id %> 3f9a01b2c4d5 --force --json",
  ];
  static override args = { data: dataArg };
  static override flags = {
    force: Flags.boolean({ summary: "Even if runs use it, which then cannot be resumed or evaluated." }),
    ...dataFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(DataRm);
    const storage = await openStorage(flags.storage);
    try {
      const removed = await removeData(storage, args.data, flags.force);
      const freed = formatBytes(storedBytes(removed.manifest));
      this.log(flags.json ? JSON.stringify(dataRow(removed, [])) : `removed ${args.data}, ${freed}`);
    } finally {
      await storage.close();
    }
  }
}
