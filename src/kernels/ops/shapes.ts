// Shape rules as data: an op names its operands' dimensions, and equal names must have equal extents.

import { SltrainError } from "../../errors.ts";
import { formatType, type TensorType } from "../tensor.ts";

type Words<S extends string> = S extends `${infer Head} ${infer Tail}` ? Head | Words<Tail> : S;
type Dimension<S extends string> = Exclude<Words<S>, "..." | "i32" | `${number}`>;

export function shapeMismatch(message: string): SltrainError {
  return new SltrainError({ code: "shape-mismatch", message });
}

/** Throws "shape-mismatch" unless the two extents, described as `a.shape[1]`, are equal. */
export function expectEqualExtents(
  op: string,
  where: string,
  extent: number,
  otherWhere: string,
  other: number,
): void {
  if (extent !== other) throw shapeMismatch(`${op}: ${where} = ${extent} but ${otherWhere} = ${other}`);
}

export function expectPositiveInteger(op: string, where: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw shapeMismatch(`${op}: ${where} = ${value} but expected a positive integer`);
}

/**
 * Matches the operands of `op` with a signature such as `{ x: "B H W C", w: "KH KW C N", "bias?": "N" }` and returns
 * the extent of each dimension. A leading `i32` is the dtype (f32 otherwise), `...` stands for any number of dimensions (the
 * same ones wherever it occurs), a number for itself, and an operand with `?` may be left out at the end.
 * Throws SltrainError "shape-mismatch" naming the op, the operand and both extents.
 */
export function bindShapes<const S extends Readonly<Record<string, string>>>(
  op: string,
  inputs: readonly TensorType[],
  signature: S,
): Readonly<Record<Dimension<S[keyof S]>, number>> {
  const operands = Object.entries(signature);
  const required = operands.filter(([name]) => !name.endsWith("?")).length;
  if (inputs.length < required || inputs.length > operands.length) {
    const names = operands.map(([name]) => name).join(", ");
    throw shapeMismatch(`${op}: takes the operands ${names || "(none)"} but got ${inputs.length}`);
  }
  const bound = new Map<string, { readonly extent: number; readonly where: string }>();
  const bind = (dimension: string, extent: number, where: string): void => {
    const earlier = bound.get(dimension);
    if (earlier !== undefined) expectEqualExtents(op, earlier.where, earlier.extent, where, extent);
    else bound.set(dimension, { extent, where });
  };

  inputs.forEach((type, index) => {
    const [key, dimensions] = operands[index]!;
    const name = key.replace("?", "");
    const words = dimensions.split(" ");
    const dtype = words[0] === "i32" ? (words.shift() as "i32") : "f32";
    if (type.dtype !== dtype)
      throw shapeMismatch(`${op}: ${name} is ${formatType(type)} but expected ${dtype}`);

    const named = words.filter((word) => word !== "...").length;
    const spread = type.shape.length - named;
    const ellipsis = words.indexOf("...");
    if (ellipsis >= 0 ? spread < 0 : spread !== 0)
      throw shapeMismatch(`${op}: ${name} is ${formatType(type)} but expected [${words.join(", ")}]`);
    if (ellipsis >= 0) {
      bind("...", spread, `${name}.shape.length${named > 0 ? ` - ${named}` : ""}`);
      words.splice(ellipsis, 1, ...Array.from({ length: spread }, (_, axis) => `...${axis}`));
    }
    words.forEach((word, axis) => {
      const extent = type.shape[axis]!;
      const where = `${name}.shape[${axis}]`;
      expectPositiveInteger(op, where, extent);
      if (!/^\d+$/.test(word)) bind(word, extent, where);
      else if (extent !== Number(word))
        throw shapeMismatch(`${op}: ${where} = ${extent} but expected ${word}`);
    });
  });
  return Object.fromEntries([...bound].map(([dimension, { extent }]) => [dimension, extent])) as Record<
    Dimension<S[keyof S]>,
    number
  >;
}
