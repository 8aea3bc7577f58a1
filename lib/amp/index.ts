// `amp`: automatic mixed precision, as `torch.amp`.

export { type AutocastDevice, type AutocastDType, type AutocastOptions, autocast } from '../tensor/index.js';
export { GradScaler, type GradScalerOptions, type GradScalerState } from './gradScaler.js';
