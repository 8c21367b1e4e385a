// One run of a step: its dispatches as command buffers, one for each instruction after which something is read back and
// one for the rest, so that what is ready early comes back while the GPU goes on.

import type { ReadBack } from "../device.ts";
import { byInstruction, tell } from "../read-backs.ts";
import type { Dispatch } from "./compile.ts";
import type { GpuClock } from "./gpu-clock.ts";
import type { Staging, Stretch } from "./staging.ts";

export interface SubmitOptions {
  readonly device: GPUDevice;
  readonly staging: Staging;
  readonly clock: GpuClock | undefined;
  readonly stretchOf: (readBack: ReadBack) => Stretch;
}

/** Everything is submitted when it returns; the promise resolves when all has run and was read back. */
export function submitRun(
  dispatches: readonly Dispatch[],
  readBacks: readonly ReadBack[],
  { device, staging, clock, stretchOf }: SubmitOptions,
): Promise<unknown> {
  const finished: Promise<unknown>[] = [];
  let begin = 0;
  for (const due of byInstruction(readBacks)) {
    const end = endOf(dispatches, due.after, begin);
    const encoder = device.createCommandEncoder();
    const timer = encodePass(encoder, dispatches, begin, end, clock);
    const arrive = staging.encode(encoder, due.readBacks.map(stretchOf));
    device.queue.submit([encoder.finish()]);
    finished.push(
      arrive(() => tell(due)),
      ...(timer ? [timer.read()] : []),
    );
    begin = end;
  }
  if (begin < dispatches.length) {
    const encoder = device.createCommandEncoder();
    const timer = encodePass(encoder, dispatches, begin, dispatches.length, clock);
    device.queue.submit([encoder.finish()]);
    finished.push(device.queue.onSubmittedWorkDone(), ...(timer ? [timer.read()] : []));
  }
  return Promise.all(finished);
}

/** The first dispatch from `begin` on that belongs to an instruction behind `after`. */
function endOf(dispatches: readonly Dispatch[], after: number, begin: number): number {
  let end = begin;
  while (end < dispatches.length && dispatches[end]!.instruction <= after) end++;
  return end;
}

function encodePass(
  encoder: GPUCommandEncoder,
  dispatches: readonly Dispatch[],
  begin: number,
  end: number,
  clock: GpuClock | undefined,
): ReturnType<GpuClock["timePass"]> | undefined {
  if (begin === end) return undefined;
  const timer = clock?.timePass();
  const pass = encoder.beginComputePass(timer && { timestampWrites: timer.timestampWrites });
  let current: GPUComputePipeline | undefined;
  for (let index = begin; index < end; index++) {
    const { pipeline, bindGroup, workgroups } = dispatches[index]!;
    if (pipeline !== current) pass.setPipeline((current = pipeline));
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(...workgroups);
  }
  pass.end();
  timer?.resolve(encoder);
  return timer;
}
