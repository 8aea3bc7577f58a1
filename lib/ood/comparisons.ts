// Third stage and result of an evaluation: scores in, figures and curves out. Works on plain arrays, so scores may come
// from `evaluate`, from a file or from another program. It keeps the raw scores: new metrics, thresholds and plots need no
// second pass of the network.

import { expected, IsotorchError } from '../errors.js';
import {
  type Environment,
  type Figure,
  type ResultRow,
  type RunLabels,
  renderTable,
  type SavedReport,
  saveReport,
  type TableOptions,
} from '../report/index.js';
import { histogram, sharedEdges } from './metrics/histogram.js';
import { type Metrics, metricsOf, thresholdAtTpr } from './metrics/metrics.js';
import { checkedScores, type RocPoints, rocCurve, thinRoc } from './metrics/roc.js';

/** A data set's scores by the scores' names, each as long as the set. Larger = more known. */
export interface ScoredSet {
  readonly name: string;
  readonly scores: Readonly<Record<string, Float64Array>>;
}

/** How well one score tells the known set from one unknown set. */
export interface Comparison {
  readonly ood: string;
  readonly score: string;
  readonly metrics: Metrics;
  /** Thinned for drawing. */
  readonly roc: RocPoints;
  /** Counts in bins that all data sets share for this score. */
  readonly histogram: Figure['histogram'];
  /** The score from which images are accepted when 95 % of the known ones shall be. */
  readonly threshold: number;
}

export interface EvaluationInit {
  readonly id: ScoredSet;
  readonly ood: readonly ScoredSet[];
  /** Share of the known images classified rightly; null where they have no labels. @default null */
  readonly accuracy?: number | null;
  /** How the network is called in results. @default loss and model 'unnamed', seed null */
  readonly run?: Partial<RunLabels>;
}

export class Evaluation {
  readonly id: ScoredSet;
  readonly ood: readonly ScoredSet[];
  readonly accuracy: number | null;
  readonly run: RunLabels;
  /** One for each unknown set and score, set by set. */
  readonly comparisons: readonly Comparison[];

  /**
   * Measures every score of the known set against each unknown set.
   * @throws ERR_DATA for empty sets, NaN or infinite scores; ERR_ARGUMENT when sets don't have the same scores
   * @example
   * new Evaluation({ id: { name: 'test', scores: { es } }, ood: [{ name: 'mnist', scores: { es: others } }] }).toString();
   */
  constructor({ id, ood, accuracy = null, run = {} }: EvaluationInit) {
    const names = Object.keys(id.scores);
    if (names.length === 0) throw expected('at least one score', `${id.name}.scores`, id.scores);
    if (ood.length === 0) throw expected('at least one unknown set', 'ood', ood);
    for (const set of ood) {
      const own = Object.keys(set.scores);
      if (own.length !== names.length || names.some((name) => !own.includes(name)))
        throw new IsotorchError(
          'ERR_ARGUMENT',
          `Expected the scores ${names.join(', ')} for ${set.name} as for ${id.name} but received ${own.join(', ')}`,
        );
    }
    for (const { name, scores } of [id, ...ood])
      for (const score of names) checkedScores(scores[score]!, `the ${score} scores of ${name}`);
    this.id = id;
    this.ood = ood;
    this.accuracy = accuracy;
    this.run = { loss: run.loss ?? 'unnamed', model: run.model ?? 'unnamed', seed: run.seed ?? null };
    const ofScore = names.map((name) =>
      comparisonsOf(
        id.scores[name]!,
        ood.map(({ scores }) => scores[name]!),
      ),
    );
    this.comparisons = ood.flatMap((set, i) => names.map((score, n) => ({ ood: set.name, score, ...ofScore[n]![i]! })));
  }

  /** The rows of results.json: one for each unknown set and score. */
  get results(): ResultRow[] {
    return this.comparisons.map(({ ood, score, metrics }) => ({
      ...this.run,
      id: this.id.name,
      ood,
      score,
      accuracy: this.accuracy,
      ...metrics,
    }));
  }

  /** What report.html draws, as plain data; goes with `results`. */
  get figures(): Figure[] {
    return this.comparisons.map(({ ood, score, roc, histogram, threshold }) => ({
      ...this.run,
      id: this.id.name,
      ood,
      score,
      roc,
      histogram,
      threshold,
    }));
  }

  /** A table for a terminal, by default of all scores and without colours. */
  toString(options: TableOptions = {}): string {
    return renderTable(this.results, { scores: 'all', ...options });
  }

  /**
   * Writes results.json, results.csv and report.html into a directory. For several networks in one report, join their
   * `results` and `figures` and use `report.saveReport`.
   * @throws ERR_FILE
   */
  save(
    directory: string,
    { environment = {}, title }: { environment?: Environment; title?: string } = {},
  ): Promise<SavedReport> {
    const { results, figures } = this;
    return saveReport(directory, { environment, results, figures, ...(title === undefined ? {} : { title }) });
  }
}

/**
 * What one score tells of known images and of each set of unknown ones.
 * @throws ERR_DATA for empty lists, NaN and infinities
 */
export function comparisonsOf(
  known: Float64Array,
  unknown: readonly Float64Array[],
): Omit<Comparison, 'ood' | 'score'>[] {
  if (unknown.length === 0) return [];
  const edges = sharedEdges([known, ...unknown]);
  const bins = { edges: [...edges], id: [...histogram(known, edges)] };
  return unknown.map((scores) => {
    const roc = rocCurve(known, scores);
    return {
      metrics: metricsOf(roc),
      roc: thinRoc(roc),
      histogram: { ...bins, ood: [...histogram(scores, edges)] },
      threshold: thresholdAtTpr(roc, 0.95),
    };
  });
}
