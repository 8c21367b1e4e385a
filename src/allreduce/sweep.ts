// Remembers what this rank wrote, and tells what of it no rank can need any more. Nobody deletes what another wrote, and
// nobody deletes on read.

import { frameKey } from "./keys.ts";
import type { Lane } from "./lane.ts";
import { meanObjects, type ObjectPlace, partObjects } from "./objects.ts";
import type { ReducePlan } from "./pattern.ts";

interface Written {
  readonly lane: Lane;
  readonly step: number;
  /** The training step that was the newest when the round was opened: its own, unless its lane counts apart. */
  readonly duringStep: number;
}

export class FrameSweeper {
  readonly #runId: string;
  #parts: Written[] = [];
  #means: Written[] = [];
  #newestStep = -1;

  constructor(runId: string) {
    this.#runId = runId;
  }

  opened(lane: Lane, step: number): void {
    if (lane.options.apart !== true) this.#newestStep = Math.max(this.#newestStep, step);
    const written = { lane, step, duringStep: this.#newestStep };
    this.#parts.push(written);
    this.#means.push(written);
  }

  /** Keys to delete, each once. See `Collective.sweep`. */
  take(currentStep: number, durableStep: number): string[] {
    const last = new Map(this.#means.map(({ lane, step }) => [lane, step]));
    // A checkpoint of step s may have been taken before what counts apart and followed s was reduced; and the last of what
    // counts apart may follow no step that this start of the rank has seen.
    const meanIsOld = ({ lane, step, duringStep }: Written): boolean =>
      lane.options.apart === true
        ? duringStep < durableStep && step !== last.get(lane)
        : duringStep <= durableStep;
    const partIsOld = (written: Written): boolean =>
      written.duringStep <= currentStep - 2 && (!written.lane.keepsParts || meanIsOld(written));
    const [parts, means] = [this.#parts.filter(partIsOld), this.#means.filter(meanIsOld)];
    this.#parts = this.#parts.filter((written) => !partIsOld(written));
    this.#means = this.#means.filter((written) => !meanIsOld(written));
    return [
      ...parts.flatMap((written) =>
        this.#keys(written, (plan) =>
          partObjects(plan, written.lane.group.rank, written.lane.options.packed),
        ),
      ),
      ...means.flatMap((written) =>
        this.#keys(written, (plan) => meanObjects(plan, written.lane.group.rank)),
      ),
    ];
  }

  #keys({ lane, step }: Written, placesOf: (plan: ReducePlan) => ObjectPlace[]): string[] {
    const { number, rank } = lane.group;
    return lane.plans.flatMap((plan, bucket) =>
      placesOf(plan).map((place) => frameKey(this.#runId, { lane: number, step, bucket, rank, ...place })),
    );
  }
}
