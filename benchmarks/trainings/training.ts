// What the four trainings share: how one is begun, and how it runs alone. Each draws its batches inside its step from PyTorch's
// generator, so that the twin beside it (the .py of the same name) has the same first values and the same batches from one seed.

import { pathToFileURL } from 'node:url';
import type { Tensor } from '../../lib/rooms.js';

export interface Begun {
  /** Goes on with the training: so many steps, and their losses, [count]. */
  train(count: number): Promise<Tensor>;
  /** What the network does on data that it has not seen, in words. */
  evaluate?(): string;
}

export interface Training {
  /** How long a training is. */
  steps: number;
  /** @param steps for schedules: how many there will be at most */
  begin(steps?: number): Begun;
}

/** Trains and prints, if that module is the program: `npx tsx benchmarks/trainings/gru.ts`. */
export async function main(url: string, { steps, begin }: Training): Promise<void> {
  if (url !== pathToFileURL(process.argv[1] ?? '').href) return;
  const { train, evaluate } = begin();
  const start = performance.now();
  for (let done = 0; done < steps; done += steps / 10) {
    const losses = await train(steps / 10);
    console.log(`${done + steps / 10} steps: loss ${losses.mean().item().toFixed(4)}`);
  }
  console.log(`${((performance.now() - start) / 1000).toFixed(1)} s`);
  if (evaluate) console.log(evaluate());
}

/** The arguments of so many steps that take none. */
export function* times(count: number): Generator<[]> {
  for (let i = 0; i < count; i++) yield [];
}
