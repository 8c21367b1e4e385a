import { Args, Flags } from "@oclif/core";
import { removeData, removeUnfinished } from "../../coordinator/data-use.ts";
import { SltrainError } from "../../errors.ts";
import { openStorage } from "../../storage/open.ts";
import { dataFlags, datasetDescription } from "../../ui/data-flags.ts";
import { dataRow, storedBytes } from "../../ui/data-table.ts";
import { SltrainCommand } from "../../ui/sltrain-command.ts";
import { formatBytes, formatCount } from "../../units.ts";

export default class DataRm extends SltrainCommand {
  static override summary = "Delete a data set from storage";
  static override examples = [
    "<%= config.bin %> <%= command.id %> higgs",
    "<%= config.bin %> <%= command.id %> 3f9a01b2c4d5 --force --json",
    "<%= config.bin %> <%= command.id %> --unfinished",
  ];
  static override args = { data: Args.string({ description: datasetDescription }) };
  static override flags = {
    unfinished: Flags.boolean({
      summary: "What imports and transformations left that were stopped; not while one goes on.",
      default: false,
    }),
    force: Flags.boolean({ summary: "Even if runs use it, which then cannot be resumed or evaluated." }),
    ...dataFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(DataRm);
    if ((args.data === undefined) !== flags.unfinished) {
      throw new SltrainError({
        code: "flag-invalid",
        message: "expected either a data set or --unfinished, got " + (flags.unfinished ? "both" : "neither"),
        suggestions: ["`sltrain data ls` lists the data sets."],
      });
    }
    const storage = await openStorage(flags.storage);
    try {
      if (args.data === undefined) {
        const removed = [...(await removeUnfinished(storage))].map(([id, keys]) => ({
          id,
          objects: keys.length,
        }));
        const objects = removed.reduce((sum, one) => sum + one.objects, 0);
        const told = `removed ${formatCount(objects)} objects of ${formatCount(removed.length)} unfinished data sets`;
        this.log(flags.json ? JSON.stringify({ unfinished: removed }) : told);
        return;
      }
      const removed = await removeData(storage, args.data, flags.force);
      const freed = formatBytes(storedBytes(removed.manifest));
      this.log(flags.json ? JSON.stringify(dataRow(removed, [])) : `removed ${args.data}, ${freed}`);
    } finally {
      await storage.close();
    }
  }
}
