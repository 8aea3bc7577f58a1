// Detectors by the names and settings that a guard's file holds.

import { expected } from '../../errors.js';
import type { Detector, Settings } from '../detectors/detector.js';
import { entropic, maxProbability, minDistance } from '../detectors/logitScores.js';

/** Makes the detector that a name and settings describe, not fitted yet. @throws ERR_ARGUMENT for a name it does not know */
export type MakeDetector = (name: string, settings: Settings) => Detector;

const makers: Readonly<Record<string, () => Detector>> = { mps: maxProbability, es: entropic, mds: minDistance };

export const makeDetector: MakeDetector = (name) => {
  if (!Object.hasOwn(makers, name)) throw expected(`one of ${Object.keys(makers).join(', ')}`, 'detector', name);
  return makers[name]!();
};
