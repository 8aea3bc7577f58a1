// Reads tar archives as Python's tarfile writes them: ustar headers, with extended ones (pax, or GNU's for names) before a file
// whose time or name does not fit. Nothing is unpacked; a file is a range of the archive. The format is POSIX.1-2001, "pax
// Interchange Format".

import { IsotorchError } from '../../errors.js';
import type { ByteSource } from '../source.js';

export interface TarMember {
  readonly offset: number;
  readonly size: number;
}

const block = 512;
const maxExtended = 1 << 16;

/**
 * Files by name.
 * @param maxMembers a checkpoint has four; others are archives of something else
 * @throws ERR_FORMAT, saying what is wrong with the archive and at which byte
 */
export async function readTar(source: ByteSource, maxMembers = 1000): Promise<Map<string, TarMember>> {
  const members = new Map<string, TarMember>();
  let extended = new Map<string, string>();
  for (let at = 0, headers = 0; at < source.size; headers++) {
    const bad = (problem: string) =>
      new IsotorchError('ERR_FORMAT', `${source.name}: not a sound tar archive: byte ${at}: ${problem}`);
    if (headers > maxMembers) throw bad(`it has more than ${maxMembers} files`);
    if (at + block > source.size) throw bad('it ends within a header; it may be cut off');
    const bytes = await source.read(at, block);
    const header = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (header.every((byte) => byte === 0)) return members;
    if (number(header, 148, 8) !== checksum(header)) throw bad('a header’s checksum is wrong; the file is damaged');
    const size = extended.has('size') ? Number(extended.get('size')) : number(header, 124, 12);
    const offset = at + block;
    if (!Number.isSafeInteger(size) || size < 0 || offset + size > source.size)
      throw bad(`a file of ${size} bytes reaches beyond the end; the archive may be cut off`);
    const type = String.fromCharCode(header[156] as number);
    if (type === 'x' || type === 'g') {
      if (size > maxExtended) throw bad(`an extended header of ${size} bytes`);
      const records = paxRecords(await source.read(offset, size));
      if (records === undefined) throw bad('an extended header can’t be read');
      if (type === 'x') extended = records;
    } else if (type === 'L') {
      if (size > maxExtended) throw bad(`a name of ${size} bytes`);
      extended = new Map([['path', text(Buffer.from(await source.read(offset, size)))]]);
    } else {
      const name = extended.get('path') ?? fullName(header);
      extended = new Map();
      if (name.split('/').includes('..') || name.startsWith('/'))
        throw bad(`its name ${JSON.stringify(name)} leaves the archive`);
      if (type === '0' || type === '\0' || type === '7') {
        if (members.has(name)) throw bad(`there are two files named ${JSON.stringify(name)}`);
        members.set(name, { offset, size });
      } else if (type !== '5') {
        throw bad(`${JSON.stringify(name)} is a link, a device or of another kind that is not read`);
      }
    }
    at = offset + Math.ceil(size / block) * block;
  }
  throw new IsotorchError(
    'ERR_FORMAT',
    `${source.name}: not a sound tar archive: it ends without the block of zeros that closes it; it may be cut off`,
  );
}

const text = (bytes: Buffer): string => {
  const end = bytes.indexOf(0);
  return bytes.subarray(0, end === -1 ? bytes.length : end).toString('utf8');
};

function fullName(header: Buffer): string {
  const prefix = text(header.subarray(345, 500));
  const name = text(header.subarray(0, 100));
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** Octal digits, or where they don't suffice a number in base 256. NaN if it is neither. */
function number(header: Buffer, at: number, length: number): number {
  const field = header.subarray(at, at + length);
  if (field[0] === 0x80) return Number(BigInt(`0x${field.subarray(1).toString('hex')}`));
  const digits = text(field).trim();
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : Number.NaN;
}

/** The sum of all bytes, with spaces for those of the checksum. */
function checksum(header: Buffer): number {
  let sum = 0;
  for (let i = 0; i < block; i++) sum += i >= 148 && i < 156 ? 0x20 : (header[i] as number);
  return sum;
}

/** Lines `25 mtime=1300000000.25`, each with its length in front. Undefined if they are none. */
function paxRecords(bytes: Uint8Array): Map<string, string> | undefined {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records = new Map<string, string>();
  for (let at = 0; at < all.length; ) {
    const space = all.indexOf(0x20, at);
    const length = space === -1 ? Number.NaN : Number(all.subarray(at, space).toString('latin1'));
    if (!Number.isSafeInteger(length) || length < 1 || at + length > all.length) return undefined;
    const line = all.subarray(space + 1, at + length - 1).toString('utf8');
    const equals = line.indexOf('=');
    if (equals === -1) return undefined;
    records.set(line.slice(0, equals), line.slice(equals + 1));
    at += length;
  }
  return records;
}
