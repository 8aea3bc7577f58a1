// The tree of a file of torch.save, for inspectCheckpoint: the one place that knows how it is come by. It loads the file; a
// reader that describes tensors without making them can take its place.

import { Tensor } from '../tensor/index.js';
import { itemSize, type SavedDType } from './dtypes.js';
import type { CheckpointGroup, CheckpointNode } from './inspectCheckpoint.js';
import { Complex, isTuple, TorchDType } from './pickle/values.js';
import { loadTorch } from './torchFile.js';

const longestText = 60;

export async function inspectTorchTree(file: string | Uint8Array): Promise<{ tree: CheckpointNode; nbytes: number }> {
  const tensors = new Set<Tensor>();
  const tree = describe(await loadTorch(file), tensors);
  const storages = new Map([...tensors].map((tensor) => [tensor.storage().id, tensor.storage().nbytes]));
  for (const tensor of tensors) tensor.dispose();
  return { tree, nbytes: [...storages.values()].reduce((sum, nbytes) => sum + nbytes, 0) };
}

function describe(object: unknown, tensors: Set<Tensor>): CheckpointNode {
  const seen = new Map<object, { path: string; node?: CheckpointNode }>();

  const walk = (item: unknown, path: string): CheckpointNode => {
    if (item instanceof Tensor) {
      tensors.add(item);
      const { dtype, shape } = item;
      return { type: 'tensor', dtype, shape, nbytes: item.numel() * itemSize(dtype as SavedDType) };
    }
    const items = childrenOf(item);
    if (!items) return { type: 'value', value: brief(item) };
    const before = seen.get(item as object);
    // Objects that come again are shown once: there may be 2⁶⁰ ways to them, or a cycle.
    if (before) return before.node ?? { type: 'value', value: `the same as ${before.path || 'the whole'}` };
    if (items.entries.every(([, child]) => !(child instanceof Tensor) && !childrenOf(child)) && items.type !== 'dict') {
      const node = { type: 'value', value: list(items.entries.map(([, child]) => child)) } as const;
      seen.set(item as object, { path, node });
      return node;
    }
    seen.set(item as object, { path });
    const entries = items.entries.map(([key, child]) => [key, walk(child, path ? `${path}.${key}` : key)] as const);
    return { type: items.type, entries };
  };

  return walk(object, '');
}

function childrenOf(item: unknown): { type: CheckpointGroup['type']; entries: [string, unknown][] } | undefined {
  if (item instanceof Map)
    return {
      type: 'dict',
      entries: [...item].map(([key, child]) => [typeof key === 'string' ? key : brief(key), child]),
    };
  const entries = (items: Iterable<unknown>) => Array.from(items, (child, i): [string, unknown] => [String(i), child]);
  if (item instanceof Set) return { type: 'set', entries: entries(item) };
  if (Array.isArray(item)) return { type: isTuple(item) ? 'tuple' : 'list', entries: entries(item) };
  return undefined;
}

function list(items: readonly unknown[]): string {
  const texts: string[] = [];
  let length = 0;
  for (const item of items) {
    const text = brief(item);
    length += text.length + 2;
    if (length > longestText) return `[${texts.join(', ')}, …] (${items.length})`;
    texts.push(text);
  }
  return `[${texts.join(', ')}]`;
}

function brief(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > longestText ? `${value.slice(0, longestText - 1)}…` : value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (value instanceof TorchDType) return `torch.${value}`;
  if (value instanceof Complex) return `${value.re} + ${value.im}i`;
  // A tuple, as a key.
  if (Array.isArray(value)) return list(value);
  return String(value);
}
