// Under which key a job's product is kept: a hash of everything that decides it, which for a job that works on others'
// products are their keys. So what hasn't changed is found, whatever it is called in the manifest, and what has is not.

import { createHash } from 'node:crypto';
import { packageVersion } from '../../libtorch.js';
import type { Job, Plan } from '../plan.js';

/** Changes when the meaning of a product does. A detector may compute something else in another version of isotorch. */
const version = `isotorch evaluation 1, ${packageVersion()}`;

/** sha256, in hex, of values that JSON can hold. */
export function keyOf(...parts: readonly unknown[]): string {
  return createHash('sha256')
    .update(JSON.stringify([version, ...parts]))
    .digest('hex');
}

/**
 * The key of a fit, of scores, or of a row.
 * @param needs the keys of what the job needs, in that order
 */
export function keyOfJob(
  job: Extract<Job, { detector: unknown }>,
  needs: readonly string[],
  { profile, bootstrap }: Pick<Plan, 'profile' | 'bootstrap'>,
): string {
  // What the scores are is all that a row knows of the detector.
  if (job.kind === 'measure') return keyOf('measure', profile, bootstrap, needs);
  const { name, settings } = job.detector;
  return keyOf(job.kind, name, settings, needs);
}
