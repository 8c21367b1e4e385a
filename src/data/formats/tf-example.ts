// tf.train.Example (tensorflow/core/example/{example,feature}.proto): a map from names to lists of bytes, floats or int64.
// The wire format is the protobuf library's; the three messages are small enough to be read without generated code.

import type { BinaryReader } from "@bufbuild/protobuf/wire";

export type Feature =
  | { readonly kind: "bytes"; readonly values: readonly Uint8Array[] }
  | { readonly kind: "float"; readonly values: readonly number[] }
  | { readonly kind: "int64"; readonly values: readonly number[] };

type Reader = new (bytes: Uint8Array) => BinaryReader;

/** Wire types of protobuf. */
const LENGTH_DELIMITED = 2;

/** @throws whatever is wrong with the message, as the protobuf library says it */
export function decodeExample(bytes: Uint8Array, Reader: Reader): ReadonlyMap<string, Feature> {
  const features = new Map<string, Feature>();
  eachField(bytes, Reader, {
    1: (example) =>
      eachField(example.bytes(), Reader, {
        1: (map) => {
          let name = "";
          let feature: Feature | undefined;
          eachField(map.bytes(), Reader, {
            1: (entry) => (name = entry.string()),
            2: (entry) => (feature = decodeFeature(entry.bytes(), Reader)),
          });
          if (feature) features.set(name, feature);
        },
      }),
  });
  return features;
}

function decodeFeature(bytes: Uint8Array, Reader: Reader): Feature | undefined {
  let feature: Feature | undefined;
  eachField(bytes, Reader, {
    1: (list) => {
      const values: Uint8Array[] = [];
      eachField(list.bytes(), Reader, { 1: (value) => values.push(value.bytes()) });
      feature = { kind: "bytes", values };
    },
    2: (list) => (feature = { kind: "float", values: numbersOf(list.bytes(), Reader, (r) => r.float()) }),
    3: (list) =>
      (feature = { kind: "int64", values: numbersOf(list.bytes(), Reader, (r) => Number(r.int64())) }),
  });
  return feature;
}

/** Of a repeated field 1, packed or not. */
function numbersOf(bytes: Uint8Array, Reader: Reader, next: (reader: BinaryReader) => number): number[] {
  const values: number[] = [];
  eachField(bytes, Reader, {
    1: (reader, wireType) => {
      const end = wireType === LENGTH_DELIMITED ? reader.uint32() + reader.pos : reader.pos + 1;
      while (reader.pos < end) values.push(next(reader));
    },
  });
  return values;
}

type FieldReader = (reader: BinaryReader, wireType: number) => unknown;

/** Reads the fields of a message that are known, and skips the others. */
function eachField(bytes: Uint8Array, Reader: Reader, fields: Readonly<Record<number, FieldReader>>): void {
  const reader = new Reader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const read = fields[field];
    if (read) read(reader, wireType);
    else reader.skip(wireType, field);
  }
}
