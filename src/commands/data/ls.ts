import { Flags } from "@oclif/core";
import { runsByDataset } from "../../coordinator/data-use.ts";
import { listDatasets } from "../../data/catalogue.ts";
import { openStorage } from "../../storage/open.ts";
import { dataFlags } from "../../ui/data-flags.ts";
import { dataRow, dataTable } from "../../ui/data-table.ts";
import { knownRows, knownTable } from "../../ui/known-table.ts";
import { SltrainCommand } from "../../ui/sltrain-command.ts";

export default class DataLs extends SltrainCommand {
  static override summary = "List the data sets that a storage has, or that sltrain knows by name";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --known",
    "<%= config.bin %> <%= command.id %> --storage s3://my-bucket/runs --json",
  ];
  static override flags = {
    known: Flags.boolean({ summary: "Those that can be had by name, with origin and licence." }),
    ...dataFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(DataLs);
    if (flags.known) {
      this.log(flags.json ? JSON.stringify({ known: knownRows() }) : knownTable(knownRows()));
      return;
    }
    const storage = await openStorage(flags.storage);
    try {
      const runs = await runsByDataset(storage);
      const rows = (await listDatasets(storage)).map((data) =>
        dataRow(data, runs.get(data.manifest.id) ?? []),
      );
      if (flags.json) this.log(JSON.stringify({ datasets: rows }));
      else if (rows.length > 0) this.log(dataTable(rows));
      else this.log(`no data sets in ${flags.storage}; bring one in with \`sltrain data import\``);
    } finally {
      await storage.close();
    }
  }
}
