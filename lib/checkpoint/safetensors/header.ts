// The header of a safetensors file: 8 bytes with its length, then JSON that gives each tensor's dtype, shape and place, padded
// with spaces. Every rule of the format's specification is checked here, so that whoever reads the data can rely on all of
// them: known dtypes, shapes that fit their bytes, and a data section in which each byte belongs to exactly one tensor.

import { IsotorchError } from '../../errors.js';
import type { ByteSource } from '../source.js';
import { inTurns, sorted, stepsPerTurn } from '../turns.js';
import { type Stored, storedByName, storedNames } from './dtypes.js';
import { HeaderText } from './headerText.js';

/** The key that holds no tensor but texts about the file. */
export const metadataKey = '__metadata__';
/** The format's own limit. */
export const maxHeaderBytes = 100_000_000;
export const prefixBytes = 8;

export interface Entry {
  readonly name: string;
  readonly stored: Stored;
  readonly shape: readonly number[];
  /** First byte of the data, counted from the start of the file, and the one after its last. */
  readonly start: number;
  readonly end: number;
}

export interface Header {
  readonly metadata: ReadonlyMap<string, string>;
  /** By name, in the order of their data. */
  readonly entries: ReadonlyMap<string, Entry>;
}

/** @throws ERR_FORMAT with the rule that the file breaks. */
export async function readHeader(source: ByteSource): Promise<Header> {
  const { name, size } = source;
  const bad = (problem: string) => new IsotorchError('ERR_FORMAT', `${name}: ${problem}`);
  if (size < prefixBytes) throw bad(`expected a safetensors file but it has ${size} bytes only`);
  const prefix = await source.readRange(0, prefixBytes);
  const length = Buffer.from(prefix.buffer, prefix.byteOffset, prefixBytes).readBigUInt64LE();
  if (length > maxHeaderBytes)
    throw bad(
      `expected a safetensors file, with a header of up to ${maxHeaderBytes} bytes, but its first bytes say ${length}`,
    );
  const start = prefixBytes + Number(length);
  if (start > size)
    throw bad(`its header should have ${length} bytes, but the file ends at byte ${size}; it may be cut off`);
  const bytes = await source.readRange(prefixBytes, Number(length));
  if (bytes[0] !== 0x7b) throw bad('expected a safetensors file but its header does not begin with {');
  const text = new HeaderText(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), name);
  return await inTurns(parse(text, start, size, bad));
}

type Bad = (problem: string) => IsotorchError;

/** Yields in between: a header may describe a million tensors. */
function* parse(text: HeaderText, dataStart: number, size: number, bad: Bad): Generator<void, Header> {
  const metadata = new Map<string, string>();
  const found: Entry[] = [];
  for (const key of text.keys()) {
    if (key === metadataKey) for (const name of text.keys()) metadata.set(name, text.string());
    else found.push(parseEntry(text, key, dataStart, size, found.at(-1)));
    if (found.length % stepsPerTurn === 0) yield;
  }
  text.end();
  // Files may list tensors in any order.
  const inOrder = yield* sorted(found, (a, b) => a.start - b.start || a.end - b.end);
  const entries = new Map<string, Entry>();
  let last = { name: '', end: dataStart };
  for (const entry of inOrder) {
    if (entry.start < last.end)
      throw bad(`the tensors ${JSON.stringify(last.name)} and ${JSON.stringify(entry.name)} overlap`);
    if (entry.start > last.end)
      throw bad(`${entry.start - last.end} bytes before tensor ${JSON.stringify(entry.name)} belong to no tensor`);
    last = entry;
    entries.set(entry.name, entry);
    if (entries.size % stepsPerTurn === 0) yield;
  }
  if (last.end < size) throw bad(`${size - last.end} bytes at its end belong to no tensor`);
  return { metadata, entries };
}

/** @param previous whose shape it shares if it has the same: a million arrays would be a third of the memory */
function parseEntry(text: HeaderText, name: string, dataStart: number, size: number, previous?: Entry): Entry {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  const bad = (problem: string) => text.fail(`tensor ${JSON.stringify(name)} ${problem}`);
  for (const key of text.keys()) {
    if (key === 'dtype') dtype = text.string();
    else if (key === 'shape') shape = text.wholes(bad);
    else if (key === 'data_offsets') offsets = text.wholes(bad);
    else throw bad(`has the unknown field ${JSON.stringify(key)}`);
  }
  if (dtype === undefined || shape === undefined || offsets === undefined)
    throw bad(
      `has no ${dtype === undefined ? 'dtype' : shape === undefined ? 'shape' : 'data_offsets'} in its description`,
    );
  const stored = storedByName(dtype);
  if (!stored) throw bad(`has the dtype ${JSON.stringify(dtype)}; known are ${storedNames.join(', ')}`);
  const [start, end] = offsets;
  if (offsets.length !== 2 || start === undefined || end === undefined || end < start)
    throw bad(`has data_offsets [${offsets.slice(0, 4)}] instead of [begin, end]`);
  if (end > size - dataStart)
    throw bad(`ends at byte ${end} of the data, which has ${size - dataStart}; the file may be cut off`);
  const bytes = bytesOf(shape, stored, bad);
  if (bytes !== end - start)
    throw bad(`of ${dtype} and shape [${shape.slice(0, 8)}] needs ${bytes} bytes but has ${end - start}`);
  const known = previous?.shape;
  const isKnown = known?.length === shape.length && shape.every((length, i) => length === known[i]);
  return { name, stored, shape: isKnown ? known : shape, start: dataStart + start, end: dataStart + end };
}

/** With the strides' overflow checked too, which an empty tensor can have: [0, 2⁵², 2⁵²]. */
function bytesOf(shape: readonly number[], { name, bits }: Stored, bad: Bad): number {
  let count = 1;
  let spread = 1;
  for (const size of shape) {
    count *= size;
    spread *= Math.max(size, 1);
    if (!(spread * bits <= Number.MAX_SAFE_INTEGER)) throw bad(`has a shape that is too large, [${shape.slice(0, 8)}]`);
  }
  const total = count * bits;
  if (total % 8 !== 0) throw bad(`of ${name} and shape [${shape.slice(0, 8)}] does not end at a whole byte`);
  return total / 8;
}

export interface Described {
  readonly name: string;
  readonly stored: Stored;
  readonly shape: readonly number[];
  readonly nbytes: number;
}

/**
 * The bytes in front of the data, for tensors whose data follow each other in this order.
 * @throws ERR_ARGUMENT if names and texts are more than a header can hold.
 */
export function writeHeader(tensors: readonly Described[], metadata: ReadonlyMap<string, string>): Uint8Array {
  const members: string[] = [];
  if (metadata.size > 0) {
    // Sorted, so that equal texts give equal bytes.
    const texts = [...metadata].sort(([a], [b]) => (a < b ? -1 : 1));
    const pairs = texts.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
    members.push(`"${metadataKey}":{${pairs.join(',')}}`);
  }
  let start = 0;
  for (const { name, stored, shape, nbytes } of tensors) {
    const info = { dtype: stored.name, shape, data_offsets: [start, start + nbytes] };
    members.push(`${JSON.stringify(name)}:${JSON.stringify(info)}`);
    start += nbytes;
  }
  const json = Buffer.from(`{${members.join(',')}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > maxHeaderBytes)
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `Expected names and metadata of up to ${maxHeaderBytes} bytes together but they have ${length}`,
    );
  const bytes = Buffer.alloc(prefixBytes + length, ' ');
  bytes.writeBigUInt64LE(BigInt(length));
  json.copy(bytes, prefixBytes);
  return bytes;
}
