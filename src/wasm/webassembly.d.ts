// The part of the WebAssembly JavaScript API (W3C, 2.0) that sltrain uses: TypeScript ships it with the DOM only.

declare namespace WebAssembly {
  interface Memory<Buffer extends ArrayBufferLike = SharedArrayBuffer> {
    /** Where it is not shared, another one after each growth. */
    readonly buffer: Buffer;
    /** Adds pages and returns the former number; throws RangeError beyond the maximum or the machine's means. */
    grow(pages: number): number;
  }
  /** `initial` and `maximum` in pages of 64 KiB. */
  const Memory: {
    new (descriptor: { initial: number; maximum: number; shared: true }): Memory;
    new (descriptor: { initial: number; maximum?: number }): Memory<ArrayBuffer>;
  };

  interface Module {
    readonly [Symbol.toStringTag]: string;
  }
  const Module: new (bytes: Uint8Array<ArrayBuffer>) => Module;

  class Instance {
    constructor(module: Module, imports: { env: { memory: Memory<ArrayBufferLike> } });
    readonly exports: Readonly<Record<string, unknown>>;
  }

  function validate(bytes: Uint8Array<ArrayBuffer>): boolean;
  function compile(bytes: Uint8Array<ArrayBuffer>): Promise<Module>;
}
