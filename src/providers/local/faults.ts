// What may go wrong with functions, on request: a test of survival drives it (control-api.ts, or in process).

import { type Invocation, type Match, matches } from "./invocation.ts";

export interface DeliveryFault {
  /** Which events: all whose JSON has these fields. */
  readonly match: Match;
  /** A delivery after each of these times: [1000] is late, [0, 0] twice, [] never. Normal is [0]. */
  readonly deliveriesMs: readonly number[];
  /** So many events, then it is over. Default 1. */
  readonly times?: number;
}

export class Faults {
  #throttledUntilMs = 0;
  #deliveries: (DeliveryFault & { left: number })[] = [];

  /** Every Invoke is answered with 429 from now on. */
  throttle(forMs: number): void {
    this.#throttledUntilMs = performance.now() + forMs;
  }

  get isThrottling(): boolean {
    return performance.now() < this.#throttledUntilMs;
  }

  disturb(fault: DeliveryFault): void {
    this.#deliveries.push({ ...fault, left: fault.times ?? 1 });
  }

  /** When the event is delivered, as times from now. */
  deliveriesMs(invocation: Invocation): readonly number[] {
    const fault = this.#deliveries.find(({ match, left }) => left > 0 && matches(invocation, match));
    if (fault === undefined) return [0];
    fault.left--;
    this.#deliveries = this.#deliveries.filter(({ left }) => left > 0);
    return fault.deliveriesMs;
  }
}
