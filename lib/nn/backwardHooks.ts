// Functions that see all gradients of a module's inputs and outputs together, when backward() comes through it.

import { gateGradients } from '../tensor/gradientHooks.js';
import { Tensor, torch } from '../tensor/index.js';
import type { AnyModule } from './module.js';

type Gradients = readonly (Tensor | null)[];

/**
 * Runs when the gradients of the module's inputs are there; an array that it gives takes their place. Null stands for inputs
 * and outputs that are no tensors or require no gradient.
 */
export type FullBackwardHook<M = AnyModule> = (
  module: M,
  gradInputs: Gradients,
  gradOutputs: Gradients,
  // biome-ignore lint/suspicious/noConfusingVoidType: a hook that only looks gives void
) => Gradients | undefined | void;

/** The tensors of `values` that gradients come to, passed through a gate. */
function gated(
  values: readonly unknown[],
  run: (gradients: Gradients) => Gradients | undefined,
): { passed: unknown[]; any: boolean } {
  const reached = [...values.keys()].filter((i) => values[i] instanceof Tensor && (values[i] as Tensor).requiresGrad);
  const passed = [...values];
  if (reached.length === 0 || !torch.isGradEnabled()) return { passed, any: false };
  const tensors = gateGradients(
    reached.map((i) => values[i] as Tensor),
    (gradients) => {
      const all: (Tensor | null)[] = values.map(() => null);
      for (const [k, i] of reached.entries()) all[i] = gradients[k]!;
      const changed = run(all);
      return changed && reached.map((i, k) => changed[i] ?? gradients[k]!);
    },
  );
  for (const [k, i] of reached.entries()) passed[i] = tensors[k];
  return { passed, any: true };
}

/** `forward` with the hooks around it. */
export function runWithBackwardHooks(
  module: AnyModule,
  hooks: readonly FullBackwardHook<never>[],
  forward: (inputs: unknown[]) => unknown,
  inputs: readonly unknown[],
): unknown {
  let gradOutputs: Gradients = [];
  const call = (gradInputs: Gradients): Gradients => {
    let gradients = gradInputs;
    for (const hook of hooks) gradients = hook(module as never, gradients, gradOutputs) ?? gradients;
    return gradients;
  };
  const before = gated(inputs, call);
  const output = forward(before.passed);
  const several = Array.isArray(output);
  const after = gated(several ? output : [output], (gradients) => {
    gradOutputs = gradients;
    if (!before.any) call(inputs.map(() => null)); // no gradient will come to the inputs
    return undefined;
  });
  return several ? after.passed : after.passed[0];
}
