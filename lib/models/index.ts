// `models`: networks by name. Their heads come from outside, so that any loss fits any of them.

export { ConvNet, type ConvNetOptions, convNet, type MakeHead } from './convNet.js';
