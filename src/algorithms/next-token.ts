// What a model expects to come next in a text that grows. What earlier positions have handed to attention is kept, so that
// a text that is one token longer than the last one costs one position; any other costs as many as the model knows.

import { buildInferenceProgram } from "../graph/program.ts";
import { elementCount } from "../kernels/tensor.ts";
import { buildModel } from "../models/build.ts";
import { attendedTensors, goesByPosition } from "../models/one-position.ts";
import type { Topology } from "../models/topology.ts";
import type { Compiled, ModelVectors } from "./model-vectors.ts";

/** A program with the results of a row that it is read for. */
interface Program extends Compiled {
  /** Outputs, then for each attention what it was handed: the input that takes it, and its numbers of a position. */
  readonly attended: readonly { readonly past: string; readonly rowElements: number }[];
  readonly outputElements: number;
}

export class NextToken {
  readonly #vectors: ModelVectors;
  readonly #topology: Topology;
  readonly #remembers: boolean;
  #whole: Promise<Program> | undefined;
  #onePosition: Promise<Program> | undefined;
  /** The last text. */
  #seen: readonly number[] = [];

  /** `topology` is of a model of tokens; one that mixes positions otherwise than by attention is computed as a whole each time. */
  constructor(vectors: ModelVectors, topology: Topology) {
    this.#vectors = vectors;
    this.#topology = topology;
    this.#remembers = goesByPosition(topology);
  }

  /** Tokens that the model sees at once. */
  get contextLength(): number {
    return this.#topology.inputShape[0]!;
  }

  /** The model's outputs behind `text`, 1 to `contextLength` tokens; valid until the next call. */
  async after(text: readonly number[]): Promise<Float32Array> {
    const before = this.#seen;
    const goesOn =
      this.#remembers &&
      text.length === before.length + 1 &&
      before.length > 0 &&
      before.every((token, i) => token === text[i]);
    // What a failed run leaves is not to be gone on from.
    this.#seen = [];
    const outputs = goesOn ? await this.#step(text) : await this.#pass(text);
    this.#seen = [...text];
    return outputs;
  }

  /** All positions at once: what lies behind the text's last token is not seen from it. */
  async #pass(text: readonly number[]): Promise<Float32Array> {
    const program = await (this.#whole ??= this.#compile(false));
    const tokens = new Int32Array(this.contextLength);
    tokens.set(text);
    return this.#run(program, { tokens, first: 0, position: text.length - 1 });
  }

  async #step(text: readonly number[]): Promise<Float32Array> {
    const program = await this.#ofOnePosition();
    const position = text.length - 1;
    this.#vectors.device.write(program.vectors["input.positions"]!, 0, Int32Array.of(position));
    return this.#run(program, { tokens: Int32Array.of(text[position]!), first: position, position });
  }

  /** Runs it on tokens from position `first` on, and keeps what attention was handed up to `position`. */
  async #run(
    { step, vectors, lastInstruction, attended, outputElements }: Program,
    { tokens, first, position }: { tokens: Int32Array; first: number; position: number },
  ): Promise<Float32Array> {
    const { device } = this.#vectors;
    device.write(vectors["input.x"]!, 0, tokens);
    const row = position - first;
    const outputs = { begin: row * outputElements, end: (row + 1) * outputElements };
    await step.run({
      readBacks: [
        { vector: vectors["result.outputs"]!, ...outputs, after: lastInstruction },
        ...attended.map(({ past, rowElements }) => ({
          ...{ vector: vectors[`result.${past}`]!, begin: 0, end: (row + 1) * rowElements },
          after: lastInstruction,
        })),
      ],
    });
    if (attended.length > 0) {
      const { vectors: pasts } = await this.#ofOnePosition();
      for (const { past, rowElements } of attended) {
        const rows = device.mirror(vectors[`result.${past}`]!).subarray(0, (row + 1) * rowElements);
        device.write(pasts[`input.${past}`]!, first * rowElements, rows);
      }
    }
    return device.mirror(vectors["result.outputs"]!).subarray(outputs.begin, outputs.end);
  }

  #ofOnePosition(): Promise<Program> {
    return (this.#onePosition ??= this.#compile(true));
  }

  async #compile(onePosition: boolean): Promise<Program> {
    const model = buildModel(this.#topology, 1, { training: false, onePosition });
    const attended = this.#remembers ? [...attendedTensors(this.#topology, model.layerOutputs)] : [];
    const results = { outputs: model.outputs, ...Object.fromEntries(attended) };
    const positions = onePosition ? 1 : this.contextLength;
    return {
      ...(await this.#vectors.compile(buildInferenceProgram(model.graph, results))),
      attended: attended.map(([past, { type }]) => ({
        past,
        rowElements: elementCount(type) / positions,
      })),
      outputElements: elementCount(model.outputs.type) / positions,
    };
  }
}
