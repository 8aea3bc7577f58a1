// What a checkpoint holds, as a tree that can be printed: dtypes, shapes and sizes of tensors, other values in a few words.

import { bytesInWords } from '../sizes.js';
import { type CheckpointFormat, formatOf, kindOf } from './formats.js';
import { openSafetensors } from './safetensors/reader.js';
import { type FileInput, openSource } from './source.js';
import { inspectTorchTree } from './torchTree.js';
import { ZipReader } from './zip/reader.js';

export interface CheckpointTensor {
  readonly type: 'tensor';
  /** As isotorch calls it; the file's own name where isotorch has none. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly nbytes: number;
}

export interface CheckpointGroup {
  /** An object is one of a class that isotorch doesn't know, with what it would be made of. */
  readonly type: 'dict' | 'list' | 'tuple' | 'set' | 'object';
  /** Of an object's class or function. */
  readonly name?: string;
  readonly entries: readonly (readonly [key: string, node: CheckpointNode])[];
}

/** Anything else, in a few words: `0.1`, `"adam"`, `[0, 1, 2, …] (62)`. */
export interface CheckpointValue {
  readonly type: 'value';
  readonly value: string;
}

export type CheckpointNode = CheckpointTensor | CheckpointGroup | CheckpointValue;

export interface CheckpointInspection {
  /** `torchscript`: its attributes are shown; `package`: a compiled or exported program (.pt2), its files are. */
  readonly format: CheckpointFormat | 'torchscript' | 'package';
  /** Texts about the file; PyTorch's files have none. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: number;
  readonly elements: number;
  /** Of all tensors' data; memory that several share counts once. */
  readonly nbytes: number;
  readonly tree: CheckpointNode;
}

/**
 * Looks into a file of `torch.save` or of safetensors, a TorchScript module or a `.pt2` package; which of them it is, its bytes
 * tell. Nothing in it is executed, and no tensor's data is read. Classes that isotorch doesn't know, for which `loadTorch` refuses
 * a file, appear by name.
 *
 * @param file a path, or the file's bytes
 * @throws ERR_FILE if it is missing or unreadable; ERR_FORMAT if it is something else, which is named, or damaged.
 * @example (await inspectCheckpoint('model.safetensors')).nbytes;
 */
export async function inspectCheckpoint(file: FileInput): Promise<CheckpointInspection> {
  const source = await openSource(file);
  try {
    const kind = await kindOf(source);
    if (kind === 'package' || kind === 'exported') return inspectPackage(await ZipReader.open(source));
    const format = kind === 'script' ? 'torchscript' : await formatOf(source);
    const { metadata, tree, nbytes } =
      format === 'safetensors' ? await inspectSafetensors(file) : { metadata: {}, ...(await inspectTorchTree(file)) };
    return { format, metadata, ...count(tree), nbytes, tree };
  } finally {
    await source.close();
  }
}

function inspectPackage({ entries }: ZipReader): CheckpointInspection {
  const files = [...entries.values()].map(
    ({ name, size }) => [name, { type: 'value', value: bytesInWords(size) }] as const,
  );
  const tree = { type: 'dict', entries: files } as const;
  const nbytes = [...entries.values()].reduce((sum, { size }) => sum + size, 0);
  return { format: 'package', metadata: {}, tensors: 0, elements: 0, nbytes, tree };
}

async function inspectSafetensors(file: FileInput) {
  await using opened = await openSafetensors(file);
  const entries = opened.keys.map((key) => [key, { type: 'tensor', ...opened.info(key) } as const] as const);
  return {
    metadata: Object.fromEntries(opened.metadata),
    tree: { type: 'dict', entries } as const,
    nbytes: entries.reduce((sum, [, { nbytes }]) => sum + nbytes, 0),
  };
}

function count(node: CheckpointNode): { tensors: number; elements: number } {
  if (node.type === 'value') return { tensors: 0, elements: 0 };
  if (node.type === 'tensor') return { tensors: 1, elements: node.shape.reduce((product, size) => product * size, 1) };
  const total = { tensors: 0, elements: 0 };
  for (const [, child] of node.entries) {
    const { tensors, elements } = count(child);
    total.tensors += tensors;
    total.elements += elements;
  }
  return total;
}
