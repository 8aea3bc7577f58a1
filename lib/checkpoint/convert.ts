// From one file format to the other, with what people do on the way: take a nested dict out, rename keys, change the
// precision. Whatever the new file can't hold is an error or is reported: nothing gets lost unsaid.

import { stat } from 'node:fs/promises';
import { types } from 'node:util';
import { describe, expected, IsotorchError } from '../errors.js';
import { type DType, dtypes, isFloating } from '../tensor/dtype.js';
import { Tensor, tidy } from '../tensor/index.js';
import { itemSize, type SavedDType } from './dtypes.js';
import { type CheckpointFormat, formatOf } from './formats.js';
import { mapTensors, tensorsIn } from './mapTensors.js';
import { OrderedDict } from './pickle/values.js';
import { loadSafetensors, SafetensorsDict } from './safetensors/reader.js';
import { sharedPairs } from './safetensors/shared.js';
import { saveSafetensors } from './safetensors/writer.js';
import { openSource } from './source.js';
import { loadTorch, saveTorch } from './torchFile.js';

export interface ConvertOptions {
  /** Converts floating-point tensors, at any depth; others stay. */
  dtype?: DType;
  /** Go into the dict under this key, then under the next, and convert what is there. */
  key?: readonly string[];
  /** Keys that begin with the first text begin with the second instead; the first pair that fits counts. */
  rename?: readonly (readonly [from: string, to: string])[];
  /** Leave out what safetensors can't hold, and report it, instead of failing. Default false. */
  tensorsOnly?: boolean;
  /** Replace an existing file. Default false. */
  overwrite?: boolean;
}

export interface Conversion {
  readonly from: CheckpointFormat;
  readonly to: CheckpointFormat;
  readonly tensors: number;
  readonly nbytes: number;
  /** What the new file doesn't hold, in words. */
  readonly leftOut: readonly string[];
  /** Tensors that shared memory and are now apart. */
  readonly copied: readonly (readonly [string, string])[];
}

const torchEndings = ['.pt', '.pth', '.th', '.ckpt', '.bin'];

/**
 * Writes the checkpoint in `input` as `output`: a safetensors file where the name ends so, one for `torch.load` where it ends
 * in .pt, .pth, .th, .ckpt or .bin. What `input` is, its bytes tell.
 *
 * @throws ERR_FILE if `input` is missing or `output` exists; ERR_FORMAT if `input` is damaged or something else; ERR_ARGUMENT
 *   if there is no such key, nothing to rename, two keys become one, or values are no tensors and `output` holds only those.
 * @example await convertCheckpoint('model.pth', 'model.safetensors', { key: ['state_dict'], rename: [['module.', '']] });
 */
export async function convertCheckpoint(
  input: string,
  output: string,
  { dtype, key = [], rename = [], tensorsOnly = false, overwrite = false }: ConvertOptions = {},
): Promise<Conversion> {
  const to = formatFor(output);
  if (dtype !== undefined && !isFloating(dtype))
    throw expected(`one of ${dtypes.filter(isFloating).join(', ')}`, 'dtype', dtype, 'ERR_DTYPE');
  if (!overwrite && (await stat(output).catch(() => undefined)))
    throw new IsotorchError(
      'ERR_FILE',
      `${output} exists already. Choose another name, or replace it with { overwrite: true } (--overwrite)`,
    );
  const source = await openSource(input);
  const from = await formatOf(source).finally(() => source.close());
  // A torch file is read, which verifies its checksums; safetensors have none.
  const loaded = from === 'torch' ? await loadTorch(input) : await loadSafetensors(input, { mmap: true });
  const tensors = tensorsIn(loaded);
  try {
    let object = renamed(within(loaded, key), rename);
    if (dtype) object = mapTensors(object, caster(dtype, tensors));
    if (to === 'safetensors') return { from, to, ...(await writeSafetensors(output, object, tensorsOnly)) };
    await saveTorch(output, object);
    const kept = tensorsIn(object);
    const report = { from, to, tensors: kept.size, nbytes: bytesIn(kept) };
    const texts = loaded instanceof SafetensorsDict ? [...loaded.metadata] : [];
    return { ...report, leftOut: texts.map(([name, text]) => `the metadata ${name} = ${text}`), copied: [] };
  } finally {
    for (const tensor of tensors) tensor.dispose();
  }
}

function formatFor(output: string): CheckpointFormat {
  if (typeof output === 'string' && output.endsWith('.safetensors')) return 'safetensors';
  if (typeof output === 'string' && torchEndings.some((ending) => output.endsWith(ending))) return 'torch';
  throw expected(`a name that ends in .safetensors or ${torchEndings.join(', ')}`, 'output', output);
}

const quoted = (names: Iterable<unknown>, most = 8): string => {
  const all = [...names];
  return all.slice(0, most).map(String).join(', ') + (all.length > most ? `, … (${all.length})` : '');
};

function within(object: unknown, path: readonly string[]): unknown {
  let at = object;
  for (const key of path) {
    if (!types.isMap(at)) throw expected(`a dict around the key ${JSON.stringify(key)}`, 'the file', at);
    if (!at.has(key))
      throw new IsotorchError('ERR_ARGUMENT', `There is no key ${JSON.stringify(key)} but: ${quoted(at.keys())}`);
    at = at.get(key);
  }
  return at;
}

/** The dict itself where nothing is to be renamed: it has more to it than its entries. */
function renamed(object: unknown, rename: NonNullable<ConvertOptions['rename']>): unknown {
  if (rename.length === 0) return object;
  if (!types.isMap(object)) throw expected('a dict, whose keys can be renamed,', 'the file', object);
  const unused = new Set(rename);
  const origins = new Map<unknown, unknown>();
  const result = new OrderedDict<unknown, unknown>();
  for (const [key, value] of object) {
    const pair = typeof key === 'string' ? rename.find(([old]) => key.startsWith(old)) : undefined;
    if (pair) unused.delete(pair);
    const name = pair ? pair[1] + (key as string).slice(pair[0].length) : key;
    if (origins.has(name))
      throw new IsotorchError(
        'ERR_ARGUMENT',
        `The keys ${quoted([origins.get(name), key])} would both be ${String(name)}`,
      );
    origins.set(name, key);
    result.set(name, value);
  }
  for (const [old] of unused)
    throw new IsotorchError('ERR_ARGUMENT', `No key begins with ${JSON.stringify(old)}: ${quoted(object.keys())}`);
  return object instanceof SafetensorsDict
    ? Object.assign(new SafetensorsDict(result as Map<string, Tensor>), { metadata: object.metadata })
    : result;
}

/** Equal windows onto one memory stay one tensor. */
function caster(dtype: DType, made: Set<Tensor>): (tensor: Tensor) => Tensor {
  const known = new Map<string, Tensor>();
  return (tensor) => {
    if (!isFloating(tensor.dtype) || tensor.dtype === dtype) return tensor;
    const window = JSON.stringify([
      ...[String(tensor.storage().id), tensor.dtype, tensor.storageOffset(), tensor.shape, tensor.stride()],
    ]);
    const cast = known.get(window) ?? tidy(() => tensor.detach().to(dtype));
    known.set(window, cast);
    made.add(cast);
    return cast;
  };
}

const bytesOf = (tensor: Tensor): number => tensor.numel() * itemSize(tensor.dtype as SavedDType);

function bytesIn(tensors: Iterable<Tensor>): number {
  let sum = 0;
  for (const tensor of tensors) sum += bytesOf(tensor);
  return sum;
}

async function writeSafetensors(output: string, object: unknown, tensorsOnly: boolean) {
  if (!types.isMap(object)) throw expected('a dict of tensors', 'what a safetensors file is to hold', object);
  const tensors = new SafetensorsDict();
  if (object instanceof SafetensorsDict) tensors.metadata = object.metadata;
  const others: string[] = [];
  for (const [key, value] of object) {
    if (typeof key === 'string' && value instanceof Tensor) tensors.set(key, value);
    else others.push(`${String(key)} (${what(value)})`);
  }
  if (others.length > 0 && !tensorsOnly) {
    const nested = others.some((other) => other.includes('dict of'));
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `A safetensors file holds tensors by name and nothing else, but there are: ${quoted(others)}. ` +
        `${nested ? 'Choose one of the dicts with { key } (--key), or leave' : 'Leave'} them out with { tensorsOnly: true } (--tensors-only)`,
    );
  }
  if (tensors.size === 0 && others.length > 0)
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `There is no tensor beside: ${quoted(others)}. Choose a dict with { key } (--key)`,
    );
  const entries = [...tensors].map(([name, tensor]) => ({
    name,
    tensor,
    nbytes: bytesOf(tensor),
  }));
  const copied = [...sharedPairs(entries)];
  await saveSafetensors(output, tensors, { shared: 'copy' });
  if (object instanceof OrderedDict && object._metadata !== undefined)
    others.push('_metadata, the versions of the layers');
  return { tensors: tensors.size, nbytes: bytesIn(tensors.values()), leftOut: others, copied };
}

const what = (value: unknown): string =>
  types.isMap(value) ? `dict of ${value.size}` : value instanceof Tensor ? 'a tensor' : describe(value);
