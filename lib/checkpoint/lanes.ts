/**
 * Runs all jobs, a few at a time. The first failure is thrown when none is under way any more, and no new one is begun
 * after it.
 */
export async function inLanes(jobs: readonly (() => Promise<void>)[], lanes = 3): Promise<void> {
  let next = 0;
  const lane = async () => {
    try {
      while (next < jobs.length) await (jobs[next++] as () => Promise<void>)();
    } catch (error) {
      next = jobs.length;
      throw error;
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(lanes, jobs.length) }, lane));
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
}
