// The tree of a file of torch.save, for inspectCheckpoint: that of inspectTorch, made short. Nothing is loaded.

import { inspectTorch, type TorchNode } from './inspect.js';
import type { CheckpointGroup, CheckpointNode, CheckpointTensor } from './inspectCheckpoint.js';
import type { FileInput } from './source.js';
import { inTurns, stepsPerTurn } from './turns.js';

const longestText = 60;

export async function inspectTorchTree(file: FileInput): Promise<{ tree: CheckpointNode; nbytes: number }> {
  const { root, storageBytes } = await inspectTorch(file);
  return { tree: await inTurns(shorten(root)), nbytes: storageBytes };
}

function* shorten(root: TorchNode): Generator<void, CheckpointNode> {
  const places = new Map<number, string>();
  const tensors = new Map<number, CheckpointTensor>();

  let steps = 0;

  function* walk(node: TorchNode, path: string): Generator<void, CheckpointNode> {
    if (++steps % stepsPerTurn === 0) yield;
    if (node.kind === 'same')
      return tensors.get(node.id) ?? { type: 'value', value: `the same as ${places.get(node.id) ?? 'one before'}` };
    if (node.id !== undefined) places.set(node.id, path || 'the whole');
    if (node.kind === 'tensor') {
      const { dtype, shape, bytes } = node;
      const tensor = { type: 'tensor', dtype, shape, nbytes: bytes } as const;
      if (node.id !== undefined) tensors.set(node.id, tensor);
      return tensor;
    }
    const group = childrenOf(node);
    if (!group) return { type: 'value', value: brief(node) };
    const { type, entries } = group;
    if (type !== 'dict' && type !== 'object' && entries.every(([, child]) => isPlain(child)))
      return { type: 'value', value: list(entries.map(([, child]) => child)) };
    const children: (readonly [string, CheckpointNode])[] = [];
    for (const [key, child] of entries) children.push([key, yield* walk(child, path ? `${path}.${key}` : key)]);
    return { type, entries: children, ...(node.kind === 'opaque' && { name: node.name }) };
  }

  return yield* walk(root, '');
}

function childrenOf(node: TorchNode): { type: CheckpointGroup['type']; entries: [string, TorchNode][] } | undefined {
  const named = (entries: readonly { key: TorchNode; value: TorchNode }[]) =>
    entries.map(({ key, value }): [string, TorchNode] => [key.kind === 'str' ? key.value : brief(key), value]);
  const numbered = (items: readonly TorchNode[]) => items.map((item, i): [string, TorchNode] => [String(i), item]);
  switch (node.kind) {
    case 'dict':
    case 'OrderedDict':
      return { type: 'dict', entries: named(node.entries) };
    case 'list':
    case 'tuple':
    case 'set':
      return { type: node.kind, entries: numbered(node.items) };
    case 'opaque':
      return {
        type: 'object',
        entries: [
          ...node.args.map((arg, i): [string, TorchNode] => [`argument ${i + 1}`, arg]),
          ...(node.state ? [['state', node.state] as [string, TorchNode]] : []),
          ...numbered(node.items ?? []),
          ...named(node.entries ?? []),
        ],
      };
    default:
      return undefined;
  }
}

const isPlain = (node: TorchNode): boolean =>
  node.kind !== 'tensor' && node.kind !== 'same' && childrenOf(node) === undefined;

function list(items: readonly TorchNode[]): string {
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

function brief(node: TorchNode): string {
  switch (node.kind) {
    case 'none':
      return 'null';
    case 'str':
      return JSON.stringify(
        node.length > longestText ? `${node.value.slice(0, longestText - 1)}…` : node.value.slice(0, longestText),
      );
    case 'bool':
    case 'int':
    case 'float':
    case 'device':
    case 'layout':
      return String(node.value);
    case 'scheme':
      return `torch.${node.value}`;
    case 'complex':
      return `${node.re} + ${node.im}i`;
    case 'bytes':
      return `${node.length} bytes`;
    case 'dtype':
      return `torch.${node.value}`;
    case 'size':
      return `[${node.value.join(', ')}]`;
    case 'global':
      return node.name;
    case 'cut':
      return `… (${node.why})`;
    case 'tuple':
      return list(node.items);
    default:
      return node.kind;
  }
}
