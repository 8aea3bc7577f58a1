// A record as text: each instruction with the tensors it reads and makes, what ends with it, and the bytes that the step
// held. `%3` is a tensor of the step, `@5` one from outside.

import { native } from '../../native.js';
import { bytesInWords } from '../../sizes.js';
import type { StepRecord } from './record.js';

const place = (value: number | null): string => (value === null ? '–' : value >= 0 ? `%${value}` : `@${~value}`);

export function inspectRecord({ id, signature, replays }: StepRecord): string {
  const { instructions, inputs, outside, outputs, peakBytes, graph } = native.describeRecord(id);
  const head = `inputs ${signature.replace(/;$/, '') || 'none'}${inputs === 0 ? '' : ` (%0${inputs > 1 ? ` … %${inputs - 1}` : ''})`}; ${instructions.length} instructions; ${outside} tensors from outside; at most ${bytesInWords(peakBytes)}; replayed ${replays} times${graph === '' ? '' : `; ${graph}`}`;
  const rows = instructions.map(({ name, settings, uses, ends, results, liveBytes }, i) => {
    const made = results.map((result) => `${place(result.place)} ${result.kind}`.trim()).join(', ');
    return [
      String(i + 1),
      name,
      `${uses.map(place).join(' ')}${settings === '' ? '' : ` {${settings}}`}`.trim(),
      made === '' ? '' : `→ ${made}`,
      ends.length === 0 ? '' : `ends ${ends.map(place).join(' ')}`,
      bytesInWords(liveBytes),
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
