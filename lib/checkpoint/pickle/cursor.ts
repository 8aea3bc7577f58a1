// A pickle's bytes, read from front to back. Every length is checked against what is left, and every error tells the byte
// at which the opcode at work starts.

import { IsotorchError } from '../../errors.js';
import { decodeText } from './text.js';

/** No module or class of Python has a longer name. */
const maxNameBytes = 1 << 10;

export class Cursor {
  private readonly bytes: Buffer;
  private next = 0;
  private opcodeAt = 0;

  constructor(
    bytes: Uint8Array,
    /** What messages call these bytes. */
    private readonly where: string,
  ) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get size(): number {
    return this.bytes.length;
  }

  /** The byte at which the opcode at work starts. */
  get at(): number {
    return this.opcodeAt;
  }

  get left(): number {
    return this.bytes.length - this.next;
  }

  error(problem: string): IsotorchError {
    return new IsotorchError('ERR_FORMAT', `${this.where}, byte ${this.opcodeAt}: ${problem}`);
  }

  opcode(): number {
    this.opcodeAt = this.next;
    if (this.left === 0) throw this.error('it ends without a STOP; it may be cut off');
    return this.uint8();
  }

  uint8(): number {
    return this.bytes.readUInt8(this.skip(1));
  }

  uint16(): number {
    return this.bytes.readUInt16LE(this.skip(2));
  }

  int32(): number {
    return this.bytes.readInt32LE(this.skip(4));
  }

  uint32(): number {
    return this.bytes.readUInt32LE(this.skip(4));
  }

  /** A 64-bit length. Beyond the safe integers it is inexact, but then the bytes are not there anyway. */
  uint64(): number {
    return Number(this.bytes.readBigUInt64LE(this.skip(8)));
  }

  /** Pickle's floats are big-endian. */
  float64(): number {
    return this.bytes.readDoubleBE(this.skip(8));
  }

  take(length: number): Buffer {
    const start = this.skip(length);
    return this.bytes.subarray(start, start + length);
  }

  text(length: number): string {
    const text = decodeText(this.take(length));
    if (text === undefined) throw this.error('expected text in UTF-8');
    return text;
  }

  /** A name up to the end of its line. */
  line(): string {
    const length = this.bytes.subarray(this.next, this.next + maxNameBytes).indexOf(0x0a);
    if (length === -1) throw this.error('the name of a global does not end');
    const text = this.text(length);
    this.skip(1);
    return text;
  }

  private skip(length: number): number {
    if (length > this.left) throw this.error(`${length} bytes are missing; the pickle may be cut off`);
    this.next += length;
    return this.next - length;
  }
}
