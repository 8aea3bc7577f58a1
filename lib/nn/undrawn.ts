// Making a module without drawing random numbers, where its first values are replaced at once by others.

import { type Device, torch } from '../tensor/index.js';

/** What `make` gives; the default generators of the CPU and of `device` go on as if nothing had been drawn. */
export function undrawn<T>(device: Device, make: () => T): T {
  const devices = device === 'cpu' ? (['cpu'] as const) : (['cpu', device] as const);
  const states = devices.map((place) => torch.getRngState(place));
  try {
    return make();
  } finally {
    for (const [i, place] of devices.entries()) {
      torch.setRngState(states[i]!, place);
      states[i]!.dispose();
    }
  }
}
