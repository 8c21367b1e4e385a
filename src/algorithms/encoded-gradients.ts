// Gradients that a GPU has encoded, on their way to the collective: what comes back of them, the seeds of their rounding,
// and the residuals of error feedback, which are the GPU's during steps and the collective's at checkpoints.

import type { Collective, OwnPiece } from "../allreduce/collective.ts";
import { roundingSeed } from "../allreduce/rounding-seed.ts";
import {
  ENCODED_GRADIENTS,
  GRADIENT_RESIDUALS,
  ROUNDING_SEEDS,
  roundsStochastically,
  SEED_STRIDE,
} from "../graph/encode-gradients.ts";
import { bitsOf } from "../shard/codec/blocks.ts";
import { roomFor, type WordForm } from "../shard/codec/codec.ts";
import { parseCodec } from "../shard/codec/codecs.ts";
import type { ElementRange } from "../shard/layout.ts";
import type { TrainedReplica } from "./algorithm.ts";
import type { VectorReadBack } from "./model-vectors.ts";

type Vectors = Pick<TrainedReplica, "read" | "mirror" | "write">;

export class EncodedGradients {
  /** What the device encodes, if it can; the same array every time. */
  readonly pieces: readonly OwnPiece[];
  readonly #replica: Vectors;
  /** Who has the newest residuals. */
  #residualsOf: "collective" | "device" | "both" = "collective";

  /** `scaled`: the gradients come as those of a scaled loss, and the host has to divide them before they are sent. */
  constructor({ ownPieces }: Collective, replica: Vectors, { scaled }: { readonly scaled: boolean }) {
    this.pieces = scaled ? ownPieces.filter(({ codec }) => wordsOf(codec).keepsScaled) : ownPieces;
    this.#replica = replica;
  }

  /** To be called before each step that the device encodes: gives it what that takes beside gradients. */
  begin(step: number): void {
    if (this.pieces.some(({ codec }) => roundsStochastically(codec))) {
      const seeds = new Int32Array(this.pieces.length * SEED_STRIDE);
      for (const [i, { seed, address }] of this.pieces.entries())
        seeds[i * SEED_STRIDE] = roundingSeed(seed, { ...address, step });
      this.#replica.write(ROUNDING_SEEDS, seeds);
    }
    if (this.#residuals.length === 0) return;
    if (this.#residualsOf === "collective") {
      const values = this.#replica.mirror(GRADIENT_RESIDUALS);
      for (const { begin, residual } of this.#residuals) values.set(residual, begin);
      this.#replica.write(GRADIENT_RESIDUALS, values);
    }
    this.#residualsOf = "device";
  }

  /** To be called before anybody reads the collective's state, or lets it encode sums. */
  async keepResiduals(): Promise<void> {
    if (this.#residualsOf !== "device") return;
    const values = await this.#replica.read(GRADIENT_RESIDUALS);
    for (const { begin, end, residual } of this.#residuals) residual.set(values.subarray(begin, end));
    this.#residualsOf = "both";
  }

  /** To be called when the collective's state was restored, or it has encoded sums. */
  residualsChanged(): void {
    this.#residualsOf = "collective";
  }

  get #residuals(): readonly Required<OwnPiece>[] {
    return this.pieces.filter((piece): piece is Required<OwnPiece> => piece.residual !== undefined);
  }
}

/** Those of `pieces` that lie in `range`; none lies across its ends. */
export function piecesIn<T extends ElementRange>(pieces: readonly T[], range: ElementRange): T[] {
  return pieces.filter(({ begin, end }) => begin >= range.begin && end <= range.end);
}

/**
 * A bucket's `encoded` pieces, in order, as words, and what lies between them as it is. `ready` is told when all of it is in
 * the mirrors of both vectors.
 */
export function bucketReadBacks(
  bucket: ElementRange,
  encoded: readonly (ElementRange & Pick<OwnPiece, "codec">)[],
  { after, ready }: Required<Pick<VectorReadBack, "after" | "ready">>,
): VectorReadBack[] {
  const words = encoded.map(({ begin, end, codec }): VectorReadBack => ({
    ...{ vector: ENCODED_GRADIENTS, after, begin },
    end: begin + wordsOf(codec).count(end - begin),
  }));
  const gaps = encoded.map(({ begin }, i): VectorReadBack => ({
    ...{ vector: "gradients", after, end: begin },
    begin: encoded[i - 1]?.end ?? bucket.begin,
  }));
  const rest = { begin: encoded.at(-1)?.end ?? bucket.begin, end: bucket.end };
  return [
    ...words,
    ...gaps.filter(({ begin, end }) => begin < end),
    { vector: "gradients", after, ready, ...rest },
  ];
}

/** Writes to `gradients` what `words`, the mirror of the encoded ones, says of `pieces`. */
export function decodeWords(
  words: Float32Array,
  pieces: readonly (ElementRange & Pick<OwnPiece, "codec">)[],
  gradients: Float32Array,
): void {
  for (const { begin, end, codec: name } of pieces) {
    const codec = parseCodec(name);
    const own = bitsOf(words.subarray(begin, end));
    const encoded = wordsOf(name).toEncoded(own, end - begin, roomFor(codec, end - begin));
    codec.decode(encoded, gradients.subarray(begin, end));
  }
}

/** Of the codec of a piece, which has one. */
function wordsOf(codec: string): WordForm {
  return parseCodec(codec).words!;
}
