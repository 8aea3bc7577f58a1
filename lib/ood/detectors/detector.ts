// The one contract of all detectors: numbers of a network in, one number an image out, larger = more in-distribution.
// A detector is a name, settings and, where it learns, a state of tensors; so it can be compared, saved and cached.

import { IsotorchError } from '../../errors.js';
import type { Settings } from '../../known/detectorSettings.js';
import type { Need } from '../../known/detectors.js';
import type { Tensor } from '../../tensor/index.js';
import type { Arrays } from '../arrays/arrays.js';
import type { TrainingArrays } from '../arrays/chunks.js';

/** What a fit has learnt, by names of the detector's own. On the CPU or an accelerator; float64 unless said. */
export type State = Readonly<Record<string, Tensor>>;

export interface Detector {
  /**
   * Short, of lower-case letters, digits and `-`; the name in results.json and in `byName`. `energy+react` is the detector
   * `energy` behind the activation shaping `react`.
   */
  readonly name: string;
  /** Every setting, defaults included. The same name and settings make the same detector. */
  readonly settings: Settings;
  /** How many rows `score` takes at a time without holding the event loop for long. @default CHUNK */
  readonly rows?: number | undefined;
  /** What `score` reads. */
  readonly needs: readonly Need[];
  /**
   * One number an image: **larger = more in-distribution**, for every detector. A row's number depends on that row alone.
   *
   * @returns float64 [N] on the arrays' device
   * @throws ERR_ARGUMENT before a fit, or when something it needs is missing; ERR_SHAPE, ERR_DTYPE
   */
  score(arrays: Arrays): Tensor;
}

/** What all that learn have, detectors and activation shapings alike. */
export interface Learner {
  /** Whether there is something learnt to score, or shape, with. */
  readonly isFitted: boolean;
  /** What was learnt; the tensors stay the learner's. @throws ERR_ARGUMENT before a fit */
  state(): State;
  /** Takes what `state` gave, as copies. @throws ERR_STATE_DICT for other names, shapes or dtypes, or values not finite */
  load(state: State): void;
  dispose(): void;
}

/** A detector that learns from training images. */
export interface FittedDetector extends Detector, Learner {
  /** What `fit` reads. */
  readonly learnsFrom: readonly Need[];
  /**
   * Learns from known images, in as few passes as the formula allows and with memory that doesn't grow with their number
   * (but for detectors that keep a bank of features). A second fit forgets the first.
   *
   * @throws ERR_DATA for values that are not finite, classes without samples where each needs one; ERR_SHAPE; ERR_ARGUMENT
   */
  fit(training: TrainingArrays): Promise<void>;
}

export function learns(detector: Detector): detector is FittedDetector;
export function learns<D extends { readonly score: unknown }>(detector: D): detector is D & Learner;
export function learns(detector: object): boolean {
  return 'fit' in detector;
}

/** The parts of `arrays` that are asked for, none of them null. */
export type Needed<N extends Need> = {
  readonly [K in N as K extends 'affine head' ? 'head' : K]: K extends 'affine head'
    ? Extract<Arrays['head'], { kind: 'affine' }>
    : NonNullable<K extends keyof Arrays ? Arrays[K] : never>;
};

/**
 * The parts of arrays that a detector needs, checked: present, [N, …], floating point (labels int64), sizes that agree.
 *
 * @throws ERR_ARGUMENT for one that is missing, or a distance head where an affine one is needed; ERR_SHAPE; ERR_DTYPE
 * @example
 * const { logits, head } = needed(arrays, ['logits', 'affine head'], 'dice');
 */
export function needed<const N extends Need>(arrays: Arrays, needs: readonly N[], detector: string): Needed<N> {
  const { name, head, labels } = arrays;
  const parts: Record<string, unknown> = {};
  let rows: number | undefined;
  for (const need of needs) {
    if (need === 'head' || need === 'affine head') {
      if (head === null)
        throw new IsotorchError(
          'ERR_ARGUMENT',
          `${detector} needs the network's last layer but the arrays of ${name} have none: give head: ood.affineHead(weight, bias)`,
        );
      if (need === 'affine head' && head.kind !== 'affine')
        throw new IsotorchError(
          'ERR_ARGUMENT',
          `${detector} is defined for a last layer w·f + b, and the network has ` +
            `${head.kind === 'distance' ? 'a distance head: its logits are distances to prototypes' : 'another head'}. ` +
            'Choose a detector of logits or features, such as es, mds, energy, knn or mahalanobis',
        );
      parts.head = head;
      continue;
    }
    const tensor = need === 'labels' ? labels : need === 'logits' ? arrays.logits : arrays.features;
    if (tensor === null)
      throw new IsotorchError('ERR_ARGUMENT', `${detector} needs ${need} but the arrays of ${name} have none`);
    const wanted = need === 'labels' ? '[N]' : need === 'logits' ? '[N, C]' : '[N, D]';
    if (tensor.ndim !== (need === 'labels' ? 1 : 2) || tensor.shape.includes(0))
      throw new IsotorchError(
        'ERR_SHAPE',
        `${detector}: expected ${need} of shape ${wanted}, not empty, received [${tensor.shape.join(', ')}] in ${name}`,
      );
    if (need === 'labels' ? tensor.dtype !== 'int64' : !/^b?float/.test(tensor.dtype))
      throw new IsotorchError(
        'ERR_DTYPE',
        `${detector}: expected ${need === 'labels' ? 'int64' : 'floating-point'} ${need}, received ${tensor.dtype} in ${name}`,
      );
    rows ??= tensor.shape[0];
    if (tensor.shape[0] !== rows)
      throw new IsotorchError(
        'ERR_SHAPE',
        `${detector}: expected ${rows} rows of ${need} as of the other arrays of ${name}, received ${tensor.shape[0]}`,
      );
    parts[need] = tensor;
  }
  return parts as Needed<N>;
}
