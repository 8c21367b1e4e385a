// Pipelines by their text: calls of equal shapes, in one program or in several, share one.

import { SltrainError } from "../../errors.ts";
import type { BoundPass } from "./bind.ts";

export class Pipelines {
  readonly #device: GPUDevice;
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  bindGroupLayout(access: BoundPass["access"]): GPUBindGroupLayout {
    const key = access.join();
    let layout = this.#layouts.get(key);
    if (layout === undefined) {
      layout = this.#device.createBindGroupLayout({
        entries: access.map((kind, binding) => ({
          binding,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type: kind === "read" ? ("read-only-storage" as const) : ("storage" as const) },
        })),
      });
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  /** Throws SltrainError "shader-invalid" naming `label`, with what the compiler says. */
  get({ wgsl, access }: Pick<BoundPass, "wgsl" | "access">, label: string): Promise<GPUComputePipeline> {
    let pipeline = this.#pipelines.get(wgsl);
    if (pipeline === undefined) this.#pipelines.set(wgsl, (pipeline = this.#create(wgsl, access, label)));
    return pipeline;
  }

  async #create(wgsl: string, access: BoundPass["access"], label: string): Promise<GPUComputePipeline> {
    const device = this.#device;
    const module = device.createShaderModule({ code: wgsl, label });
    try {
      return await device.createComputePipelineAsync({
        label,
        layout: device.createPipelineLayout({ bindGroupLayouts: [this.bindGroupLayout(access)] }),
        compute: { module, entryPoint: "main" },
      });
    } catch (cause) {
      const { messages } = await module.getCompilationInfo();
      const found = messages.map(({ lineNum, linePos, message }) => `${lineNum}:${linePos} ${message}`);
      throw new SltrainError({
        code: "shader-invalid",
        message: `webgpu device: ${label} does not compile: ${[...found, (cause as Error).message].join("; ")}\n${wgsl}`,
        cause,
      });
    }
  }
}
