// A function's memory, and the processor that comes with it:
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html

/** "At 1,769 MB, a function has the equivalent of one vCPU". */
const MIB_PER_VCPU = 1769;
export const LEAST_MEMORY_MIB = 128;
export const LARGEST_MEMORY_MIB = 10_240;
const STEP_MIB = 64;

/** 0.5: half of one. */
export function vcpusOf(memoryMiB: number): number {
  return memoryMiB / MIB_PER_VCPU;
}

/** The least that `fits`, from `fromMiB` on; undefined if even the largest does not. */
export function leastMemoryMiB(fromMiB: number, fits: (memoryMiB: number) => boolean): number | undefined {
  for (let memoryMiB = fromMiB; memoryMiB <= LARGEST_MEMORY_MIB; memoryMiB += STEP_MIB) {
    if (fits(memoryMiB)) return memoryMiB;
  }
  return undefined;
}
