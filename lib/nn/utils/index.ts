// `nn.utils`: what is done to modules and their parameters from outside.

export {
  clipGradNorm_,
  clipGradsWithNorm_,
  clipGradValue_,
  getTotalNorm,
  type NormOptions,
  parametersToVector,
  vectorToParameters,
} from './clip.js';
export { functionalCall } from './functionalCall.js';
export {
  fuseConvBnEval,
  fuseConvBnWeights,
  fuseLinearBnEval,
  fuseLinearBnWeights,
  type Normalization,
} from './fusion.js';
export * as parametrizations from './parametrizations.js';
export * as parametrize from './parametrize.js';
export * as rnn from './rnn.js';
