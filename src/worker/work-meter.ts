// Where a worker's time goes: what is not spent on exchanging, or waiting for peers or data, is compute. What earlier starts of the rank have
// spent is counted as its own.

import type { Device } from "../device/device.ts";
import type { SpentTotals } from "./cursor.ts";
import type { Peers } from "./peers.ts";

export class WorkMeter {
  readonly #peers: Pick<Peers, "stats">;
  readonly #device: Pick<Device, "busyMs">;
  /** A process that is called again finds its device as it left it. */
  readonly #busyBeforeMs: number;
  readonly #startMs = performance.now();
  readonly #before: SpentTotals;
  readonly #dataMs: () => number;
  #lapStart: SpentTotals;

  /** `before`: until this start, and until the last lap before it. `dataMs`: what this start has waited for rows. */
  constructor(
    peers: Pick<Peers, "stats">,
    device: Pick<Device, "busyMs">,
    before: { readonly spent: SpentTotals; readonly epochSpent: SpentTotals },
    dataMs: () => number = () => 0,
  ) {
    this.#dataMs = dataMs;
    this.#peers = peers;
    this.#device = device;
    this.#busyBeforeMs = device.busyMs ?? 0;
    this.#before = before.spent;
    this.#lapStart = before.epochSpent;
  }

  get totals(): SpentTotals {
    const { stats } = this.#peers;
    const wallMs = performance.now() - this.#startMs;
    const gpuBusyMs = (this.#device.busyMs ?? 0) - this.#busyBeforeMs;
    const dataMs = this.#dataMs();
    const computeMs = wallMs - stats.exchangeMs - stats.waitMs - dataMs;
    const own = { wallMs, gpuBusyMs, computeMs, dataMs, ...stats };
    return combined(own, this.#before, (mine, before) => mine + before);
  }

  /** When the last lap ended. */
  get lapStart(): SpentTotals {
    return this.#lapStart;
  }

  /** What was spent since the last lap. */
  lap(): SpentTotals {
    const now = this.totals;
    const before = this.#lapStart;
    this.#lapStart = now;
    return combined(now, before, (a, b) => a - b);
  }
}

function combined(a: SpentTotals, b: SpentTotals, combine: (a: number, b: number) => number): SpentTotals {
  const names = Object.keys(b) as (keyof SpentTotals)[];
  return Object.fromEntries(names.map((name) => [name, combine(a[name], b[name])])) as unknown as SpentTotals;
}
