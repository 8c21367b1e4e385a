// Carries an exchange's frames through parameter servers: joins the run on all of them, and counts what passes.

import { maxFrameBytes } from "../../shard/payload.ts";
import type { Carrier, CarrierOptions } from "../carrier.ts";
import { type LaneOptions, MAX_SCALARS } from "../lane.ts";
import type { ParameterServers } from "../parameter-servers.ts";
import { Connection } from "./connection.ts";
import { PROTOCOL_VERSION, type RunDescription } from "./protocol.ts";
import type { ServedPiece } from "./round.ts";
import { ServedFrames } from "./served-frames.ts";

/** Long enough for a server that is just being started. */
const JOIN_TIMEOUT_MS = 10_000;

export interface ServerCarrierOptions extends CarrierOptions {
  readonly worldSize: number;
  readonly seed: number;
  /** Of the pattern `served`. */
  readonly lanes: readonly LaneOptions[];
}

/** Throws SltrainError "ps-unauthorized", "ps-full", "ps-unreachable", or "run-differs" (a peer is configured otherwise). */
export async function serverCarrier(
  { servers, token }: ParameterServers,
  options: ServerCarrierOptions,
): Promise<Carrier> {
  const { runId, rank, worldSize, lanes } = options;
  const pieces = lanes.map((lane) => piecesOf(lane, worldSize));
  // One rank merges by itself.
  const connections: readonly Connection[] = (worldSize > 1 ? servers : []).map(
    (server, index) =>
      new Connection({
        ...{ server, token, runId, rank, description: describe(options, pieces, index) },
        held: () => frames.held(connections[index]!),
      }),
  );
  const frames = new ServedFrames({ ...options, connections, pieces });
  await joinAll(connections);
  return {
    frames,
    get traffic() {
      const total = (of: "requests" | "bytesUp" | "bytesDown"): number =>
        connections.reduce((sum, { traffic }) => sum + traffic[of], 0);
      return { bytesUp: total("bytesUp"), bytesDown: total("bytesDown"), requests: total("requests") };
    },
    // They are paid by the hour.
    requestsUsd: 0,
    opened: () => undefined,
    // The servers drop sums by themselves, and means when all ranks have told them so, with the next round.
    sweep(_, durableStep) {
      frames.durableStep = durableStep;
      return Promise.resolve();
    },
    close: () => frames.close(),
  };
}

function piecesOf({ buckets, reduce, codec }: LaneOptions, worldSize: number): ServedPiece[] {
  if (worldSize === 1) return [];
  return buckets.flatMap((range, bucket) =>
    reduce.plan(range, worldSize, bucket).means.map(({ begin, end, owner }, piece) => ({
      ...{ bucket, piece, server: owner - worldSize, elements: end - begin },
      maxBytes: maxFrameBytes(codec.ofSum?.(worldSize) ?? codec, end - begin, MAX_SCALARS, 0),
    })),
  );
}

function describe(
  { worldSize, seed, lanes }: ServerCarrierOptions,
  pieces: readonly (readonly ServedPiece[])[],
  server: number,
): RunDescription {
  return {
    ...{ version: PROTOCOL_VERSION, worldSize, seed, server },
    lanes: lanes.map(({ codec, apart = false }, lane) => ({
      ...{ codec: codec.id, parameter: codec.parameter, apart },
      pieces: pieces[lane]!.filter((piece) => piece.server === server).map(
        ({ bucket, piece, elements }) => [bucket, piece, elements] as const,
      ),
    })),
  };
}

async function joinAll(connections: readonly Connection[]): Promise<void> {
  const signal = AbortSignal.timeout(JOIN_TIMEOUT_MS);
  try {
    await Promise.all(connections.map((connection) => connection.join(signal)));
  } catch (error) {
    await Promise.all(connections.map((connection) => connection.close()));
    throw connections.find(({ trouble }) => signal.aborted && trouble !== undefined)?.trouble ?? error;
  }
}
