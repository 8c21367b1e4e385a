import { Flags } from "@oclif/core";
import { resolveTrainConfig } from "../../config/resolve.ts";
import type { TrainConfig } from "../../config/schema.ts";
import { transformData } from "../../coordinator/transform-data.ts";
import { STEPS } from "../../data/transform/parse-steps.ts";
import { createMappingProvider } from "../../providers/create-provider.ts";
import { deployPrinter } from "../../providers/lambda/deploy-view.ts";
import { useStack } from "../../providers/lambda/use-stack.ts";
import { SltrainError } from "../../errors.ts";
import { openStorage } from "../../storage/open.ts";
import { dataArg } from "../../ui/data-flags.ts";
import { sourceView } from "../../ui/source-view.ts";
import { SltrainCommand, jsonFlag } from "../../ui/sltrain-command.ts";
import { functionFlags } from "../../ui/train-flags.ts";
import { transformReport, transformSummary } from "../../ui/transform-summary.ts";

export default class DataTransform extends SltrainCommand {
  static override summary = "Make a data set from another one by steps of preprocessing";
  static override description = [
    "Rows keep their split and their order. Statistics are those of the training rows that a step gets. With " +
      "--provider or --workers, functions do it, a partition at a time: the result is the same. Steps:",
    ...Object.values(STEPS).map(({ form, description }) => `${form}: ${description}`),
  ].join("\n");
  static override examples = [
    "<%= config.bin %> <%= command.id %> higgs --to higgs-01 --steps min-max",
    "<%= config.bin %> <%= command.id %> counts --to text --steps tf-idf,hash:18",
    "<%= config.bin %> <%= command.id %> census --to census-1hot --steps one-hot:workclass+3 --json",
    "<%= config.bin %> <%= command.id %> higgs --to higgs-std --steps standardise --provider local --workers 4",
  ];
  static override args = { data: dataArg };
  static override flags = {
    to: Flags.string({ summary: "Name of the data set that is made.", required: true }),
    steps: Flags.string({
      summary: "What is done with the rows, in this order, separated by commas.",
      required: true,
      helpValue: Object.keys(STEPS).join("|"),
    }),
    ...functionFlags,
    json: jsonFlag,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(DataTransform);
    const { to, steps, json, ...settings } = flags;
    const { env } = process;
    const resolved = await resolveTrainConfig({ flags: settings, env, cwd: process.cwd() });
    if (resolved.sources.minWorkers === "flag") throw rangeRefused(resolved.config);
    const onFunctions = [resolved.sources.provider, resolved.sources.workers].includes("flag");
    const onEvent = deployPrinter(json, (line) => this.logToStderr(line));
    const config = onFunctions ? await useStack({ ...resolved, env, onEvent }) : resolved.config;
    const createProvider = (uri: string, id: string) => createMappingProvider(config, uri, id);
    const storage = await openStorage(config.storage);
    const view = sourceView(json, process.stderr);
    try {
      const made = await transformData({
        ...{ storage, from: args.data, to, steps },
        functions: onFunctions ? { config, createProvider } : undefined,
        onProgress: view.progress,
      });
      view.end();
      this.log(json ? JSON.stringify(transformReport(made)) : transformSummary(made));
    } finally {
      view.end();
      await storage.close();
    }
  }
}

/** Functions that map do not wait for each other: there is no crew whose size could change. */
function rangeRefused({ minWorkers, workers }: TrainConfig): SltrainError {
  return new SltrainError({
    code: "config-bad-value",
    message: `--workers: expected one number, got ${minWorkers}..${workers}: functions that transform do not wait for each other`,
    suggestions: [`Give the most that may run at once: --workers ${workers}.`],
  });
}
