// Checkpoints in several files, as Hugging Face's libraries write them: an index in JSON says which tensor is in which of the files beside
// it. Only names of files in the index's own folder are followed.

import { dirname, extname, join } from 'node:path';
import { IsotorchError } from '../errors.js';
import type { Tensor } from '../tensor/index.js';
import { openSource, type PathInput, pathOf } from './source.js';

/** Of a checkpoint with a hundred thousand tensors, ten megabytes. */
const maxIndexBytes = 64 << 20;

const readers = { safetensors: 'loadSafetensors', torch: 'loadTorch' } as const;

export class ShardIndex {
  constructor(
    readonly path: string,
    /** Names of tensors by the file that they are in. */
    readonly shards: ReadonlyMap<string, readonly string[]>,
  ) {}

  get names(): string[] {
    return [...this.shards.values()].flat();
  }

  /** `wanted`, if the file has them all. @throws ERR_FORMAT */
  held(present: readonly string[], shard: string, wanted: readonly string[]): string[] {
    const has = new Set(present);
    const missing = wanted.find((name) => !has.has(name));
    if (missing === undefined) return [...wanted];
    throw new IsotorchError(
      'ERR_FORMAT',
      `${this.path}: tensor ${JSON.stringify(missing)} should be in ${shard} but isn’t; the files may be of two checkpoints`,
    );
  }
}

/**
 * @param format whose files are wanted
 * @throws ERR_FORMAT if it is no such index, names files elsewhere, or files of the other format, naming the call that reads it
 */
export async function readIndex(file: PathInput, format: keyof typeof readers): Promise<ShardIndex> {
  const path = pathOf(file, 'file');
  const bad = (problem: string, cause?: unknown) => new IsotorchError('ERR_FORMAT', `${path}: ${problem}`, { cause });
  const map = weightMap(await readText(path, bad), bad);
  const shards = new Map<string, string[]>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== 'string' || !/^[^/\\\0]+$/.test(shard) || shard === '..' || shard === '.')
      throw bad(
        `tensor ${JSON.stringify(name)} should be in a file beside the index but is in ${JSON.stringify(shard)}`,
      );
    const others = shards.get(shard);
    if (others) others.push(name);
    else shards.set(shard, [name]);
  }
  const [first] = shards.keys();
  if (first === undefined) throw bad('its "weight_map" names no tensor');
  const found = extname(first) === '.safetensors' ? 'safetensors' : 'torch';
  if (found !== format)
    throw bad(`its files are ${extname(first) || first}: read it with checkpoint.${readers[found]}()`);
  const folder = dirname(path);
  return new ShardIndex(path, new Map([...shards].map(([shard, names]) => [join(folder, shard), names])));
}

async function readText(path: string, bad: (problem: string) => IsotorchError): Promise<string> {
  const source = await openSource(path);
  try {
    if (source.size > maxIndexBytes) throw bad(`an index of ${source.size} bytes; at most ${maxIndexBytes} are read`);
    return Buffer.from(await source.readRange(0, source.size)).toString('utf8');
  } finally {
    await source.close();
  }
}

function weightMap(text: string, bad: (problem: string, cause?: unknown) => IsotorchError): object {
  let index: unknown;
  try {
    index = JSON.parse(text);
  } catch (cause) {
    throw bad(`not an index: ${(cause as Error).message}`, cause);
  }
  const map = typeof index === 'object' && index !== null && 'weight_map' in index ? index.weight_map : undefined;
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    throw bad('expected an index with a "weight_map", from names of tensors to names of files');
  return map;
}

/**
 * The tensors of all files, or of those in which a wanted one is, into `result`. If one fails, none is left behind.
 * @throws ERR_ARGUMENT for keys that the index doesn't have
 */
export async function loadShards(
  index: ShardIndex,
  keys: readonly string[] | ((key: string) => boolean) | undefined,
  result: Map<string, Tensor>,
  load: (shard: string, names: readonly string[]) => Promise<ReadonlyMap<string, Tensor>>,
): Promise<void> {
  const isWanted = typeof keys === 'function' ? keys : keys && new Set(keys).has.bind(new Set(keys));
  const missing = Array.isArray(keys) ? keys.find((key) => !index.names.includes(key)) : undefined;
  if (missing !== undefined)
    throw new IsotorchError('ERR_ARGUMENT', `Expected keys of ${index.path} but it has no ${JSON.stringify(missing)}`);
  try {
    for (const [shard, names] of index.shards) {
      const wanted = isWanted ? names.filter((name) => isWanted(name)) : names;
      if (wanted.length > 0) for (const [name, tensor] of await load(shard, wanted)) result.set(name, tensor);
    }
  } catch (error) {
    for (const tensor of result.values()) tensor.dispose();
    if (!(error instanceof IsotorchError) || error.code !== 'ERR_FILE') throw error;
    throw new IsotorchError('ERR_FILE', `${index.path} names a file beside it: ${error.message}`, { cause: error });
  }
}
