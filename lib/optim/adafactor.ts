// Adafactor (Shazeer & Stern 2018), as `torch.optim.Adafactor`: second moments of a matrix are kept as its rows' times its
// columns', and steps are as large as the parameter is.
//
//   ρ = min(lr, 1/√t);  α = max(eps[1], rms(θ))·ρ;  θ ← θ − lr·weightDecay·θ;  w = t^beta2Decay
//   R ← R + w·(mean of g² over columns − R);  C ← C + w·(mean of g² over rows − C);  V = R·C / mean(R)
//   U = g / √V;  θ ← θ − α·U / max(1, rms(U) / d)

import { expected } from '../errors.js';
import { optimizers, type SettingsOf, type StateOf } from '../known/optimizers.js';
import { isFloating, type Tensor, torch } from '../tensor/index.js';
import type { Batch } from './batch.js';
import { counted, decay_, descent } from './foreach.js';
import { Optimizer, type Params } from './optimizer.js';
import type { ParamGroup } from './paramGroup.js';
import { type Kept, type KeptBy, like, scalar } from './state.js';

type Settings = SettingsOf<'Adafactor'>;
export type AdafactorOptions = Partial<Settings>;

const isMatrix = (_: unknown, param: Tensor) => param.ndim > 1;

/** The mean over one dimension, which stays with size 1. */
const means = (dim: -1 | -2): Kept<Settings> => ({
  make: (param) => torch.zerosLike(param.detach().select(dim, 0).unsqueeze(dim)),
  follows: 'dtype',
  when: isMatrix,
});

/**
 * @throws ERR_ARGUMENT for no parameters, one given twice, or settings out of range.
 * @example new optim.Adafactor(model.parameters(), { lr: 0.01 });
 */
export class Adafactor extends Optimizer<Settings> {
  protected override readonly kept: KeptBy<'Adafactor'> = {
    step: scalar(),
    rowVar: means(-1),
    colVar: means(-2),
    variance: { ...like(), when: (_, param) => param.ndim <= 1 },
  };

  constructor(params: Params<Settings>, options: AdafactorOptions = {}) {
    super(optimizers.Adafactor, params, options);
  }

  protected override check({ params }: ParamGroup & Settings): void {
    for (const param of params)
      if (!isFloating(param.dtype)) throw expected('parameters of a real dtype', 'params', param);
  }

  protected override update(batch: Batch<StateOf<'Adafactor'>>, group: ParamGroup & Settings): void {
    const { params, state, device } = batch;
    const { beta2Decay, d, weightDecay } = group;
    const [eps1 = null, eps2] = group.eps;
    const least = eps1 ?? epsilonOf(params[0]!);
    const lr = group.lrOn(device);
    const t = counted(state.step);
    const weights = t.pow(beta2Decay).unbind();
    const rates = torch.minimum(lr, t.rsqrt()).unbind();
    const sizes = params.map((param) => rms(param).clampMin(eps2));
    decay_(params, lr, weightDecay);
    const g = descent(params, batch.gradients, { maximize: group.maximize });
    let matrices = 0;
    let vectors = 0;
    for (const [i, param] of params.entries()) {
      const gradient = g[i]!;
      const weight = weights[i]!.to(param.dtype);
      let moments: Tensor;
      if (param.ndim > 1) {
        const [rows, columns] = [state.rowVar[matrices]!, state.colVar[matrices++]!];
        for (const [mean, dim] of [
          [rows, -1],
          [columns, -2],
        ] as const)
          mean.lerp_(gradient.norm(2, [dim], true).square().div(gradient.shape.at(dim)!), weight);
        moments = rows.matmul(columns).div_(rows.mean([-2], true).clampMin(least));
      } else moments = state.variance[vectors++]!.lerp_(gradient.mul(gradient), weight).clone();
      const update = moments
        .clampMin_(least * least)
        .rsqrt_()
        .mul_(gradient);
      const clip = rms(update).div(d).clampMin(1);
      param.sub_(update.mul_(sizes[i]!.mul(rates[i]!).div(clip)));
    }
  }
}

/** The root mean square, in float64. */
const rms = (x: Tensor): Tensor => x.norm(2).to('float64').div(Math.sqrt(x.numel()));

/** The distance from 1 to the next number of the dtype. */
function epsilonOf({ dtype }: Tensor): number {
  const digits = { float64: 52, float32: 23, float16: 10, bfloat16: 7 };
  return 2 ** -(digits[dtype as keyof typeof digits] ?? 23);
}
