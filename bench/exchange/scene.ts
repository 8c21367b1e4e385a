// A group of ranks that are ready to exchange: each with its gradient, and with what the channel gives it.

import { areParameterServers } from "../../src/allreduce/parameter-servers.ts";
import type { ChannelProfile } from "../../src/storage/check/measure-channel.ts";
import { profileRanks, type RankProfile } from "./rank-profile.ts";
import { type GradientFiles, writeMean } from "./gradients.ts";
import type { RankGroup } from "./rank-group.ts";

/** Of a hundred ranks, so many of the objects that each sends show as well as all what the channel gives. */
const MOST_OBJECTS = 16;

export interface Scene {
  readonly runId: string;
  readonly elements: number;
  /** undefined for parameter servers, which hold no objects to measure them by. */
  readonly channel: { readonly alone: ChannelProfile; readonly together: RankProfile } | undefined;
}

export async function setScene(
  group: RankGroup,
  { uri, folder, bytes }: { readonly uri: string; readonly folder: string; readonly bytes: number },
): Promise<Scene> {
  const { worldSize } = group;
  const elements = bytes / Float32Array.BYTES_PER_ELEMENT;
  const files: GradientFiles = { folder, elements };
  const runId = `bench-${process.pid}-${worldSize}-${bytes}`;
  await group.all("sit", (rank) => ({ channel: uri, rank, worldSize, files }));
  await writeMean(files, worldSize);
  await group.all("prepare", () => undefined);
  if (areParameterServers(uri)) return { runId, elements, channel: undefined };
  const objects = {
    objects: Math.min(Math.max(1, worldSize - 1), MOST_OBJECTS),
    objectBytes: Math.ceil(bytes / worldSize),
  };
  const alone = await group.one("measureAlone", { folder: `runs/${runId}/profile/`, ...objects });
  const together = await profileRanks(group, { runId, ...objects });
  return { runId, elements, channel: { alone, together } };
}
