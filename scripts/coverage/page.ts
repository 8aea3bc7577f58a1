// docs/coverage.md from PyTorch's public names (names.json, by names.py) and what the package has.

import { readFileSync } from 'node:fs';
import * as isotorch from '../../lib/index.js';
import { operator } from '../../lib/tensor/dispatch.js';
import { camelCase } from '../../lib/tensor/names.js';
import { ownMethods } from '../../lib/tensor/operators.js';
import { elsewhere, leftOut } from './reasons.js';

type Names = { version: string } & Record<string, string[]>;
export const namesPath = new URL('names.json', import.meta.url);
export const readNames = (): Names => JSON.parse(readFileSync(namesPath, 'utf8')) as Names;

const at = (path: string): unknown =>
  path.split('.').reduce((value: unknown, key) => (value as Record<string, unknown> | undefined)?.[key], isotorch);
/** Capitals within a name may differ: `set_printoptions` is `setPrintOptions`. */
const alike = (name: string) => name.slice(0, 1) + name.slice(1).toLowerCase();
const holds = (path: string) => {
  const names = new Set(Object.keys((at(path) ?? {}) as object).map(alike));
  return (name: string) => names.has(alike(camelCase(name)));
};

/** An operator is a method if its first argument is a tensor. */
const isMethod = (name: string): boolean =>
  ownMethods.has(camelCase(name)) ||
  operator(`aten::${name}`).overloads.some(({ arguments: [first] }) => first?.kind === 'Tensor' && !first.list);

/** Each of PyTorch's packages: where its names are here. */
const areas: { name: string; ours: string; has(name: string): boolean }[] = [
  { name: 'torch', ours: 'torch', has: (name) => holds('torch')(name) || name in isotorch },
  { name: 'torch.Tensor', ours: 'Tensor', has: isMethod },
  { name: 'torch.linalg', ours: 'torch.linalg', has: holds('torch.linalg') },
  { name: 'torch.fft', ours: 'torch.fft', has: holds('torch.fft') },
  { name: 'torch.special', ours: 'torch.special', has: holds('torch.special') },
  { name: 'torch.nn', ours: 'nn', has: holds('nn') },
  { name: 'torch.nn.functional', ours: 'nn.functional', has: holds('nn.functional') },
  { name: 'torch.optim', ours: 'optim', has: holds('optim') },
  { name: 'torch.optim.lr_scheduler', ours: 'optim.lrScheduler', has: holds('optim.lrScheduler') },
];

export interface Area {
  name: string;
  ours: string;
  /** There under its own name, in camelCase. */
  same: string[];
  /** There under another: [PyTorch's, ours]. */
  other: [string, string][];
  left: Map<string, string[]>;
  notYet: string[];
}

/** @throws if the table of reasons names what is not in the package. */
export function compare(names: Names): Area[] {
  return areas.map(({ name: area, ours, has }) => {
    const result: Area = { name: area, ours, same: [], other: [], left: new Map(), notYet: [] };
    for (const name of names[area]!) {
      const other = elsewhere[`${area}.${name}`];
      const why = leftOut.find((one) => one.area === area && one.names.test(name))?.why;
      if (has(name)) result.same.push(name);
      else if (other) {
        if (at(other) === undefined)
          throw new Error(`reasons.ts: the package has no ${other}, which stands for ${name}`);
        result.other.push([name, other.replace('.prototype', '')]);
      } else if (why) result.left.set(why, [...(result.left.get(why) ?? []), name]);
      else result.notYet.push(name);
    }
    return result;
  });
}

const total = ({ same, other, left, notYet }: Area): number =>
  same.length + other.length + notYet.length + [...left.values()].flat().length;
/** Of all names, in percent, rounded down. */
export const covered = (area: Area): number => Math.floor((100 * (area.same.length + area.other.length)) / total(area));

const code = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(', ');

function section(area: Area): string {
  const { name, ours, same, other, left, notYet } = area;
  const lines = [`## ${name}`, '', `${same.length + other.length} of ${total(area)}, in \`${ours}\`.`];
  const table = (head: string, rows: string[][]) =>
    rows.length > 0 ? ['', `| ${head} |`, '|---|---|', ...rows.map((row) => `| ${row.join(' | ')} |`)] : [];
  lines.push(
    ...table(
      `PyTorch | isotorch`,
      other.map(([theirs, path]) => [`\`${theirs}\``, `\`${path}\``]),
    ),
  );
  lines.push(
    ...table(
      'left out | why',
      [...left].map(([why, names]) => [code(names), why]),
    ),
  );
  if (notYet.length > 0) lines.push('', `Not yet: ${code(notYet)}.`);
  if (same.length > 0)
    lines.push('', '<details><summary>Under the same name, in camelCase</summary>', '', code(same), '', '</details>');
  return lines.join('\n');
}

export function page(names: Names): string {
  const compared = compare(names);
  const summary = compared.map((area) => {
    const left = [...area.left.values()].flat().length;
    return `| \`${area.name}\` | ${total(area)} | ${area.same.length + area.other.length} | ${covered(area)} % | ${left} | ${area.notYet.length} |`;
  });
  return `# What of PyTorch is here

The public names of PyTorch ${names.version}, compared with this package's: a name in snake_case is here in camelCase. Written by
\`npx tsx scripts/coverage.ts\`; do not edit. Operators of the dispatcher that Python keeps to itself are here too, and not counted.

| | names | here | | left out, with the reason | not yet |
|---|---|---|---|---|---|
${summary.join('\n')}

${compared.map(section).join('\n\n')}
`;
}
