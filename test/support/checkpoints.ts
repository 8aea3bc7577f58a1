// What the tests of checkpoints share: isotorch's objects described in the words of test/fixtures/make_checkpoints.py,
// pickles and archives put together by hand, and damage done at random.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ByteSink } from '../../lib/checkpoint/atomicFile.js';
import { Complex, OrderedDict, TorchDevice, TorchDType, TorchLayout, TorchSize } from '../../lib/checkpoint/index.js';
import { ZipWriter } from '../../lib/checkpoint/zip/writer.js';
import { type Layout, Parameter, Tensor } from '../../lib/tensor/index.js';

/** A folder that is gone after `use`. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'isotorch-checkpoint-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const base64 = (bytes: ArrayBufferView) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

/** JSON that keeps types, order, dtypes, strides, values, and which tensors share memory. */
export function describeValue(value: unknown): unknown {
  const storages = new Map<bigint, number>();
  const tensor = (t: Tensor) => {
    const { id, nbytes } = t.storage();
    if (!storages.has(id)) storages.set(id, storages.size);
    return {
      dtype: t.dtype,
      shape: t.shape,
      stride: t.stride(),
      offset: t.storageOffset(),
      requiresGrad: t.requiresGrad,
      parameter: t instanceof Parameter,
      storage: storages.get(id),
      storageBytes: nbytes,
      data: base64(t.toArraySync()),
    };
  };
  const walk = (v: unknown): unknown => {
    if (v instanceof Tensor) return unusual(v, walk) ?? { tensor: tensor(v) };
    if (v instanceof TorchLayout) return { dict: [['layout', `torch.${v.name}`]] };
    if (v instanceof OrderedDict)
      return { ordered: items(v), ...(v._metadata === undefined ? {} : { metadata: walk(v._metadata) }) };
    if (v instanceof Map) return { dict: items(v) };
    if (v instanceof TorchSize) return { size: [...v] };
    if (Array.isArray(v)) return Object.isFrozen(v) ? { tuple: v.map(walk) } : { list: v.map(walk) };
    if (v instanceof Set) return { set: [...v].map((item) => pythonJson(walk(item))).sort() };
    if (v instanceof Uint8Array) return { bytes: base64(v) };
    if (typeof v === 'bigint') return { int: String(v) };
    if (typeof v === 'number' && Object.is(v, -0)) return { float: '-0.0' };
    if (typeof v === 'number' && Number.isNaN(v)) return { float: 'nan' };
    if (typeof v === 'number' && !Number.isFinite(v)) return { float: v > 0 ? 'inf' : '-inf' };
    if (v instanceof Complex) return { complex: [v.re, v.im] };
    if (v instanceof TorchDType) return { dtype: v.name };
    if (v instanceof TorchDevice) return { device: String(v) };
    return v;
  };
  const items = (map: Map<unknown, unknown>) => [...map].map(([key, item]) => [walk(key), walk(item)]);
  return walk(value);
}

/** Frees every tensor in what was loaded. */
export function disposeAll(value: unknown, seen = new Set<unknown>()): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return;
  seen.add(value);
  if (value instanceof Tensor) value.dispose();
  else if (value instanceof Map) for (const item of value.values()) disposeAll(item, seen);
  else if (Array.isArray(value) || value instanceof Set) for (const item of value) disposeAll(item, seen);
}

/** Sparse and meta tensors, as make_checkpoint_matrix.py has them. */
function unusual(tensor: Tensor, walk: (value: unknown) => unknown): unknown {
  const dict = (entries: Record<string, unknown>) => ({ dict: Object.entries(entries).map(([k, v]) => [k, walk(v)]) });
  if (tensor.device === 'meta')
    return dict({ meta: `torch.${tensor.dtype}`, shape: [...tensor.shape], stride: [...tensor.stride()] });
  const sparse = sparseParts(tensor);
  return sparse && dict({ layout: `torch.${sparse.layout}`, shape: [...tensor.shape], parts: sparse.parts });
}

/** The parts of a sparse tensor; undefined for others. */
function sparseParts(tensor: Tensor): { layout: Layout; parts: unknown[] } | undefined {
  const { layout } = tensor;
  if (layout === undefined || layout === 'strided') return undefined;
  if (layout === 'sparse_coo') return { layout, parts: [tensor._indices(), tensor._values(), tensor.isCoalesced()] };
  const indices =
    layout === 'sparse_csr' || layout === 'sparse_bsr'
      ? [tensor.crowIndices(), tensor.colIndices()]
      : [tensor.ccolIndices(), tensor.rowIndices()];
  return { layout, parts: [...indices, tensor.values()] };
}

/** json.dumps of the plain values that sets hold. */
const pythonJson = (value: unknown) => JSON.stringify(value);

/** Bytes from numbers, texts (as latin1) and other bytes: `bytes(op.PROTO, 2, 'X', …)`. */
export const bytes = (...parts: (number | string | Uint8Array)[]): Uint8Array =>
  Buffer.concat(
    parts.map((part) =>
      typeof part === 'number' ? Buffer.of(part) : typeof part === 'string' ? Buffer.from(part, 'latin1') : part,
    ),
  );

export const uint32 = (value: number): Uint8Array => {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value >>> 0);
  return buffer;
};

/** The opcode BINUNICODE and its text. */
export const text = (value: string): Uint8Array => bytes('X', uint32(Buffer.byteLength(value)), Buffer.from(value));

/** BININT. */
export const integer = (value: number): Uint8Array => bytes('J', uint32(value));

export class MemorySink implements ByteSink {
  readonly parts: Uint8Array[] = [];

  async write(part: Uint8Array): Promise<void> {
    this.parts.push(Uint8Array.from(part));
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.parts);
  }
}

/** An archive in memory. */
export async function archive(records: Record<string, Uint8Array>, root = 'archive/'): Promise<Uint8Array> {
  const sink = new MemorySink();
  const zip = new ZipWriter(sink);
  for (const [name, content] of Object.entries(records)) await zip.add(root + name, content.length, content);
  await zip.finish();
  return sink.bytes();
}

/** A checkpoint around a pickle, with storages by key. */
export const checkpointOf = (pickle: Uint8Array, storages: Record<string, Uint8Array> = {}): Promise<Uint8Array> =>
  archive({
    'data.pkl': pickle,
    byteorder: Buffer.from('little'),
    ...Object.fromEntries(Object.entries(storages).map(([key, content]) => [`data/${key}`, content])),
    version: Buffer.from('3\n'),
  });

/** A small generator (mulberry32), so that damage can be repeated from its seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A copy with one to eight flips, cuts, repeats and foreign numbers in it. */
export function damage(original: Uint8Array, random: () => number): Uint8Array {
  let copy: Buffer = Buffer.from(original);
  const below = (limit: number) => Math.floor(random() * limit);
  for (let times = 1 + below(8); times > 0 && copy.length > 0; times--) {
    const at = below(copy.length);
    const kind = below(7);
    if (kind === 0) copy[at] = (copy[at] as number) ^ (1 << below(8));
    else if (kind === 1) copy[at] = below(256);
    else if (kind === 2) copy = copy.subarray(0, at);
    else if (kind === 3)
      copy = Buffer.concat([copy.subarray(0, at), copy.subarray(Math.min(copy.length, at + 1 + below(16)))]);
    else if (kind === 4)
      copy = Buffer.concat([copy.subarray(0, at), copy.subarray(at, at + 1 + below(64)), copy.subarray(at)]);
    else {
      const extreme = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, original.length][below(7)] as number;
      const width = kind === 5 ? 4 : 8;
      const number = Buffer.alloc(8);
      number.writeUInt32LE(extreme >>> 0);
      number.writeUInt32LE(width === 8 && random() < 0.3 ? extreme >>> 0 : 0, 4);
      number.copy(copy, at, 0, Math.min(width, copy.length - at));
    }
  }
  return copy;
}

/** Starts a process that saves on and on, kills it some milliseconds after a save; the number of the last that it finished. */
export async function killWhileSaving(path: string, from: number, delay: number): Promise<number> {
  const program = fileURLToPath(new URL('./saveForever.ts', import.meta.url));
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', program, path, String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  const saved = new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (data) => {
      output += data;
      resolve();
    });
    child.once('exit', (code) => reject(new Error(`The process ended with ${code}`)));
  });
  await saved;
  await new Promise((resolve) => setTimeout(resolve, delay));
  const ended = once(child, 'close');
  child.kill('SIGKILL');
  await ended;
  return Number(output.trim().split('\n').at(-1));
}
