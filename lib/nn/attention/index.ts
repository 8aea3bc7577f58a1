export {
  type Activation,
  type DecoderLayerMasks,
  type EncoderLayerMasks,
  TransformerDecoderLayer,
  TransformerEncoderLayer,
  type TransformerLayerOptions,
} from './layers.js';
export { MultiheadAttention, type MultiheadAttentionOptions } from './multiheadAttention.js';
export {
  type DecoderMasks,
  type EncoderMasks,
  Transformer,
  TransformerDecoder,
  TransformerEncoder,
  type TransformerMasks,
  type TransformerOptions,
} from './transformer.js';
