// A run that goes on elsewhere, shown here until it ends, or until Ctrl-C leaves it to itself.

import { attachRun, type AttachOptions } from "../coordinator/attach-run.ts";
import { watchCommand } from "../run/resume-command.ts";
import { exitCodeOf } from "./sltrain-command.ts";
import { chooseView } from "./train-view.ts";

/** Throws what `attachRun` throws, unless it is told as JSON: then it is the exit code only. */
export async function attachShown(
  options: Omit<AttachOptions, "onEvent" | "leave">,
  json: boolean,
): Promise<void> {
  const { runId, storageUri } = options;
  const view = chooseView(json, process.stdout);
  const left = new AbortController();
  process.once("SIGINT", () => left.abort());
  try {
    const summary = await attachRun({
      ...options,
      onEvent: (event) => view.show(event),
      leave: left.signal,
    });
    if (!summary) view.show({ event: "run.detached", runId, watch: watchCommand(runId, storageUri) });
  } catch (error) {
    view.fail(error);
    if (!json) throw error;
    process.exitCode = exitCodeOf(error as Error);
  }
}
