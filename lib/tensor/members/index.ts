// Members of Tensor that are no operators of LibTorch but Python's, one file a concern.

import { indexing } from '../indexing/members.js';
import { conversion } from './conversion.js';
import { properties } from './properties.js';
import { sequence } from './sequence.js';

export const members = [conversion, indexing, properties, sequence] as const;

export type Conversion = typeof conversion;
export type Indexing = typeof indexing;
export type Properties = typeof properties;
export type Sequence = typeof sequence;
