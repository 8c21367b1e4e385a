// Operands that do not fit, for every op: from a valid call, with one thing wrong at a time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SltrainError } from "../../../src/errors.ts";
import { ops, type OpName } from "../../../src/kernels/ops/index.ts";
import type { AnyOp } from "../../../src/kernels/op.ts";
import { f32, type TensorType } from "../../../src/kernels/tensor.ts";
import { randomCase } from "../random-calls.ts";

const CALLS = 20;

const names = (Object.keys(ops) as OpName[]).filter((name) => name !== "reshape");

/** What `infer` says of operands, undefined if it takes them. */
function refusal(op: AnyOp, inputs: readonly TensorType[], params: object): SltrainError | undefined {
  try {
    op.infer(inputs, params);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof SltrainError, `${op.name}: ${String(error)}`);
    assert.equal(error.code, "shape-mismatch");
    assert.ok(error.message.startsWith(`${op.name}: `), error.message);
    return error;
  }
}

for (const name of names) {
  const op: AnyOp = ops[name];
  const calls = Array.from({ length: CALLS }, (_, number) => randomCase(name, number).call);

  test(`${name} refuses operands too many, of another type or without extent`, () => {
    for (const { inputs, params } of calls) {
      const spare = new Array<TensorType>(9).fill(f32(1));
      if (name !== "concat") assert.ok(refusal(op, [...inputs, ...spare], params));
      inputs.forEach((type, i) => {
        const other = { ...type, dtype: type.dtype === "f32" ? "i32" : "f32" } as const;
        assert.ok(refusal(op, inputs.with(i, other), params));
        type.shape.forEach((_, axis) => {
          const empty = { ...type, shape: type.shape.with(axis, 0) };
          assert.ok(refusal(op, inputs.with(i, empty), params));
        });
      });
      if (inputs.length > 0) assert.ok(refusal(op, [], params));
    }
  });

  test(`${name} takes an extent that it can choose, and names one that does not fit beside its other`, () => {
    for (const { inputs, params } of calls)
      inputs.forEach((type, i) => {
        type.shape.forEach((extent, axis) => {
          const wrong = { ...type, shape: type.shape.with(axis, extent + 1) };
          const error = refusal(op, inputs.with(i, wrong), params);
          if (error === undefined) return;
          const extents = error.message.match(/\d+/g)!;
          assert.ok(extents.length >= 2, error.message);
          assert.match(error.message, /shape\[\d+\]|blockElements/);
        });
      });
  });
}
