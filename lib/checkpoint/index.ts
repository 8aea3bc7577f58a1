export { Complex, OrderedDict, TorchDevice, TorchDType, TorchLayout, TorchSize } from './pickle/values.js';
export { type LoadTorchOptions, loadTorch, saveTorch } from './torchFile.js';
