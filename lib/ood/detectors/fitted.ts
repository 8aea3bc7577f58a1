// What all detectors that learn have in common, so that each file is only its formula: the pass over training arrays, the
// life of the tensors learnt, their saving and loading, and the device that they follow. Nothing here records gradients.

import { expected, IsotorchError } from '../../errors.js';
import { Tensor, tidy, torch } from '../../tensor/index.js';
import type { Arrays, Need } from '../arrays/arrays.js';
import { forChunks, type TrainingArrays } from '../arrays/chunks.js';
import { type FittedDetector, type Needed, needed, type Settings, type State } from './detector.js';

/** Goes once through the training arrays; what `use` makes is freed after each chunk unless kept. Gives the number of rows. */
export type Pass<L extends Need> = (use: (chunk: Needed<L>) => void, rows?: number) => Promise<number>;

/** Shapes of what is learnt: equal letters are equal sizes; `D` is the features' size and `C` that of the logits. */
type Shapes<S extends string> = Readonly<Record<S, readonly string[]>>;

export interface Recipe<N extends Need, L extends Need, S extends string> {
  name: string;
  settings: Settings;
  needs: readonly N[];
  learnsFrom: readonly L[];
  /** What is learnt, by name. float64, except for those named in `inFeaturesDtype`. */
  shapes: Shapes<S>;
  /** Banks: float32 or float64 as the features are. */
  inFeaturesDtype?: readonly NoInfer<S>[];
  learn(pass: Pass<L>): Promise<Readonly<Record<S, Tensor>>>;
  score(parts: Needed<N>, learnt: Readonly<Record<S, Tensor>>): Tensor;
}

/** The detector that a recipe describes. */
export function fittedDetector<const N extends Need, const L extends Need, const S extends string>(
  recipe: Recipe<N, L, S>,
): FittedDetector {
  const { name, settings, needs, learnsFrom, shapes, inFeaturesDtype = [] } = recipe;
  const names = Object.keys(shapes) as S[];
  let learnt: Record<S, Tensor> | undefined;

  const each = (make: (key: S) => Tensor) =>
    Object.fromEntries(names.map((key) => [key, make(key).detach().keep()])) as Record<S, Tensor>;
  const set = (next: Record<S, Tensor> | undefined) => {
    for (const tensor of Object.values<Tensor>(learnt ?? {})) tensor.dispose();
    learnt = next;
  };
  const required = (what: string) => {
    if (learnt) return learnt;
    throw new IsotorchError('ERR_ARGUMENT', `${name}: ${what} needs a fit: await detector.fit(training) first`);
  };

  return {
    name,
    settings,
    needs,
    learnsFrom,
    get isFitted() {
      return learnt !== undefined;
    },

    async fit(training) {
      const found = await recipe.learn((use, rows) => walk(training, learnsFrom, name, use, rows));
      try {
        set(each((key) => found[key]));
      } finally {
        for (const tensor of Object.values<Tensor>(found)) tensor.dispose();
      }
    },

    score(arrays) {
      const known = required('score');
      return torch.noGrad(() =>
        tidy(() => {
          const parts = needed(arrays, needs, name);
          checkSizes(name, arrays, parts, shapes, known);
          const { device } = (arrays.features ?? arrays.logits)!;
          if (known[names[0]!].device !== device) set(each((key) => known[key].to({ device, copy: true })));
          return recipe.score(parts, learnt!);
        }),
      );
    },

    state: () => ({ ...required('state') }),

    load(state) {
      checkState(name, state, shapes, inFeaturesDtype);
      set(tidy(() => each((key) => state[key]!.detach().clone())));
    },

    dispose: () => set(undefined),
  };
}

async function walk<L extends Need>(
  training: TrainingArrays,
  learnsFrom: readonly L[],
  name: string,
  use: (chunk: Needed<L>) => void,
  rows?: number,
): Promise<number> {
  let size: number | undefined;
  const seen = await forChunks(
    training,
    (chunk, start) => {
      const parts = needed(chunk, learnsFrom, name);
      const { features, logits } = chunk;
      const columns = features?.shape[1];
      size ??= columns;
      if (columns !== size)
        throw new IsotorchError(
          'ERR_SHAPE',
          `${name}: expected ${size} features as before, received ${columns} in ${chunk.name}`,
        );
      for (const part of ['features', 'logits'] as const)
        if (part in parts) checkFinite(name, chunk.name, part, part === 'features' ? features! : logits!, start);
      torch.noGrad(() => use(parts));
    },
    rows,
  );
  if (seen === 0) throw new IsotorchError('ERR_DATA', `${name}: expected training images but there are none`);
  return seen;
}

/** The sum is finite only if all values are, or where they overflow; one look at the values tells. */
function checkFinite(name: string, set: string, part: string, tensor: Tensor, start: number): void {
  if (Number.isFinite(tensor.sum().item())) return;
  const bad = tensor.isfinite().all(1).logicalNot().nonzero();
  if (bad.shape[0] === 0) return;
  const row = Number(bad.select(0, 0).item());
  throw new IsotorchError(
    'ERR_DATA',
    `${name}: expected finite ${part} but row ${start + row} of ${set} has NaN or an infinity`,
  );
}

function checkSizes<S extends string>(
  name: string,
  arrays: Arrays,
  parts: object,
  shapes: Shapes<S>,
  learnt: Readonly<Record<S, Tensor>>,
): void {
  for (const [part, letter] of [
    ['features', 'D'],
    ['logits', 'C'],
  ] as const) {
    if (!(part in parts)) continue;
    const size = arrays[part]!.shape[1];
    for (const [key, letters] of Object.entries<readonly string[]>(shapes)) {
      const at = letters.indexOf(letter);
      if (at < 0 || learnt[key as S].shape[at] === size) continue;
      throw new IsotorchError(
        'ERR_SHAPE',
        `${name}: expected ${learnt[key as S].shape[at]} ${part} an image as in the fit, received ${size} in ${arrays.name}`,
      );
    }
    if (part === 'features' && arrays.head?.kind === 'affine' && arrays.head.weight.shape[1] !== size)
      throw new IsotorchError(
        'ERR_SHAPE',
        `${name}: expected features of the last layer’s size, ${arrays.head.weight.shape[1]}, received ${size} in ${arrays.name}`,
      );
  }
}

function checkState<S extends string>(name: string, state: State, shapes: Shapes<S>, banks: readonly S[]): void {
  if (typeof state !== 'object' || state === null)
    throw expected('an object of tensors', `the state of ${name}`, state);
  const wrong = (what: string) => new IsotorchError('ERR_STATE_DICT', `${name}: expected a state of ${what}`);
  const wanted = Object.keys(shapes).sort();
  const given = Object.keys(state).sort();
  if (wanted.join() !== given.join()) throw wrong(`${wanted.join(', ')}, received ${given.join(', ') || 'nothing'}`);
  const sizes: Record<string, number> = {};
  for (const [key, letters] of Object.entries<readonly string[]>(shapes)) {
    const tensor = state[key]!;
    if (!(tensor instanceof Tensor)) throw expected('a Tensor', `${key} in the state of ${name}`, tensor);
    const dtypes = banks.includes(key as S) ? ['float32', 'float64'] : ['float64'];
    if (!dtypes.includes(tensor.dtype)) throw wrong(`${key} in ${dtypes.join(' or ')}, received ${tensor.dtype}`);
    const { shape } = tensor;
    for (const [i, letter] of letters.entries()) sizes[letter] ??= shape[i] ?? 0;
    if (shape.length !== letters.length || letters.some((letter, i) => shape[i] !== sizes[letter])) {
      const sized = letters.map((letter) => `${letter} = ${sizes[letter]}`);
      throw wrong(`${key} of shape [${sized.join(', ')}], received [${shape.join(', ')}]`);
    }
  }
}

/** A setting that is a whole number of at least `least`. @throws ERR_ARGUMENT */
export function wholeNumber(value: number, setting: string, least = 1): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw expected(`a whole number of at least ${least}`, setting, value);
}

/** A setting that is a finite number, over or at `least` and at most `most`. @throws ERR_ARGUMENT */
export function numberWithin(value: number, setting: string, least: number, most = Number.MAX_VALUE): number {
  if (Number.isFinite(value) && value >= least && value <= most) return value;
  throw expected(
    most === Number.MAX_VALUE ? `a number of at least ${least}` : `a number from ${least} to ${most}`,
    setting,
    value,
  );
}
