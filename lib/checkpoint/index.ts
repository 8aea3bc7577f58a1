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
export { loadTorch } from './loadTorch.js';
export { type LoadNumpyOptions, loadNpy, saveNpy } from './numpy/npy.js';
export { type LoadNpzOptions, loadNpz, saveNpz } from './numpy/npz.js';
export { ForeignObject } from './pickle/foreign.js';
export {
  Complex,
  OrderedDict,
  QuantizationScheme,
  TorchDevice,
  TorchDType,
  TorchLayout,
  TorchSize,
} from './pickle/values.js';
export { loadSafetensors } from './safetensors/load.js';
export {
  type LoadSafetensorsOptions,
  type LoadTensorOptions,
  type OpenSafetensorsOptions,
  openSafetensors,
  SafetensorsDict,
  type SafetensorsFile,
  type SafetensorsInfo,
} from './safetensors/reader.js';
export { type SaveSafetensorsOptions, saveSafetensors } from './safetensors/writer.js';
export type { FileInput, PathInput } from './source.js';
export { type LoadTorchOptions, saveTorch } from './torchFile.js';
export { type Weights, type WeightsOptions, type WeightsPlace, weights } from './weights.js';
