import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

// `npm run parity`: everything of PyTorch's own test lists beside PyTorch itself; minutes, and a Python that has torch.
export default defineConfig({ test: { ...base.test, include: ['test/parity/**/*.parity.ts'], testTimeout: 3_600_000 } });
