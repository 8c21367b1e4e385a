// Cuts a stream of frames at their ends and lays each where it belongs, in parts as the network brings them.

import {
  FRAME_HEADER_BYTES,
  frameAddress,
  type FrameAddress,
  frameDamaged,
  frameLength,
} from "../../shard/frame.ts";

interface Current {
  readonly address: FrameAddress;
  readonly sizeBytes: number;
  readonly slot: Uint8Array | undefined;
}

export class FrameStream {
  readonly #key: string;
  readonly #slotOf: (address: FrameAddress) => Uint8Array | undefined;
  readonly #onFrame: (address: FrameAddress, bytes: Uint8Array) => void;
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #offset = 0;
  /** Of the frame whose header is whole. */
  #current: Current | undefined;

  /** `slotOf` tells where a frame's bytes go, or undefined for one that is not wanted; `key` names the stream in errors. */
  constructor(
    key: string,
    slotOf: (address: FrameAddress) => Uint8Array | undefined,
    onFrame: (address: FrameAddress, bytes: Uint8Array) => void,
  ) {
    this.#key = key;
    this.#slotOf = slotOf;
    this.#onFrame = onFrame;
  }

  /** Throws SltrainError "frame-damaged" if a frame is larger than its slot. */
  write(part: Uint8Array): void {
    for (let at = 0; at < part.byteLength;) {
      const wanted = (this.#current?.sizeBytes ?? FRAME_HEADER_BYTES) - this.#offset;
      const taken = part.subarray(at, at + wanted);
      (this.#current === undefined ? this.#header : this.#current.slot)?.set(taken, this.#offset);
      at += taken.byteLength;
      this.#offset += taken.byteLength;
      if (taken.byteLength < wanted) continue;
      this.#current ??= this.#begin();
      if (this.#offset === this.#current.sizeBytes) this.#end(this.#current);
    }
  }

  #begin(): Current {
    const address = frameAddress(this.#header);
    const sizeBytes = frameLength(this.#header);
    const slot = this.#slotOf(address);
    if (slot !== undefined && sizeBytes > slot.byteLength) {
      throw frameDamaged(this.#key, `at most ${slot.byteLength} bytes`, `${sizeBytes}`);
    }
    slot?.set(this.#header);
    return { address, sizeBytes, slot };
  }

  #end({ address, sizeBytes, slot }: Current): void {
    [this.#current, this.#offset] = [undefined, 0];
    if (slot !== undefined) this.#onFrame(address, slot.subarray(0, sizeBytes));
  }
}
