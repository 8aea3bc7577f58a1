// The package as programs get it: the rooms behind a border that turns wrong calls into IsotorchErrors (border.ts). Types come
// from rooms.ts, where the namespaces hold types too. What runs in hot loops checks its own arguments and has no border.

import { bordered, borderedValue, leave } from './border.js';
import * as rooms from './rooms.js';

export * from './rooms.js';

leave(rooms.Tensor);

export const amp = bordered('amp', rooms.amp);
export const checkpoint = bordered('checkpoint', rooms.checkpoint);
export const data = bordered('data', rooms.data);
export const evaluation = bordered('evaluation', rooms.evaluation);
export const losses = bordered('losses', rooms.losses);
export const models = bordered('models', rooms.models);
export const nn = bordered('nn', rooms.nn);
export const ood = bordered('ood', rooms.ood);
export const optim = bordered('optim', rooms.optim);
export const report = bordered('report', rooms.report);
export const training = bordered('training', rooms.training);

export const Feed = borderedValue('Feed', rooms.Feed);
export const Generator = borderedValue('Generator', rooms.Generator);
export const isFloating = borderedValue('isFloating', rooms.isFloating);
export const loadPackage = borderedValue('loadPackage', rooms.loadPackage);
export const loadScript = borderedValue('loadScript', rooms.loadScript);
export const readStorage = borderedValue('readStorage', rooms.readStorage);
export const writeStorage = borderedValue('writeStorage', rooms.writeStorage);
