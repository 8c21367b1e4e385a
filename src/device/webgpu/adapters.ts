// The machine's adapters: their list, and the one that is meant by an index or a part of a name.
//
// Dawn for Node has no call that enumerates: asked for a name that no adapter has it fails, and the message lists them
// all; asked for a part of a name it takes the first that has it (dawn/src/dawn/node/binding/GPU.cpp, requestAdapter). Of
// two equal GPUs it therefore reaches the first alone: the other is listed, and refused with what would make it the first.

import { SltrainError } from "../../errors.ts";
import { openDawn, type Backend } from "./dawn.ts";
import { HALF_PRECISION_TOGGLES, type ProductPrecision } from "./precision.ts";
import { findVulkan } from "./vulkan-installation.ts";

export interface AdapterDescription {
  /** Position in the list, discrete GPUs first. */
  readonly index: number;
  /** As its driver says: `NVIDIA H100 80GB HBM3`. */
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  /** The driver and its version. */
  readonly driver: string;
  readonly backend: Backend;
  /** A processor that plays a GPU: lavapipe, SwiftShader. */
  readonly isSoftware: boolean;
  readonly features: readonly string[];
  /** By WebGPU's names; sizes in bytes. */
  readonly limits: Readonly<Record<string, number>>;
}

export interface FoundAdapter {
  readonly adapter: GPUAdapter;
  readonly description: AdapterDescription;
}

const PREFERENCE: GPURequestAdapterOptions = { powerPreference: "high-performance" };
const NOBODYS_NAME = "no adapter has this name";

/** Dawn's own choice for the platform. */
export function platformBackend(): Backend {
  return process.platform === "darwin" ? "metal" : process.platform === "win32" ? "d3d12" : "vulkan";
}

/** Empty where there is none. Throws SltrainError "webgpu-missing" without the package. */
export async function listAdapters(precision?: ProductPrecision): Promise<readonly AdapterDescription[]> {
  return (await findAdapters(precision)).map(({ description }) => description);
}

/**
 * The adapter whose index or part of the name `selector` is, cases aside; without one the first. For "f16" Dawn's
 * experiments are on, so that it has more features. Throws SltrainError
 * "webgpu-missing" and "adapter-missing".
 */
export async function findAdapter(selector?: string, precision?: ProductPrecision): Promise<FoundAdapter> {
  const found = await findAdapters(precision);
  const listed = found.map(({ description: { index, name } }) => `${index}: ${name}`);
  if (listed.length === 0) throw noAdapter();
  const wanted =
    selector === undefined ? found[0] : found.find(({ description }) => isMeant(description, selector));
  if (wanted === undefined)
    throw new SltrainError({
      code: "adapter-missing",
      message: `webgpu device: expected an adapter by its index or a part of its name, got ${selector}; there are ${listed.join(", ")}`,
      suggestions: [`--adapter 0 is ${found[0]!.description.name}.`],
    });
  const { index, name } = wanted.description;
  const first = reachedAs(
    name,
    found.map(({ description }) => description),
  ).index;
  if (first !== index)
    throw new SltrainError({
      code: "adapter-missing",
      message: `webgpu device: adapter ${index} is called ${name}, as adapter ${first} is, and Dawn reaches only the first of a name`,
      suggestions: [
        "Let this process see the other GPU alone: in a container NVIDIA_VISIBLE_DEVICES or docker run --gpus device=N.",
        "On a host with Mesa's device-select layer, DRI_PRIME=pci-DOMAIN_BUS_DEVICE_FUNCTION puts a GPU first.",
      ],
    });
  return wanted;
}

/** Whether the adapter's index or part of its name is `selector`, cases aside. */
export function isMeant({ index, name }: AdapterDescription, selector: string): boolean {
  return /^\d+$/.test(selector)
    ? index === Number(selector)
    : name.toLowerCase().includes(selector.toLowerCase());
}

/** The adapter that Dawn gives out for one of their names. */
export function reachedAs(name: string, adapters: readonly AdapterDescription[]): AdapterDescription {
  return adapters.find((adapter) => adapter.name.includes(name))!;
}

async function findAdapters(precision: ProductPrecision = "f32"): Promise<readonly FoundAdapter[]> {
  const backend = platformBackend();
  const names = await adapterNames(backend);
  // Of equal names each stands for itself in the list, with what the first one can.
  const adapters = new Map<string, GPUAdapter>();
  const toggles = precision === "f16" ? HALF_PRECISION_TOGGLES : [];
  for (const name of new Set(names)) {
    const gpu = await openDawn(backend, { adapter: name, toggles });
    const adapter = await gpu.requestAdapter(PREFERENCE);
    if (adapter !== null) adapters.set(name, adapter);
  }
  return names
    .filter((name) => adapters.has(name))
    .map((name, index) => {
      const adapter = adapters.get(name)!;
      return { adapter, description: describeAdapter(adapter, { index, name, backend }) };
    });
}

async function adapterNames(backend: Backend): Promise<readonly string[]> {
  const gpu = await openDawn(backend, { adapter: NOBODYS_NAME });
  try {
    await gpu.requestAdapter(PREFERENCE);
    return [];
  } catch (cause) {
    const { message } = cause as Error;
    if (!message.includes("Available adapters:")) throw cause;
    return [...message.matchAll(/^ \* backend: '[^']*', name: '(.*)'$/gm)].map(([, name]) => name!);
  }
}

function describeAdapter(
  { info, features, limits }: GPUAdapter,
  place: Pick<AdapterDescription, "index" | "name" | "backend">,
): AdapterDescription {
  const limitNames = Object.keys(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(limits))).filter(
    (name) => typeof limits[name as keyof GPUSupportedLimits] === "number",
  );
  return {
    ...place,
    vendor: info.vendor,
    architecture: info.architecture,
    driver: info.description,
    isSoftware: info.isFallbackAdapter,
    features: [...features].sort(),
    limits: Object.fromEntries(
      limitNames.map((name) => [name, limits[name as keyof GPUSupportedLimits] as number]),
    ),
  };
}

function noAdapter(): SltrainError {
  const onProcessor = "Or train on the processor: --device wasm.";
  const missing = (what: string, ...suggestions: string[]): SltrainError =>
    new SltrainError({
      code: "adapter-missing",
      message: `webgpu device: expected a GPU, got none: ${what}`,
      suggestions: [...suggestions, onProcessor],
    });
  if (process.platform !== "linux") return missing("the system's graphics driver offers no adapter");
  const { loader, drivers } = findVulkan(process.env);
  if (loader === undefined)
    return missing("Vulkan's loader, libvulkan.so.1, is not installed", "apt-get install libvulkan1");
  if (drivers.length === 0)
    return missing(
      "Vulkan's loader is there, but no driver's manifest (/etc/vulkan/icd.d, /usr/share/vulkan/icd.d, VK_DRIVER_FILES)",
      "Install the GPU's driver with its Vulkan part (NVIDIA's own, or mesa-vulkan-drivers 23 or later).",
      "In a container NVIDIA's needs the variable NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility.",
    );
  return missing(
    `no driver offers one that Dawn can use (${drivers.join(", ")})`,
    "`vulkaninfo --summary` says what the drivers find; Mesa's need to be of version 23 or later.",
    "In a container, look that the GPU is passed in (--gpus all, or /dev/dri).",
  );
}
