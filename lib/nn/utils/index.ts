// `nn.utils`: what is done to modules and their parameters from outside.

export * as rnn from './rnn.js';
