// The runs of one server, within one bound of memory. What a run needs at the least is set aside when it begins; what
// is left holds means for ranks that start anew.

import {
  type LaneDescription,
  PROTOCOL_VERSION,
  RUN_FORGOTTEN,
  type RunDescription,
} from "../allreduce/ps/protocol.ts";
import { SltrainError } from "../errors.ts";
import type { Zstd } from "../shard/zstd.ts";
import { formatBytes } from "../units.ts";
import { Run } from "./run.ts";

/** No function lives longer: the ranks of a run that was not heard of since are gone. */
const IDLE_MS = 15 * 60_000;
const MAX_SHOWN_CHARACTERS = 80;

export class Runs {
  readonly limitBytes: number;
  readonly #zstd: Zstd;
  readonly #runs = new Map<string, Run>();

  constructor(limitBytes: number, zstd: Zstd) {
    this.limitBytes = limitBytes;
    this.#zstd = zstd;
  }

  get size(): number {
    return this.#runs.size;
  }

  get heldBytes(): number {
    return [...this.#runs.values()].reduce((total, { heldBytes }) => total + heldBytes, 0);
  }

  /**
   * The run, which is opened if it is new. Throws SltrainError "run-differs" if other ranks described it otherwise,
   * "ps-full" (retryable) if it does not fit into the server's memory beside the others.
   */
  join(id: string, description: RunDescription): { readonly run: Run; readonly isNew: boolean } {
    const known = this.#runs.get(id);
    if (known !== undefined) {
      if (JSON.stringify(known.description) !== JSON.stringify(description))
        throw differs(id, known.description, description);
      return { run: known, isNew: false };
    }
    const run = new Run(id, description, this.#zstd);
    this.#setAside(run);
    this.#runs.set(id, run);
    return { run, isNew: true };
  }

  /** Throws SltrainError "run-forgotten" if the server does not know it, or knows another incarnation. */
  get(id: string, incarnation: string): Run {
    const run = this.#runs.get(id);
    if (run?.incarnation !== incarnation) {
      throw new SltrainError({
        code: RUN_FORGOTTEN,
        message: `expected a run that this server knows, but got ${id} (${incarnation})`,
        retryable: true,
      });
    }
    run.lastUsedMs = performance.now();
    return run;
  }

  forget(id: string): Run | undefined {
    const run = this.#runs.get(id);
    this.#runs.delete(id);
    return run;
  }

  /** Drops means that only ranks that start anew could ask for, until the bound is kept. */
  makeRoom(): void {
    for (const run of this.#runs.values()) {
      if (this.heldBytes <= this.limitBytes) return;
      run.dropUntil(() => this.heldBytes <= this.limitBytes);
    }
  }

  #setAside(run: Run): void {
    const needed = (): number =>
      [...this.#runs.values()].reduce((total, { neededBytes }) => total + neededBytes, 0);
    for (const [id, { lastUsedMs }] of this.#runs) {
      if (needed() + run.neededBytes <= this.limitBytes) return;
      if (performance.now() - lastUsedMs > IDLE_MS) this.#runs.delete(id);
    }
    if (needed() + run.neededBytes <= this.limitBytes) return;
    const [limit, want, others] = [this.limitBytes, run.neededBytes, needed()].map(formatBytes);
    throw new SltrainError({
      code: "ps-full",
      message: `expected a run that fits into ${limit}, but ${run.id} needs ${want}, and other runs have ${others}`,
      suggestions: ["Give the server more with --memory-mib, or spread the run over several servers."],
      // Other runs end; but a run that is too large by itself stays so.
      retryable: run.neededBytes <= this.limitBytes,
    });
  }
}

function differs(id: string, known: RunDescription, given: RunDescription): SltrainError {
  const name = (Object.keys(known) as (keyof RunDescription)[]).find(
    (key) => JSON.stringify(known[key]) !== JSON.stringify(given[key]),
  )!;
  const shown = (value: RunDescription): string => JSON.stringify(value[name]).slice(0, MAX_SHOWN_CHARACTERS);
  return new SltrainError({
    code: "run-differs",
    message: `run ${id}: expected ${name} to be ${shown(known)}, as other ranks said, but got ${shown(given)}`,
    suggestions: ["Start all workers of a run with the same configuration and the same list of servers."],
  });
}

/** Throws SltrainError "request-invalid". What a client of ours sends is right; this keeps out what is none. */
export function parseDescription(text: string): RunDescription {
  const fields = (parseJson(text) ?? {}) as Partial<Record<keyof RunDescription, unknown>>;
  const wrong = (["version", "worldSize", "seed", "server"] as const).find((name) => !isCount(fields[name]));
  if (wrong !== undefined) throw invalid(wrong, "a whole number", fields[wrong]);
  if (!Array.isArray(fields.lanes) || !fields.lanes.every(isLane))
    throw invalid("lanes", "lanes", fields.lanes);
  const description = fields as unknown as RunDescription;
  if (description.version !== PROTOCOL_VERSION)
    throw invalid("version", PROTOCOL_VERSION, description.version);
  if (description.worldSize < 1) throw invalid("worldSize", "at least 1", description.worldSize);
  return description;
}

function isLane(value: unknown): boolean {
  const lane = (value ?? {}) as Partial<Record<keyof LaneDescription, unknown>>;
  const pieces = lane.pieces;
  return (
    isCount(lane.codec) &&
    isCount(lane.parameter) &&
    typeof lane.apart === "boolean" &&
    Array.isArray(pieces) &&
    pieces.every((piece) => Array.isArray(piece) && piece.length === 3 && piece.every(isCount))
  );
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SltrainError({
      code: "request-invalid",
      message: `run description: expected JSON, but got ${String(cause)}`,
      cause,
    });
  }
}

function invalid(what: string, expected: unknown, got: unknown): SltrainError {
  return new SltrainError({
    code: "request-invalid",
    message: `run description: expected ${what} to be ${String(expected)}, but got ${JSON.stringify(got)}`,
    suggestions: ["Run the same version of sltrain on servers and workers."],
  });
}
