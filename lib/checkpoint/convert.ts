// From one file format to the other, with what people do on the way: take a nested dict out, rename keys, change the
// precision. Whatever the new file can't hold is an error or is reported: nothing gets lost unsaid.

import { stat } from 'node:fs/promises';
import { types } from 'node:util';
import { describe, expected, IsotorchError } from '../errors.js';
import { type DType, dtypes, isFloating } from '../tensor/dtype.js';
import { Tensor, tidy } from '../tensor/index.js';
import { itemSize, type SavedDType } from './dtypes.js';
import { type CheckpointFormat, formatOf } from './formats.js';
import { filesOf, loadAny } from './loadAny.js';
import { mapTensors, tensorsIn } from './mapTensors.js';
import { ForeignObject } from './pickle/foreign.js';
import { isTensorRef, OrderedDict } from './pickle/values.js';
import { loadSafetensors } from './safetensors/load.js';
import { SafetensorsDict } from './safetensors/reader.js';
import { sharedPairs } from './safetensors/shared.js';
import { saveSafetensors } from './safetensors/writer.js';
import { openSource, type PathInput, pathOf } from './source.js';
import { saveTorch, TorchFile } from './torchFile.js';
import { weights } from './weights.js';

export interface ConvertOptions {
  /** Converts floating-point tensors, at any depth; others stay. */
  dtype?: DType;
  /** Go into the dict under this key, then under the next, and convert what is there. */
  key?: readonly string[];
  /** Keys that begin with the first text begin with the second instead; the first pair that fits counts. */
  rename?: readonly (readonly [from: string, to: string])[];
  /** Leave out what the new file can't hold, and report it, instead of failing. Default false. */
  tensorsOnly?: boolean;
  /** Take the weights, wherever they are in the file (see `weights`), and nothing else. Default false. */
  weights?: boolean;
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
  /** With `weights`, where they were found, and what was removed from the front of all keys. */
  readonly taken?: { readonly from: string; readonly prefix: string };
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
  input: PathInput,
  output: PathInput,
  options: ConvertOptions = {},
): Promise<Conversion> {
  const { dtype, rename = [], tensorsOnly = false, overwrite = false } = options;
  const path = pathOf(output, 'output', `a name that ends in .safetensors or ${torchEndings.join(', ')}`);
  const to = formatFor(path);
  if (dtype !== undefined && !isFloating(dtype))
    throw expected(`one of ${dtypes.filter(isFloating).join(', ')}`, 'dtype', dtype, 'ERR_DTYPE');
  if (!overwrite && (await stat(path).catch(() => undefined)))
    throw new IsotorchError(
      'ERR_FILE',
      `${path} exists already. Choose another name, or replace it with { overwrite: true } (--overwrite)`,
    );
  const { from, loaded, ...rest } = await read(input, options);
  const tensors = tensorsIn(loaded);
  try {
    let object = renamed(loaded, rename);
    if (dtype) object = mapTensors(object, caster(dtype, tensors));
    const written =
      to === 'safetensors'
        ? await writeSafetensors(path, object, tensorsOnly)
        : await writeTorch(path, object, tensorsOnly);
    return { from, to, ...written, ...rest, leftOut: [...written.leftOut, ...(rest.leftOut ?? [])] };
  } finally {
    for (const tensor of tensors) tensor.dispose();
  }
}

interface Read extends Pick<Conversion, 'from' | 'taken'> {
  loaded: unknown;
  leftOut?: readonly string[];
}

/** What is to be converted: what is not asked for is not read, whatever it is. */
async function read(input: PathInput, { key = [], weights: wanted = false }: ConvertOptions): Promise<Read> {
  if (wanted) {
    const found = await weights(input, key.length > 0 ? { from: key.join('.') } : {});
    const others = found.others.map((other) => `${other.from || 'the whole'} (${other.kind} of ${other.tensors})`);
    const { state, from, prefix } = found;
    return { from: 'torch', loaded: state, taken: { from, prefix }, leftOut: [...found.leftOut, ...others] };
  }
  if ((await filesOf(input)) !== 'one') {
    const loaded = await loadAny(input);
    return { from: loaded instanceof SafetensorsDict ? 'safetensors' : 'torch', loaded: within(loaded, key) };
  }
  const source = await openSource(input);
  try {
    const from = await formatOf(source);
    // safetensors have no checksums that reading would verify.
    if (from === 'safetensors') return { from, loaded: within(await loadSafetensors(input, { mmap: true }), key) };
    using file = await TorchFile.open(source, { foreign: 'keep' });
    return { from, loaded: await file.load(within(file.object, key)) };
  } finally {
    await source.close();
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
    if (!types.isMap(at))
      throw expected(`a dict around the key ${JSON.stringify(key)}`, 'the file', isTensorRef(at) ? 'a tensor' : at);
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

async function writeTorch(output: string, object: unknown, tensorsOnly: boolean) {
  const leftOut = object instanceof SafetensorsDict ? textsOf(object) : [];
  if (object instanceof ForeignObject)
    throw new IsotorchError('ERR_ARGUMENT', `${object.name} is an object of Python code. ${choices}`);
  if (types.isMap(object)) {
    const foreign = [...object].flatMap(([key, value]) => {
      const found = foreignIn(value);
      return found ? [[key, `${String(key)} (unknown: ${found.name})`] as const] : [];
    });
    const words = foreign.map(([, word]) => word);
    if (foreign.length > 0 && !tensorsOnly)
      throw new IsotorchError('ERR_ARGUMENT', `There are objects of Python code: ${quoted(words)}. ${choices}`);
    for (const [key] of foreign) object.delete(key);
    leftOut.push(...words);
  }
  await saveTorch(output, object);
  const kept = tensorsIn(object);
  return { tensors: kept.size, nbytes: bytesIn(kept), leftOut, copied: [] };
}

const choices =
  'Choose a dict beside them with { key } (--key), take the weights alone with { weights: true } (--weights), or leave them out with { tensorsOnly: true } (--tensors-only)';

const textsOf = ({ metadata }: SafetensorsDict): string[] =>
  [...metadata].map(([name, text]) => `the metadata ${name} = ${text}`);

/** The first object of an unknown class in it, at any depth. */
function foreignIn(value: unknown, seen = new Set<unknown>()): ForeignObject | undefined {
  if (value instanceof ForeignObject) return value;
  if (typeof value !== 'object' || value === null || seen.has(value)) return undefined;
  seen.add(value);
  const inside = types.isMap(value) ? [...value.keys(), ...value.values()] : types.isSet(value) ? [...value] : value;
  if (!Array.isArray(inside)) return undefined;
  for (const item of inside) {
    const found = foreignIn(item, seen);
    if (found) return found;
  }
  return undefined;
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
  value instanceof ForeignObject
    ? `unknown: ${value.name}`
    : types.isMap(value)
      ? `dict of ${value.size}`
      : value instanceof Tensor
        ? 'a tensor'
        : describe(value);
