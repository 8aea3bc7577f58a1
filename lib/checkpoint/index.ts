export { Complex, OrderedDict, TorchDevice, TorchDType, TorchSize } from './pickle/values.js';
export { type LoadTorchOptions, loadTorch, saveTorch } from './torchFile.js';
