// The four trainings by name, and their twins in Python.

import { fileURLToPath } from 'node:url';
import { autoencoder } from './autoencoder.js';
import { charTransformer } from './charTransformer.js';
import { gru } from './gru.js';
import { tabular } from './tabular.js';
import type { Training } from './training.js';

export const trainings: Readonly<Record<string, Training>> = { charTransformer, gru, tabular, autoencoder };

/** Python code that begins the twin, after which `step()` makes a step and gives its loss. */
export const twin = (name: string, steps: number) => `
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, ${JSON.stringify(fileURLToPath(new URL('.', import.meta.url)))})
import ${name}
step = ${name}.begin(${steps})`;
