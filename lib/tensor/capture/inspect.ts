// A record as text: each instruction with the tensors it reads and makes, what ends with it, and the bytes that the step
// held. `%3` is a tensor of the step, `@5` one from outside.

import { native } from '../../native.js';
import type { StepRecord } from './record.js';

const place = (value: number | null): string => (value === null ? '–' : value >= 0 ? `%${value}` : `@${~value}`);

export function bytes(count: number): string {
  if (count < 1e3) return `${count} B`;
  const [unit, name] = count < 1e6 ? [1e3, 'kB'] : count < 1e9 ? [1e6, 'MB'] : [1e9, 'GB'];
  return `${(count / unit).toFixed(1)} ${name}`;
}

export function inspectRecord({ id, signature, replays }: StepRecord): string {
  const { instructions, inputs, outside, outputs, peakBytes, graph } = native.describeRecord(id);
  const head = `inputs ${signature.replace(/;$/, '') || 'none'}${inputs === 0 ? '' : ` (%0${inputs > 1 ? ` … %${inputs - 1}` : ''})`}; ${instructions.length} instructions; ${outside} tensors from outside; at most ${bytes(peakBytes)}; replayed ${replays} times${graph === '' ? '' : `; ${graph}`}`;
  const rows = instructions.map(({ name, settings, uses, ends, results, liveBytes }, i) => {
    const made = results.map((result) => `${place(result.place)} ${result.kind}`.trim()).join(', ');
    return [
      String(i + 1),
      name,
      `${uses.map(place).join(' ')}${settings === '' ? '' : ` {${settings}}`}`.trim(),
      made === '' ? '' : `→ ${made}`,
      ends.length === 0 ? '' : `ends ${ends.map(place).join(' ')}`,
      bytes(liveBytes),
    ];
  });
  const widths = [0, 1, 2, 3, 4, 5].map((column) =>
    Math.min(60, Math.max(0, ...rows.map((row) => row[column]!.length))),
  );
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 || column === 5 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  );
  return [head, ...lines, `results ${outputs.map(place).join(' ') || 'none'}`].join('\n');
}
