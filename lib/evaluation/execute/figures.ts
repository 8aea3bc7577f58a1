// The curves of the rows that a page draws: scores are kept, so that no network is run for them.

import { comparisonsOf } from '../../ood/comparisons.js';
import { drawnRows, type EvaluationRow, type Figure, groupBy } from '../../report/index.js';
import type { Products } from './products.js';

/**
 * @param scores for each row the keys of the scores of its known and its unknown images
 * @returns of those whose scores are there
 */
export async function figuresOf(
  rows: readonly EvaluationRow[],
  scores: ReadonlyMap<EvaluationRow, readonly [known: string, unknown: string]>,
  products: Products,
): Promise<Figure[]> {
  const drawn = drawnRows(rows) as EvaluationRow[];
  const lines = groupBy(drawn, ({ network, id, score }) => JSON.stringify([network, id, score]));
  const figures: Figure[] = [];
  for (const line of lines.values()) {
    const known = await products.scores(scores.get(line[0]!)?.[0] ?? '');
    if (known === null) continue;
    const sets: { row: EvaluationRow; scores: Float64Array }[] = [];
    for (const row of line) {
      const unknown = await products.scores(scores.get(row)?.[1] ?? '');
      if (unknown !== null) sets.push({ row, scores: unknown });
    }
    const comparisons = comparisonsOf(
      known,
      sets.map((set) => set.scores),
    );
    for (const [i, { row }] of sets.entries()) {
      const { network, loss, model, seed, id, ood, score } = row;
      const { metrics, ...curves } = comparisons[i]!;
      figures.push({ network, loss, model, seed, id, ood, score, ...curves });
    }
  }
  return figures;
}
