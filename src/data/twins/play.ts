// A made play, in the form of tinyshakespeare: speakers, lines, invented words, within its 65 characters. Words are frequent by
// Zipf's law and follow few others, so that a token model learns first letters, then words, then what comes behind which.

import { SltrainError } from "../../errors.ts";
import { RandomStream } from "../../random.ts";
import type { ContentFile } from "../format.ts";
import { Xoshiro } from "./xoshiro.ts";

/** Fixed: only the order of words depends on a run's seed. */
const LANGUAGE_SEED = 1564;
const WORDS = 800;
const FOLLOWERS = 6;
const SPEAKERS = 12;
/** How often a word is one of those that usually follow the last. */
const FOLLOWS = 0.75;

const ONSETS = [
  "b",
  "c",
  "d",
  "f",
  "g",
  "h",
  "j",
  "k",
  "l",
  "m",
  "n",
  "p",
  "qu",
  "r",
  "s",
  "t",
  "v",
  "w",
  "x",
  "y",
];
const ONSETS_OF_TWO = ["th", "st", "br", "gr", "sh", "wh", "cl"];
const VOWELS = ["a", "e", "i", "o", "u", "ea", "ou"];
const CODAS = ["", "", "", "n", "r", "s", "st", "ll", "nd", "z"];

interface Language {
  readonly words: readonly string[];
  /** (WORDS) of FOLLOWERS words each. */
  readonly followers: readonly (readonly number[])[];
  readonly speakers: readonly string[];
}

function makeLanguage(): Language {
  const stream = new RandomStream(LANGUAGE_SEED, "language");
  const one = (from: readonly string[]) => from[stream.nextInt(from.length)]!;
  const syllable = () => one([...ONSETS, ...ONSETS_OF_TWO]) + one(VOWELS) + one(CODAS);
  // Frequent words are short.
  const word = (rank: number) =>
    Array.from({ length: rank < 60 ? 1 : 1 + stream.nextInt(3) }, syllable).join("");
  return {
    words: Array.from({ length: WORDS }, (_, rank) => word(rank)),
    followers: Array.from({ length: WORDS }, () =>
      Array.from({ length: FOLLOWERS }, () => zipf(stream.nextUniform(), WORDS)),
    ),
    speakers: Array.from({ length: SPEAKERS }, () => (syllable() + syllable()).toUpperCase()),
  };
}

/** A rank below `count`, log-uniform: near Zipf's law. */
function zipf(uniform: number, count: number): number {
  return Math.min(count, Math.floor(Math.exp(uniform * Math.log(count + 1)))) - 1;
}

/** `characters` characters of ASCII, speech by speech; a longer play begins as a shorter one. */
export function* playOf(seed: number, characters: number): Generator<string> {
  const language = makeLanguage();
  const random = new Xoshiro(seed, "play", 0);
  let word = 0;
  for (let left = characters; left > 0;) {
    const speech = `${language.speakers[random.nextInt(SPEAKERS)]!}:\n${lines()}\n`.slice(0, left);
    left -= speech.length;
    yield speech;
  }

  function lines(): string {
    let text = "";
    const count = 1 + random.nextInt(6);
    for (let line = 0; line < count; line++) {
      const words = Array.from({ length: 5 + random.nextInt(4) }, nextWord);
      const first = words[0]!;
      words[0] = first[0]!.toUpperCase() + first.slice(1);
      const isLast = line === count - 1;
      text += `${words.join(" ")}${isLast ? "..!?"[random.nextInt(4)]! : ",,;"[random.nextInt(3)]!}\n`;
    }
    return text;
  }

  function nextWord(): string {
    word =
      random.nextUniform() < FOLLOWS
        ? language.followers[word]![zipf(random.nextUniform(), FOLLOWERS)]!
        : zipf(random.nextUniform(), WORDS);
    return language.words[word]!;
  }
}

/** As a file that is made while it is read. */
export function playFile(seed: number, characters: number): ContentFile {
  async function* content(): AsyncGenerator<Uint8Array> {
    for (const speech of playOf(seed, characters)) yield Buffer.from(speech, "latin1");
    await Promise.resolve();
  }
  const path = "synthetic:tinyshakespeare";
  return {
    path,
    sizeBytes: characters,
    head: Buffer.from([...playOf(seed, Math.min(characters, 2 ** 16))].join(""), "latin1"),
    content,
    bytes: async (limitBytes) => {
      if (characters <= limitBytes) return Buffer.concat(await Array.fromAsync(content()));
      throw new SltrainError({
        code: "data-too-large",
        message: `${path}: expected at most ${limitBytes} characters, got ${characters}`,
        suggestions: ["Ask for fewer: --rows"],
      });
    },
  };
}
