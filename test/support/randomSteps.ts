// Random training steps for property tests: a little program over tensors of one shape, with views, constants, dropout, writes
// into a buffer, modes, and an update at its end. Run eagerly and captured from the same seed it must leave the same bits.

import fc from 'fast-check';
import { expect } from 'vitest';
import { capture, nn, optim, type Tensor, tidy, torch } from '../../lib/index.js';

const FEATURES = 6;

type Instruction =
  | { kind: 'unary'; name: 'relu' | 'sigmoid' | 'tanh' | 'neg' | 'exp'; from: number }
  | { kind: 'binary'; name: 'add' | 'sub' | 'mul' | 'maximum'; from: number; other: number }
  | { kind: 'layer'; which: number; from: number }
  | { kind: 'view'; from: number; column: number }
  | { kind: 'constant'; from: number; value: number; written: boolean }
  | { kind: 'dropout'; from: number }
  | { kind: 'buffer'; from: number; how: 'add' | 'copy' | 'read' }
  | { kind: 'quiet'; from: number }
  | { kind: 'gradient'; from: number };

interface Program {
  instructions: Instruction[];
  clear: 'before' | 'after' | 'zeros';
  momentum: number;
  seed: number;
}

const at = fc.nat({ max: 30 }); // taken modulo the values there are

const instruction: fc.Arbitrary<Instruction> = fc.oneof(
  fc.record({
    kind: fc.constant('unary' as const),
    name: fc.constantFrom('relu', 'sigmoid', 'tanh', 'neg', 'exp'),
    from: at,
  }),
  fc.record({
    kind: fc.constant('binary' as const),
    name: fc.constantFrom('add', 'sub', 'mul', 'maximum'),
    from: at,
    other: at,
  }),
  fc.record({ kind: fc.constant('layer' as const), which: fc.nat({ max: 1 }), from: at }),
  fc.record({ kind: fc.constant('view' as const), from: at, column: fc.integer({ min: 1, max: FEATURES - 1 }) }),
  fc.record({
    kind: fc.constant('constant' as const),
    from: at,
    value: fc.integer({ min: -3, max: 3 }),
    written: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('dropout' as const), from: at }),
  fc.record({ kind: fc.constant('buffer' as const), from: at, how: fc.constantFrom('add', 'copy', 'read') }),
  fc.record({ kind: fc.constant('quiet' as const), from: at }),
  fc.record({ kind: fc.constant('gradient' as const), from: at }),
);

export const anyProgram: fc.Arbitrary<Program> = fc.record({
  instructions: fc.array(instruction, { minLength: 1, maxLength: 14 }),
  clear: fc.constantFrom('before', 'after', 'zeros'),
  momentum: fc.constantFrom(0, 0.9),
  seed: fc.nat({ max: 1e6 }),
});

function machine({ instructions, clear, momentum, seed }: Program) {
  torch.manualSeed(seed);
  const layers = [new nn.Linear(FEATURES, FEATURES), new nn.Linear(FEATURES, FEATURES, { bias: false })];
  const buffer = torch.randn([1, FEATURES]);
  const parameters = layers.flatMap((layer) => layer.parameters());
  const optimizer = new optim.SGD(parameters, { lr: 0.01, momentum });
  const step = (x: Tensor) => {
    const values: Tensor[] = [x];
    const value = (i: number): Tensor => values[i % values.length]!;
    for (const one of instructions) {
      const from = value(one.from);
      switch (one.kind) {
        case 'unary':
          values.push((one.name === 'exp' ? from.clamp(-5, 5) : from)[one.name]());
          break;
        case 'binary':
          values.push(from[one.name](value(one.other)));
          break;
        case 'layer':
          values.push(layers[one.which]!.forward(from));
          break;
        case 'view':
          values.push(torch.cat([from.narrow(1, one.column, FEATURES - one.column), from.narrow(1, 0, one.column)], 1));
          break;
        case 'constant': {
          const constant = torch.tensor([one.value, 1], { dtype: 'float32' });
          const scaled = constant.mul(0.5);
          if (one.written) constant.narrow(0, 0, 1).add_(from.detach().mean());
          values.push(from.mul(constant.sum()).add(scaled.select(0, 1)));
          break;
        }
        case 'dropout':
          values.push(from.dropout(0.25, true));
          break;
        case 'buffer':
          if (one.how === 'read')
            values.push(from.add(buffer.clone())); // a copy: backward must not see later writes
          else
            torch.noGrad(() =>
              (one.how === 'add' ? buffer.add_(from.mean(0)) : buffer.copy_(from.mean(0))).clamp_(-9, 9),
            );
          break;
        case 'quiet':
          values.push(torch.noGrad(() => from.mul(0.5)).add(from));
          break;
        case 'gradient': {
          const sum = layers[0]!.forward(from).sum();
          const [gradient] = torch.autograd.grad(sum, [layers[0]!.weight], { retainGraph: true }); // of `from`, too
          values.push(from.add(gradient!.mean()));
          break;
        }
      }
    }
    const loss = values.at(-1)!.clamp(-20, 20).square().mean().add(layers[0]!.weight.square().mean().mul(1e-3));
    if (clear !== 'after') optimizer.zeroGrad({ setToNone: clear === 'before' });
    loss.backward();
    optimizer.step();
    if (clear === 'after') optimizer.zeroGrad();
    return { loss, last: values.at(-1)!, some: [values[Math.floor(values.length / 2)]!] };
  };
  const bits = (tensor: Tensor) => Buffer.from(tensor.toArraySync().buffer.slice(0)).toString('base64');
  return {
    step,
    inputs: (count: number) => Array.from({ length: count }, (_, i) => torch.randn([i % 3 === 2 ? 3 : 4, FEATURES])),
    state: () => [...parameters, buffer].map((tensor) => bits(tensor.detach())),
    bits,
  };
}

/** What `count` runs of the step give and leave: eagerly, called captured, or in one captured repetition (its losses only). */
async function outcome(program: Program, how: 'eager' | 'captured' | 'repeated', count = 9) {
  const { step, inputs, state, bits } = machine(program);
  const xs = inputs(count);
  torch.manualSeed(program.seed + 1);
  if (how === 'repeated') {
    const losses = await capture((x: Tensor) => step(x).loss).repeat(xs);
    return { losses: bits(losses), state: state() };
  }
  const captured = capture(step);
  const seen: string[][] = [];
  const look = ({ loss, last, some }: ReturnType<typeof step>) =>
    void seen.push([loss, last, ...some].map((tensor) => bits(tensor.detach())));
  for (const x of xs) {
    if (how === 'eager') tidy(() => look(step(x)));
    else look(await captured(x));
  }
  captured.dispose();
  const losses = Buffer.concat(seen.map(([loss]) => Buffer.from(loss!, 'base64'))).toString('base64');
  return { seen, losses, state: state() };
}

/** The property: called captured and repeated, a step gives and leaves what it does eagerly, to the bit. */
export async function expectSameBits(program: Program): Promise<void> {
  const eager = await outcome(program, 'eager');
  expect(await outcome(program, 'captured')).toEqual(eager);
  expect(await outcome(program, 'repeated')).toEqual({ losses: eager.losses, state: eager.state });
}
