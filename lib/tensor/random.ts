// Random numbers: the default generators' seed and state, and generators of one's own.

import { expected } from '../errors.js';
import { native } from '../native.js';
import type { Device } from './dtype.js';
import { Tensor } from './tensor.js';

const finalizers = new FinalizationRegistry<number>((number) => native.releaseGenerator(number));

const isSeed = (seed: unknown): seed is number | bigint => Number.isSafeInteger(seed) || typeof seed === 'bigint';

/**
 * A stream of random numbers apart from the default one, as `torch.Generator`. Give it to random operators by name:
 * `torch.randn([3], { generator })`.
 */
export class Generator {
  /** @internal */
  readonly number: number;

  constructor(readonly device: Device = 'cpu') {
    this.number = native.createGenerator(device);
    finalizers.register(this, this.number);
  }

  /** Starts the stream that belongs to `seed` (an integer). Returns this generator. */
  manualSeed(seed: number | bigint): this {
    if (!isSeed(seed)) throw expected('an integer', 'seed', seed);
    native.seedGenerator(this.number, seed);
    return this;
  }

  /** The whole state, as a uint8 tensor. */
  getState(): Tensor {
    return new Tensor(native.generatorState(this.number));
  }

  setState(state: Tensor): this {
    if (!(state instanceof Tensor)) throw expected("a generator's state (a uint8 Tensor)", 'state', state);
    native.setGeneratorState(this.number, state.handle);
    return this;
  }
}

/** Seeds the default generators of all devices, for the whole process (workers included), as `torch.manual_seed`. */
export function manualSeed(seed: number | bigint): void {
  if (!isSeed(seed)) throw expected('an integer', 'seed', seed);
  native.manualSeed(seed);
}

/** The default generator's state on a device, as a uint8 tensor (`torch.get_rng_state`). */
export function getRngState(device: Device = 'cpu'): Tensor {
  return new Tensor(native.generatorState(device));
}

/** Sets the default generator's state on a device (`torch.set_rng_state`). */
export function setRngState(state: Tensor, device: Device = 'cpu'): void {
  if (!(state instanceof Tensor)) throw expected("a generator's state (a uint8 Tensor)", 'state', state);
  native.setGeneratorState(device, state.handle);
}
