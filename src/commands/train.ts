import { join } from "node:path";
import { resolveTrainConfig } from "../config/resolve.ts";
import { train } from "../coordinator/train.ts";
import { LocalProvider } from "../providers/local/local-provider.ts";
import { SltrainCommand, jsonFlag } from "../ui/sltrain-command.ts";
import { jsonView, liveView, plainView } from "../ui/train-view.ts";
import { trainFlags } from "../ui/train-flags.ts";

const INTERRUPTED = 130;

export default class Train extends SltrainCommand {
  static override summary = "Train a model on functions that exchange their gradients through storage";
  static override description =
    "Without flags: LeNet-5 on MNIST with one local worker per core. Settings come from flags, SLTRAIN_* variables, " +
    "sltrain.config.ts or .json, and defaults, in this order (docs/configuration.md). Ctrl-C stops at the end of a " +
    "step and keeps the state; the same --run-id resumes it.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --model mlp --data fashion-mnist --target-accuracy 0.87",
    "<%= config.bin %> <%= command.id %> --model model.json --data samples.csv --workers 4 --epochs 10",
  ];
  static override flags = { ...trainFlags, json: jsonFlag };

  override async run(): Promise<void> {
    const { flags } = await this.parse(Train);
    const print = (line: string) => this.log(line);
    const view = flags.json
      ? jsonView(print)
      : process.stdout.isTTY
        ? liveView(process.stdout)
        : plainView(print);
    const abort = new AbortController();
    const stop = () => {
      // The second Ctrl-C ends the tool at once; the workers still stop at the end of their step.
      process.once("SIGINT", () => process.exit(INTERRUPTED));
      abort.abort();
    };
    process.once("SIGINT", stop);
    try {
      const { config, sources } = await resolveTrainConfig({ flags, env: process.env, cwd: process.cwd() });
      const summary = await train({
        config,
        sources,
        sltrainVersion: this.config.version,
        createProvider: (runId) => new LocalProvider(join(".sltrain", "runs", runId, "logs")),
        onEvent: (event) => view.show(event),
        signal: abort.signal,
      });
      if (summary.status === "stopped") process.exitCode = INTERRUPTED;
    } catch (error) {
      view.fail(error);
      if (!flags.json) throw error;
      process.exitCode = 1;
    }
  }
}
