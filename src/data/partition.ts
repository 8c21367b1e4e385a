// Has a data set in storage: finds what its name means, and imports it unless storage has it.

import { SltrainError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import { applicableOptions } from "./applicable-options.ts";
import { findNamed } from "./catalogue.ts";
import { importRows, type ImportOptions } from "./import/import-rows.ts";
import { openSource, type OpenOptions } from "./known.ts";
import { readManifest, type DataManifest } from "./manifest.ts";
import type { OnProgress } from "./progress.ts";
import { fingerprint, sourceBytes, type Source } from "./source.ts";
import { threadsFor } from "./threads/import-threads.ts";

/**
 * The manifest of the data set that `spec` names: one that was imported under that name, or else what is then written to
 * storage if it is not there. A source that storage has seen is recognised by the hash of its files and is not decoded
 * again.
 * @throws "data-options" and "data-argument" for options of reading and rows with an imported name; what `openSource`, reading the source and `importRows` throw; "data-manifest-damaged".
 */
export async function ensurePartitions(
  storage: Storage,
  spec: string,
  options: OpenOptions & TakeInOptions,
): Promise<DataManifest> {
  const named = await findNamed(storage, spec);
  if (!named) return importSource(storage, await openSource(spec, options), options);
  const remedies = [
    `Import the file again that way: \`sltrain data import PATH --name ${spec} …\`.`,
    `Give the path of a file of that name: ./${spec}.`,
  ];
  applicableOptions(
    options.read ?? {},
    [],
    `${spec}, which has been imported`,
    options.isAsked,
    () => remedies,
  );
  if (options.rows === undefined) return named;
  throw new SltrainError({
    code: "data-argument",
    message: `${spec}: expected no --rows of what has been imported, got ${options.rows}`,
    suggestions: ["Leave --rows out: all rows are read."],
  });
}

export interface TakeInOptions extends Omit<ImportOptions, "onRows" | "onWritten"> {
  readonly onProgress?: OnProgress | undefined;
}

/** As `ensurePartitions`, of a source. Safe to repeat and to run concurrently. */
export async function importSource(
  storage: Storage,
  source: Source,
  options: TakeInOptions = {},
): Promise<DataManifest> {
  return (await importRecognised(storage, source, options)).manifest;
}

export interface RecogniseOptions extends TakeInOptions {
  /** Told the id before anything is decoded; what it throws ends the import. */
  readonly onRecognised?: ((id: string) => Promise<void>) | undefined;
}

export interface Imported {
  readonly manifest: DataManifest;
  /** Storage had it: nothing was decoded. */
  readonly wasThere: boolean;
  /** Of the files that were read. */
  readonly sourceBytes: number;
}

/** As `importSource`, and says whether there was anything to do. */
export async function importRecognised(
  storage: Storage,
  source: Source,
  options: RecogniseOptions,
): Promise<Imported> {
  const { onProgress } = options;
  const totalBytes = await sourceBytes(source);
  const threads = threadsFor(totalBytes);
  try {
    let hashed = 0;
    const id = await fingerprint(source, {
      ...{ threads },
      onBytes: (size) => onProgress?.({ phase: "recognising", bytes: (hashed += size), totalBytes }),
    });
    await options.onRecognised?.(id);
    const stored = await readManifest(storage, id);
    if (stored) return { manifest: stored, wasThere: true, sourceBytes: totalBytes };
    const { name, transform } = source;
    let bytes = 0;
    const rows = await source.open((size) => (bytes += size));
    const manifest = await importRows(
      { storage, id, name, source: source.source, rows, transform, sourceBytes: totalBytes },
      {
        ...{ ...options, threads },
        onRows: (count) => onProgress?.({ phase: "reading", rows: count, bytes, totalBytes }),
        onWritten: (count, totalRows) => onProgress?.({ phase: "writing", rows: count, totalRows }),
      },
    );
    return { manifest, wasThere: false, sourceBytes: totalBytes };
  } finally {
    await threads?.close();
  }
}
