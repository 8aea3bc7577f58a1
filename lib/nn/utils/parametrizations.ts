// The parametrizations that PyTorch brings: weight normalisation, spectral normalisation, orthogonal matrices.

import { expected, IsotorchError } from '../../errors.js';
import { Buffer, type Tensor, torch } from '../../tensor/index.js';
import { positive, wholeNumber } from '../arguments.js';
import { normalize } from '../functional/index.js';
import { type AnyModule, Module } from '../module.js';
import { registerParametrization } from './parametrize.js';

function tensorOf(module: AnyModule, name: string): Tensor {
  const value = (module as unknown as Record<string, unknown>)[name];
  if (typeof value !== 'object' || value === null || !('ndim' in value))
    throw expected('a field that holds a parameter', 'name', name);
  return value as Tensor;
}

class WeightNorm extends Module {
  constructor(readonly dim: number) {
    super();
  }

  override forward(length: Tensor, direction: Tensor): Tensor {
    return torch._weightNorm(direction, length, this.dim);
  }

  rightInverse(weight: Tensor): [length: Tensor, direction: Tensor] {
    return [torch.normExceptDim(weight, 2, this.dim), weight];
  }
}

/**
 * Learns length and direction of a weight apart (`torch.nn.utils.parametrizations.weight_norm`; Salimans & Kingma 2016).
 * State: `parametrizations.weight.original0` (lengths) and `.original1` (directions). Returns the module.
 * @param options.dim along which there is a length for each; null: one for all. @default 0
 */
export function weightNorm<M extends AnyModule>(
  module: M,
  name = 'weight',
  { dim = 0 }: { dim?: number | null } = {},
): M {
  return registerParametrization(module, name, new WeightNorm(dim ?? -1), { unsafe: true });
}

export interface SpectralNormOptions {
  /** Steps of power iteration at each reading in training. @default 1 */
  nPowerIterations?: number;
  /** Against division by zero. @default 1e-12 */
  eps?: number;
  /** The dimension of outputs. @default 0, and 1 for transposed convolutions */
  dim?: number;
}

class SpectralNorm extends Module {
  #u: Buffer | undefined;
  #v: Buffer | undefined;

  constructor(
    weight: Tensor,
    readonly nPowerIterations: number,
    readonly dim: number,
    readonly eps: number,
  ) {
    super();
    if (weight.ndim < 2) return;
    torch.noGrad(() => {
      const matrix = this.#matrix(weight);
      const [rows, columns] = matrix.shape as [number, number];
      const random = (size: number) => normalize(matrix.newEmpty([size]).normal_(0, 1), { dim: 0, eps });
      this.#u = this.registerBuffer('_u', new Buffer(random(rows)));
      this.#v = this.registerBuffer('_v', new Buffer(random(columns)));
      this.#iterate(matrix, 15);
    });
  }

  /** Outputs first, everything else in a row. */
  #matrix(weight: Tensor): Tensor {
    return weight.movedim([this.dim], [0]).flatten(1);
  }

  #iterate(matrix: Tensor, steps: number): void {
    torch.noGrad(() => {
      for (let step = 0; step < steps; step++) {
        this.#u!.copy_(normalize(matrix.mv(this.#v!), { dim: 0, eps: this.eps }));
        this.#v!.copy_(normalize(matrix.mH.mv(this.#u!), { dim: 0, eps: this.eps }));
      }
    });
  }

  override forward(weight: Tensor): Tensor {
    if (weight.ndim < 2) return normalize(weight, { dim: 0, eps: this.eps });
    const matrix = this.#matrix(weight);
    if (this.training) this.#iterate(matrix, this.nPowerIterations);
    const [u, v] = [this.#u!.clone(), this.#v!.clone()]; // backward wants them as they are now
    return weight.div(u.vdot(matrix.mv(v)));
  }

  rightInverse(value: Tensor): Tensor {
    return value;
  }
}

/**
 * Divides a weight by its largest singular value, which is followed by power iteration
 * (`torch.nn.utils.parametrizations.spectral_norm`; Miyato et al. 2018). State: `parametrizations.weight.original`,
 * `.0._u`, `.0._v`. Returns the module.
 */
export function spectralNorm<M extends AnyModule>(
  module: M,
  name = 'weight',
  { nPowerIterations = 1, eps = 1e-12, dim }: SpectralNormOptions = {},
): M {
  const weight = tensorOf(module, name);
  const outputs = dim ?? (/^ConvTranspose\dd$/.test(module.constructor.name) ? 1 : 0);
  const norm = new SpectralNorm(
    weight,
    wholeNumber(nPowerIterations, 'nPowerIterations'),
    outputs,
    positive(eps, 'eps'),
  );
  return registerParametrization(module, name, norm);
}

export type OrthogonalMap = 'matrix_exp' | 'cayley' | 'householder';

export interface OrthogonalOptions {
  /** @default 'matrix_exp' for square and complex matrices, 'householder' for others */
  orthogonalMap?: OrthogonalMap | null;
  /** Whether the map starts from the weight's own first value. @default true */
  useTrivialization?: boolean;
}

const flipped = ({ shape }: Tensor): boolean => shape.at(-2)! < shape.at(-1)!;

/** The nearest orthogonal factor, with signs so that an orthogonal matrix stays. */
function makeOrthogonal(matrix: Tensor): Tensor {
  const { a, tau } = torch.geqrf(matrix);
  const q = torch.linalg.householderProduct(a, tau);
  return q.mul(a.diagonal(0, -2, -1).sgn().unsqueeze(-2));
}

class Orthogonal extends Module {
  base: Buffer | null = null;

  constructor(
    readonly orthogonalMap: OrthogonalMap,
    readonly useTrivialization: boolean,
  ) {
    super();
  }

  override forward(stored: Tensor): Tensor {
    const turned = flipped(stored);
    const x = turned ? stored.mT : stored;
    const [rows, columns] = x.shape.slice(-2) as [number, number];
    let q: Tensor;
    if (this.orthogonalMap === 'householder') {
      const a = x.tril(-1);
      const tau = a.mul(a).sum([-2]).add(1).reciprocal().mul(2);
      q = torch.linalg.householderProduct(a, tau).mul(x.diagonal(0, -2, -1).to('int32').unsqueeze(-2));
    } else {
      let lower = x.tril();
      if (rows !== columns) {
        const zeros = lower.newZeros([rows, rows - columns]).expand([...x.shape.slice(0, -2), -1, -1]);
        lower = torch.cat([lower, zeros], -1);
      }
      const skew = lower.sub(lower.mH);
      if (this.orthogonalMap === 'matrix_exp') q = torch.matrixExp(skew);
      else {
        const identity = torch.eye(rows, { dtype: skew.dtype, device: skew.device });
        q = torch.linalg.solve(identity.sub(skew, { alpha: 0.5 }), identity.add(skew, { alpha: 0.5 }));
      }
      if (rows !== columns) q = q.narrow(-1, 0, columns);
    }
    if (this.base !== null) q = this.base.matmul(q);
    return turned ? q.mT : q;
  }

  rightInverse(value: Tensor): Tensor {
    return torch.noGrad(() => {
      const turned = flipped(value);
      const q = turned ? value.mT : value;
      const [rows, columns] = q.shape.slice(-2) as [number, number];
      if (!this.useTrivialization) {
        if (this.orthogonalMap !== 'householder')
          throw new IsotorchError(
            'ERR_ARGUMENT',
            `The orthogonal map ${this.orthogonalMap} can't be assigned to without trivialization: use 'householder'`,
          );
        const { a, tau } = torch.geqrf(q);
        const diagonal = a.diagonal(0, -2, -1);
        diagonal.sign_();
        diagonal.copy_(torch.where(tau.eq(0), diagonal.neg(), diagonal));
        return turned ? a.mT : a;
      }
      const square =
        rows === columns
          ? q
          : torch.cat(
              [q, torch.randn([...q.shape.slice(0, -1), rows - columns], { dtype: q.dtype, device: q.device })],
              -1,
            );
      const base = rows === columns && isOrthogonal(q) ? q.clone() : makeOrthogonal(square);
      if (this.base === null) this.base = new Buffer(base);
      else this.base.copy_(base);
      const stored = value.newZeros(value.shape);
      stored.diagonal(0, -2, -1).fill_(-1);
      return stored;
    });
  }
}

function isOrthogonal(q: Tensor): boolean {
  const [rows, columns] = q.shape.slice(-2) as [number, number];
  const identity = torch.eye(columns, { dtype: q.dtype, device: q.device });
  const epsilon = q.dtype === 'float64' || q.dtype === 'complex128' ? 2 ** -52 : 2 ** -23;
  return torch.allclose(
    q.mH.matmul(q),
    identity.expand([...q.shape.slice(0, -2), columns, columns]),
    1e-5,
    10 * rows * epsilon,
  );
}

/**
 * Lets a weight be an orthogonal matrix, or unitary, or one of orthonormal rows or columns
 * (`torch.nn.utils.parametrizations.orthogonal`; Lezcano-Casado 2019). State: `parametrizations.weight.original` and
 * `.0.base`. Returns the module.
 */
export function orthogonal<M extends AnyModule>(
  module: M,
  name = 'weight',
  { orthogonalMap = null, useTrivialization = true }: OrthogonalOptions = {},
): M {
  const weight = tensorOf(module, name);
  if (weight.ndim < 2) throw expected('a weight of two dimensions or more', name, weight, 'ERR_SHAPE');
  const complex = weight.dtype.startsWith('complex');
  const map = orthogonalMap ?? (weight.shape.at(-2) === weight.shape.at(-1) || complex ? 'matrix_exp' : 'householder');
  if (map !== 'matrix_exp' && map !== 'cayley' && map !== 'householder')
    throw expected("'matrix_exp', 'cayley' or 'householder'", 'orthogonalMap', map);
  if (complex && map === 'householder')
    throw expected("'matrix_exp' or 'cayley' for a complex weight", 'orthogonalMap', map);
  return registerParametrization(module, name, new Orthogonal(map, useTrivialization), { unsafe: true });
}
