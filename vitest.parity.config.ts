import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

// `npm run parity`: long fuzzing, which `npm test` leaves out.
export default defineConfig({ test: { ...base.test, include: ['test/parity/**/*.parity.ts'], testTimeout: 3_600_000 } });
