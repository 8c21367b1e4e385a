// Contenders in other processes: PyTorch, and tf.js on its backend of the same kind as the device.

import { defaultLoss } from "../../src/models/build.ts";
import type { Topology } from "../../src/models/topology.ts";
import { tfjsBackendOf, tfjsSuggestion } from "../peers/tfjs-backend.ts";
import { PeerProcess, peerScript, type PeerOptions } from "../peers/peer-process.ts";
import type { Testbed } from "../testbeds/testbed.ts";
import type { Contender, Run } from "./contender.ts";

/** What a step peer is told to prepare. */
export interface StepRequest {
  readonly topology: Topology;
  readonly loss: string;
  readonly batchSize: number;
  /** Of so many steps only the last is waited for, as sltrain does it on the same device. */
  readonly stepsAtOnce: number;
}

/** `parameters` of the prepared model, or why the peer cannot train it. */
export type StepAnswer = { readonly parameters: number } | { readonly unsupported: string };

/** What the PyTorch peer says of itself. */
export interface TorchFacts {
  readonly torch: string;
  readonly threads: number;
  /** The BLAS behind its matrix products, with the kernels it chose for this CPU. */
  readonly blas: string;
  readonly oneDnn: boolean;
  /** On CUDA: its version, cuDNN's, and the GPU. */
  readonly cuda?: string;
  readonly cudnn?: number;
  readonly gpu?: string;
}

export interface TfjsFacts {
  readonly tfjs: string;
}

export class StepPeer<Facts> {
  readonly facts: Facts;
  readonly #name: "tfjs" | "torch";
  readonly #process: PeerProcess;

  private constructor(name: "tfjs" | "torch", peer: PeerProcess, facts: Facts) {
    this.#name = name;
    this.#process = peer;
    this.facts = facts;
  }

  /** Throws "bench-peer-failed". */
  static async start<Facts>(options: PeerOptions & { readonly name: "tfjs" | "torch" }) {
    const peer = new PeerProcess(options);
    return new StepPeer<Facts>(options.name, peer, await peer.read<Facts>());
  }

  /** Undefined where the peer cannot train the model. */
  async prepare(topology: Topology, batchSize: number, stepsAtOnce: number): Promise<Contender | undefined> {
    const request: StepRequest = { topology, batchSize, stepsAtOnce, loss: defaultLoss(topology) };
    const answer = await this.#process.ask<StepAnswer>({ do: "prepare", ...request });
    if ("unsupported" in answer) return undefined;
    return {
      name: this.#name,
      parameters: answer.parameters,
      run: (budgetMs, minSteps) => this.#process.ask<Run>({ do: "run", budgetMs, minSteps }),
    };
  }

  /** Any other question that its script answers. */
  ask<T>(question: object): Promise<T> {
    return this.#process.ask<T>(question);
  }

  close(): void {
    this.#process.close();
  }
}

/** tf.js as its users have it: V8's flags are process-wide, and a child has the default ones. */
export function startTfjs({ device, machine }: Testbed): Promise<StepPeer<TfjsFacts>> {
  const script = peerScript(`tfjs-steps.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`);
  return StepPeer.start<TfjsFacts>({
    name: "tfjs",
    command: [process.execPath, script, ...tfjsBackendOf(device, machine.adapter?.name)],
    suggestion: tfjsSuggestion(device),
  });
}

/** The first Python that has PyTorch, beside webgpu one with CUDA. Throws "bench-peer-failed" if none has. */
export async function startTorch(device: Testbed["device"], threads: number): Promise<StepPeer<TorchFacts>> {
  const start = (python: string) =>
    StepPeer.start<TorchFacts>({
      name: "torch",
      command: [python, peerScript("torch-steps.py"), "--device", device === "wasm" ? "cpu" : "cuda"],
      env: { OMP_NUM_THREADS: String(threads) },
      suggestion:
        device === "wasm"
          ? "Install PyTorch for python3, with a fast BLAS; on Debian: sudo apt-get install python3-torch libopenblas0."
          : "Install PyTorch with CUDA for python3, on a machine with NVIDIA's GPU and driver.",
    });
  return start("python3").catch(() => start("/usr/bin/python3"));
}
