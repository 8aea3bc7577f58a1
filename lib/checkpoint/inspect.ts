// What is inside a checkpoint, without building a tensor or reading a storage: a tree of plain objects, fit for JSON. Classes and
// functions that isotorch doesn't know appear by name, with what they would be called with; nothing is called.

import { types } from 'node:util';
import type { Layout } from '../tensor/dtype.js';
import { openContainer } from './containers/open.js';
import { itemSize, type SavedDType } from './dtypes.js';
import { ForeignObject, plainValueOf } from './pickle/foreign.js';
import { PickleGlobal } from './pickle/globals.js';
import { NumpyDType } from './pickle/numpy.js';
import {
  type AnyTensorRef,
  Complex,
  isTensorRef,
  isTuple,
  MetaRef,
  NestedRef,
  OrderedDict,
  partsOf,
  QuantizationScheme,
  SparseRef,
  StorageRef,
  StorageView,
  TorchDevice,
  TorchDType,
  TorchLayout,
  TorchSize,
} from './pickle/values.js';
import { type FileInput, openSource } from './source.js';
import { inTurns, stepsPerTurn } from './turns.js';

/** The file itself. */
export interface FileNode {
  kind: 'file';
  /** The path, or `the buffer`. */
  name: string;
  format: 'zip' | 'stream' | 'tar';
  bytes: number;
  tensors: number;
  storages: number;
  /** Of all storages together, each counted once. */
  storageBytes: number;
  /** Classes and functions for which loadTorch refuses the file unless told otherwise, by name. */
  unknown: string[];
  root: TorchNode;
}

export interface TensorNode {
  kind: 'tensor';
  dtype: SavedDType;
  shape: readonly number[];
  layout: Layout;
  /** Of strided tensors, in elements. */
  stride?: readonly number[];
  offset?: number;
  /** Its memory; sparse tensors have more than one, meta tensors and NumPy's arrays none in the file. */
  storages: StorageNode[];
  /** Bytes of its own elements; of a sparse tensor those that are stored. */
  bytes: number;
  parameter: boolean;
  requiresGrad: boolean;
  conjugated?: true;
  negated?: true;
  /** Of a quantised tensor: its one scale and zero point, or the dimension each index of which has its own. */
  quantized?: { scale: number; zeroPoint: number } | { axis: number };
  /** Of a nested tensor, whose tensors each have a shape of their own: their number. */
  nested?: number;
}

export interface StorageNode {
  kind: 'storage';
  key: string;
  dtype: SavedDType | 'untyped';
  /** Where it was when it was saved, such as `cuda:0`. */
  location: string;
  bytes: number;
  /** How many tensors are on it. */
  tensors: number;
}

/** An object that appears in several places has an `id` where it is first, and `{ kind: 'same', id }` stands in the others. */
export type TorchNode = { id?: number } & (
  | FileNode
  | TensorNode
  | StorageNode
  | { kind: 'none' }
  | { kind: 'bool'; value: boolean }
  /** A string where it is no safe integer. */
  | { kind: 'int'; value: number | string }
  /** A string for what JSON has no number: NaN, Infinity, -Infinity, -0. */
  | { kind: 'float'; value: number | string }
  | { kind: 'complex'; re: string; im: string }
  /** The first 1,000 characters, and how many there are. */
  | { kind: 'str'; value: string; length: number }
  | { kind: 'bytes'; length: number }
  | { kind: 'dtype' | 'device' | 'layout' | 'scheme'; value: string }
  | { kind: 'size'; value: number[] }
  | { kind: 'list' | 'tuple' | 'set'; items: TorchNode[] }
  | { kind: 'dict' | 'OrderedDict'; entries: { key: TorchNode; value: TorchNode }[]; metadata?: TorchNode }
  /** A class or function as a value. */
  | { kind: 'global'; name: string }
  /** What a call of an unknown class or function would give. */
  | {
      kind: 'opaque';
      name: string;
      problem?: string;
      args: TorchNode[];
      state?: TorchNode;
      items?: TorchNode[];
      entries?: { key: TorchNode; value: TorchNode }[];
    }
  | { kind: 'same'; id: number }
  /** Here more would follow. */
  | { kind: 'cut'; why: string }
);

const mostNodes = 1_000_000;
const deepest = 500;
const longestText = 1000;

/**
 * A tree of what a file of `torch.save` holds, whatever its format, also where `loadTorch` refuses it for what it names; of a
 * TorchScript module, its attributes. No tensor is built, no storage is read, nothing is executed. `formatTorchTree` writes it as text.
 *
 * @param file a path, or the file's bytes
 * @throws ERR_FILE if it is missing or unreadable; ERR_FORMAT if it is no such file, damaged, or made to exhaust memory.
 * @example console.log(formatTorchTree(await inspectTorch('unknown.pth')));
 */
export async function inspectTorch(file: FileInput): Promise<TorchNode & FileNode> {
  const source = await openSource(file);
  try {
    const container = await openContainer(source, true);
    const tree = new Tree();
    const root = await inTurns(tree.node(await container.object()));
    return {
      kind: 'file',
      name: source.name,
      format: container.format,
      bytes: source.size,
      ...tree.summary(),
      root,
    };
  } finally {
    await source.close();
  }
}

class Tree {
  private readonly seen = new Map<object, TorchNode>();
  private readonly storages = new Map<StorageRef, StorageNode>();
  private readonly unknown = new Set<string>();
  private tensors = 0;
  private nodes = 0;
  private lastId = 0;

  summary() {
    const storages = [...this.storages.values()];
    return {
      tensors: this.tensors,
      storages: storages.length,
      storageBytes: storages.reduce((sum, { bytes }) => sum + bytes, 0),
      unknown: [...this.unknown].sort(),
    };
  }

  *node(value: unknown, depth = 0): Generator<void, TorchNode> {
    this.nodes += 1;
    if (this.nodes % stepsPerTurn === 0) yield;
    if (this.nodes > mostNodes) return { kind: 'cut', why: `more than ${mostNodes} values` };
    if (depth > deepest) return { kind: 'cut', why: `nested more than ${deepest} deep` };
    if (typeof value !== 'object' || value === null) return plainNode(value);
    const known = this.seen.get(value);
    if (known !== undefined) {
      known.id ??= ++this.lastId;
      return { kind: 'same', id: known.id };
    }
    const leaf = this.leafNode(value);
    if (leaf) {
      if (!isSingleton(value)) this.seen.set(value, leaf);
      return leaf;
    }
    if (value instanceof ForeignObject) {
      const plain = plainValueOf(value);
      if (plain) return yield* this.node(plain.value, depth + 1);
      if (value.args === undefined) {
        this.unknown.add(value.name);
        return { kind: 'global', name: value.name };
      }
    }
    // Known before what is in it, which may hold it again.
    const made = { kind: 'none' } as TorchNode;
    this.seen.set(value, made);
    return Object.assign(made, yield* this.container(value, depth + 1));
  }

  /** What holds nothing else. */
  private leafNode(value: object): TorchNode | undefined {
    if (isTensorRef(value)) return this.tensorNode(value);
    if (value instanceof StorageRef) return this.storageNode(value);
    if (value instanceof StorageView) return this.storageNode(value.root);
    if (value instanceof PickleGlobal) return { kind: 'global', name: value.name };
    if (value instanceof TorchSize) return { kind: 'size', value: [...value] };
    if (isTuple(value) && value.length === 0) return { kind: 'tuple', items: [] };
    if (types.isUint8Array(value)) return { kind: 'bytes', length: value.length };
    if (value instanceof Complex) return { kind: 'complex', re: String(value.re), im: String(value.im) };
    if (value instanceof TorchDType) return { kind: 'dtype', value: value.name };
    if (value instanceof NumpyDType) return { kind: 'dtype', value: value.dtype };
    if (value instanceof TorchDevice) return { kind: 'device', value: String(value) };
    if (value instanceof TorchLayout) return { kind: 'layout', value: value.name };
    return value instanceof QuantizationScheme ? { kind: 'scheme', value: value.name } : undefined;
  }

  private *container(value: object, depth: number): Generator<void, TorchNode> {
    if (value instanceof ForeignObject) return yield* this.foreignNode(value, depth);
    if (Array.isArray(value))
      return { kind: isTuple(value) ? 'tuple' : 'list', items: yield* this.items(value, depth) };
    if (types.isSet(value)) return { kind: 'set', items: yield* this.items([...value], depth) };
    const map = value as Map<unknown, unknown>;
    const entries = yield* this.entries(map, depth);
    if (!(map instanceof OrderedDict)) return { kind: 'dict', entries };
    const metadata = map._metadata === undefined ? {} : { metadata: yield* this.node(map._metadata, depth) };
    return { kind: 'OrderedDict', entries, ...metadata };
  }

  private *items(values: readonly unknown[], depth: number): Generator<void, TorchNode[]> {
    const items: TorchNode[] = [];
    for (const value of values) {
      const item = yield* this.node(value, depth);
      items.push(item);
      if (item.kind === 'cut' && this.nodes > mostNodes) break;
    }
    return items;
  }

  private *entries(pairs: Iterable<readonly [unknown, unknown]>, depth: number) {
    const entries: { key: TorchNode; value: TorchNode }[] = [];
    for (const [key, value] of pairs) {
      entries.push({ key: yield* this.node(key, depth), value: yield* this.node(value, depth) });
      if (this.nodes > mostNodes) break;
    }
    return entries;
  }

  private *foreignNode(object: ForeignObject, depth: number): Generator<void, TorchNode> {
    const { name, args = [], problem, state, items, entries } = object;
    if (name !== 'persistent id') this.unknown.add(name);
    return {
      kind: 'opaque',
      name,
      ...(problem === undefined ? {} : { problem }),
      args: yield* this.items(args, depth),
      ...(state === undefined ? {} : { state: yield* this.node(state, depth) }),
      ...(items === undefined ? {} : { items: yield* this.items(items, depth) }),
      ...(entries === undefined ? {} : { entries: yield* this.entries(entries, depth) }),
    };
  }

  private tensorNode(ref: AnyTensorRef): TorchNode {
    this.tensors += 1;
    const parts = partsOf(ref);
    const storages = [...new Set(parts.map((part) => part.storage))].filter((storage) => storage.inline === undefined);
    const nodes = storages.map((storage) => this.storageNode(storage));
    for (const node of nodes) node.tensors += 1;
    const { parameter, requiresGrad } = ref.traits;
    const common = { kind: 'tensor', storages: nodes, parameter, requiresGrad } as const;
    if (ref instanceof NestedRef) {
      const { buffer, offsets } = ref;
      const bytes = bytesOf(buffer.size, buffer.dtype);
      const [nested = 0] = offsets.size;
      return { ...common, shape: buffer.size, dtype: buffer.dtype, layout: 'strided', bytes, nested };
    }
    const { size: shape } = ref;
    if (ref instanceof SparseRef) {
      const bytes = parts.reduce((sum, part) => sum + bytesOf(part.size, part.dtype), 0);
      return { ...common, shape, dtype: ref.values.dtype, layout: ref.layout, bytes };
    }
    const window = { shape, layout: 'strided', stride: ref.stride } as const;
    if (ref instanceof MetaRef) return { ...common, ...window, dtype: ref.dtype, bytes: 0 };
    const { conjugated, negated, cast = ref.dtype, quantizer } = ref.traits;
    return {
      ...common,
      ...window,
      dtype: cast,
      offset: ref.offset,
      bytes: bytesOf(ref.size, ref.dtype),
      ...(conjugated ? { conjugated: true as const } : {}),
      ...(negated ? { negated: true as const } : {}),
      ...(quantizer && { quantized: 'axis' in quantizer ? { axis: quantizer.axis } : quantizer }),
    };
  }

  /** One object a storage, so that the number of its tensors is known everywhere when all are counted. */
  private storageNode(storage: StorageRef): StorageNode {
    const { key, dtype, location, nbytes } = storage;
    const node = this.storages.get(storage) ?? { kind: 'storage', key, dtype, location, bytes: nbytes, tensors: 0 };
    this.storages.set(storage, node);
    return node;
  }
}

/** Of these there is one object a value, which says nothing about sharing in Python. */
const isSingleton = (value: object): boolean =>
  value instanceof TorchDType ||
  value instanceof TorchLayout ||
  value instanceof PickleGlobal ||
  (isTuple(value) && value.length === 0);

const bytesOf = (size: readonly number[], dtype: SavedDType): number =>
  size.reduce((product, length) => product * length, 1) * itemSize(dtype);

function plainNode(value: unknown): TorchNode {
  if (value === null || value === undefined) return { kind: 'none' };
  if (typeof value === 'boolean') return { kind: 'bool', value };
  if (typeof value === 'bigint') return { kind: 'int', value: String(value).slice(0, longestText) };
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) return { kind: 'int', value };
    const inJson = Number.isFinite(value) && !Object.is(value, -0);
    return { kind: 'float', value: inJson ? value : Object.is(value, -0) ? '-0' : String(value) };
  }
  const text = String(value);
  return { kind: 'str', value: text.slice(0, longestText), length: text.length };
}
