// What the suites of channels and storages put, and how they look at what comes back.

import { SltrainError } from "../../src/errors.ts";
import { RandomStream } from "../../src/random.ts";

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);

export const show = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString();

export function noise(sizeBytes: number): Uint8Array {
  const random = new RandomStream(1, "noise");
  const words = Uint32Array.from({ length: Math.ceil(sizeBytes / 4) }, () => random.nextU32());
  return new Uint8Array(words.buffer, 0, sizeBytes);
}

/** A name that no earlier run of a suite has used: servers remember. */
export const unusedFolder = (): string => `contract-${Math.random().toString(36).slice(2)}`;

/** For `assert.rejects`: a SltrainError of that code whose message has all the words. */
export const coded =
  (code: string, ...words: string[]) =>
  (error: unknown): boolean =>
    error instanceof SltrainError &&
    error.code === code &&
    words.every((word) => error.message.includes(word));
