// A file of trained weights: what it holds, and its tensors one at a time, so that memory never holds it twice.

import { SltrainError } from "../../errors.ts";
import { openBytes, type WeightFile } from "./byte-source.ts";
import { openSafetensors } from "./safetensors-weights.ts";
import { openTfjsWeights } from "./tfjs-weights.ts";

const HDF5_MAGIC = "\x89HDF\r\n\x1a\n";

/**
 * Safetensors, or the model.json of tf.js, told apart by their first bytes. Throws SltrainError "weights-missing" (no such file),
 * "weights-damaged" (cut, or not what it says) and "weights-unsupported" (another format, an unknown type).
 */
export async function openWeightFile(path: string): Promise<WeightFile> {
  const source = await openBytes(path);
  const start = Buffer.from(await source.read(0, Math.min(16, source.sizeBytes))).toString("latin1");
  // A safetensors header begins behind its length of eight bytes.
  if (start[8] === "{") return openSafetensors(source);
  if (start.trimStart().startsWith("{")) {
    await source.close();
    return openTfjsWeights(path);
  }
  await source.close();
  const isHdf5 = start.startsWith(HDF5_MAGIC);
  const isArchive = start.startsWith("PK\x03\x04");
  throw new SltrainError({
    code: "weights-unsupported",
    message: `${path}: expected safetensors or the model.json of tf.js, got ${isHdf5 ? "an HDF5 file (Keras .h5)" : isArchive ? "an archive (Keras .keras, PyTorch .pt)" : `a file that begins with ${JSON.stringify(start.slice(0, 8))}`}`,
    suggestions: isHdf5
      ? ["Convert it: pip install tensorflowjs && tensorflowjs_converter --input_format keras FILE.h5 FOLDER"]
      : isArchive
        ? ["Save its tensors with the Python package safetensors: save_file(model.state_dict(), FILE)."]
        : ["Give the model.json beside a weights.bin, or a .safetensors file."],
  });
}
