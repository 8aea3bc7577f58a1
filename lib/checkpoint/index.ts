export { type Conversion, type ConvertOptions, convertCheckpoint } from './convert.js';
export type { CheckpointFormat } from './formats.js';
export { type FileNode, inspectTorch, type StorageNode, type TensorNode, type TorchNode } from './inspect.js';
export {
  type CheckpointGroup,
  type CheckpointInspection,
  type CheckpointNode,
  type CheckpointTensor,
  type CheckpointValue,
  inspectCheckpoint,
} from './inspectCheckpoint.js';
export { type FormatTreeOptions, formatTorchTree } from './inspectText.js';
export { type LoadNumpyOptions, loadNpy, saveNpy } from './numpy/npy.js';
export { type LoadNpzOptions, loadNpz, saveNpz } from './numpy/npz.js';
export { Complex, OrderedDict, TorchDevice, TorchDType, TorchLayout, TorchSize } from './pickle/values.js';
export {
  type LoadSafetensorsOptions,
  type LoadTensorOptions,
  loadSafetensors,
  type OpenSafetensorsOptions,
  openSafetensors,
  SafetensorsDict,
  type SafetensorsFile,
  type SafetensorsInfo,
} from './safetensors/reader.js';
export { type SaveSafetensorsOptions, saveSafetensors } from './safetensors/writer.js';
export { type LoadTorchOptions, loadTorch, saveTorch } from './torchFile.js';
