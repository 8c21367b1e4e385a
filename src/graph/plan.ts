// The memory plan: which arena values may share memory. Lifetimes follow from the order of the instructions; views
// share their source's memory, an op that may work in place takes over an operand that dies; blocks are then placed
// by size, largest first, each into the tightest gap (Pisarchyk and Lee, "Efficient memory management for deep neural
// net inference", 2020, section 4.2: greedy by size).

import type { Instruction, Plan, Value, ValueId } from "../device/device.ts";
import { assert } from "../errors.ts";
import { alignElements, elementCount } from "../kernels/tensor.ts";

/** Memory that several values use one after the other or under several shapes. */
interface Block {
  readonly elements: number;
  /** Instructions [begin, end] during which the memory is in use. */
  readonly begin: number;
  end: number;
}

/** Values are defined before they are used; every arena value is an output. Throws nothing on such a program. */
export function planMemory(values: readonly Value[], instructions: readonly Instruction[]): Plan {
  const lastUse = lastUses(values.length, instructions);
  const blocks: Block[] = [];
  const blockOf: (Block | undefined)[] = values.map(() => undefined);

  instructions.forEach((instruction, index) => {
    instruction.outputs.forEach((output, position) => {
      if (values[output]!.place.kind !== "arena") return;
      let block = position === 0 ? takeOver(instruction, index, values, blockOf) : undefined;
      if (block === undefined) {
        block = { elements: alignElements(elementCount(values[output]!.type)), begin: index, end: index };
        blocks.push(block);
      }
      block.end = Math.max(block.end, lastUse[output]!);
      blockOf[output] = block;
    });
  });

  const offsets = placeBlocks(blocks);
  return {
    offsets: blockOf.map((block) => (block === undefined ? -1 : offsets.get(block)!)),
    arenaElements: Math.max(0, ...blocks.map((block) => offsets.get(block)! + block.elements)),
  };
}

/** By value: the last instruction that touches it. */
function lastUses(valueCount: number, instructions: readonly Instruction[]): Int32Array {
  const lastUse = new Int32Array(valueCount).fill(-1);
  instructions.forEach(({ inputs, outputs }, index) => {
    for (const value of [...inputs, ...outputs]) lastUse[value] = index;
  });
  return lastUse;
}

/** The operand's block that output 0 lives on in, if any. */
function takeOver(
  { op, inputs, outputs }: Instruction,
  index: number,
  values: readonly Value[],
  blockOf: readonly (Block | undefined)[],
): Block | undefined {
  if (op.view === true) {
    const source = blockOf[inputs[0]!];
    assert(source !== undefined, `${op.name}: a view in the arena has its source in a vector`);
    return source;
  }
  const inPlace = op.inPlace ?? [];
  const elements = (value: ValueId): number => elementCount(values[value]!.type);
  const operand = inPlace.find((candidate) => {
    const block = blockOf[inputs[candidate]!];
    return (
      block?.end === index &&
      elements(inputs[candidate]!) === elements(outputs[0]!) &&
      // Another operand on the same memory may be read after it was overwritten, unless that one may be overwritten too.
      inputs.every((input, position) => blockOf[input] !== block || inPlace.includes(position))
    );
  });
  return operand === undefined ? undefined : blockOf[inputs[operand]!];
}

function placeBlocks(blocks: readonly Block[]): ReadonlyMap<Block, number> {
  const offsets = new Map<Block, number>();
  for (const block of blocks.toSorted((a, b) => b.elements - a.elements || a.begin - b.begin)) {
    const neighbours = [...offsets]
      .filter(([other]) => other.begin <= block.end && block.begin <= other.end)
      .sort(([, a], [, b]) => a - b);
    let tightest = { offset: -1, elements: Infinity };
    let end = 0;
    for (const [other, offset] of neighbours) {
      const gap = offset - end;
      if (gap >= block.elements && gap < tightest.elements) tightest = { offset: end, elements: gap };
      end = Math.max(end, offset + other.elements);
    }
    offsets.set(block, tightest.offset < 0 ? end : tightest.offset);
  }
  return offsets;
}
