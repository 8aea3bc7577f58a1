// The words that reports use for losses and scores, out of the tables. Names that are not known here are shown as they came, so
// that other people's losses and scores need no entry.

import { type DetectorEntry, detectorSpecs } from '../known/detectors.js';
import { lossTable } from '../known/losses.js';
import { rowOf } from '../known/table.js';

/** `isomaxplus` → `IsoMax+`. */
export const lossTitle = (loss: string): string => rowOf(lossTable, loss)?.title ?? loss;

const scoreOf = (score: string): DetectorEntry | undefined => rowOf(detectorSpecs, score);

/** `es` → `entropic score`. */
export const scoreTitle = (score: string): string => scoreOf(score)?.title ?? score;

/** What to write at an axis of its values: `minimum distance` alone would be taken for a distance. */
export function scoreAxis(score: string): string {
  const title = scoreTitle(score);
  return title.endsWith('score') ? title : `${title} score`;
}

/** A clause that says what the values of a score mean; undefined for those that nothing is known of. */
export const scoreMeaning = (score: string): string | undefined => scoreOf(score)?.meaning;

/** The score to show for a loss, out of those that were computed: the customary one, else the first. */
export function customaryScore(loss: string, scores: readonly string[]): string | undefined {
  const wanted = rowOf(lossTable, loss)?.score;
  return wanted !== undefined && scores.includes(wanted) ? wanted : scores[0];
}
