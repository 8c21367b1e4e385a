import { Flags } from "@oclif/core";
import { resolveTrainConfig } from "../config/resolve.ts";
import { train } from "../coordinator/train.ts";
import { createMappingProvider, createProvider } from "../providers/create-provider.ts";
import { deployPrinter } from "../providers/lambda/deploy-view.ts";
import { useStack } from "../providers/lambda/use-stack.ts";
import { SltrainError } from "../errors.ts";
import { SltrainCommand, exitCodeOf, explainFlag, jsonFlag } from "../ui/sltrain-command.ts";
import { chooseView } from "../ui/train-view.ts";
import { trainFlags } from "../ui/train-flags.ts";

/** Each asks the run to stop; the exit codes are a shell's for these signals. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

export default class Train extends SltrainCommand {
  static override summary = "Train a model on functions that exchange their gradients through storage";
  static override description =
    "Without flags: LeNet-5 on MNIST with one local worker per core. Settings come from flags, SLTRAIN_* variables, " +
    "sltrain.config.ts or .json, and defaults, in this order (docs/configuration.md). Ctrl-C stops at the end of a " +
    "step and keeps the state; the same --run-id goes on where it was, also after a crash.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --model mlp --data fashion-mnist --target-accuracy 0.87",
    "<%= config.bin %> <%= command.id %> --model model.json --data samples.csv --workers 4 --epochs 10",
    "<%= config.bin %> <%= command.id %> --storage s3://my-bucket/runs --channel memcached://10.0.0.7 --compress bf16",
    "<%= config.bin %> <%= command.id %> --workers 16 --deadline 2h --budget-usd 5 --detach",
    "<%= config.bin %> <%= command.id %> --provider lambda --workers 100 --memory 1769",
    "<%= config.bin %> <%= command.id %> --algorithm local-sgd --sync-every epoch --reduce tree",
  ];
  static override flags = {
    ...trainFlags,
    detach: Flags.boolean({
      summary: "Start the run and leave it to itself; `sltrain runs watch` shows it.",
    }),
    json: jsonFlag,
  };

  override async run(): Promise<void> {
    // A program that asked for JSON gets its errors as JSON, those of its command line too.
    const json = this.argv.includes("--json");
    const view = chooseView(json, process.stdout);
    const abort = new AbortController();
    let signalled: number | undefined;
    for (const [signal, exitCode] of Object.entries(SIGNALS)) {
      process.on(signal, () => {
        // The second time ends the tool at once; the workers still stop at the end of their step.
        view.interrupted(signalled !== undefined);
        if (signalled !== undefined) process.exit(signalled);
        signalled = exitCode;
        abort.abort(beforeTheRun());
      });
    }
    try {
      const { flags } = await this.parse(Train);
      const { json: _, detach, ...settings } = flags;
      const { env } = process;
      const resolved = await resolveTrainConfig({ flags: settings, env, cwd: process.cwd() });
      const print = json ? (line: string) => this.log(line) : (line: string) => this.logToStderr(line);
      const config = await useStack({ ...resolved, env, onEvent: deployPrinter(json, print) });
      const summary = await train({
        ...{ config, sources: resolved.sources },
        sltrainVersion: this.config.version,
        ...{ createProvider, createMappingProvider },
        onEvent: (event) => view.show(event),
        signal: abort.signal,
        detach,
      });
      if (summary?.reason === "stop-requested") process.exitCode = signalled ?? SIGNALS.SIGINT;
    } catch (error) {
      const told = explainFlag(error as Error, Object.keys(Train.flags));
      view.fail(told);
      const stopped = told === abort.signal.reason ? signalled : undefined;
      if (!json && stopped === undefined) throw told;
      if (!json) this.logToStderr(told.message);
      process.exitCode = stopped ?? exitCodeOf(told);
    }
  }
}

/** What a run is stopped with that has no worker yet. */
function beforeTheRun(): SltrainError {
  return new SltrainError({
    code: "interrupted",
    message: "stopped before the run had begun; what is in storage by now is not made again",
  });
}
