// The tree of inspectTorch as text for people: a line a value, tensors with dtype and shape, long lists cut short.

import { bytesInWords } from '../sizes.js';
import type { FileNode, TensorNode, TorchNode } from './inspect.js';
import { visible } from './visible.js';

export interface FormatTreeOptions {
  /** Entries shown of each dict, list, tuple or set. @default 200 */
  entries?: number;
  /** Levels shown. @default 20 */
  depth?: number;
}

/**
 * Lines of text, without a newline at the end.
 * @example
 * // model.pth: zip, 3.2 kB, 2 tensors in 2 storages of 156 B
 * // OrderedDict of 2
 * //   "fc.weight": float32 [3, 12]
 * //   "fc.bias": float32 [3]
 */
export function formatTorchTree(node: TorchNode, { entries = 200, depth = 20 }: FormatTreeOptions = {}): string {
  const lines: string[] = [];
  write(node, '', 0, { entries, depth, line: (level, text) => lines.push('  '.repeat(level) + text) });
  return lines.join('\n');
}

interface Out extends Required<FormatTreeOptions> {
  line(level: number, text: string): void;
}

function write(node: TorchNode, label: string, level: number, out: Out): void {
  const mark = node.id === undefined || node.kind === 'same' ? '' : `#${node.id} `;
  const line = (text: string) => out.line(level, `${label}${mark}${text}`);
  const inner = (pairs: Iterable<readonly [string, TorchNode]>, count: number) => {
    if (level >= out.depth && count > 0) {
      out.line(level + 1, '…');
      return;
    }
    let shown = 0;
    for (const [name, child] of pairs) {
      if (shown++ === out.entries) {
        out.line(level + 1, `… ${count - out.entries} more`);
        return;
      }
      write(child, name, level + 1, out);
    }
  };
  switch (node.kind) {
    case 'file':
      line(fileText(node));
      write(node.root, '', level, out);
      return;
    case 'list':
    case 'tuple':
    case 'set':
      line(`${node.kind} of ${node.items.length}`);
      inner(numbered(node.items), node.items.length);
      return;
    case 'dict':
    case 'OrderedDict':
      line(`${node.kind} of ${node.entries.length}`);
      inner(keyed(node.entries), node.entries.length);
      return;
    case 'opaque': {
      const { args, state, items = [], entries = [] } = node;
      line(`${visible(node.name)}, unknown${node.problem === undefined ? '' : `: ${visible(node.problem)}`}`);
      const rest = state === undefined ? [] : [['state ', state] as const];
      const all = [...labelled('argument ', args), ...rest, ...numbered(items), ...keyed(entries)];
      inner(all, all.length);
      return;
    }
    default:
      line(leafText(node));
  }
}

function* numbered(items: readonly TorchNode[]): Generator<readonly [string, TorchNode]> {
  for (const [i, item] of items.entries()) yield [`${i}: `, item];
}

function* labelled(label: string, items: readonly TorchNode[]): Generator<readonly [string, TorchNode]> {
  for (const item of items) yield [label, item];
}

function* keyed(entries: readonly { key: TorchNode; value: TorchNode }[]): Generator<readonly [string, TorchNode]> {
  for (const { key, value } of entries) yield [`${leafText(key)}: `, value];
}

function leafText(node: TorchNode): string {
  switch (node.kind) {
    case 'none':
      return 'None';
    case 'bool':
      return node.value ? 'True' : 'False';
    case 'int':
    case 'float':
    case 'dtype':
    case 'device':
    case 'layout':
    case 'scheme':
      return String(node.value);
    case 'complex':
      return `${node.re} + ${node.im}i`;
    case 'str': {
      const short = node.value.slice(0, 80);
      return short.length < node.length ? `${visible(short)}… (${node.length} characters)` : visible(short);
    }
    case 'bytes':
      return `${node.length} bytes`;
    case 'size':
      return `Size [${node.value.join(', ')}]`;
    case 'tensor':
      return tensorText(node);
    case 'storage':
      return `storage ${visible(node.key)} of ${node.dtype}, ${bytesInWords(node.bytes)}`;
    case 'global':
      return `class or function ${visible(node.name)}`;
    case 'same':
      return `the same as #${node.id}`;
    case 'cut':
      return `… (${node.why})`;
    case 'tuple':
      return `(${node.items.slice(0, 10).map(leafText).join(', ')}${node.items.length > 10 ? ', …' : ''})`;
    default:
      return node.kind;
  }
}

function tensorText(node: TensorNode): string {
  const words = [`${node.dtype} [${node.shape.join(', ')}]`];
  if (node.nested !== undefined) words.push(`nested, of ${node.nested} tensors`);
  if (node.quantized) words.push(quantizationText(node.quantized));
  if (node.parameter) words.push('Parameter');
  if (node.requiresGrad && !node.parameter) words.push('requires grad');
  if (node.layout !== 'strided') words.push(node.layout);
  else if (node.stride && !isContiguous(node.shape, node.stride)) words.push(`stride [${node.stride.join(', ')}]`);
  if (node.conjugated) words.push('conjugated');
  if (node.negated) words.push('negated');
  const [storage] = node.storages;
  if (storage && node.storages.length === 1 && (storage.tensors > 1 || storage.bytes > node.bytes)) {
    const shared = storage.tensors > 1 ? ` that ${storage.tensors} tensors share` : '';
    words.push(`in storage ${visible(storage.key)} of ${bytesInWords(storage.bytes)}${shared}`);
  }
  return words.join(', ');
}

const quantizationText = (how: NonNullable<TensorNode['quantized']>): string =>
  'axis' in how
    ? `quantised along dimension ${how.axis}`
    : `quantised, scale ${how.scale}, zero point ${how.zeroPoint}`;

function isContiguous(shape: readonly number[], stride: readonly number[]): boolean {
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && stride[i] !== step) return false;
    step *= Math.max(1, shape[i] as number);
  }
  return true;
}

function fileText({ name, format, bytes, tensors, storages, storageBytes, unknown }: FileNode): string {
  const text = `${visible(name).slice(1, -1)}: ${format}, ${bytesInWords(bytes)}, ${tensors} tensors in ${storages} storages of ${bytesInWords(storageBytes)}`;
  return unknown.length === 0
    ? text
    : `${text}; unknown: ${unknown.map((one) => visible(one).slice(1, -1)).join(', ')}`;
}
