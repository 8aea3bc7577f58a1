// From arrays to verdicts: what an image is taken for, how sure that is, whether it is known at all, and why.

import { type Tensor, tidy } from '../../tensor/index.js';
import { type Arrays, rowsOf } from '../arrays/arrays.js';
import { forChunks } from '../arrays/chunks.js';
import { needed } from '../detectors/detector.js';
import { percent, type Threshold } from '../thresholds/threshold.js';

export interface Verdict {
  /** The most probable class by name, or by number where the guard has no names; null without logits. */
  readonly label: string | null;
  /** Of that class: the largest of softmax(logits / T); null without logits. */
  readonly probability: number | null;
  /** Whether the image looks like those that the threshold was fitted on. */
  readonly accepted: boolean;
  /** The detector's; larger = more known. */
  readonly score: number;
  /** The reason in words. */
  readonly why: string;
}

export interface Judgement {
  /** The detector's name. */
  readonly detector: string;
  readonly threshold: Threshold;
  readonly temperature: number;
  readonly classes: readonly string[] | null;
}

/**
 * One verdict a row. A score that is NaN or infinite is never accepted: pixels or weights that are no numbers give such
 * scores, and a guard must not wave them through.
 */
export async function verdictsOf(arrays: Arrays, scores: Float64Array, judgement: Judgement): Promise<Verdict[]> {
  const { detector, threshold, temperature, classes } = judgement;
  const best = arrays.logits ? await bestClasses(arrays, temperature) : null;
  const reasons = reasonsOf(detector, threshold);
  return Array.from({ length: rowsOf(arrays) }, (_, row) => {
    const score = scores[row]!;
    const finite = Number.isFinite(score);
    const accepted = finite && score >= threshold.value;
    const index = best?.classes[row];
    return {
      label: index === undefined ? null : (classes?.[index] ?? String(index)),
      probability: best ? best.probabilities[row]! : null,
      accepted,
      score,
      why: accepted ? reasons.accepted : finite ? reasons.rejected : reasons.broken,
    };
  });
}

async function bestClasses(arrays: Arrays, temperature: number) {
  const rows = rowsOf(arrays);
  const found = { classes: new Int32Array(rows), probabilities: new Float64Array(rows) };
  await forChunks(arrays, (chunk, start) => {
    const { logits } = needed(chunk, ['logits'], 'guard');
    const doubles = logits.to('float64');
    found.classes.set(doubles.argmax(1).to('int32').toArraySync() as Int32Array, start);
    found.probabilities.set(probabilities(doubles, temperature).toArraySync() as Float64Array, start);
  });
  return found;
}

const probabilities = (logits: Tensor, temperature: number): Tensor =>
  tidy(() => logits.div(temperature).softmax(1).amax(1));

/** How a low score of a detector is said in words; the others by their names. */
const inWords: Readonly<Record<string, string>> = {
  mps: 'largest probability below',
  es: 'entropy above',
  mds: 'largest logit (for IsoMax: minus the smallest distance) below',
};

function reasonsOf(detector: string, { accept, value }: Threshold) {
  const limit = `the threshold that keeps ${percent(accept)} of known images`;
  const low = Object.hasOwn(inWords, detector) ? inWords[detector] : `score ${detector} below`;
  return {
    accepted: `within ${limit} (score ${detector} at least ${Number(value.toPrecision(6))})`,
    rejected: `${low} ${limit}`,
    broken: `score ${detector} is no finite number: the image, or what the network made of it, holds NaN or infinities`,
  };
}
