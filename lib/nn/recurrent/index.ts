export { type CellOptions, GRUCell, LSTMCell, RNNCell, type RNNCellOptions } from './cells.js';
export type { RecurrentOptions } from './layer.js';
export { GRU, LSTM, type LSTMOptions, type LSTMState, RNN, type RNNOptions } from './layers.js';
