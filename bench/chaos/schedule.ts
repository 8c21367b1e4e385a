// What goes wrong in one run, as a pure function of a seed: which faults, in which order, at which step. Faults wait for
// the run to reach their step, so that a slow machine meets the same ones.

import { RandomStream } from "../../src/random.ts";
import type { MembersEntry } from "../../src/run/membership.ts";

export const WORKERS = 4;
export const STEPS = 40;
export const LEASE_MS = 500;

/** How a worker's process may end: by a signal from outside, or as Lambda ends what breaks its limits. */
type Death = "killed" | "out-of-memory" | "time-out";

interface OfRank {
  readonly rank: number;
}

type Happening =
  | (OfRank & { readonly kind: Death })
  /** Stands still for so long, and then goes on as if nothing had been. */
  | (OfRank & { readonly kind: "frozen"; readonly forMs: number })
  /** Its first event is delivered once more. */
  | (OfRank & { readonly kind: "delivered-again" })
  /** Every invocation is refused. */
  | { readonly kind: "throttled"; readonly forMs: number }
  /** Killed; somebody else attaches so much later. */
  | { readonly kind: "coordinator-killed"; readonly forMs: number };

/** Once the run has got to `step` (-1: at once), and some milliseconds later: anywhere within a step. */
export type Fault = Happening & { readonly step: number; readonly afterMs: number };

export interface Schedule {
  readonly seed: number;
  /** What is trained: settings of `sltrain train` beside those of every run here. */
  readonly variant: Variant;
  /** In the order of their steps. */
  readonly faults: readonly Fault[];
  /** Whose first event is delivered so much later than the others'. */
  readonly late: (OfRank & { readonly forMs: number }) | undefined;
  /** Query of the storage's URI: which requests fail, and how. */
  readonly storage: Readonly<Record<string, number>>;
  /** Functions live for less than the run takes, so that workers hand over to successors on the way. */
  readonly shortLived: boolean;
}

/** Ways to train that keep different state through a restart. */
export const VARIANTS = {
  "ga-sgd": {},
  tree: { reduce: "tree" },
  "top-k": { compress: "top-k:10%" },
  "local-sgd": { algorithm: "local-sgd", "sync-every": 4 },
  /** A worker leaves on the way, and one joins. */
  resized: { compress: "top-k:10%" },
} as const;

/** The log of members that a run of the variant finds, and follows. */
export const MEMBERS: Partial<Record<Variant, readonly MembersEntry[]>> = {
  resized: [
    { fromStep: 13, workers: WORKERS - 1 },
    { fromStep: 26, workers: WORKERS },
  ],
};

export type Variant = keyof typeof VARIANTS;

/** Near half of all schedules train as most users do; the other ways share the rest. */
const VARIANT_OF = [
  "ga-sgd",
  "ga-sgd",
  "ga-sgd",
  "tree",
  "top-k",
  "local-sgd",
  "resized",
] as const satisfies Variant[];
const DEATHS = ["killed", "out-of-memory", "time-out"] as const satisfies Death[];
const STORAGE_FAULTS = [
  { errors: 0.03 },
  { lostAnswers: 0.03 },
  { delays: 0.01, delayMs: 100 },
  { errors: 0.02, lostAnswers: 0.02, delays: 0.01, delayMs: 100 },
  { outageAfterMs: 1000, outageMs: 400 },
] as const;
/** Each request's way to the storage and back: a run takes longer than its faults, and the processor stays free. */
const LATENCY_MS = 5;

export function scheduleOf(seed: number): Schedule {
  const random = new RandomStream(seed, "chaos");
  const pick = <T>(from: readonly T[]): T => from[random.nextInt(from.length)]!;
  const chance = (share: number): boolean => random.nextUniform() < share;
  const happening = (): Happening => {
    const rank = random.nextInt(WORKERS);
    const choices = [
      () => ({ kind: pick(DEATHS), rank }),
      () => ({ kind: pick(DEATHS), rank }),
      () => ({ kind: "frozen", rank, forMs: 3 * LEASE_MS }),
      () => ({ kind: "delivered-again", rank }),
    ] as const satisfies (() => Happening)[];
    return pick(choices)();
  };
  const anywhere = () => ({ step: random.nextInt(STEPS), afterMs: random.nextInt(30) });
  const faults: Fault[] = Array.from({ length: 1 + random.nextInt(3) }, () => ({
    ...happening(),
    ...anywhere(),
  }));
  if (chance(0.25)) faults.push(throttling(chance(0.3) ? undefined : pick(faults)));
  // There is one to be killed.
  if (chance(0.3)) faults.push({ kind: "coordinator-killed", forMs: 600, ...anywhere() });
  return {
    seed,
    variant: pick(VARIANT_OF),
    faults: faults.sort((a, b) => a.step - b.step),
    late: chance(0.15) ? { rank: random.nextInt(WORKERS), forMs: 2 * LEASE_MS } : undefined,
    storage: { latencyMs: LATENCY_MS, seed, ...(chance(0.4) ? pick(STORAGE_FAULTS) : {}) },
    shortLived: chance(0.25),
  };
}

/** With nothing that goes wrong. */
export function calmly(variant: Variant): Schedule {
  return { seed: 0, variant, faults: [], late: undefined, storage: {}, shortLived: false };
}

/** When functions are started: with the crew, or about when those are missed that `beside` takes away. */
function throttling(beside: Fault | undefined): Fault {
  const when = beside === undefined ? { step: -1, afterMs: 0 } : { step: beside.step, afterMs: LEASE_MS };
  return { kind: "throttled", forMs: 1000, ...when };
}

/** `seed 7, top-k, short-lived functions: killed 2 at step 12; throttled at step 30`. */
export function describeSchedule({ seed, variant, faults, late, storage, shortLived }: Schedule): string {
  const { latencyMs: _latencyMs, seed: _seed, ...failing } = storage;
  const happenings = faults.map((fault) => {
    const rank = "rank" in fault ? ` ${fault.rank}` : "";
    return `${fault.kind}${rank} at step ${fault.step}`;
  });
  const all = [
    ...(late ? [`start of ${late.rank} ${late.forMs} ms late`] : []),
    ...(Object.keys(failing).length > 0
      ? [`storage ${new URLSearchParams(stringsOf(failing)).toString()}`]
      : []),
    ...happenings,
  ];
  return `seed ${seed}, ${variant}${shortLived ? ", short-lived functions" : ""}: ${all.join("; ")}`;
}

/** As the query of a storage's URI. */
export function storageQuery({ storage }: Schedule): string {
  return new URLSearchParams(stringsOf(storage)).toString();
}

function stringsOf(numbers: Readonly<Record<string, number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, String(value)]));
}
