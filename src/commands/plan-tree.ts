import { Errors, Flags } from "@oclif/core";
import { type MergeTree, planMergeTree } from "../plan/merge-tree.ts";
import { jsonFlag, SltrainCommand } from "../ui/sltrain-command.ts";
import { drawTable, terminalWidth } from "../ui/table.ts";
import { drawMergeTree } from "../ui/tree.ts";
import { formatCount, formatDuration } from "../units.ts";

const milliseconds = Flags.custom<number>({
  parse: (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value > 0 && value < Infinity) return Promise.resolve(value);
    throw new Errors.CLIError(`Expected a number of milliseconds above 0 but received: ${text}`, { exit: 2 });
  },
});

export default class PlanTree extends SltrainCommand {
  static override summary = "Plan the tree in which functions merge the workers' gradients";
  static override description =
    "Layers by the closed form of Feng et al. 2018 (section III-C), beside the exact optimum and the flat tree. " +
    "Latencies are in t_m, the time in which one function merges one gradient.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --workers 100",
    "<%= config.bin %> <%= command.id %> --workers 1000 --max-layers 3 --tm-ms 50",
    "<%= config.bin %> <%= command.id %> --workers 100 --json",
  ];
  static override flags = {
    workers: Flags.integer({
      summary: "Workers whose gradients are merged.",
      required: true,
      min: 1,
      max: 1_000_000,
    }),
    "max-layers": Flags.integer({
      summary: "Layers of mergers allowed between the root and the workers.",
      default: 2,
      min: 0,
    }),
    "tm-ms": milliseconds({ summary: "Measured time to merge one gradient, in milliseconds." }),
    json: jsonFlag,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(PlanTree);
    const { workers, "max-layers": maxLayers, "tm-ms": tmMs } = flags;
    const plan = planMergeTree({ workers, maxLayers, ...(tmMs === undefined ? {} : { tmMs }) });
    if (flags.json) {
      this.log(JSON.stringify(plan));
      return;
    }
    this.log(`${drawMergeTree(plan.layers, terminalWidth())}\n`);
    const row = (name: string, tree: MergeTree): string[] => [
      name,
      tree.layers.join(" "),
      formatCount(tree.layers.slice(0, -1).reduce((sum, count) => sum + count, 0)),
      `${formatCount(tree.latencyTm)} t_m`,
      ...(tree.latencyMs === undefined ? [] : [formatDuration(tree.latencyMs)]),
    ];
    const columns = [
      { header: "tree" },
      { header: "layers" },
      { header: "mergers", align: "right" },
      { header: "latency", align: "right" },
      ...(tmMs === undefined
        ? []
        : [{ header: `at t_m = ${formatDuration(tmMs)}`, align: "right" } as const]),
    ] as const;
    const exact = plan.exact.map((tree) => row(`exact, ≤ ${tree.maxLayers} layers`, tree));
    this.log(drawTable(columns, [row("closed form", plan), ...exact, row("flat", plan.flat)]));
  }
}
