// The hard cases of the distance head, and how far from the truth a device's kernels are on them. Inputs and truth are made on
// the CPU, in float64.
import { functional } from '../../lib/nn/index.js';
import { type Device, type Tensor, torch } from '../../lib/tensor/index.js';

const { distanceLogits } = torch.ops.isomax;

export type Pair = [features: Tensor, prototypes: Tensor];

/** Logits and gradients of both sides by the definition, in float64. */
export function definition(features: Tensor, prototypes: Tensor, upstream: Tensor) {
  const difference = features.to('float64').unsqueeze(1).sub(prototypes.to('float64').unsqueeze(0));
  const distance = difference.pow(2).sum(2).sqrt();
  const coefficient = upstream.to('float64').div(distance).maskedFill(distance.eq(0), 0);
  const directions = difference.mul(coefficient.unsqueeze(2));
  return { logits: distance.neg(), features: directions.sum(1).neg(), prototypes: directions.sum(0) };
}

/** Logits and gradients of both sides by the kernels of a device, brought to the CPU. */
export function ours([features, prototypes]: Pair, upstream: Tensor, device: Device = 'cpu') {
  const leaf = (tensor: Tensor) => tensor.clone().to(device).requiresGrad_(true);
  const [f, p] = [leaf(features), leaf(prototypes)];
  const logits = distanceLogits(f, p);
  logits.backward(upstream.to(device));
  return { logits: logits.detach().to('cpu'), features: f.grad!.to('cpu'), prototypes: p.grad!.to('cpu') };
}

/**
 * The largest relative error of a distance, and the largest error of a row of the gradients relative to Σ|g| of that row:
 * each pair adds a vector of length |g| to it.
 */
export function errors([features, prototypes]: Pair, device: Device = 'cpu') {
  const upstream = torch.randn([features.shape[0]!, prototypes.shape[0]!]);
  const truth = definition(features, prototypes, upstream);
  const mine = ours([features, prototypes], upstream, device);
  const distance = truth.logits.abs();
  const error = mine.logits.sub(truth.logits).abs();
  const forward = error.div(torch.where(distance.eq(0), 1, distance));
  const row = (side: 'features' | 'prototypes', dim: number) =>
    mine[side].sub(truth[side]).norm(2, 1).div(upstream.abs().sum(dim)).max().item();
  return { forward: forward.max().item(), backward: Math.max(row('features', 1), row('prototypes', 0)) };
}

/** Rows of length 1. */
export const directions = (n: number, d: number) => functional.normalize(torch.randn([n, d]));

export const hard: Record<string, (n: number, c: number, d: number) => Pair> = {
  'random numbers': (n, c, d) => [torch.randn([n, d]), torch.randn([c, d])],
  ...Object.fromEntries(
    [1e-3, 1, 25].map((distance) => [
      `features at ${distance} from prototypes of norm 100`,
      (n: number, c: number, d: number): Pair => {
        const prototypes = directions(c, d).mul(100);
        const own = prototypes.indexSelect(0, torch.arange(n).remainder(c));
        return [own.add(directions(n, d).mul(distance)), prototypes];
      },
    ]),
  ),
  duplicates: (n, c, d) => {
    const prototypes = torch.randn([c, d]);
    return [prototypes.indexSelect(0, torch.arange(n).remainder(c)), prototypes];
  },
  'prototypes of zeros': (n, c, d) => [torch.randn([n, d]), torch.zeros([c, d])],
  zeros: (n, c, d) => [torch.zeros([n, d]), torch.zeros([c, d])],
  'a common offset of 50': (n, c, d) => [torch.randn([n, d]).add(50), torch.randn([c, d]).add(50)],
  'an offset of one side': (n, c, d) => [torch.randn([n, d]).add(5), torch.randn([c, d])],
  // No one centre serves: the first makes half of the pairs near ones, the second puts them just beside the bound.
  'two clusters far apart': (n, c, d) => clusters(n, c, d, 50),
  'two clusters at the bound': (n, c, d) => clusters(n, c, d, 3),
  'positive numbers': (n, c, d) => [torch.rand([n, d]), torch.rand([c, d])],
  'unit vectors': (n, c, d) => [directions(n, d), directions(c, d)],
  'a scale of 1e4': (n, c, d) => [torch.randn([n, d]).mul(1e4), torch.randn([c, d]).mul(1e4)],
  'a scale of 1e-4': (n, c, d) => [torch.randn([n, d]).mul(1e-4), torch.randn([c, d]).mul(1e-4)],
  'a scale of 1e15': (n, c, d) => [torch.randn([n, d]).mul(1e15), torch.randn([c, d]).mul(1e15)],
  'a scale of 1e-15': (n, c, d) => [torch.randn([n, d]).mul(1e-15), torch.randn([c, d]).mul(1e-15)],
};

/** Two opposed clusters that both sides are in. */
function clusters(n: number, c: number, d: number, offset: number): Pair {
  const centre = torch.randn([d]).abs().mul(offset);
  const sign = (rows: number) => torch.arange(rows).remainder(2).mul(2).sub(1).unsqueeze(1);
  return [torch.randn([n, d]).add(sign(n).mul(centre)), torch.randn([c, d]).add(sign(c).mul(centre))];
}

export const randomPair = (): Pair => {
  torch.manualSeed(4);
  return [torch.randn([5, 40]), torch.randn([4, 40])];
};

/** `tensor` with `value` in it, at [1, 2]. */
export const withNumber = (tensor: Tensor, value: number) => {
  tensor.select(0, 1).select(0, 2).fill_(value);
  return tensor;
};

/** What is not a number, or too large or too small for a square. */
export const odd: Record<string, (pair: Pair) => Pair> = {
  'NaN in a feature': ([f, p]) => [withNumber(f, Number.NaN), p],
  'NaN in a prototype': ([f, p]) => [f, withNumber(p, Number.NaN)],
  'infinity in a feature': ([f, p]) => [withNumber(f, Number.POSITIVE_INFINITY), p],
  'minus infinity in a prototype': ([f, p]) => [f, withNumber(p, Number.NEGATIVE_INFINITY)],
  'infinity in both': ([f, p]) => [withNumber(f, Number.POSITIVE_INFINITY), withNumber(p, Number.POSITIVE_INFINITY)],
  'a scale of 1e18': ([f, p]) => [f.mul(1e18), p.mul(1e18)],
  'a scale of 1e20, where squares are infinite': ([f, p]) => [f.mul(1e20), p.mul(1e20)],
  'close to prototypes at 1e20': ([f, p]) => [
    p
      .narrow(0, 0, 3)
      .add(f.narrow(0, 0, 3).mul(1e-4))
      .mul(1e20),
    p.mul(1e20),
  ],
  'a scale of 1e-18': ([f, p]) => [f.mul(1e-18), p.mul(1e-18)],
  'a scale of 1e-25, where squares are 0': ([f, p]) => [f.mul(1e-25), p.mul(1e-25)],
};

/** Whether logits and the gradients of both sides are cdist's, to 1e-5 of the largest number. */
export function agreesWithCdist(pair: Pair, device: Device = 'cpu') {
  const [f, p] = pair.map((tensor) => tensor.clone().requiresGrad_(true)) as Pair;
  const logits = torch.cdist(f, p, 2, 2).neg(); // mode 2: from coordinate differences
  logits.sum().backward();
  const mine = ours(pair, torch.ones(logits.shape), device);
  const close = (value: Tensor, theirs: Tensor) => {
    const largest = theirs.nanToNum(0, 0, 0).abs().max().item();
    return value.allclose(theirs, 1e-5, largest * 1e-5, { equalNan: true });
  };
  return {
    logits: close(mine.logits, logits.detach()),
    features: close(mine.features, f.grad!),
    prototypes: close(mine.prototypes, p.grad!),
  };
}
