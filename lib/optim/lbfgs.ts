// L-BFGS (Liu & Nocedal 1989), as `torch.optim.LBFGS`: a step follows the gradient times an approximate inverse Hessian, which
// the last differences of gradients and parameters give, and calls the closure again after each iteration. It decides by values
// as it goes, so no captured step can hold it. Scalars are numbers here, rounded as PyTorch's tensors of that dtype are.

import { expected, IsotorchError } from '../errors.js';
import { field } from '../fields.js';
import { optimizers, type SettingsOf } from '../known/optimizers.js';
import { capture, Tensor, tidy, torch } from '../tensor/index.js';
import { type AmpOptions, Optimizer, type Params } from './optimizer.js';
import type { ParamGroup } from './paramGroup.js';
import type { SavedState } from './stateDict.js';
import { strongWolfe, type Trial } from './strongWolfe.js';

type Settings = SettingsOf<'LBFGS'>;
export type LBFGSOptions = Partial<Settings>;

interface Memory {
  funcEvals: number;
  nIter: number;
  /** The direction, and how far it was gone along. */
  d?: Tensor;
  t: number;
  /** Differences of gradients and of parameters, and 1 / (their product). */
  oldDirs: Tensor[];
  oldStps: Tensor[];
  ro: number[];
  al: number[];
  /** The first approximation of the inverse Hessian is this times the identity. */
  hDiag: number;
  prevFlatGrad?: Tensor;
  prevLoss: number;
}

const blank = (): Memory => ({
  funcEvals: 0,
  nIter: 0,
  t: 0,
  oldDirs: [],
  oldStps: [],
  ro: [],
  al: [],
  hDiag: 1,
  prevLoss: 0,
});

/**
 * One group of parameters on one device.
 * @throws ERR_ARGUMENT for no parameters, several groups, or settings out of range; ERR_CAPTURE in a captured step
 * @example
 * optimizer.step(() => {
 *   optimizer.zeroGrad();
 *   const loss = criterion.forward(model.forward(x), y);
 *   loss.backward();
 *   return loss;
 * });
 */
export class LBFGS extends Optimizer<Settings> {
  protected override readonly kept = {};
  #memory = blank();

  constructor(params: Params<Settings>, options: LBFGSOptions = {}) {
    super(optimizers.LBFGS, params, options);
    const group = this.#group;
    group.maxEval ??= Math.floor(group.maxIter * 1.25);
  }

  get #group(): ParamGroup & Settings {
    return this.paramGroups[0]!;
  }

  protected override check(): void {
    if (this.paramGroups.length > 0)
      throw new IsotorchError('ERR_ARGUMENT', 'LBFGS: expected one group of parameters but received several');
  }

  protected override update(): void {}

  override step(amp?: AmpOptions): void;
  override step<T>(closure: () => T): T;
  override step<T>(closure?: AmpOptions | (() => T)): T {
    if (typeof closure !== 'function')
      throw expected('a function that computes the loss and its gradients', 'closure', closure);
    if (capture.isRecording())
      throw new IsotorchError(
        'ERR_CAPTURE',
        'LBFGS: a captured step cannot hold it, since it decides by the loss how often to compute it. Step outside of it',
      );
    return torch.noGrad(() => this.#step(closure));
  }

  #step<T>(closure: () => T): T {
    const { lr, maxIter, maxEval, toleranceGrad, toleranceChange, historySize, lineSearchFn } = this.#group;
    const memory = { ...this.#memory, oldDirs: [...this.#memory.oldDirs], oldStps: [...this.#memory.oldStps] };
    memory.ro = [...memory.ro];
    const round = this.#group.params[0]!.dtype === 'float64' ? (x: number) => x : Math.fround;
    const evaluate = () => torch.enableGrad(closure);
    const first = evaluate();
    return tidy(() => {
      let loss = lossOf(first);
      let evaluations = 1;
      memory.funcEvals++;
      let gradient = this.#flatGradient();
      let isFlat = greatest(gradient) <= toleranceGrad;
      for (let iteration = 1; !isFlat && iteration <= maxIter; iteration++) {
        memory.nIter++;
        memory.d = tidy(() => direction(memory, gradient, historySize, round)).d;
        memory.prevFlatGrad = gradient.clone();
        memory.prevLoss = loss;
        const inverse = gradient.abs().sum().reciprocal();
        memory.t = memory.nIter === 1 && inverse.item() < 1 ? inverse.mul(lr).item() : lr;
        const d = memory.d;
        const slope = gradient.dot(d).item();
        if (slope > -toleranceChange) break;
        let calls = 0;
        if (lineSearchFn === null) {
          this.#move(memory.t, d);
          if (iteration !== maxIter) {
            loss = tidy(() => lossOf(evaluate()));
            gradient = this.#flatGradient();
            calls = 1;
          }
        } else {
          const from = this.#group.params.map((param) => param.clone());
          const at = (t: number): Trial => {
            this.#move(t, d);
            const there = tidy(() => lossOf(evaluate()));
            const g = this.#flatGradient();
            for (const [i, param] of this.#group.params.entries()) param.copy_(from[i]!);
            return { t, loss: there, gradient: g, slope: g.dot(d).item() };
          };
          const start = { t: 0, loss, gradient, slope };
          const most = maxEval! - evaluations;
          const reach = greatest(d);
          const { best, tried } = strongWolfe({ at, t: memory.t, start, reach, toleranceChange, most, round });
          ({ t: memory.t, loss, gradient } = best);
          this.#move(memory.t, d);
          calls = tried;
        }
        if (calls > 0) isFlat = greatest(gradient) <= toleranceGrad;
        evaluations += calls;
        memory.funcEvals += calls;
        if (evaluations >= maxEval! || greatest(d.mul(memory.t)) <= toleranceChange) break;
        if (Math.abs(loss - memory.prevLoss) < toleranceChange) break;
      }
      this.#adopt(memory);
      return first;
    });
  }

  /** All gradients one after the other; zeros where there is none. */
  #flatGradient(): Tensor {
    const flat = (tensor: Tensor) => (tensor.isComplex() ? torch.viewAsReal(tensor) : tensor).reshape([-1]);
    return tidy(() =>
      torch.cat(
        this.#group.params.map((param) => {
          const gradient = param.grad;
          if (gradient === null) return flat(torch.zerosLike(param));
          return flat(gradient.layout === 'strided' ? gradient : gradient.toDense());
        }),
      ),
    );
  }

  #move(t: number, direction: Tensor): void {
    tidy(() => {
      let offset = 0;
      for (const param of this.#group.params) {
        const real = param.isComplex() ? torch.viewAsReal(param) : param;
        const count = real.numel();
        real.add_(direction.slice(0, offset, offset + count).view(real.shape), { alpha: t });
        offset += count;
      }
    });
  }

  #adopt(memory: Memory): void {
    const kept = new Set(tensorsOf(memory));
    for (const tensor of kept) tensor.keep();
    for (const tensor of tensorsOf(this.#memory)) if (!kept.has(tensor)) tensor.dispose();
    this.#memory = memory;
  }

  protected override packState(param: Tensor): Record<string, unknown> | undefined {
    const { funcEvals, nIter, d, t, oldDirs, oldStps, ro, al, hDiag, prevFlatGrad, prevLoss } = this.#memory;
    if (param !== this.#group.params[0] || funcEvals === 0) return undefined;
    const counts = { func_evals: funcEvals, n_iter: nIter };
    if (d === undefined || prevFlatGrad === undefined) return counts;
    const { dtype, device } = d;
    const scalar = (value: number) => torch.full([], value, { dtype, device });
    const views = (list: Tensor[]) => list.map((tensor) => tensor.detach());
    const slots = Array.from({ length: this.#group.historySize }, (_, i) =>
      al[i] === undefined ? null : scalar(al[i]),
    );
    return {
      ...counts,
      ...(al.length > 0 && { al: slots }),
      d: d.detach(),
      t,
      old_dirs: views(oldDirs),
      old_stps: views(oldStps),
      ro: ro.map(scalar),
      H_diag: oldDirs.length === 0 ? hDiag : scalar(hDiag),
      prev_flat_grad: prevFlatGrad.detach(),
      prev_loss: prevLoss,
    };
  }

  protected override unpackState(states: ReadonlyMap<Tensor, SavedState>): () => void {
    const param = this.#group.params[0]!;
    const saved = states.get(param)?.fields;
    const memory = blank();
    const size = this.#flatSize();
    const number = (name: string, usual: number): number => {
      const value = field(saved, name) ?? usual;
      const plain = value instanceof Tensor ? value.item() : value;
      if (typeof plain !== 'number') throw expected('a number', name, value, 'ERR_STATE_DICT');
      return plain;
    };
    const vector = (value: unknown, name: string): Tensor => {
      if (!(value instanceof Tensor) || value.numel() !== size)
        throw expected(`a Tensor of ${size} elements`, name, value, 'ERR_STATE_DICT');
      const { device } = param;
      return value.detach().clone().to({ device, dtype: this.#realDtype() }).keep();
    };
    const list = (name: string): unknown[] => {
      const value = field(saved, name) ?? [];
      if (!Array.isArray(value)) throw expected('a list', name, value, 'ERR_STATE_DICT');
      return value;
    };
    memory.funcEvals = number('func_evals', 0);
    memory.nIter = number('n_iter', 0);
    memory.t = number('t', 0);
    memory.hDiag = number('H_diag', 1);
    memory.prevLoss = number('prev_loss', 0);
    memory.ro = list('ro').map((value) => (value instanceof Tensor ? value.item() : Number(value)));
    memory.al = list('al').flatMap((value) => (value instanceof Tensor ? [value.item()] : []));
    try {
      for (const value of list('old_dirs')) memory.oldDirs.push(vector(value, 'old_dirs'));
      for (const value of list('old_stps')) memory.oldStps.push(vector(value, 'old_stps'));
      if (field(saved, 'd') !== undefined) memory.d = vector(field(saved, 'd'), 'd');
      if (field(saved, 'prev_flat_grad') !== undefined)
        memory.prevFlatGrad = vector(field(saved, 'prev_flat_grad'), 'prev_flat_grad');
      if (memory.oldDirs.length !== memory.oldStps.length || memory.ro.length !== memory.oldDirs.length)
        throw expected('as many old_dirs as old_stps and ro', 'state', memory.ro, 'ERR_STATE_DICT');
    } catch (error) {
      for (const tensor of tensorsOf(memory)) tensor.dispose();
      throw error;
    }
    return () => this.#adopt(memory);
  }

  #flatSize(): number {
    return this.#group.params.reduce((sum, param) => sum + param.numel() * (param.isComplex() ? 2 : 1), 0);
  }

  #realDtype(): 'float32' | 'float64' {
    return ['float64', 'complex128'].includes(this.#group.params[0]!.dtype) ? 'float64' : 'float32';
  }
}

/** The two loops over the history, with the last differences taken into it. All that must outlive this call is given back. */
function direction(memory: Memory, gradient: Tensor, historySize: number, round: (x: number) => number) {
  const { oldDirs, oldStps, ro, al } = memory;
  if (memory.nIter === 1 || memory.d === undefined || memory.prevFlatGrad === undefined) {
    oldDirs.length = oldStps.length = ro.length = al.length = 0;
    memory.hDiag = 1;
    return { d: gradient.neg() };
  }
  const y = gradient.sub(memory.prevFlatGrad);
  const s = memory.d.mul(memory.t);
  const ys = y.dot(s).item();
  if (ys > 1e-10) {
    if (oldDirs.length === historySize) for (const list of [oldDirs, oldStps, ro]) list.shift();
    oldDirs.push(y);
    oldStps.push(s);
    ro.push(round(1 / ys));
    memory.hDiag = round(ys / y.dot(y).item());
  }
  const q = gradient.neg();
  for (let i = oldDirs.length - 1; i >= 0; i--) {
    al[i] = round(oldStps[i]!.dot(q).item() * ro[i]!);
    q.add_(oldDirs[i]!, { alpha: -al[i]! });
  }
  const r = q.mul(memory.hDiag);
  for (const [i, difference] of oldDirs.entries()) {
    const be = round(difference.dot(r).item() * ro[i]!);
    r.add_(oldStps[i]!, { alpha: round(al[i]! - be) });
  }
  return { d: r, y, s };
}

const greatest = (tensor: Tensor): number => tidy(() => tensor.abs().max().item());
const lossOf = (loss: unknown): number => (loss instanceof Tensor ? loss.item() : Number(loss));
const tensorsOf = ({ d, prevFlatGrad, oldDirs, oldStps }: Memory): Tensor[] =>
  [d, prevFlatGrad, ...oldDirs, ...oldStps].filter((tensor) => tensor !== undefined);
