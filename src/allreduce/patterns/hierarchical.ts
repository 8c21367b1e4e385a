// Two-level ScatterReduce for hundreds of ranks, in groups of neighbours: member i of a group merges piece i of the
// group's sums, then member i of group j merges sub-piece j of piece i over all groups. The means of piece i reach a
// group through its member i, who passes them on in one object. A rank reads about 4 sqrt(W) objects instead of 2 W.

import { splitEvenly } from "../../shard/blocks.ts";
import type { ElementRange } from "../../shard/layout.ts";
import { longestOf, type MeanPiece, type Piece, type ReducePattern } from "../pattern.ts";
import { reduceInvalid } from "./reduce-invalid.ts";

/** Groups of about `groupSize` ranks, by default the square root of their number. */
export function hierarchical(groupSize?: number): ReducePattern {
  const name = groupSize === undefined ? "hierarchical" : `hierarchical:${groupSize}`;
  return {
    name,
    plan(bucket, worldSize, bucketIndex) {
      const size = groupSize ?? Math.round(Math.sqrt(worldSize));
      if (size > worldSize) throw reduceInvalid(name, `groups of at most ${worldSize} workers`);
      const groups = Math.round(worldSize / size);
      const firstOf = (group: number): number => Math.floor((group * worldSize) / groups);
      const groupOf = (rank: number): number => Math.floor(((rank + 1) * groups - 1) / worldSize);
      // In the larger of uneven groups the last member merges nothing.
      const members = Math.floor(worldSize / groups);
      const pieces: readonly (ElementRange & {
        readonly subs: readonly ElementRange[];
        readonly firstMean: number;
      })[] = withFirstMean(splitEvenly(bucket, members), groups);
      // Turned by the bucket's number: many buckets that are too short for all ranks still load them evenly.
      const mergerOf = (piece: number, group: number): number =>
        firstOf(group) + ((piece + bucketIndex) % members);
      const groupOfSub = (sub: number): number => (sub + bucketIndex) % groups;
      /** The piece that `rank` merges for its group. */
      const pieceOf = (rank: number): number | undefined => {
        const member = rank - firstOf(groupOf(rank));
        const piece = (member - (bucketIndex % members) + members) % members;
        return member < members && piece < pieces.length ? piece : undefined;
      };
      const subOf = (piece: number, group: number): number | undefined => {
        const sub = (group - (bucketIndex % groups) + groups) % groups;
        return sub < pieces[piece]!.subs.length ? sub : undefined;
      };
      const means: MeanPiece[] = pieces.flatMap(({ subs }, piece) =>
        subs.map((range, sub) => ({ ...range, owner: mergerOf(piece, groupOfSub(sub)) })),
      );
      const meansOf = (piece: number): number[] =>
        pieces[piece]!.subs.map((_, sub) => pieces[piece]!.firstMean + sub);
      /** One mean needs no bundling, and a rank that is alone nobody to read it. */
      const relays = (piece: number, group: number): boolean =>
        pieces[piece]!.subs.length > 1 && firstOf(group + 1) - firstOf(group) > 1;

      return {
        worldSize,
        levels: 2,
        means,
        published(level, rank) {
          const group = groupOf(rank);
          const own = pieceOf(rank);
          const all: Piece[] =
            level === 0
              ? pieces.map(({ begin, end }, piece) => ({ begin, end, reader: mergerOf(piece, group) }))
              : own === undefined
                ? []
                : pieces[own]!.subs.map((range, sub) => ({
                    ...range,
                    reader: mergerOf(own, groupOfSub(sub)),
                  }));
          return all.filter(({ reader }) => reader !== rank);
        },
        longest: (level) => longestOf(level === 0 ? pieces : means),
        merge(level, rank) {
          const group = groupOf(rank);
          const own = pieceOf(rank);
          if (own === undefined) return undefined;
          const piece = pieces[own]!;
          if (level === 1) {
            const writers = Array.from({ length: firstOf(group + 1) - firstOf(group) }, (_, i) => {
              const writer = firstOf(group) + i;
              return { rank: writer, piece: placeIn(own, pieceOf(writer), writer === rank) };
            });
            return { begin: piece.begin, end: piece.end, writers };
          }
          const sub = subOf(own, group);
          if (sub === undefined) return undefined;
          const writers = Array.from({ length: groups }, (_, other) => ({
            rank: mergerOf(own, other),
            piece: placeIn(sub, subOf(own, other), other === group),
          }));
          return { ...piece.subs[sub]!, writers };
        },
        relayed(rank) {
          const own = pieceOf(rank);
          return own === undefined || !relays(own, groupOf(rank)) ? [] : meansOf(own);
        },
        source(mean, rank) {
          const piece = pieces.findLastIndex(({ firstMean }) => firstMean <= mean);
          const relay = mergerOf(piece, groupOf(rank));
          return relay !== rank && relays(piece, groupOf(rank))
            ? { rank: relay, relayed: true }
            : { rank: means[mean]!.owner, relayed: false };
        },
      };
    },
  };
}

function withFirstMean(ranges: readonly ElementRange[], groups: number) {
  let firstMean = 0;
  return ranges.map((range) => {
    const piece = { ...range, subs: splitEvenly(range, groups), firstMean };
    firstMean += piece.subs.length;
    return piece;
  });
}

/** Where piece `wanted` stands among a writer's pieces, in which the one that it keeps is missing. */
function placeIn(wanted: number, kept: number | undefined, own: boolean): number {
  if (own) return -1;
  return wanted - (kept !== undefined && kept < wanted ? 1 : 0);
}
