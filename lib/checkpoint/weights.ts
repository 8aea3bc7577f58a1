// The weights of a checkpoint, wherever they stand in it: `loadTorch` for those who do not know how a file was made.

import { types } from 'node:util';
import { expected, IsotorchError } from '../errors.js';
import type { Tensor } from '../tensor/index.js';
import { formatOf } from './formats.js';
import { filesOf, loadAny } from './loadAny.js';
import { tensorsIn } from './mapTensors.js';
import { asValue } from './pickle/tensorRules.js';
import { type AnyTensorRef, isTensorRef, OrderedDict } from './pickle/values.js';
import { type FileInput, openSource } from './source.js';
import { type FoundWeights, findWeights } from './stateDicts.js';
import { type LoadTorchOptions, TorchFile } from './torchFile.js';

export interface WeightsOptions extends Pick<LoadTorchOptions, 'device' | 'dtype' | 'mmap'> {
  /** Which of several: the keys that lead to it, joined by dots, such as `ema.module`. Default: the likeliest, which is told. */
  from?: string;
  /** Beginnings that are removed from the keys while all keys have one. @default ['module.', '_orig_mod.', 'model.'] */
  prefixes?: readonly string[];
}

/** A place in a file where there are weights. */
export interface WeightsPlace {
  /** The keys that lead to it, joined by dots; empty for the whole file. */
  readonly from: string;
  readonly kind: 'state dict' | 'module';
  readonly tensors: number;
  readonly elements: number;
}

export interface Weights extends WeightsPlace {
  /** Tensors by name, for `loadStateDict`. */
  readonly state: OrderedDict<string, Tensor>;
  /** What was removed from the front of all keys. */
  readonly prefix: string;
  /** Keys beside the tensors, whose values are no tensors and were left out. */
  readonly leftOut: readonly string[];
  /** Other places with weights, the likeliest first. */
  readonly others: readonly WeightsPlace[];
}

const wrappers = ['module.', '_orig_mod.', 'model.'];

/**
 * Finds the weights in a checkpoint and loads them alone: under `state_dict` (Lightning), `model`, `ema` or any other key, of any depth, or
 * in a whole module, of which parameters and buffers are collected as Python's `state_dict()` does. Prefixes that wrappers put in front of
 * all keys (`module.`, `_orig_mod.`, `model.`) are removed. What stands around them is not loaded, and never executed.
 *
 * @param file a path, or the file's bytes: of `torch.save`, or of safetensors; the index of several, or a distributed checkpoint's folder
 * @returns the tensors, where they were found, and where else there are some
 * @throws ERR_FILE if it is missing or unreadable; ERR_FORMAT if there are no weights in it, or it is something else or damaged;
 *   ERR_ARGUMENT if there are none at `from`, naming the places where there are
 * @example
 * const { state, from, prefix, others } = await checkpoint.weights('epoch=3.ckpt');
 * net.loadStateDict(state);
 */
export async function weights(file: FileInput, options: WeightsOptions = {}): Promise<Weights> {
  const { from, prefixes = wrappers, ...loading } = options;
  if (from !== undefined && typeof from !== 'string') throw expected('keys, joined by dots,', 'from', from);
  if (!Array.isArray(prefixes) || !prefixes.every((prefix) => typeof prefix === 'string' && prefix !== ''))
    throw expected('an array of beginnings of keys', 'prefixes', prefixes);
  return (await filesOf(file)) === 'one'
    ? await ofFile(file, from, prefixes, loading)
    : await ofFiles(file, from, prefixes, loading);
}

async function ofFile(
  file: FileInput,
  from: string | undefined,
  prefixes: readonly string[],
  options: Loading,
): Promise<Weights> {
  const source = await openSource(file);
  try {
    if ((await formatOf(source)) === 'safetensors') return await ofFiles(file, from, prefixes, options);
    using opened = await TorchFile.open(source, options);
    const places = isTensorRef(opened.object) ? [] : findWeights(opened.object);
    const chosen = choose(places, from, source.name);
    const tensors = (await opened.load(values(chosen.tensors))) as OrderedDict<string, Tensor>;
    return { ...placeOf(chosen), ...unwrapped(tensors, prefixes), ...beside(chosen, places) };
  } finally {
    await source.close();
  }
}

/** Of what has no descriptions to look through beforehand: everything is read, and what is not wanted let go. */
async function ofFiles(
  file: FileInput,
  from: string | undefined,
  prefixes: readonly string[],
  options: Loading,
): Promise<Weights> {
  const loaded = await loadAny(file, options);
  const places = findWeights(loaded);
  let kept = new Set<Tensor>();
  try {
    const chosen = choose(places, from, String(file));
    const tensors = chosen.tensors as OrderedDict<string, Tensor>;
    kept = new Set(tensors.values());
    return { ...placeOf(chosen), ...unwrapped(tensors, prefixes), ...beside(chosen, places) };
  } finally {
    for (const tensor of tensorsIn(loaded)) if (!kept.has(tensor)) tensor.dispose();
  }
}

type Loading = Pick<LoadTorchOptions, 'device' | 'dtype' | 'mmap'>;

const beside = (chosen: FoundWeights, places: readonly FoundWeights[]) => ({
  leftOut: chosen.others,
  others: places.filter((place) => place !== chosen).map(placeOf),
});

function choose(places: readonly FoundWeights[], from: string | undefined, name: string): FoundWeights {
  const [first] = places;
  if (!first)
    throw new IsotorchError(
      'ERR_FORMAT',
      `${name} holds no dict of tensors and no module; inspectTorch(path) shows what is inside`,
    );
  const chosen = from === undefined ? first : places.find(({ path }) => path.join('.') === from);
  if (chosen) return chosen;
  const some = places.slice(0, 10).map(({ path }) => JSON.stringify(path.join('.')));
  throw expected(`a place with weights (${some.join(', ')}${places.length > 10 ? ', …' : ''})`, 'from', from);
}

const placeOf = ({ path, kind, tensors, elements }: FoundWeights): WeightsPlace => ({
  ...{ from: path.join('.'), kind, tensors: tensors.size, elements },
});

/** Parameters are values here, as in a state dict; what is tied stays tied. */
function values(tensors: FoundWeights['tensors']): FoundWeights['tensors'] {
  const known = new Map<unknown, AnyTensorRef>();
  for (const [name, ref] of tensors) {
    const value = known.get(ref) ?? asValue(ref as AnyTensorRef);
    known.set(ref, value);
    tensors.set(name, value);
  }
  return tensors;
}

/** Without what all keys begin with, as often as they do. */
function unwrapped(
  tensors: OrderedDict<string, Tensor>,
  prefixes: readonly string[],
): { state: OrderedDict<string, Tensor>; prefix: string } {
  const keys = [...tensors.keys()];
  let prefix = '';
  for (;;) {
    const next = prefixes.find((one) => keys.every((key) => key.startsWith(prefix + one) && key !== prefix + one));
    if (next === undefined || keys.length === 0) break;
    prefix += next;
  }
  if (prefix === '') return { state: tensors, prefix };
  const state = new OrderedDict<string, Tensor>();
  for (const [key, tensor] of tensors) state.set(key.slice(prefix.length), tensor);
  const versions = tensors._metadata;
  if (types.isMap(versions)) {
    const path = prefix.slice(0, -1);
    const inside = [...versions].filter(([key]) => key === path || String(key).startsWith(prefix));
    state._metadata = new OrderedDict(inside.map(([key, value]) => [String(key).slice(prefix.length), value]));
  }
  return { state, prefix };
}
