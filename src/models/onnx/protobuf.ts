// Writes Protocol Buffers' wire format (protobuf.dev/programming-guides/encoding): varints, 32-bit floats and
// length-delimited fields. Messages stay lists of parts, so that weights are never copied.

/** Bytes of a message or of some of its fields, to be written one after the other. */
export interface Encoded {
  readonly parts: readonly Uint8Array[];
  readonly length: number;
}

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

export function join(fields: readonly Encoded[]): Encoded {
  return {
    parts: fields.flatMap(({ parts }) => parts),
    length: fields.reduce((sum, { length }) => sum + length, 0),
  };
}

/** `value`: a safe whole number, not negative. */
export function varintField(field: number, value: number): Encoded {
  return ofBytes([...varint(field * 8 + VARINT), ...varint(value)]);
}

export function floatField(field: number, value: number): Encoded {
  const bytes = new Uint8Array(Float32Array.of(value).buffer);
  return ofBytes([...varint(field * 8 + FIXED32), ...bytes]);
}

export function stringField(field: number, text: string): Encoded {
  return bytesField(field, new TextEncoder().encode(text));
}

/** A view of `bytes`, which must not change before it is written. */
export function bytesField(field: number, bytes: Uint8Array): Encoded {
  return messageField(field, [{ parts: [bytes], length: bytes.length }]);
}

export function messageField(field: number, fields: readonly Encoded[]): Encoded {
  const body = join(fields);
  return join([ofBytes([...varint(field * 8 + LENGTH_DELIMITED), ...varint(body.length)]), body]);
}

function ofBytes(bytes: readonly number[]): Encoded {
  return { parts: [Uint8Array.from(bytes)], length: bytes.length };
}

/** Seven bits a byte, the low ones first. */
function varint(value: number): readonly number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}
