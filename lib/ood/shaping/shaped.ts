// Any detector behind any activation shaping: shape the features, run the last layer on them, score what comes out.

import { IsotorchError } from '../../errors.js';
import type { Need } from '../../known/detectors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import { type Arrays, narrowed, rowsOf } from '../arrays/arrays.js';
import { CHUNK, type TrainingArrays } from '../arrays/chunks.js';
import type { ClassifierHead } from '../arrays/head.js';
import { type Detector, type FittedDetector, learns, needed, type State } from '../detectors/detector.js';
import { type FittedShaping, type Shaping, shapingLearns } from './shaping.js';

/**
 * `detector` on shaped features: f' = shape(f), and logits z' = head(f'), for heads of every kind. Its name is
 * `energy+react`; its settings are the detector's, with the shaping's under its name.
 *
 * `fit` is there where one of the two learns: it fits the shaping, then the detector on shaped training arrays. Its state has
 * the names `shaping.…` and `detector.…`. A fit or load that fails leaves both unfitted; `dispose` disposes both.
 *
 * @throws ERR_ARGUMENT for a shaping that the detector is behind already
 * @example
 * const detector = shaped(react({ percentile: 95 }), energy());
 * if (learns(detector)) await detector.fit(training);
 * detector.score(arrays({ features, head: affineHead(weight, bias) }));
 */
export function shaped(shaping: Shaping, detector: Detector): Detector {
  if (shaping.name in detector.settings)
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `Expected each activation shaping once but ${detector.name} has ${shaping.name}`,
    );
  const name = `${detector.name}+${shaping.name}`;
  const plain: Detector = {
    name,
    settings: { ...detector.settings, [shaping.name]: shaping.settings },
    needs: shapedNeeds(detector.needs),
    rows: detector.rows,
    score: (arrays) => tidy(() => torch.noGrad(() => detector.score(shapedArrays(shaping, arrays, name)))),
  };
  const fitted = shapingLearns(shaping) ? shaping : null;
  return fitted || learns(detector) ? new ShapedFit(plain, fitted, shaping, detector) : plain;
}

class ShapedFit implements FittedDetector {
  readonly name: string;
  readonly settings: Detector['settings'];
  readonly needs: readonly Need[];
  readonly rows: number | undefined;
  readonly score: Detector['score'];
  readonly learnsFrom: readonly Need[];
  readonly #shaping: Shaping;
  /** Those of the two that learn, under the prefixes of their states. */
  readonly #parts: Readonly<Record<string, FittedShaping | FittedDetector>>;

  constructor(plain: Detector, fittedShaping: FittedShaping | null, shaping: Shaping, detector: Detector) {
    ({ name: this.name, settings: this.settings, needs: this.needs, rows: this.rows, score: this.score } = plain);
    const fittedDetector = learns(detector) ? detector : null;
    this.learnsFrom = fittedDetector ? shapedNeeds(fittedDetector.learnsFrom) : ['features'];
    this.#shaping = shaping;
    this.#parts = {
      ...(fittedShaping && { shaping: fittedShaping }),
      ...(fittedDetector && { detector: fittedDetector }),
    };
  }

  get isFitted(): boolean {
    return Object.values(this.#parts).every((part) => part.isFitted);
  }

  async fit(training: TrainingArrays): Promise<void> {
    const { shaping, detector } = this.#parts;
    try {
      await shaping?.fit(training);
      await detector?.fit({ [Symbol.iterator]: () => shapedChunks(this.#shaping, training, this.name) });
    } catch (error) {
      this.dispose(); // what one has learnt now does not go with what the other had
      throw error;
    }
  }

  state(): State {
    return Object.fromEntries(
      Object.entries(this.#parts).flatMap(([prefix, part]) =>
        Object.entries(part.state()).map(([key, tensor]) => [`${prefix}.${key}`, tensor]),
      ),
    );
  }

  load(state: State): void {
    const stray = Object.keys(state).filter((key) => !(key.split('.', 1)[0]! in this.#parts));
    if (stray.length > 0)
      throw new IsotorchError(
        'ERR_STATE_DICT',
        `${this.name}: expected names of ${Object.keys(this.#parts).join('.… and ')}.…, received ${stray.slice(0, 8).join(', ')}`,
      );
    try {
      for (const [prefix, part] of Object.entries(this.#parts)) {
        const own = Object.entries(state).filter(([key]) => key.startsWith(`${prefix}.`));
        part.load(Object.fromEntries(own.map(([key, tensor]) => [key.slice(prefix.length + 1), tensor])));
      }
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  dispose(): void {
    for (const part of Object.values(this.#parts)) part.dispose();
  }
}

/** Logits are made anew from features by the head. */
function shapedNeeds(needs: readonly Need[]): Need[] {
  const others = needs.filter((need) => need !== 'logits' && need !== 'features' && need !== 'head');
  return ['features', ...(others.includes('affine head') ? [] : (['head'] as const)), ...others];
}

function shapedArrays(shaping: Shaping, arrays: Arrays, name: string): Arrays {
  const { features, head } = needed(arrays, ['features', 'head'], name);
  const own = shaping.shape(features);
  return { ...arrays, features: own, logits: head.forward(own.to(dtypeOf(head, own))) };
}

/** The head's weights decide the dtype; one of a kind of its own is given features as they are. */
const dtypeOf = (head: ClassifierHead, features: Tensor) =>
  head.kind === 'affine' ? head.weight.dtype : head.kind === 'distance' ? head.prototypes.dtype : features.dtype;

/** Chunk by chunk, each freed when the next one is asked for. */
function* shapedChunks(shaping: Shaping, training: TrainingArrays, name: string): Generator<Arrays> {
  for (const part of Symbol.iterator in training ? training : [training]) {
    const count = rowsOf(part);
    for (let start = 0; start < count; start += CHUNK) {
      const chunk = tidy(() =>
        torch.noGrad(() => shapedArrays(shaping, narrowed(part, start, Math.min(CHUNK, count - start)), name)),
      );
      try {
        yield chunk;
      } finally {
        for (const tensor of [chunk.features, chunk.logits, chunk.labels]) tensor?.dispose();
      }
    }
  }
}
