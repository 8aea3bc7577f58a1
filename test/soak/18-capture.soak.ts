// Random training steps by the thousand: called captured and repeated, they leave the bits of their eager runs.

import fc from 'fast-check';
import { it } from 'vitest';
import { anyProgram, expectSameBits } from '../support/randomSteps.js';

const numRuns = Number(process.env.ISOTORCH_SOAK_TRIES ?? 20) * 250;

it(`random steps (${numRuns}) give and leave the same bits`, async () => {
  await fc.assert(fc.asyncProperty(anyProgram, expectSameBits), { numRuns });
});
