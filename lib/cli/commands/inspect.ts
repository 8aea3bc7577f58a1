// `isotorch inspect`: what is in a checkpoint.

import { Command } from 'commander';
import type { CheckpointInspection, CheckpointNode } from '../../checkpoint/index.js';
import { printable } from '../../printable.js';
import { bytesInWords } from '../../sizes.js';

const help = `
It reads files of torch.save (.pt, .pth, .th, .ckpt, .bin), safetensors, TorchScript modules and .pt2
packages; their bytes tell what they are, not their names. Nothing in a file is executed. Other files that
are mistaken for checkpoints are named.

Examples:
  $ isotorch inspect model.safetensors
  $ isotorch inspect training.pth --json`;

export function inspectCommand(): Command {
  return new Command('inspect')
    .description('Show what a checkpoint holds: names, dtypes, shapes and sizes.')
    .argument('<file>', 'checkpoint')
    .option('--json', 'print { format, metadata, tensors, elements, nbytes, tree } as JSON')
    .addHelpText('after', help)
    .action(inspect);
}

async function inspect(file: string, { json }: { json?: boolean }): Promise<void> {
  const { inspectCheckpoint } = await import('../../checkpoint/index.js');
  const inspection = await inspectCheckpoint(file);
  process.stdout.write(`${json ? JSON.stringify(inspection, null, 2) : render(file, inspection)}\n`);
}

interface Line {
  readonly name: string;
  /** Without which a name stands alone. */
  readonly columns: readonly string[];
}

const kinds: Readonly<Record<CheckpointInspection['format'], string>> = {
  torch: 'a file of torch.save',
  safetensors: 'safetensors',
  torchscript: 'a TorchScript module',
  package: 'an exported or compiled program',
};

function render(file: string, { format, metadata, tensors, elements, nbytes, tree }: CheckpointInspection): string {
  const totals = `${tensors > 0 || format !== 'package' ? `${count(tensors, 'tensor')}, ${count(elements, 'element')}, ` : ''}${bytesInWords(nbytes)}`;
  const texts = Object.entries(metadata).map(([name, text]) => `  ${printable(name)} = ${printable(text)}`);
  const lines = [...linesOf(tree)];
  const width = Math.min(60, Math.max(0, ...lines.map(({ name }) => name.length)));
  return [
    `${file}: ${kinds[format]}, ${totals}`,
    ...(texts.length > 0 ? ['metadata', ...texts] : []),
    ...lines.map(({ name, columns }) => {
      const [first = '', second = '', third] = columns;
      const rest = third === undefined ? first : `${first.padEnd(13)} ${second.padEnd(18)} ${third}`;
      return rest ? `${name.padEnd(width)}  ${rest}` : name;
    }),
  ].join('\n');
}

function* linesOf(node: CheckpointNode, name = '', depth = 0): Generator<Line> {
  const label = '  '.repeat(Math.max(0, depth - 1)) + printable(name);
  if (node.type === 'tensor') {
    yield { name: label, columns: [node.dtype, `[${node.shape.join(', ')}]`, bytesInWords(node.nbytes)] };
  } else if (node.type === 'value') {
    yield { name: label, columns: [printable(node.value)] };
  } else {
    const what =
      node.name === undefined
        ? `${node.type} of ${node.entries.length}`
        : `${node.name.startsWith('__torch__.') ? '' : 'unknown: '}${printable(node.name)}`;
    if (depth > 0 || node.name !== undefined) yield { name: label, columns: [what] };
    for (const [key, child] of node.entries) yield* linesOf(child, key, depth + 1);
  }
}

/** Names come from the file: none may steer the terminal. */

const count = (number: number, what: string): string =>
  `${number.toLocaleString('en-US')} ${what}${number === 1 ? '' : 's'}`;
