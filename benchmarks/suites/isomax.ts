// The IsoMax head with its loss, forward and backward, beside the authors' formulation and beside Linear with
// cross-entropy of the same size; and what the head costs at inference.
//
// Each comparison is at logits of a realistic spread, of order 1 after the entropic scale, and the same on both sides.
// Far beyond it most probabilities fall below the smallest normal number, and what is measured then is how the processor
// takes subnormal operands: on some, Linear is 7 times slower at a spread of 45, while our head sets such coefficients to 0.
// Distances between normal numbers of scale σ spread by about σ, and E_s = 10 multiplies that.

import { capture, losses, models, type Tensor, tidy, torch } from '../../lib/rooms.js';
import { compare, type Report, type Row, type Timed, time } from '../compare.js';
import type { Peer } from '../peer.js';

interface Sizes {
  batch: number;
  features: number;
  classes: number;
}

const spread = 0.1; // of distances, so 1 of scaled logits

/** `count` steps, each in a scope of its own. */
const steps = (step: () => readonly Tensor[]) => (count: number) => {
  for (let i = 0; i < count; i++) tidy(() => void step());
};

/** Ours: the head and its criterion as a user has them, and the gradients of features and prototypes. */
function ours({ batch, features, classes }: Sizes): Timed['ours'] {
  torch.manualSeed(0);
  const head = new losses.IsoMaxHead(features, classes);
  head.loadStateDict({ prototypes: torch.randn([classes, features]).mul(spread) });
  const criterion = new losses.IsoMaxLoss();
  const f = torch.randn([batch, features]).mul(spread).requiresGrad_(true);
  const labels = torch.randint(classes, [batch]);
  return steps(() => torch.autograd.grad(criterion.forward(head.forward(f), labels), [f, head.prototypes]));
}

const tensors = ({ batch, features, classes }: Sizes, weightScale: number) => `
f = (torch.randn(${batch}, ${features}) * ${spread}).requires_grad_()
w = (torch.randn(${classes}, ${features}) * ${weightScale}).requires_grad_()
labels = torch.randint(${classes}, (${batch},))`;

/** As the authors publish it: exact distances, softmax, gather, logarithm. */
const authors = (sizes: Sizes): Timed['python'] => ({
  setup: `${tensors(sizes, spread)}
def loss():
    z = -torch.cdist(f, w, p=2.0, compute_mode='donot_use_mm_for_euclid_dist')
    return -torch.log(torch.softmax(10 * z, 1)[torch.arange(len(labels)), labels]).mean()`,
  statement: 'torch.autograd.grad(loss(), [f, w])',
});

/** Features of scale σ and weights of scale 1/(σ√d) give logits of order 1. */
const linear = (sizes: Sizes): Timed['python'] => ({
  setup: `${tensors(sizes, 1 / (spread * Math.sqrt(sizes.features)))}
b = torch.zeros(${sizes.classes}, requires_grad=True)
def loss(): return torch.nn.functional.cross_entropy(torch.nn.functional.linear(f, w, b), labels)`,
  statement: 'torch.autograd.grad(loss(), [f, w, b])',
});

/** ResNet-18's captured inference with one head and with the other: both ours, in turn. */
async function inference(): Promise<Row> {
  const images = torch.randn([32, 3, 32, 32]);
  function* batches(count: number): Generator<Tensor> {
    for (let i = 0; i < count; i++) yield images;
  }
  const seconds = (name: losses.LossName) => {
    torch.manualSeed(0);
    const model = models.resnet18({ head: losses.byName(name).head }).eval();
    const forward = capture((x: Tensor) => torch.inferenceMode(() => model.forward(x)));
    return async () => {
      const start = performance.now();
      (await forward.repeat(batches(4))).dispose();
      return (performance.now() - start) / 4;
    };
  };
  const [isomaxSeconds, softmaxSeconds] = [seconds('isomax'), seconds('softmax')];
  await isomaxSeconds();
  await softmaxSeconds();
  return await compare('isomax', {
    name: 'inference',
    what: 'captured inference of ResNet-18, batch 32, with the IsoMax head against the same with the SoftMax head (both ours)',
    unit: 'ms',
    ours: isomaxSeconds,
    peer: softmaxSeconds,
    pairs: 15,
  });
}

export async function isomax(peer: Peer | undefined, report: Report): Promise<Row[]> {
  const large = { batch: 256, features: 2048, classes: 1000 };
  const small = { batch: 64, features: 342, classes: 10 };
  const works: Timed[] = [
    {
      name: 'large',
      what: 'IsoMax head and loss, forward and backward, 256 × 2048 × 1000, against the authors’ formulation',
      ours: ours(large),
      python: authors(large),
      unit: 'ms',
    },
    {
      name: 'large-vs-linear',
      what: 'the same against Linear and cross-entropy of that size: the price of distance',
      ours: ours(large),
      python: linear(large),
      seconds: 0.1,
      unit: 'ms',
    },
    {
      name: 'small',
      what: 'IsoMax head and loss, forward and backward, 64 × 342 × 10, against the authors’ formulation',
      ours: ours(small),
      python: authors(small),
    },
  ];
  const rows: Row[] = [];
  for (const work of works) rows.push(await time('isomax', work, peer));
  rows.push(await inference());
  for (const row of rows) report(row);
  return rows;
}
