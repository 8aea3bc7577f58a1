// A guard as one safetensors file. Numbers that decide are float64 tensors, so that they come back bit for bit:
//   threshold    [3]      value and its interval            percentiles  [2, 25]  levels, scores at them
//   state.…               what the detector has learnt
// Names and settings are texts of the header: `isotorch` = 'guard 1', `detector`, `settings` (JSON), `guard` (JSON: the rest).
// All of it is checked before anything is believed, for the file decides what a program accepts.

import { loadSafetensors, openSafetensors, saveSafetensors } from '../../checkpoint/index.js';
import type { Statistics } from '../../data/index.js';
import { IsotorchError } from '../../errors.js';
import { type Tensor, torch } from '../../tensor/index.js';
import type { Calibration } from '../calibration/temperature.js';
import { type Detector, learns, type Settings } from '../detectors/detector.js';
import { PERCENTILES } from '../thresholds/percentiles.js';
import type { GuardContent } from './guard.js';

const FORMAT = 'guard 1';
const STATE = 'state.';

/** @throws ERR_FILE */
export async function writeGuard(path: string, guard: GuardContent): Promise<void> {
  const { detector, threshold, calibration, classes, normalize, imageShape, about } = guard;
  const { value, interval, percentiles, ...described } = threshold;
  const doubles = (values: ArrayLike<number>, shape: number[]): Tensor =>
    torch.fromBuffer(Float64Array.from(values), { dtype: 'float64', shape }).keep();
  const own = {
    threshold: doubles([value, interval.lower, interval.upper], [3]),
    percentiles: doubles([...PERCENTILES, ...percentiles], [2, PERCENTILES.length]),
  };
  const state = learns(detector) ? detector.state() : {};
  try {
    await saveSafetensors(
      path,
      { ...own, ...Object.fromEntries(Object.entries(state).map(([name, tensor]) => [STATE + name, tensor])) },
      {
        shared: 'copy',
        metadata: {
          isotorch: FORMAT,
          detector: detector.name,
          settings: JSON.stringify(detector.settings),
          guard: JSON.stringify({ threshold: described, calibration, classes, normalize, imageShape, about }),
        },
      },
    );
  } finally {
    for (const tensor of Object.values(own)) tensor.dispose();
  }
}

/** Makes the detector that a name and settings describe, not fitted yet. @throws ERR_ARGUMENT for a name it does not know */
export type MakeDetector = (name: string, settings: Settings) => Detector;

/** @throws ERR_FILE; ERR_FORMAT for anything that `writeGuard` would not have written; ERR_STATE_DICT */
export async function readGuard(path: string, makeDetector: MakeDetector): Promise<GuardContent> {
  const bad = (what: string, cause?: unknown): IsotorchError =>
    new IsotorchError('ERR_FORMAT', `${path}: expected a guard that isotorch saved, but ${what}`, { cause });
  const metadata = await metadataOf(path);
  if (metadata.get('isotorch') !== FORMAT)
    throw bad(
      metadata.has('isotorch')
        ? `its format is ${JSON.stringify(metadata.get('isotorch'))}, and this isotorch reads ${JSON.stringify(FORMAT)}`
        : 'it is another safetensors file',
    );
  const json = (key: string): Record<string, unknown> => {
    let value: unknown;
    try {
      value = JSON.parse(metadata.get(key) ?? '');
    } catch (error) {
      throw bad(`its text ${key} is no JSON`, error);
    }
    if (!isObject(value)) throw bad(`its text ${key} is no JSON object`);
    return value;
  };
  const described = json('guard');
  const texts = checkedTexts(described, bad);
  const detector = madeBy(makeDetector, metadata.get('detector') ?? '', json('settings') as Settings, bad);

  const tensors = await loadSafetensors(path);
  try {
    const numbers = (name: string, shape: readonly number[]): Float64Array => {
      const tensor = tensors.get(name);
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
    const state = [...tensors].filter(([name]) => name.startsWith(STATE));
    if (learns(detector))
      detector.load(Object.fromEntries(state.map(([name, tensor]) => [name.slice(STATE.length), tensor])));
    else if (state.length > 0) throw bad(`it has a state for ${detector.name}, which learns nothing`);
    return {
      ...texts,
      detector,
      threshold: { ...texts.threshold, value, interval: { lower, upper }, percentiles },
    };
  } catch (error) {
    if (learns(detector)) detector.dispose();
    throw error;
  } finally {
    for (const tensor of tensors.values()) tensor.dispose();
  }
}

async function metadataOf(path: string): Promise<ReadonlyMap<string, string>> {
  await using file = await openSafetensors(path);
  return file.metadata;
}

function madeBy(
  make: MakeDetector,
  name: string,
  settings: Settings,
  bad: (what: string, cause: unknown) => Error,
): Detector {
  try {
    return make(name, settings);
  } catch (error) {
    throw bad(`its detector ${JSON.stringify(name)} can't be made: ${(error as Error).message}`, error);
  }
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
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isObject(value) && Object.entries(checks).every(([key, check]) => Object.hasOwn(value, key) && check(value[key]));

const pair = having({ before: isNumber, after: isNumber });
const parts = {
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

function checkedTexts(described: Record<string, unknown>, bad: (what: string) => Error): Texts {
  for (const [key, check] of Object.entries(parts))
    if (!Object.hasOwn(described, key) || !check(described[key])) throw bad(`its ${key} is not what it should be`);
  const { threshold, calibration, classes, normalize, imageShape, about } = described as unknown as Texts;
  return { threshold, calibration, classes, normalize, imageShape, about };
}
