// JSON.parse with the place of the damage: V8 tells some syntax errors without their position.

import { damaged } from "./model-errors.ts";

/** Throws SltrainError "model-damaged" with `where` and the position (in UTF-16 units) of the first bad character. */
export function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = (cause as SyntaxError).message;
    const position = reason.includes(" at position ") ? "" : ` at position ${soundPrefix(text)}`;
    throw damaged(where, `expected JSON, got: ${reason}${position}`, cause);
  }
}

/** The length of the longest beginning of `text` that some JSON text begins with. */
function soundPrefix(text: string): number {
  let sound = 0;
  let unsound = text.length + 1;
  while (unsound - sound > 1) {
    const length = (sound + unsound) >> 1;
    if (isSound(text.slice(0, length))) sound = length;
    else unsound = length;
  }
  return sound;
}

/** NUL is allowed nowhere in JSON: behind a sound beginning it is the first thing that the parser minds. */
function isSound(beginning: string): boolean {
  try {
    JSON.parse(`${beginning}\0`);
  } catch (error) {
    const { message } = error as SyntaxError;
    return (
      message.startsWith("Unexpected token '\0'") || message.includes(` at position ${beginning.length} `)
    );
  }
  return false;
}
