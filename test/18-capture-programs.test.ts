// Any step, not only those that somebody thought of: random programs run captured to the bits of their eager runs.

import fc from 'fast-check';
import { it } from 'vitest';
import { anyProgram, expectSameBits } from './support/randomSteps.js';

it('random steps give and leave the same bits, called and repeated', async () => {
  await fc.assert(fc.asyncProperty(anyProgram, expectSameBits), { numRuns: 60 });
});
