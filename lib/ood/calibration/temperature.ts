// Temperature scaling: one number that divides the logits so that probabilities are as large as they should be. It changes no
// decision, neither the class nor (since scores are of the logits as they are) what is accepted; only what `probability` says.
// Guo et al., "On Calibration of Modern Neural Networks", 2017 (arXiv:1706.04599).

import { expected, IsotorchError } from '../../errors.js';
import { tidy } from '../../tensor/index.js';
import type { Arrays } from '../arrays/arrays.js';
import { forChunks } from '../arrays/chunks.js';
import { checkLabels } from '../arrays/classLabels.js';
import { needed } from '../detectors/detector.js';
import { mostLikelyBeta } from './mostLikely.js';
import { calibrationError, likelihood } from './objectives.js';

export interface Calibration {
  /** T: probabilities are softmax(logits / T). */
  readonly temperature: number;
  readonly by: 'nll' | 'ece';
  /** How many images it was fitted on. */
  readonly n: number;
  /** Mean negative log-likelihood on them, with T = 1 and with `temperature`. */
  readonly nll: { readonly before: number; readonly after: number };
  /** Expected calibration error with 15 equal bins, likewise. */
  readonly ece: { readonly before: number; readonly after: number };
}

export interface TemperatureOptions {
  /** What is minimised. @default 'nll' */
  by?: 'nll' | 'ece';
}

/** Where T is looked for: the bounds of the DisMax authors' `calibrate.py`. */
const LEAST = 0.001;
const MOST = 100;
const BINS = 15;
const GRID = 300;

/**
 * The temperature that suits held-out images best.
 *
 * - `'nll'` minimises −mean ln softmax(z / T)_y. Convex in 1 / T, so Newton's method within a bracket finds *the* minimum, to
 *   about 1e-12.
 * - `'ece'` minimises the expected calibration error of 15 bins, as the DisMax authors' `calibrate.py` does. It is
 *   piecewise smooth with jumps, so their quasi-Newton steps may stop where they start; here 300 values of ln T are tried,
 *   then ever finer ones around the best, and of equal errors the one nearest to T = 1 is taken. Never worse than T = 1,
 *   but it takes 400 passes over the logits, and may be the luck of the bins: prefer `'nll'` unless you compare with the paper.
 *
 * @param heldOut logits [N, C] and labels of images that were neither trained nor are tested on
 * @throws ERR_DATA for values that are not finite, labels that are no class, and for `'nll'` when no T from 0.001 to 100
 *   is best (all images right, or logits that say nothing); ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE
 * @example
 * const { temperature, ece } = await ood.fitTemperature(ood.arrays({ logits, labels }));
 * const probabilities = tidy(() => logits.div(temperature).softmax(1));
 */
export async function fitTemperature(heldOut: Arrays, { by = 'nll' }: TemperatureOptions = {}): Promise<Calibration> {
  if (by !== 'nll' && by !== 'ece') throw expected("'nll' or 'ece'", 'by', by);
  const n = await checkHeldOut(heldOut);
  const temperature = by === 'nll' ? await byLikelihood(heldOut) : await byError(heldOut);
  const nll = async (t: number): Promise<number> => (await likelihood(heldOut, 1 / t)).nll;
  const ece = (t: number): Promise<number> => calibrationError(heldOut, t, BINS);
  return {
    ...{ temperature, by, n },
    nll: { before: await nll(1), after: await nll(temperature) },
    ece: { before: await ece(1), after: await ece(temperature) },
  };
}

async function byLikelihood(arrays: Arrays): Promise<number> {
  const beta = await mostLikelyBeta(arrays, [1 / MOST, 1 / LEAST]);
  if (beta === 1 / MOST) throw hopeless(arrays, `above ${MOST}: these logits say nothing about the labels`);
  if (beta === 1 / LEAST)
    throw hopeless(arrays, `below ${LEAST}: every image is classified right, whatever the temperature`);
  return 1 / beta;
}

async function byError(arrays: Arrays): Promise<number> {
  let best = { log: 0, error: await calibrationError(arrays, 1, BINS) };
  const search = async (from: number, to: number, cells: number): Promise<void> => {
    for (let i = 1; i < cells; i++) {
      const log = from + ((to - from) * i) / cells;
      const error = await calibrationError(arrays, Math.exp(log), BINS);
      const isNearer = error === best.error && Math.abs(log) < Math.abs(best.log);
      if (error < best.error || isNearer) best = { log, error };
    }
  };
  const [from, to] = [Math.log(LEAST), Math.log(MOST)];
  await search(from, to, GRID);
  for (let reach = (to - from) / GRID; reach > 1e-6; reach /= 10) await search(best.log - reach, best.log + reach, 20);
  return Math.exp(best.log);
}

const hopeless = ({ name }: Arrays, where: string): IsotorchError =>
  new IsotorchError(
    'ERR_DATA',
    `${name}: expected a temperature from ${LEAST} to ${MOST} that suits best but it lies ${where}. ` +
      'Give more held-out images, or leave the temperature at 1',
  );

async function checkHeldOut(arrays: Arrays): Promise<number> {
  return await forChunks(arrays, (chunk, start) => {
    const { logits, labels } = needed(chunk, ['logits', 'labels'], 'calibration');
    checkLabels(labels, logits.shape[1]!, arrays.name);
    const bad = tidy(() => logits.isfinite().all(1).logicalNot().nonzero());
    if (bad.shape[0]! > 0)
      throw new IsotorchError(
        'ERR_DATA',
        `${arrays.name}: expected finite logits but row ${start + tidy(() => bad.flatten().select(0, 0).item())} has others`,
      );
  });
}
