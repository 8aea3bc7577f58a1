// What all that learn from training arrays share, detectors and activation shapings: a state of named tensors that a fit
// replaces as a whole, that is given away and taken back for saving, and that is checked against its shapes when it is.

import { IsotorchError } from '../../errors.js';
import { type Device, Tensor, tidy, torch } from '../../tensor/index.js';
import type { Arrays, Need } from '../arrays/arrays.js';
import { forChunks, type TrainingArrays } from '../arrays/chunks.js';
import { type FittedDetector, type Needed, needed, type Settings, type State } from './detector.js';

/**
 * A state's names and shapes: equal letters stand for equal sizes, C for that of the logits, D for that of the features.
 * `{ means: ['C', 'D'], temperature: [] }`
 */
export type Shapes = Readonly<Record<string, readonly string[]>>;
export type StateOf<S extends Shapes> = { readonly [K in keyof S]: Tensor };

export interface LearnerInit<S extends Shapes> {
  readonly name: string;
  readonly shapes: S;
  /** Gives the new state, float64. Its tensors are taken over. */
  readonly learn: (training: TrainingArrays) => Promise<StateOf<S>>;
}

/** The half of a fitted detector or shaping that knows what was learnt. */
export class Learner<S extends Shapes> {
  readonly name: string;
  readonly #shapes: S;
  readonly #learn: LearnerInit<S>['learn'];
  #state: StateOf<S> | null = null;

  constructor({ name, shapes, learn }: LearnerInit<S>) {
    this.name = name;
    this.#shapes = shapes;
    this.#learn = learn;
  }

  get isFitted(): boolean {
    return this.#state !== null;
  }

  async fit(training: TrainingArrays): Promise<void> {
    this.#replace(await this.#learn(training));
  }

  state(): StateOf<S> {
    if (this.#state === null)
      throw new IsotorchError('ERR_ARGUMENT', `${this.name} has learnt nothing yet: call fit(training arrays) first`);
    return this.#state;
  }

  load(state: State): void {
    const problem = mismatch(state, this.#shapes);
    if (problem !== null) throw new IsotorchError('ERR_STATE_DICT', `${this.name}: ${problem}`);
    const copies = Object.keys(this.#shapes).map((key) => [key, tidy(() => state[key]!.detach().clone())]);
    this.#replace(Object.fromEntries(copies) as StateOf<S>);
  }

  dispose(): void {
    for (const tensor of Object.values(this.#state ?? {})) tensor.dispose();
    this.#state = null;
  }

  /**
   * The state where the arrays are; copies belong to the scope around.
   * @throws ERR_SHAPE for arrays of other classes or features than those learnt from
   */
  protected fitting({ logits = null, features = null }: Partial<Pick<Arrays, 'logits' | 'features'>>): StateOf<S> {
    const state = this.state();
    for (const [letter, given, what] of [
      ['C', logits, 'classes'],
      ['D', features, 'features'],
    ] as const)
      for (const [key, letters] of Object.entries(this.#shapes)) {
        const [size, at] = [given?.shape[1], letters.indexOf(letter)];
        if (size !== undefined && at >= 0 && state[key]!.shape[at] !== size)
          throw new IsotorchError(
            'ERR_SHAPE',
            `${this.name} was fitted with ${state[key]!.shape[at]} ${what}, but these arrays have ${size}`,
          );
      }
    return this.#on((logits ?? features)!.device);
  }

  #on(device: Device): StateOf<S> {
    const moved = Object.entries(this.state()).map(([key, tensor]) => [key, tensor.to(device)]);
    return Object.fromEntries(moved) as StateOf<S>;
  }

  #replace(state: StateOf<S>): void {
    for (const tensor of Object.values(state)) tensor.keep();
    this.dispose();
    this.#state = state;
  }
}

/** In what a state differs from its shapes; null for nothing. */
function mismatch(state: State, shapes: Shapes): string | null {
  const [names, wanted] = [Object.keys(state ?? {}), Object.keys(shapes)];
  if (names.length !== wanted.length || wanted.some((name) => !names.includes(name)))
    return `expected a state of ${wanted.join(', ')}, received ${names.slice(0, 8).join(', ') || 'nothing'}`;
  const sizes = new Map<string, number>();
  for (const [name, letters] of Object.entries(shapes)) {
    const tensor = state[name];
    if (!(tensor instanceof Tensor)) return `expected a tensor for ${name}`;
    const fits = letters.every((letter, i) => {
      const size = tensor.shape[i];
      if (size !== undefined && !sizes.has(letter)) sizes.set(letter, size);
      return size !== undefined && size > 0 && sizes.get(letter) === size;
    });
    if (tensor.dtype !== 'float64' || tensor.ndim !== letters.length || !fits)
      return `expected ${name} as float64 [${letters.join(', ')}], received ${tensor.dtype} [${tensor.shape.join(', ')}]`;
    if (!tidy(() => tensor.isfinite().all().item())) return `expected finite numbers in ${name}`;
  }
  return null;
}

export interface LearntDetectorInit<N extends Need, S extends Shapes> extends LearnerInit<S> {
  readonly settings: Settings;
  readonly needs: readonly N[];
  readonly learnsFrom: readonly Need[];
  /** Called in a scope, without recording gradients, with the state on the arrays' device. */
  readonly formula: (arrays: Needed<N>, state: StateOf<S>) => Tensor;
}

/** A fitted detector from what is its own: what it learns and how it scores. */
export class LearntDetector<N extends Need, S extends Shapes> extends Learner<S> implements FittedDetector {
  readonly settings: Settings;
  readonly needs: readonly N[];
  readonly learnsFrom: readonly Need[];
  readonly #formula: LearntDetectorInit<N, S>['formula'];

  constructor(init: LearntDetectorInit<N, S>) {
    super(init);
    this.settings = init.settings;
    this.needs = init.needs;
    this.learnsFrom = init.learnsFrom;
    this.#formula = init.formula;
  }

  score(arrays: Arrays): Tensor {
    const parts = needed(arrays, this.needs, this.name);
    return tidy(() => torch.noGrad(() => this.#formula(parts, this.fitting(parts))));
  }
}

/**
 * One pass of a fit: calls `use` with the parts that `learner` needs of each chunk, logits and features in float64, in a
 * scope and without recording gradients.
 *
 * @returns how many rows there were, at least one
 * @throws ERR_DATA for numbers that are not finite and for no rows at all; as `needed`
 */
export async function eachChunk<const N extends Need>(
  training: TrainingArrays,
  needs: readonly N[],
  learner: string,
  use: (parts: Needed<N>) => void,
): Promise<number> {
  const rows = await forChunks(training, (chunk, start) =>
    torch.noGrad(() => {
      const parts: Record<string, unknown> = { ...needed(chunk, needs, learner) };
      for (const name of ['logits', 'features'])
        if (parts[name] instanceof Tensor)
          parts[name] = finite(parts[name], `${learner}: ${name} of ${chunk.name}`, start);
      use(parts as Needed<N>);
    }),
  );
  if (rows === 0)
    throw new IsotorchError('ERR_DATA', `${learner}: expected training arrays with rows but there are none`);
  return rows;
}

/** In float64. @throws ERR_DATA with the row of the first number that is NaN or infinite */
function finite(values: Tensor, what: string, start: number): Tensor {
  const doubles = values.to('float64');
  // What is not finite shows in the sum, which is cheap; the sum of very large numbers may overflow too.
  if (!Number.isFinite(doubles.sum().item())) {
    const rows = doubles.isfinite().all(1);
    const row = start + Number(rows.to('uint8').argmin().item());
    if (!rows.all().item())
      throw new IsotorchError('ERR_DATA', `${what}: expected finite numbers, row ${row} has others`);
  }
  return doubles;
}

/** @throws ERR_DATA for labels that are no class */
export function checkLabels(labels: Tensor, classes: number, name: string): void {
  const [lowest, highest] = [Number(labels.amin().item()), Number(labels.amax().item())];
  if (lowest < 0 || highest >= classes)
    throw new IsotorchError(
      'ERR_DATA',
      `${name}: expected labels from 0 to ${classes - 1}, as many as the logits have classes, received ${lowest} to ${highest}`,
    );
}
