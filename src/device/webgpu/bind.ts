// From a kernel's pass to what WebGPU wants: a module with its storage buffers declared, and the ranges they are bound to.

import { assert } from "../../errors.ts";
import type { WebGpuPass } from "../../kernels/webgpu/kernel.ts";

/** A stretch of a buffer; both numbers in bytes, multiples of 256. */
export interface MemoryRange {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

export interface BoundPass {
  readonly wgsl: string;
  /** By binding number. */
  readonly ranges: readonly MemoryRange[];
  readonly access: readonly ("read" | "read_write")[];
  readonly workgroups: WebGpuPass["workgroups"];
}

interface Variable {
  readonly names: string[];
  readonly range: MemoryRange;
  readonly type: string;
  written: boolean;
}

/**
 * Operands on the same memory become one variable. A buffer that a pass writes to anywhere is `read_write` in all its
 * bindings: WebGPU allows disjoint ranges of a buffer in one dispatch only if all are of one usage
 * (https://www.w3.org/TR/webgpu/#programming-model-synchronization).
 */
export function bindPass(
  { wgsl, bindings, workgroups }: WebGpuPass,
  rangeOf: (of: WebGpuPass["bindings"][string]["of"]) => MemoryRange,
): BoundPass {
  const variables: Variable[] = [];
  for (const [name, { of, type }] of Object.entries(bindings)) {
    const range = rangeOf(of);
    const written = "output" in of || ("scratch" in of && of.write === true);
    const known = variables.find(
      ({ range: { buffer, offset } }) => buffer === range.buffer && offset === range.offset,
    );
    if (known === undefined) variables.push({ names: [name], range, type, written });
    else {
      assert(known.type === type, `$${name} and $${known.names[0]} are one memory of two types`);
      known.names.push(name);
      known.written ||= written;
    }
  }
  const writtenBuffers = new Set(variables.filter(({ written }) => written).map(({ range }) => range.buffer));
  const access = variables.map(({ range }) => (writtenBuffers.has(range.buffer) ? "read_write" : "read"));
  const variableOf = new Map(
    variables.flatMap(({ names }) => names.map((name) => [name, `memory_${names[0]}`])),
  );
  const declarations = variables.map(
    ({ names, type }, binding) =>
      `@group(0) @binding(${binding}) var<storage, ${access[binding]}> memory_${names[0]}: array<${type}>;`,
  );
  const body = wgsl.replaceAll(/\$(\w+)/g, (_, name: string) => {
    const variable = variableOf.get(name);
    assert(variable !== undefined, `a pass names $${name} but does not bind it`);
    return variable;
  });
  // Directives (`enable f16;`) come before all declarations.
  const directives = /^(?:\s*(?:enable|requires|diagnostic)\b[^;]*;)*/.exec(body)![0];
  return {
    wgsl: `${directives}\n${declarations.join("\n")}\n${body.slice(directives.length)}`,
    ranges: variables.map(({ range }) => range),
    access,
    workgroups,
  };
}
