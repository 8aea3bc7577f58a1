import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

// `npm run soak`: long fuzzing, which `npm test` leaves out.
export default defineConfig({ test: { ...base.test, include: ['test/soak/**/*.soak.ts'], testTimeout: 3_600_000 } });
