#!/usr/bin/env node
// The command `isotorch`. It starts fast: LibTorch is loaded by the commands that need it, not to print help.

import { run } from './program.js';
import { spinBriefly } from './threads.js';

spinBriefly();
process.exitCode = await run(process.argv.slice(2));
