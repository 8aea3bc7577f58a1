export { type FileNode, inspectTorch, type StorageNode, type TensorNode, type TorchNode } from './inspect.js';
export { type FormatTreeOptions, formatTorchTree } from './inspectText.js';
export { Complex, OrderedDict, TorchDevice, TorchDType, TorchLayout, TorchSize } from './pickle/values.js';
export { type LoadTorchOptions, loadTorch, saveTorch } from './torchFile.js';
