export { type Conversion, type ConvertOptions, convertCheckpoint } from './convert.js';
export type { CheckpointFormat } from './formats.js';
export {
  type CheckpointNode,
  type GroupNode,
  type Inspection,
  inspectCheckpoint,
  type TensorNode,
  type ValueNode,
} from './inspect.js';
export { Complex, OrderedDict, TorchDevice, TorchDType, TorchSize } from './pickle/values.js';
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
