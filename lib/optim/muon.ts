// Muon (Jordan et al. 2024), as `torch.optim.Muon`: momentum of a matrix, made nearly orthogonal by some steps of Newton and
// Schulz. For the hidden layers' matrices; give other parameters to AdamW.
//
//   b ← momentum·b + (1 − momentum)·g;  u = g + momentum·(b − g) where nesterov, else b
//   X = u / ‖u‖;  nsSteps times: A = X·Xᵀ, X ← c₀·X + (c₁·A + c₂·A²)·X, in bfloat16
//   θ ← θ − lr·weightDecay·θ − lr·r·X;  r = √max(1, rows/columns), or 0.2·√max(rows, columns) for match_rms_adamw

import { expected } from '../errors.js';
import { optimizers, type SettingsOf, type StateOf } from '../known/optimizers.js';
import { isFloating, type Tensor, torch } from '../tensor/index.js';
import type { Batch } from './batch.js';
import { decay_, lerp_ } from './foreach.js';
import { Optimizer, type Params } from './optimizer.js';
import type { ParamGroup } from './paramGroup.js';
import { type KeptBy, like } from './state.js';

type Settings = SettingsOf<'Muon'>;
export type MuonOptions = Partial<Settings>;

/**
 * @throws ERR_ARGUMENT for parameters that are no real matrices, or settings out of range.
 * @example new optim.Muon(model.parameters().filter(({ ndim }) => ndim === 2), { lr: 0.02 });
 */
export class Muon extends Optimizer<Settings> {
  protected override readonly kept: KeptBy<'Muon'> = { momentumBuffer: like() };

  constructor(params: Params<Settings>, options: MuonOptions = {}) {
    super(optimizers.Muon, params, options);
  }

  protected override check({ params }: ParamGroup & Settings): void {
    for (const param of params)
      if (param.ndim !== 2 || !isFloating(param.dtype)) throw expected('parameters of two dimensions', 'params', param);
  }

  protected override update(
    { params, gradients, state, device }: Batch<StateOf<'Muon'>>,
    group: ParamGroup & Settings,
  ): void {
    const { nesterov, momentum, weightDecay, adjustLrFn } = group;
    const lr = group.lrOn(device);
    lerp_(state.momentumBuffer, gradients, 1 - momentum);
    const updates = nesterov ? torch._foreachLerp(gradients, state.momentumBuffer, momentum) : state.momentumBuffer;
    decay_(params, lr, weightDecay);
    for (const [i, param] of params.entries()) {
      const direction = orthogonal(updates[i]!, group).to(param.dtype);
      const [rows, columns] = param.shape as [number, number];
      const ratio =
        adjustLrFn === 'match_rms_adamw'
          ? 0.2 * Math.sqrt(Math.max(rows, columns))
          : Math.sqrt(Math.max(1, rows / columns));
      param.sub_(direction.mul(lr.mul(ratio)));
    }
  }
}

/** Nearly UVᵀ of the singular value decomposition. */
function orthogonal(matrix: Tensor, { nsCoefficients, nsSteps, eps }: Settings): Tensor {
  const [a, b, c] = nsCoefficients;
  const [rows, columns] = matrix.shape as [number, number];
  const upright = (x: Tensor) => (rows > columns ? x.t() : x);
  let x = upright(matrix.to('bfloat16'));
  x = x.div(x.norm().clamp(eps));
  for (let i = 0; i < nsSteps; i++) {
    const gram = x.matmul(x.t());
    const polynomial = torch.addmm(gram, gram, gram, { beta: b, alpha: c });
    x = torch.addmm(x, polynomial, x, { beta: a });
  }
  return upright(x);
}
