// STAND-IN, to be removed once `ood.byName` makes every detector: those that it doesn't know yet.

import * as ood from '../../ood/index.js';
import type { DetectorChoice } from '../manifest/detectorSchemas.js';

const factories: Readonly<Record<string, (settings: never) => ood.AnyDetector>> = {
  mahalanobis: ood.mahalanobis,
  rmds: ood.rmds,
  knn: ood.knn,
  vim: ood.vim,
  residual: ood.residual,
  she: ood.she,
  fdbd: ood.fdbd,
  nnguide: ood.nnguide,
  relation: ood.relation,
  nci: ood.nci,
  odin: ood.odin,
  'input-mahalanobis': ood.inputMahalanobis,
  'mahalanobis-ensemble': ood.mahalanobisEnsemble,
  gram: ood.gram,
  rankfeat: ood.rankFeat,
  'gradnorm-autograd': ood.autogradNorm,
};

export function makeDetector({ name, settings }: Pick<DetectorChoice, 'name' | 'settings'>): ood.AnyDetector {
  const factory = factories[name] as ((settings: ood.Settings) => ood.AnyDetector) | undefined;
  return factory ? factory(settings) : ood.byName(name, settings);
}
