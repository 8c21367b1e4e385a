// Text as tokens: a token is a character, or a byte of UTF-8 where there are more than 256 different ones. Token i is what
// `vocabulary[i]` says, so that a vocabulary alone tells which of the two it is.

import { SltrainError } from "../errors.ts";

/** A token is kept in a byte. */
export const MOST_TOKENS = 256;

/** `0x00` to `0xff`: longer than any character. */
export const BYTE_VOCABULARY: readonly string[] = Array.from(
  { length: MOST_TOKENS },
  (_, byte) => `0x${byte.toString(16).padStart(2, "0")}`,
);

export function isOfBytes(vocabulary: readonly string[]): boolean {
  return vocabulary[0] === BYTE_VOCABULARY[0];
}

/** Texts to tokens; a text is a piece of UTF-8 or of characters, whole ones. */
export function encoderOf(vocabulary: readonly string[]): (characters: string) => Uint8Array {
  if (isOfBytes(vocabulary)) {
    const encoder = new TextEncoder();
    return (characters) => encoder.encode(characters);
  }
  const tokenOf = new Map(vocabulary.map((character, token) => [character, token]));
  return (characters) => {
    const tokens: number[] = [];
    for (const character of characters) {
      const token = tokenOf.get(character);
      if (token === undefined) throw unknownCharacter(character, vocabulary);
      tokens.push(token);
    }
    return Uint8Array.from(tokens);
  };
}

/** Tokens to text, one at a time; a byte that is no character yet gives "". */
export function decoderOf(vocabulary: readonly string[]): (token: number) => string {
  if (!isOfBytes(vocabulary)) return (token) => vocabulary[token]!;
  const decoder = new TextDecoder();
  return (token) => decoder.decode(Uint8Array.of(token), { stream: true });
}

function unknownCharacter(character: string, vocabulary: readonly string[]): SltrainError {
  return new SltrainError({
    code: "data-vocabulary",
    message: `expected characters that the model was trained on, got ${JSON.stringify(character)}; it knows ${JSON.stringify(vocabulary.join(""))}`,
    suggestions: ["Write the text with those characters."],
  });
}
