// From descriptions to tensors; the way back is in tensorTable.ts. Storages are read in pieces, so that a checkpoint takes the
// memory of its data once; tensors that shared memory when they were saved share it when they are loaded.

import { types } from 'node:util';
import { IsotorchError } from '../errors.js';
import { type Device, isFloating, Parameter, type Tensor, tidy, torch } from '../tensor/index.js';
import { itemSize, memoryDType, type SavedDType, swapBytes } from './dtypes.js';
import { inLanes } from './lanes.js';
import type { MappedFile } from './mapped.js';
import { nestedTensor } from './nested.js';
import { replacing } from './pickle/tree.js';
import {
  type AnyTensorRef,
  type MetaRef,
  NestedRef,
  partsOf,
  plainTraits,
  type Quantizer,
  SparseRef,
  type StorageRef,
  TensorRef,
  type TensorTraits,
} from './pickle/values.js';
import { sparseTensor } from './sparse.js';
import { inTurns, Turns } from './turns.js';

/** Large enough that its cost is copying, small enough to stay in the cache; a multiple of the size of every dtype's items. */
export const pieceBytes = 1 << 22;

/** From here on a storage is read and written without a copy in between; below, system calls would cost more. */
export const directBytes = 1 << 18;

/** Where a storage's bytes are. */
export interface StorageReader {
  /** @throws ERR_FORMAT if the file has less than `storage.nbytes` bytes for it. */
  pieces(storage: StorageRef): AsyncIterable<Uint8Array>;
  /**
   * What fills a tensor's storage of that size straight from the file; undefined, or missing, where that can't be.
   * @throws ERR_FORMAT as `pieces`
   */
  filler?(storage: StorageRef): Promise<((tensor: Tensor) => Promise<void>) | undefined>;
  /** The byte of the file at which they start; undefined if they are compressed. */
  start(storage: StorageRef): Promise<number | undefined>;
  /** What messages call the file. */
  readonly name: string;
  /** The numbers are big-endian. */
  readonly swapped: boolean;
}

export interface TensorOptions {
  device: Device;
  /** What floating tensors are converted to. */
  dtype?: SavedDType;
  /** The file, mapped into memory, for tensors on the CPU without a copy. */
  mapped?: MappedFile;
  /** Whether objects of unknown classes stay, as placeholders. @default 'refuse' */
  foreign?: 'refuse' | 'keep';
}

/**
 * Puts tensors on a device in place of all descriptions in `tree`. If anything fails, no tensor is left behind.
 * @param where what messages call the pickle
 * @throws ForeignError for what is to be refused
 */
export async function loadTensors(
  tree: unknown,
  where: string,
  reader: StorageReader,
  options: TensorOptions,
): Promise<unknown> {
  const { foreign = 'refuse' } = options;
  const users = new Map<StorageRef, TensorRef | Set<TensorRef>>();
  const described = await inTurns(
    replacing(tree, {
      where,
      foreign,
      replace: (ref) => {
        for (const part of partsOf(ref)) addUser(users, part);
        return ref;
      },
    }),
  );
  const memory = new Map<StorageRef, Tensor>();
  const places = new Map<StorageRef, number>(); // of storages that lie in the mapped file
  const made = new Map<AnyTensorRef, Tensor>();
  const converted = new Map<string, Tensor>();
  const tensorOf = (ref: AnyTensorRef): Tensor => {
    const tensor = made.get(ref) ?? makeTensor(ref);
    made.set(ref, tensor);
    return tensor;
  };
  const makeTensor = (ref: AnyTensorRef): Tensor => {
    if (ref instanceof TensorRef) {
      const start = places.get(ref.storage);
      return start === undefined
        ? windowOnto(ref, memory.get(ref.storage) as Tensor, options, converted, tensorOf)
        : windowOntoFile(ref, start, options, converted, tensorOf);
    }
    return withTraits(composite(ref), ref.traits);
  };
  const composite = (ref: Exclude<AnyTensorRef, TensorRef>): Tensor => {
    if (ref instanceof NestedRef) return nestedTensor(ref, where, tensorOf);
    return ref instanceof SparseRef ? sparseTensor(ref, where, tensorOf) : metaTensor(ref, options);
  };
  const large: (() => Promise<void>)[] = [];
  const turns = new Turns();
  try {
    for (const [storage, ref] of users) {
      await turns.pause();
      const sole = ref instanceof TensorRef && isWhole(ref, options) ? ref : undefined;
      const place = await placeInFile(storage, reader, options);
      if (place !== undefined) {
        places.set(storage, place);
        continue;
      }
      const keep = (loaded: Tensor) => {
        if (sole) made.set(sole, loaded);
        else memory.set(storage, loaded);
      };
      const fill = await fillerFor(storage, reader, options);
      if (fill) large.push(async () => keep(await filled(storage, fill, sole)));
      else keep(await loadStorage(storage, reader, options.device, sole));
    }
    await inLanes(large);
    const inside = new Set<AnyTensorRef>();
    const outside = new Set<AnyTensorRef>();
    const result = await inTurns(
      replacing(described, {
        where,
        foreign,
        replace: (ref) => {
          const parts = partsOf(ref).filter((part) => part !== ref);
          for (const part of parts) inside.add(part);
          if (parts.length === 0) outside.add(ref);
          return tensorOf(ref);
        },
      }),
    );
    // A tensor holds the parts that it is made of.
    for (const part of inside) if (!outside.has(part)) made.get(part)?.dispose();
    return result;
  } catch (error) {
    for (const tensor of made.values()) tensor.dispose();
    throw error;
  } finally {
    // The tensors hold their storages.
    for (const tensor of [...memory.values(), ...converted.values()]) tensor.dispose();
  }
}

/** One tensor of most storages; a set only where there are more. */
function addUser(users: Map<StorageRef, TensorRef | Set<TensorRef>>, ref: TensorRef): void {
  const others = users.get(ref.storage);
  if (others === undefined) users.set(ref.storage, ref);
  else if (types.isSet(others)) others.add(ref);
  else if (others !== ref) users.set(ref.storage, new Set([others, ref]));
}

/** An ordinary tensor that is all of its storage, in order. */
function isWhole({ storage, dtype, offset, size, stride, traits }: TensorRef, options: TensorOptions): boolean {
  if (offset !== 0 || targetOf(dtype, traits, options) !== dtype) return false;
  if (traits !== plainTraits && (traits.quantizer || Object.values(traits).includes(true))) return false;
  let step = 1;
  for (let i = size.length - 1; i >= 0; i--) {
    if (stride[i] !== step) return false;
    step *= size[i] as number;
  }
  return step > 0 && step * itemSize(dtype) === storage.nbytes;
}

/** The dtype that a tensor gets. */
function targetOf(dtype: SavedDType, { cast = dtype }: TensorTraits, options: TensorOptions): SavedDType {
  return options.dtype !== undefined && isFloating(cast) ? options.dtype : cast;
}

/** What fills a storage straight from the file, if it is worth it and can be done. */
async function fillerFor(
  storage: StorageRef,
  reader: StorageReader,
  { device }: TensorOptions,
): Promise<((tensor: Tensor) => Promise<void>) | undefined> {
  if (device !== 'cpu' || storage.nbytes < directBytes || storage.inline) return undefined;
  // Booleans must be looked at, and numbers of the other byte order changed.
  if (storage.dtype === 'bool' || reader.swapped) return undefined;
  return await reader.filler?.(storage);
}

async function filled(
  { nbytes }: StorageRef,
  fill: (tensor: Tensor) => Promise<void>,
  sole?: TensorRef,
): Promise<Tensor> {
  const tensor = sole ? torch.empty(sole.size, { dtype: sole.dtype }) : torch.empty([nbytes], { dtype: 'uint8' });
  try {
    await fill(tensor);
    return tensor;
  } catch (error) {
    tensor.dispose();
    throw error;
  }
}

/** The storage as `sole`, or as a tensor of bytes. */
async function loadStorage(
  storage: StorageRef,
  reader: StorageReader,
  device: Device,
  sole?: TensorRef,
): Promise<Tensor> {
  const { dtype, shape } = sole
    ? { dtype: sole.dtype, shape: sole.size }
    : { dtype: 'uint8' as const, shape: [storage.nbytes] };
  if (storage.inline) {
    return torch.fromBuffer(trueOrFalse(storage.inline, storage), { dtype, shape, device });
  }
  let tensor: Tensor | undefined;
  try {
    let start = 0;
    for await (const piece of reader.pieces(storage)) {
      const bytes = checked(piece, storage, reader);
      if (storage.nbytes <= pieceBytes) return torch.fromBuffer(bytes, { dtype, shape, device });
      // Not before the first piece: then it is known that the file has so many bytes.
      tensor ??= torch.empty(shape, { dtype, device });
      const flat = tensor;
      tidy(() => {
        const source = torch.fromBuffer(bytes, { dtype });
        flat.view([-1]).narrow(0, start, source.numel()).copy_(source);
        start += source.numel();
      });
    }
    return tensor ?? torch.empty(shape, { dtype, device });
  } catch (error) {
    tensor?.dispose();
    throw error;
  }
}

/** The byte of the mapped file at which the storage lies; undefined if it must be copied. */
async function placeInFile(
  storage: StorageRef,
  reader: StorageReader,
  { mapped, device }: TensorOptions,
): Promise<number | undefined> {
  // Booleans must be looked at, and numbers of the other byte order changed.
  if (!mapped || device !== 'cpu' || storage.inline || storage.dtype === 'bool' || reader.swapped) return undefined;
  const start = await reader.start(storage);
  const unit = storage.dtype === 'untyped' ? 8 : itemSize(storage.dtype);
  return start === undefined || start % unit !== 0 ? undefined : start;
}

const badStorage = ({ key }: StorageRef, { name }: StorageReader, problem: string) =>
  new IsotorchError('ERR_FORMAT', `${name}: storage ${JSON.stringify(key)} ${problem}`);

/**
 * LibTorch's kernels rely on booleans being 0 or 1; Python takes all other bytes for true too, and may count them as more than one.
 * Here they are 1.
 */
function trueOrFalse(bytes: Uint8Array, { dtype }: StorageRef): Uint8Array {
  if (dtype !== 'bool' || !bytes.some((byte) => byte > 1)) return bytes;
  return bytes.map((byte) => (byte === 0 ? 0 : 1));
}

function checked(piece: Uint8Array, storage: StorageRef, reader: StorageReader): Uint8Array {
  if (!reader.swapped) return trueOrFalse(piece, storage);
  if (storage.dtype === 'untyped')
    throw badStorage(storage, reader, 'is big-endian and of unknown dtype, which can’t be read');
  const copy = Uint8Array.from(trueOrFalse(piece, storage));
  swapBytes(copy, storage.dtype);
  return copy;
}

/** @param converted storages in another dtype than the file's, so that what shared one goes on sharing it */
function windowOnto(
  { storage, dtype, offset, size, stride, traits }: TensorRef,
  bytes: Tensor,
  options: TensorOptions,
  converted: Map<string, Tensor>,
  tensorOf: (part: TensorRef) => Tensor,
): Tensor {
  const target = targetOf(dtype, traits, options);
  const whole = bytes.numel() - (bytes.numel() % itemSize(dtype));
  const values = tidy(() => bytes.narrow(0, 0, whole).view(memoryDType(dtype)));
  let source = values;
  try {
    if (target !== dtype) {
      const key = `${target} ${dtype} ${identityOf(storage)}`;
      source = converted.get(key) ?? values.to(target);
      converted.set(key, source);
    }
    return tidy(() => {
      // set_() and not a view of the bytes, as in mapped.ts.
      const tensor = traits.quantizer
        ? emptyQuantized(dtype, traits.quantizer, size.length, options.device, tensorOf)
        : torch.empty([0], { dtype: memoryDType(target), device: options.device });
      return withBits(tensor.set_(source, offset, size, stride), traits);
    });
  } finally {
    values.dispose();
  }
}

/** The same where the storage lies in the mapped file. */
function windowOntoFile(
  ref: TensorRef,
  start: number,
  options: TensorOptions,
  converted: Map<string, Tensor>,
  tensorOf: (part: TensorRef) => Tensor,
): Tensor {
  const { storage, dtype, offset, size, stride, traits } = ref;
  const mapped = options.mapped as MappedFile;
  const part = { start, length: storage.nbytes };
  if (targetOf(dtype, traits, options) !== dtype || traits.quantizer) {
    using bytes = mapped.range(part.start, part.length);
    return windowOnto(ref, bytes, options, converted, tensorOf);
  }
  return tidy(() => withBits(mapped.tensor(dtype, part, { offset, shape: size, stride }), traits));
}

/** Without elements; what it views comes with set_(). */
function emptyQuantized(
  dtype: SavedDType,
  quantizer: Quantizer,
  rank: number,
  device: Device,
  tensorOf: (part: TensorRef) => Tensor,
): Tensor {
  if (!('axis' in quantizer)) return torch._emptyAffineQuantized([0], { dtype, device, ...quantizer });
  const { axis } = quantizer;
  const [scales, zeroPoints] = [tensorOf(quantizer.scales), tensorOf(quantizer.zeroPoints)];
  const size = new Array<number>(rank).fill(0);
  return torch._emptyPerChannelAffineQuantized(size, { scales, zeroPoints, axis, dtype, device });
}

const identities = new WeakMap<StorageRef, number>();
let lastIdentity = 0;

/** Keys don't tell storages apart: NumPy's arrays have none. */
function identityOf(storage: StorageRef): number {
  const known = identities.get(storage) ?? ++lastIdentity;
  identities.set(storage, known);
  return known;
}

function metaTensor({ dtype, size, stride, traits }: MetaRef, options: TensorOptions): Tensor {
  const target = targetOf(dtype, { ...plainTraits, ...traits }, options);
  return torch.emptyStrided(size, stride, { dtype: target, device: 'meta' });
}

/** With the bits that change how its memory is read, and what a parameter has. */
function withBits(plain: Tensor, traits: TensorTraits): Tensor {
  const tensor = traits.conjugated ? plain.conj() : plain;
  return withTraits(traits.negated ? tensor._negView() : tensor, traits);
}

function withTraits(
  tensor: Tensor,
  { parameter, requiresGrad }: Pick<TensorTraits, 'parameter' | 'requiresGrad'>,
): Tensor {
  if (parameter) return new Parameter(tensor, requiresGrad);
  if (requiresGrad) tensor.requiresGrad = true;
  return tensor;
}
