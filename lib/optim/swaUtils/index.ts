// `optim.swaUtils`: averaged models, as `torch.optim.swa_utils`.

export { AveragedModel, type AveragedModelOptions } from './averagedModel.js';
export {
  type AvgFn,
  getEmaAvgFn,
  getEmaMultiAvgFn,
  getSwaAvgFn,
  getSwaMultiAvgFn,
  type MultiAvgFn,
} from './averageFns.js';
export { SWALR } from './swalr.js';
export { updateBn } from './updateBn.js';
