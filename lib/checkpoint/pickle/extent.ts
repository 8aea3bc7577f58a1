// What can be known of a pickle before it is read: where it ends, if it stands in the middle of a file, and which of the objects that
// it numbers it will ask for again. Opcodes are stepped over without being obeyed.

import { IsotorchError } from '../../errors.js';
import type { ByteSource } from '../source.js';
import { stepsPerTurn, Turns } from '../turns.js';
import { op } from './opcodes.js';

/** What follows an opcode: so many bytes, a length of so many bytes and what it counts, or lines of text. */
type Operand = { bytes: number } | { lengthBytes: 1 | 4 | 8 } | { lines: number };

const operands: (Operand | undefined)[] = [];
for (const code of Object.values(op)) operands[code] = { bytes: 0 };
for (const code of [op.BININT1, op.BINGET, op.BINPUT, op.PROTO]) operands[code] = { bytes: 1 };
operands[op.BININT2] = { bytes: 2 };
for (const code of [op.BININT, op.LONG_BINGET, op.LONG_BINPUT]) operands[code] = { bytes: 4 };
for (const code of [op.BINFLOAT, op.FRAME]) operands[code] = { bytes: 8 };
for (const code of [op.SHORT_BINUNICODE, op.SHORT_BINSTRING, op.SHORT_BINBYTES, op.LONG1])
  operands[code] = { lengthBytes: 1 };
for (const code of [op.BINUNICODE, op.BINSTRING, op.BINBYTES, op.LONG4]) operands[code] = { lengthBytes: 4 };
for (const code of [op.BINUNICODE8, op.BINBYTES8, op.BYTEARRAY8]) operands[code] = { lengthBytes: 8 };
operands[op.GLOBAL] = { lines: 2 };

const firstPiece = 1 << 12;

/**
 * The bytes of the pickle that starts at `start`. If it does not end, or has an opcode that is none, they go as far as that is
 * clear, and reading them says what is wrong.
 * @throws ERR_FORMAT if it is longer than `limit` bytes.
 */
export async function readPickle(source: ByteSource, start: number, limit: number): Promise<Uint8Array> {
  const left = source.size - start;
  const turns = new Turns();
  let at = 0;
  let steps = 0;
  for (let length = Math.min(firstPiece, left); ; length = Math.min(4 * length, left, limit)) {
    const bytes = await source.read(start, length);
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    while (at < length) {
      const code = view[at] as number;
      const operand = operands[code];
      if (code === op.STOP || operand === undefined) return bytes.subarray(0, at + 1);
      const next = after(view, at + 1, operand);
      if (next === undefined) break;
      at = next;
      if (++steps % stepsPerTurn === 0) await turns.pause();
    }
    if (length === left) return bytes;
    if (length === limit)
      throw new IsotorchError(
        'ERR_FORMAT',
        `${source.name}, byte ${start}: a pickle of more than ${limit} bytes can’t be read`,
      );
  }
}

/** Where the next opcode stands, perhaps beyond the end; undefined if that can't be seen yet. */
function after(bytes: Buffer, at: number, operand: Operand): number | undefined {
  if ('bytes' in operand) return at + operand.bytes;
  if ('lines' in operand) {
    let end = at;
    for (let line = 0; line < operand.lines; line++) {
      const newline = bytes.indexOf(0x0a, end);
      if (newline === -1) return undefined;
      end = newline + 1;
    }
    return end;
  }
  const { lengthBytes } = operand;
  if (at + lengthBytes > bytes.length) return undefined;
  const length =
    lengthBytes === 1
      ? bytes.readUInt8(at)
      : lengthBytes === 4
        ? bytes.readUInt32LE(at)
        : Number(bytes.readBigUInt64LE(at));
  return at + lengthBytes + length;
}

/**
 * Which memo numbers are asked for. Python numbers everything and asks for little of it again: what is not asked for needs not
 * be remembered, which is most of what a large pickle would take in memory.
 */
export function* recalledNumbers(bytes: Uint8Array): Generator<void, (id: number) => boolean> {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const marks = new Uint8Array(Math.ceil(bytes.length / 8));
  const add = (id: number) => {
    if (id < bytes.length) marks[id >> 3] = (marks[id >> 3] as number) | (1 << (id & 7));
  };
  let steps = 0;
  for (let at: number | undefined = 0; at !== undefined && at < view.length; ) {
    const code = view[at] as number;
    const operand = operands[code];
    if (code === op.STOP || operand === undefined) break;
    if (code === op.BINGET && at + 1 < view.length) add(view[at + 1] as number);
    if (code === op.LONG_BINGET && at + 4 < view.length) add(view.readUInt32LE(at + 1));
    at = after(view, at + 1, operand);
    if (++steps % stepsPerTurn === 0) yield;
  }
  return (id) => ((marks[id >> 3] ?? 0) & (1 << (id & 7))) !== 0;
}
