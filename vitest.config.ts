import { defineConfig } from 'vitest/config';

// One process a file: a native crash names the file that caused it, and LibTorch's global state is fresh in each.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    isolate: true,
    maxWorkers: 2,
    execArgv: ['--expose-gc'],
    // Two workers on two cores: a second thread for each would only make both spin. Tests of threads set their own.
    env: { OMP_NUM_THREADS: '1' },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
