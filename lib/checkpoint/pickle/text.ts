// Text and whole numbers as pickle has them. Python's strings may hold lone surrogates, which pickle writes as UTF-8 would
// if it allowed them; JavaScript's strings may hold them too, but TextDecoder and Buffer.from would replace them.

import { isAscii } from 'node:buffer';

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const loneSurrogate = /\p{Surrogate}/u;

/** Undefined if the bytes are no UTF-8. */
export function decodeText(bytes: Buffer): string | undefined {
  if (isAscii(bytes)) return bytes.toString('latin1');
  try {
    return strict.decode(bytes);
  } catch {
    return decodeWithSurrogates(bytes); // a strict decoder throws for nothing else
  }
}

/** UTF-8 as it would be if surrogates were characters like others. */
function decodeWithSurrogates(bytes: Buffer): string | undefined {
  const units = new Uint16Array(bytes.length);
  let count = 0;
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] as number;
    const length = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 0;
    if (length === 0 || at + length > bytes.length) return undefined;
    let code = length === 1 ? first : first & (0x7f >> length);
    for (let i = 1; i < length; i++) {
      const next = bytes[at + i] as number;
      if ((next & 0xc0) !== 0x80) return undefined;
      code = (code << 6) | (next & 0x3f);
    }
    if (code < (smallest[length] as number) || code > 0x10ffff) return undefined;
    if (code > 0xffff) units[count++] = 0xd7c0 + (code >> 10);
    units[count++] = code > 0xffff ? 0xdc00 | (code & 0x3ff) : code;
    at += length;
  }
  return Buffer.from(units.buffer, 0, 2 * count).toString('utf16le');
}

/** The first character that needs so many bytes; longer forms than needed are not allowed. */
const smallest = [0, 0, 0x80, 0x800, 0x10000];

export function encodeText(text: string): Buffer {
  if (!loneSurrogate.test(text)) return Buffer.from(text, 'utf8');
  const pieces = Array.from(text, (point) => {
    const code = point.codePointAt(0) as number;
    if (code < 0xd800 || code > 0xdfff) return Buffer.from(point, 'utf8');
    return Buffer.of(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
  });
  return Buffer.concat(pieces);
}

/** Two's complement, little-endian, of any length; a number where it is safe. */
export function decodeLong(bytes: Buffer): number | bigint {
  if (bytes.length === 0) return 0;
  const magnitude = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
  return narrow((bytes[bytes.length - 1] as number) & 0x80 ? magnitude - (1n << BigInt(8 * bytes.length)) : magnitude);
}

/** The shortest two's complement that holds the value and its sign. */
export function encodeLong(value: bigint): Buffer {
  if (value === 0n) return Buffer.alloc(0);
  const bits = (value < 0n ? -value - 1n : value).toString(2).length + 1;
  const length = Math.ceil(bits / 8);
  const hex = BigInt.asUintN(8 * length, value)
    .toString(16)
    .padStart(2 * length, '0');
  return Buffer.from(hex, 'hex').reverse();
}

/** A number if it is a safe integer. */
export const narrow = (value: bigint): number | bigint =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
