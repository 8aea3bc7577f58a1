// A guard is a detector's file (detectors/file.ts) with a part `guard`. Numbers that decide are float64 tensors, so that they come
// back bit for bit: `threshold` [3], the value and its interval, and `percentiles` [2, 25], levels and scores at them. The rest
// is the text `content`, JSON. All of it is checked before anything is believed, for the file decides what a program accepts.

import type { Statistics } from '../../data/index.js';
import { IsotorchError } from '../../errors.js';
import { type Tensor, torch } from '../../tensor/index.js';
import type { Calibration } from '../calibration/temperature.js';
import { learns } from '../detectors/detector.js';
import { type DetectorPart, loadDetectorFile, type MakeDetector, writeDetector } from '../detectors/file.js';
import type { AnyDetector } from '../images/imageDetector.js';
import { PERCENTILES } from '../thresholds/scorePercentiles.js';
import type { Threshold } from '../thresholds/threshold.js';

/** What a guard's file holds. */
export interface GuardContent {
  readonly detector: AnyDetector;
  readonly threshold: Threshold;
  /** What the reported probabilities were calibrated by; null for softmax(logits) as it is. */
  readonly calibration: Calibration | null;
  /** The classes' names; null where they have none. */
  readonly classes: readonly string[] | null;
  /** What images are normalised with before they enter the network; null where they come as the network takes them. */
  readonly normalize: Statistics | null;
  /** [channels, height, width] of the images that it was fitted on; null where that is not known. */
  readonly imageShape: readonly number[] | null;
  /** Texts of the user's own, such as the weights' checksum. */
  readonly about: Readonly<Record<string, string>>;
}

/** @throws ERR_FILE */
export async function writeGuard(path: string, guard: GuardContent): Promise<void> {
  const { detector, threshold, calibration, classes, normalize, imageShape, about } = guard;
  const { value, interval, percentiles, ...described } = threshold;
  const doubles = (values: ArrayLike<number>, shape: number[]): Tensor =>
    torch.fromBuffer(Float64Array.from(values), { dtype: 'float64', shape }).keep();
  const tensors = {
    threshold: doubles([value, interval.lower, interval.upper], [3]),
    percentiles: doubles([...PERCENTILES, ...percentiles], [2, PERCENTILES.length]),
  };
  const content = JSON.stringify({ threshold: described, calibration, classes, normalize, imageShape, about });
  try {
    await writeDetector(path, detector, { guard: { texts: { content }, tensors } });
  } finally {
    for (const tensor of Object.values(tensors)) tensor.dispose();
  }
}

/** @throws ERR_FILE; ERR_FORMAT for anything that `writeGuard` would not have written; ERR_STATE_DICT */
export async function readGuard(path: string, makeDetector?: MakeDetector): Promise<GuardContent> {
  const bad = (what: string, cause?: unknown): IsotorchError =>
    new IsotorchError('ERR_FORMAT', `${path}: expected a guard that isotorch saved, but ${what}`, { cause });
  const { detector, parts } = await loadDetectorFile(path, makeDetector && { makeDetector });
  try {
    if (!parts.guard) throw bad('it is a detector without a threshold');
    return { detector, ...contentOf(parts.guard, bad) };
  } catch (error) {
    if (learns(detector)) detector.dispose();
    throw error;
  } finally {
    for (const { tensors } of Object.values(parts)) for (const tensor of Object.values(tensors)) tensor.dispose();
  }
}

type Bad = (what: string, cause?: unknown) => IsotorchError;

function contentOf({ texts, tensors }: DetectorPart, bad: Bad): Omit<GuardContent, 'detector'> {
  const checked = checkedTexts(texts.content ?? '', bad);
  const numbers = (name: string, shape: readonly number[]): Float64Array => {
    const tensor = tensors[name];
    if (tensor?.dtype !== 'float64' || tensor.shape.join() !== shape.join())
      throw bad(`it has no tensor ${name} of float64 [${shape.join(', ')}]`);
    return tensor.toArraySync() as Float64Array;
  };
  const [value, lower, upper] = numbers('threshold', [3]) as unknown as [number, number, number];
  if (!Number.isFinite(value) || !(lower <= value && value <= upper))
    throw bad(`its threshold ${value} is no number within its interval, ${lower} to ${upper}`);
  const table = numbers('percentiles', [2, PERCENTILES.length]);
  const percentiles = table.slice(PERCENTILES.length);
  if (PERCENTILES.some((level, i) => table[i] !== level) || percentiles.some((score) => !Number.isFinite(score)))
    throw bad('its percentiles are not those that a threshold comes with');
  return { ...checked, threshold: { ...checked.threshold, value, interval: { lower, upper }, percentiles } };
}

type Check = (value: unknown) => boolean;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isShare: Check = (value) => typeof value === 'number' && value >= 0 && value <= 1;
const isFraction: Check = (value) => isShare(value) && value !== 0 && value !== 1;
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) > 0;
const isNumber: Check = (value) => Number.isFinite(value);
const isText: Check = (value) => typeof value === 'string';
const isPositive: Check = (value) => isNumber(value) && (value as number) > 0;
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const arrayOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length > 0 && value.every(check);
const having =
  (keys: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isObject(value) && Object.entries(keys).every(([key, check]) => Object.hasOwn(value, key) && check(value[key]));

const pair = having({ before: isNumber, after: isNumber });
const checks = {
  threshold: having({
    accept: isFraction,
    confidence: isFraction,
    n: isCount,
    achieved: isShare,
    acceptance: having({ lower: isShare, upper: isShare }),
    warning: orNull(isText),
  }),
  calibration: orNull(
    having({ temperature: isPositive, by: (by) => by === 'nll' || by === 'ece', n: isCount, nll: pair, ece: pair }),
  ),
  classes: orNull(arrayOf(isText)),
  normalize: orNull(having({ mean: arrayOf(isNumber), std: arrayOf(isPositive) })),
  imageShape: orNull(arrayOf(isCount)),
  about: (value: unknown) => isObject(value) && Object.values(value).every(isText),
};

interface Texts {
  threshold: Omit<GuardContent['threshold'], 'value' | 'interval' | 'percentiles'>;
  calibration: Calibration | null;
  classes: readonly string[] | null;
  normalize: Statistics | null;
  imageShape: readonly number[] | null;
  about: Readonly<Record<string, string>>;
}

function checkedTexts(content: string, bad: Bad): Texts {
  let described: unknown;
  try {
    described = JSON.parse(content);
  } catch (error) {
    throw bad('its text content is no JSON', error);
  }
  if (!isObject(described)) throw bad('its text content is no JSON object');
  for (const [key, check] of Object.entries(checks))
    if (!Object.hasOwn(described, key) || !check(described[key])) throw bad(`its ${key} is not what it should be`);
  const { threshold, calibration, classes, normalize, imageShape, about } = described as unknown as Texts;
  return { threshold, calibration, classes, normalize, imageShape, about };
}
