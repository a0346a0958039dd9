import { badInput } from './bad-input.js';
import type { RowEncoder } from './row-encoder.js';

/** Gathers the bytes of a stream as they are. */
export class ByteGatherer implements RowEncoder {
  readonly rows = undefined;
  #pieces: Uint8Array[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(piece: unknown): void {
    const bytes = typeof piece === 'string' ? Buffer.from(piece, 'utf8') : piece;
    if (!(bytes instanceof Uint8Array))
      throw badInput('a source that began with bytes goes on with something else');
    this.#pieces.push(bytes);
    this.#size += bytes.length;
  }

  take(): Buffer {
    const taken = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#size = 0;
    return taken;
  }

  end(): Buffer {
    return this.take();
  }
}
