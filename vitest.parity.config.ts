import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

// `npm run parity`: everything beside PyTorch, over PyTorch's own lists of cases; `npm test` runs samples of it.
export default defineConfig({
  test: { ...base.test, include: ['test/parity/**/*.parity.ts'], testTimeout: 3_600_000 },
});
