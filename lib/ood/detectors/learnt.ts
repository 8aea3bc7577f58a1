// What all that learn have in common, detectors of arrays, detectors of images and activation shapings: named tensors that a fit
// replaces as a whole, that are given away and taken back for saving, checked against their shapes then, and that follow the
// device of what is scored.

import { expected, IsotorchError } from '../../errors.js';
import { type Device, Tensor, tidy } from '../../tensor/index.js';
import type { State } from './detector.js';

/**
 * Names and shapes of what is learnt: equal letters are equal sizes, `D` the features' size, `C` that of the logits; digits
 * are sizes. `{ means: ['C', 'D'], temperature: [] }`
 */
export type Shapes<S extends string = string> = Readonly<Record<S, readonly string[]>>;
export type Learned<S extends string = string> = Readonly<Record<S, Tensor>>;

export interface LearntInit<S extends string> {
  readonly name: string;
  readonly shapes: Shapes<S>;
  /** Banks: float32 or float64 as the features are. All others are float64. */
  readonly inFeaturesDtype?: readonly NoInfer<S>[];
}

export class Learnt<const S extends string = string> {
  readonly name: string;
  readonly #shapes: Shapes<S> | ((state: State) => Shapes<S>);
  readonly #banks: readonly string[];
  #state: Learned<S> | undefined;

  /** @param shapes from a state where the network decides how much there is to learn */
  constructor(
    name: string,
    shapes: Shapes<S> | ((state: State) => Shapes<S>),
    inFeaturesDtype: readonly NoInfer<S>[] = [],
  ) {
    this.name = name;
    this.#shapes = shapes;
    this.#banks = inFeaturesDtype;
  }

  get isFitted(): boolean {
    return this.#state !== undefined;
  }

  state(): Learned<S> {
    if (this.#state !== undefined) return this.#state;
    throw new IsotorchError('ERR_ARGUMENT', `${this.name} has learnt nothing yet: call fit(…) or load(state) first`);
  }

  load(state: State): void {
    if (typeof state !== 'object' || state === null)
      throw expected('an object of tensors', `the state of ${this.name}`, state);
    const shapes = typeof this.#shapes === 'function' ? this.#shapes(state) : this.#shapes;
    const problem = mismatch(state, shapes, this.#banks);
    if (problem !== null) throw new IsotorchError('ERR_STATE_DICT', `${this.name}: ${problem}`);
    this.#set(Object.keys(shapes), (key) => tidy(() => state[key]!.detach().contiguous().clone()));
  }

  dispose(): void {
    for (const tensor of Object.values<Tensor>(this.#state ?? {})) tensor.dispose();
    this.#state = undefined;
  }

  /**
   * Takes these tensors over, in place of what was there; where it throws they are gone and the rest is as it was.
   * @throws ERR_DATA when one has values that are not finite
   */
  protected replace(found: Learned<S>): void {
    try {
      const bad = Object.entries<Tensor>(found).find(([, tensor]) => !allFinite(tensor));
      if (bad !== undefined)
        throw new IsotorchError(
          'ERR_DATA',
          `${this.name}: expected finite numbers but its ${bad[0]} are not: training images gave NaN, infinities or numbers too large`,
        );
      this.#set(Object.keys(found), (key) => tidy(() => found[key as S].detach().contiguous()));
    } finally {
      for (const tensor of Object.values<Tensor>(found)) tensor.dispose();
    }
  }

  /** The state on a device, where it stays. */
  protected on(device: Device): Learned<S> {
    const state = this.state();
    const keys = Object.keys(state) as S[];
    if (keys.some((key) => state[key].device !== device))
      this.#set(keys, (key) => state[key as S].to({ device, copy: true }));
    return this.state();
  }

  /** @throws ERR_SHAPE for `size` classes or features (`letter` C or D) where others were learnt from */
  protected checkSize(letter: 'C' | 'D', size: number): void {
    if (typeof this.#shapes === 'function') return;
    for (const [key, letters] of Object.entries<readonly string[]>(this.#shapes)) {
      const learnt = this.state()[key as S].shape[letters.indexOf(letter)];
      if (learnt !== undefined && learnt !== size)
        throw new IsotorchError(
          'ERR_SHAPE',
          `${this.name} was fitted with ${learnt} ${letter === 'C' ? 'classes' : 'features'}, but these arrays have ${size}`,
        );
    }
  }

  /** Of contiguous tensors, as files hold them: products of others are rounded otherwise. */
  #set(keys: readonly string[], make: (key: string) => Tensor): void {
    const next = Object.fromEntries(keys.map((key) => [key, make(key).keep()])) as Learned<S>;
    this.dispose();
    this.#state = next;
  }
}

const allFinite = (tensor: Tensor): boolean => tidy(() => Boolean(tensor.isfinite().all().item()));

/** In what a state differs from its shapes; null for nothing. */
function mismatch(state: State, shapes: Shapes, banks: readonly string[]): string | null {
  const [names, wanted] = [Object.keys(state), Object.keys(shapes)];
  if (names.length !== wanted.length || wanted.some((name) => !names.includes(name)))
    return `expected a state of ${wanted.join(', ')}, received ${names.slice(0, 8).join(', ') || 'nothing'}`;
  const sizes = new Map<string, number>();
  for (const [name, letters] of Object.entries(shapes)) {
    const tensor = state[name];
    if (!(tensor instanceof Tensor)) return `expected a tensor for ${name}`;
    const fits = letters.every((letter, i) => {
      const size = tensor.shape[i];
      if (size === undefined || size === 0) return false;
      if (!sizes.has(letter)) sizes.set(letter, /^\d/.test(letter) ? Number(letter) : size);
      return sizes.get(letter) === size;
    });
    const dtypes = banks.includes(name) ? ['float32', 'float64'] : ['float64'];
    if (!dtypes.includes(tensor.dtype) || tensor.ndim !== letters.length || !fits)
      return (
        `expected ${name} as ${dtypes.join(' or ')} [${letters.join(', ')}], ` +
        `received ${tensor.dtype} [${tensor.shape.join(', ')}]`
      );
    if (!allFinite(tensor)) return `expected finite numbers in ${name}`;
  }
  return null;
}
