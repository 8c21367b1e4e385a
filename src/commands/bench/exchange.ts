import { writeFile } from "node:fs/promises";
import { Flags, ux } from "@oclif/core";
import { reduceNames } from "../../allreduce/patterns/index.ts";
import { codecNames } from "../../shard/codec/codecs.ts";
import { reportFlag } from "../../ui/report-flag.ts";
import { SltrainCommand, jsonFlag } from "../../ui/sltrain-command.ts";

export default class BenchExchange extends SltrainCommand {
  static override summary = "Time rounds of gradient exchange through a channel";
  static override description =
    "Every rank is a process. A round is timed from a common start to the end of the slowest rank, and every mean is " +
    "checked against a sum made in one process. Beside it stand the least time that the channel allows, measured with " +
    "as many processes at once, and what the round asks of the store. Flags take lists: every combination is measured.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --reduce scatter-reduce,textbook --workers 2,4,8 --bytes 224,12MB,89MB",
    "<%= config.bin %> <%= command.id %> --storage redis://127.0.0.1 --compress f32,bf16 --reduce tree:1,2,4,hierarchical --workers 4",
    "<%= config.bin %> <%= command.id %> --storage fs:/mnt/efs --prices s3 --json",
  ];
  static override flags = {
    storage: Flags.string({
      summary: "Channel that carries the frames. Default: a temporary folder.",
      aliases: ["channel"],
      helpValue: "URI",
    }),
    workers: Flags.string({ summary: "Ranks.", default: "2,4", helpValue: "LIST" }),
    bytes: Flags.string({
      summary: "Sizes of the gradient in f32 (224, 12e6, 12MB).",
      default: "12MB",
      helpValue: "LIST",
    }),
    reduce: Flags.string({
      summary: `${reduceNames.join(", ")}, as in train; textbook is LambdaML's ScatterReduce.`,
      default: "scatter-reduce,textbook",
      helpValue: "LIST",
    }),
    compress: Flags.string({ summary: `${codecNames.join(", ")}.`, default: "f32", helpValue: "LIST" }),
    zstd: Flags.option({
      summary: "Compress what codecs leave; auto: where that saves time.",
      options: ["auto", "on", "off"] as const,
      default: "auto",
    })(),
    rounds: Flags.integer({ summary: "Rounds that count, at most.", default: 20, min: 1, helpValue: "N" }),
    "bucket-bytes": Flags.integer({
      summary: "Gradient bytes that are exchanged together.",
      default: 4_194_304,
      min: 4096,
      helpValue: "N",
    }),
    prices: Flags.option({
      summary: "Price the requests as this store does.",
      options: ["s3", "s3-express", "dynamodb"] as const,
    })(),
    tasks: Flags.boolean({
      summary: "Ranks as tasks of one process: hundreds of them, over a channel whose latency decides.",
    }),
    report: reportFlag(),
    json: jsonFlag,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BenchExchange);
    // The bench is loaded by this command alone.
    const { benchExchange } = await import("../../../bench/exchange/bench-exchange.ts");
    const { parseMatrix } = await import("../../../bench/exchange/matrix.ts");
    const { exchangeTable } = await import("../../../bench/exchange/table.ts");
    const matrix = parseMatrix({ ...flags, channel: flags.storage });
    const watched = process.stderr.isTTY;
    if (watched) ux.action.start("Exchanging");
    const report = await benchExchange({
      ...flags,
      matrix,
      channel: flags.storage,
      bucketBytes: flags["bucket-bytes"],
      ...(watched && {
        onProgress: (done, total, name) => (ux.action.status = `${done} of ${total}, ${name}`),
      }),
    });
    if (watched) ux.action.stop();
    if (flags.report !== undefined) {
      const { exchangePage } = await import("../../../bench/report/exchange-page.ts");
      await writeFile(flags.report, exchangePage(report));
    }
    const { reportJson } = await import("../../../bench/json.ts");
    this.log(flags.json ? reportJson(report) : exchangeTable(report));
  }
}
