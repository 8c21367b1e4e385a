// What sltrain uses of npm zstd-codec 0.1.5, which has no types of its own.

declare module "zstd-codec" {
  export interface Simple {
    compress(content: Uint8Array, level: number): Uint8Array | null;
    decompress(frame: Uint8Array): Uint8Array | null;
  }
  const exports: {
    readonly ZstdCodec: { run(onReady: (zstd: { readonly Simple: new () => Simple }) => void): void };
  };
  export default exports;
}
