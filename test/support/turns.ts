// How long a job holds the event loop, in CPU time: what other processes take of the cores doesn't count.

/** Runs `job` and returns its result with the most CPU time (ms) that passed between two turns of the event loop. */
export async function longestTurn<T>(job: () => Promise<T>): Promise<{ result: T; longest: number }> {
  let longest = 0;
  let last = process.cpuUsage();
  let running = true;
  const look = () => {
    const { user, system } = process.cpuUsage(last);
    longest = Math.max(longest, (user + system) / 1000);
    last = process.cpuUsage();
    if (running) setImmediate(look);
  };
  setImmediate(look);
  try {
    const result = await job();
    look();
    return { result, longest };
  } finally {
    running = false;
  }
}
