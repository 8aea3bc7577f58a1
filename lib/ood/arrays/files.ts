// Arrays in files, from whatever program: one safetensors or .npz file with all of them, or a .npy file for each. Names and
// shapes are fixed, and what is in the file is checked before a detector sees it; see docs/arrays.md.

import { basename, extname } from 'node:path';
import { kindOf } from '../../checkpoint/formats.js';
import { loadNpy, loadNpz, openSafetensors, saveNpz, saveSafetensors } from '../../checkpoint/index.js';

import { openSource } from '../../checkpoint/source.js';
import { expected, IsotorchError } from '../../errors.js';
import { type Device, type Tensor, tidy } from '../../tensor/index.js';
import { type Arrays, arrays, rowsOf } from './arrays.js';
import { affineHead, headOf } from './head.js';
import { type DistanceHeadName, makeDistanceHead, nameOfDistanceHead } from './storedHead.js';

/** What arrays are called inside a file. The last two are a distance head's, by the authors' state-dict keys. */
export const arrayNames = ['features', 'logits', 'labels', 'weight', 'bias', 'prototypes', 'distance_scale'] as const;
export type ArrayName = (typeof arrayNames)[number];

export interface ReadArraysOptions {
  /** Of the data set, for messages and results. @default what the file says, else the file's name without its ending */
  name?: string;
  /** Which array of the file is which, where they are called otherwise; others are left alone. */
  names?: Partial<Record<ArrayName, string>>;
  /** Which head `prototypes` are of. @default what the file says, else 'isomax' if there is no `distance_scale` */
  head?: DistanceHeadName;
  /** Map the file into memory where its format allows, instead of reading it; see `loadSafetensors`. @default false */
  mmap?: boolean;
  /** Where the tensors go. @default 'cpu' */
  device?: Device;
}

/** Whoever asked for them disposes of them: `using`, or `[Symbol.dispose]()`, frees all that was read. */
export type ReadArrays = Arrays & Disposable;

/** Tensors by their names in a file, and the file's texts. */
export interface StoredArrays {
  readonly tensors: Map<string, Tensor>;
  readonly texts: ReadonlyMap<string, string>;
}

/**
 * Reads arrays: `features` [N, D] and `logits` [N, C] (floating point, at least one of the two), `labels` [N] (integers, from
 * 0), and the last layer: `weight` [C, D] with or without `bias` [C], or `prototypes` [C, D].
 *
 * @param files one safetensors or .npz file (told by its content), or a .npy file for each array
 * @throws ERR_FILE; ERR_FORMAT for a file that is not sound, has no such arrays, or arrays whose shapes or element types don't
 *   fit; ERR_DATA for a negative label, with its index; ERR_ARGUMENT for `names` that the file doesn't have
 * @example
 * using test = await ood.readArrays('cifar10-test.npz');
 * using svhn = await ood.readArrays({ features: 'svhn-features.npy', logits: 'svhn-logits.npy' }, { name: 'svhn' });
 */
export async function readArrays(
  files: string | Partial<Record<ArrayName, string>>,
  options: ReadArraysOptions = {},
): Promise<ReadArrays> {
  const { names, mmap = false } = options;
  for (const key of Object.keys(names ?? {}))
    if (!isArrayName(key)) throw expected(`one of ${arrayNames.join(', ')}`, 'a key of names', key);
  if (new Set(Object.values(names ?? {})).size < Object.keys(names ?? {}).length)
    throw expected('another array of the file for each', 'names', names);
  const single = typeof files === 'string';
  if (!single && (typeof files !== 'object' || files === null || names !== undefined))
    throw expected('the path of a file, or paths of .npy files by array, without `names`,', 'files', files);
  const stored = single ? await readOne(files, names, mmap) : await readEach(files, mmap);
  const first = single ? files : (Object.values(files)[0] ?? '');
  return await arraysFrom(stored, first, options);
}

/**
 * Writes arrays, whole or not at all: a path that ends in `.npz` as `np.savez` does, one in `.safetensors` as such, with the
 * set's name and the kind of a distance head beside the numbers. A .npy file of one tensor is `checkpoint.saveNpy`.
 *
 * @throws ERR_ARGUMENT for another ending, for arrays that `readArrays` would refuse, for a head that is just a function, and
 *   for a distance head in a .npz file; ERR_DATA when there are neither features nor logits, and for a negative label;
 *   ERR_DTYPE for bfloat16 in a .npz file; ERR_FILE
 * @example await ood.writeArrays('test.safetensors', ood.arrays({ name: 'test', features, logits, labels, head }));
 */
export async function writeArrays(path: string, arrays: Arrays): Promise<void> {
  const ending = typeof path === 'string' ? extname(path) : '';
  if (ending !== '.npz' && ending !== '.safetensors') throw expected('a path in .safetensors or .npz', 'path', path);
  const { tensors, texts } = storedOf(arrays);
  if (ending === '.safetensors') return await saveSafetensors(path, tensors, { metadata: texts, shared: 'copy' });
  if (texts.has('head'))
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `A .npz file can’t say which distance head the prototypes of ${arrays.name} are of: write a .safetensors file`,
    );
  await saveNpz(path, tensors);
}

/**
 * What a file holds of arrays.
 * @throws ERR_ARGUMENT for a head that no file can hold, and for shapes and dtypes that `readArrays` would refuse; ERR_DATA
 *   without features and logits, and for a negative label
 */
export function storedOf(arrays: Arrays): StoredArrays {
  rowsOf(arrays);
  const { name, features, logits, labels, head } = arrays;
  const texts = new Map([['name', name]]);
  const tensors = new Map<string, Tensor>();
  const put = (key: ArrayName, tensor: Tensor | null): void => void (tensor && tensors.set(key, tensor));
  put('features', features);
  put('logits', logits);
  put('labels', labels);
  if (head?.kind === 'affine') {
    put('weight', head.weight);
    put('bias', head.bias);
  } else if (head?.kind === 'distance' && head.module) {
    put('prototypes', head.prototypes);
    if ('distanceScale' in head.module) put('distance_scale', head.module.distanceScale);
    texts.set('head', nameOfDistanceHead(head.module));
    texts.set('temperature', String(head.module.temperature));
  } else if (head) {
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `The last layer of ${name} is a function of the program’s own, which a file can’t hold: leave it out, with head: null, ` +
        'and give it again after reading',
    );
  }
  // What could not be read again is not written.
  checkStored(tensors, name, 'ERR_ARGUMENT');
  checkLabels(tensors.get('labels'), name);
  return { tensors, texts };
}

/** Arrays out of what a file held, checked. Takes the tensors over, and frees them if it throws. @param where the file */
export async function arraysFrom(
  { tensors, texts }: StoredArrays,
  where: string,
  { name, head, device = 'cpu' }: Pick<ReadArraysOptions, 'name' | 'head' | 'device'> = {},
): Promise<ReadArrays> {
  const owned = new Set(tensors.values());
  const dispose = () => {
    for (const tensor of owned) tensor.dispose();
  };
  /** Puts what `make` gives in the place of a tensor. */
  const change = (key: string, make: (tensor: Tensor) => Tensor) => {
    const old = tensors.get(key);
    const made = old && tidy(() => make(old));
    if (!made || made === old) return;
    tensors.set(key, made);
    owned.add(made);
    owned.delete(old);
    old.dispose();
  };
  try {
    checkStored(tensors, where, 'ERR_FORMAT');
    change('labels', (labels) => labels.to('int64'));
    checkLabels(tensors.get('labels'), where);
    for (const key of [...tensors.keys()]) change(key, (tensor) => tensor.to(device));
    const part = (key: ArrayName): Tensor | null => tensors.get(key) ?? null;
    const [weight, prototypes] = [part('weight'), part('prototypes')];
    const made = prototypes && makeDistanceHead(prototypes, part('distance_scale'), texts, head, where);
    for (const parameter of made?.parameters() ?? []) owned.add(parameter);
    return {
      ...arrays({
        name: name ?? texts.get('name') ?? basename(where, extname(where)),
        features: part('features'),
        logits: part('logits'),
        labels: part('labels'),
        head: made ? headOf(made) : weight && affineHead(weight, part('bias')),
      }),
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

async function readOne(path: string, names: ReadArraysOptions['names'], mmap: boolean): Promise<StoredArrays> {
  const format = await formatOf(path);
  if (format === 'npy')
    throw new IsotorchError(
      'ERR_FORMAT',
      `${path} holds one array and does not say which: give { features: path, … } with a path for each`,
    );
  const keys = names && Object.values(names);
  const { tensors, texts } =
    format === 'npz' ? await readNpz(path, keys, mmap) : await readSafetensors(path, keys, mmap);
  if (names === undefined) return { tensors, texts };
  const renamed = new Map<string, Tensor>();
  for (const [name, key] of Object.entries(names)) renamed.set(name, tensors.get(key) as Tensor);
  return { tensors: renamed, texts };
}

async function readNpz(path: string, keys: string[] | undefined, mmap: boolean): Promise<StoredArrays> {
  return { tensors: await loadNpz(path, { mmap, ...(keys && { keys }) }), texts: new Map() };
}

async function readSafetensors(path: string, keys: string[] | undefined, mmap: boolean): Promise<StoredArrays> {
  await using file = await openSafetensors(path, { mmap });
  return { tensors: await file.load(keys), texts: file.metadata };
}

async function readEach(files: Partial<Record<ArrayName, string>>, mmap: boolean): Promise<StoredArrays> {
  const tensors = new Map<string, Tensor>();
  try {
    for (const [name, path] of Object.entries(files)) {
      if (!isArrayName(name)) throw expected(`one of ${arrayNames.join(', ')}`, 'a key of files', name);
      tensors.set(name, await loadNpy(path, { mmap }));
    }
    return { tensors, texts: new Map() };
  } catch (error) {
    for (const tensor of tensors.values()) tensor.dispose();
    throw error;
  }
}

const isArrayName = (name: string): name is ArrayName => (arrayNames as readonly string[]).includes(name);

/** Told by its bytes; of all else, safetensors' reader says what it is. */
async function formatOf(path: string): Promise<'npy' | 'npz' | 'safetensors'> {
  const source = await openSource(path);
  try {
    const kind = await kindOf(source);
    return kind === 'npy' ? 'npy' : kind === 'npz' || kind === 'archive' ? 'npz' : 'safetensors';
  } finally {
    await source.close();
  }
}

/** Which sizes an array has, by letter. Equal letters are equal sizes. */
const shapes: Readonly<Record<ArrayName, string>> = {
  features: 'ND',
  logits: 'NC',
  labels: 'N',
  weight: 'CD',
  bias: 'C',
  prototypes: 'CD',
  distance_scale: '1',
};

/** @param code of what the caller gave, or the file held */
function checkStored(tensors: ReadonlyMap<string, Tensor>, where: string, code: 'ERR_ARGUMENT' | 'ERR_FORMAT'): void {
  const bad = (problem: string) => new IsotorchError(code, `${where}: ${problem}`);
  const sizes = new Map<string, { size: number; of: string }>([['1', { size: 1, of: '' }]]);
  for (const name of tensors.keys())
    if (!isArrayName(name))
      throw bad(
        `it holds ${JSON.stringify(name)}, which is none of ${arrayNames.join(', ')}. If that is one of them by another ` +
          'name, say so: names: { features: … }',
      );
  for (const name of arrayNames) {
    const tensor = tensors.get(name);
    if (!tensor) continue;
    const { dtype, shape } = tensor;
    const letters = [...shapes[name]];
    const wanted = name === 'distance_scale' ? '[1]' : `[${letters.join(', ')}]`;
    if (shape.length !== letters.length || shape.includes(0))
      throw bad(`expected ${name} of shape ${wanted}, not empty, received [${shape.join(', ')}]`);
    if (name === 'labels' ? !/^u?int/.test(dtype) : !/^b?float(16|32|64)$/.test(dtype))
      throw bad(`expected ${name} of ${name === 'labels' ? 'integers' : 'floating-point numbers'}, received ${dtype}`);
    for (const [i, letter] of letters.entries()) {
      const size = shape[i] as number;
      const known = sizes.get(letter);
      if (known && known.size !== size)
        throw bad(`expected ${name} of shape ${wanted} with ${letter} = ${known.size}${known.of}, received ${size}`);
      if (!known) sizes.set(letter, { size, of: ` as of ${name}` });
    }
  }
  const has = (name: ArrayName) => tensors.has(name);
  if (!has('features') && !has('logits')) throw bad('expected features or logits but there are neither');
  if (has('weight') && has('prototypes')) throw bad('expected one last layer but there are weight and prototypes');
  if (has('bias') && !has('weight')) throw bad('there is a bias but no weight');
  if (has('distance_scale') && !has('prototypes')) throw bad('there is a distance_scale but there are no prototypes');
}

function checkLabels(labels: Tensor | undefined, where: string): void {
  const index = labels && tidy(() => [labels.min().item(), labels.argmin().item()].map(Number));
  if (!index || (index[0] as number) >= 0) return;
  throw new IsotorchError(
    'ERR_DATA',
    `${where}: expected labels that are classes from 0, received ${index[0]} at index ${index[1]}. Leave the labels out of a ` +
      'set that has none',
  );
}
