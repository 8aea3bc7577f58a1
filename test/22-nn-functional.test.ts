// `nn.functional` beside torch.nn.functional: every public name is there or left out for a reason, and each function's output and
// gradients are PyTorch's, with its defaults and with options.

import { describe, expect, it } from 'vitest';
import { functional as F } from '../lib/nn/index.js';
import { type Tensor, torch } from '../lib/tensor/index.js';
import { camelCase } from '../lib/tensor/names.js';
import { readNames } from '../scripts/coverage/page.js';
import { leftOut } from '../scripts/coverage/reasons.js';
import { error } from './support/moduleDb.js';
import { decode, encode, python, runPython, type TensorJson } from './support/python.js';
import { needs } from './support/skip.js';

type Inputs = Record<string, Tensor>;

/** Inputs of all cases, made once. */
function makeInputs(): Inputs {
  torch.manualSeed(0);
  const float = (shape: number[]) => torch.randn(shape, { dtype: 'float64' });
  const numbers = (high: number, shape: number[]) => torch.randint(0, high, shape, { dtype: 'int64' });
  const line = float([2, 4, 9]);
  return {
    x: float([3, 4]),
    y: float([3, 4]),
    z: float([3, 4]),
    v: float([4]),
    line,
    image: float([2, 4, 6, 8]),
    volume: float([2, 4, 4, 5, 6]),
    plane: torch.rand([2, 4, 6, 6], { dtype: 'float64' }),
    probabilities: torch.rand([3, 4], { dtype: 'float64' }),
    logProbs: torch.logSoftmax(float([3, 4]), 1),
    classes: numbers(4, [3]),
    binary: numbers(2, [3, 4]).to('float64'),
    signs: numbers(2, [3]).mul(2).sub(1).to('float64'),
    signs2: numbers(2, [3, 4]).mul(2).sub(1).to('float64'),
    several: torch.tensor([
      [1, 2, -1, 0],
      [3, -1, 0, 1],
      [0, 1, 2, 3],
    ]),
    classWeights: torch.rand([4], { dtype: 'float64' }),
    weight2: float([5, 4]),
    bias5: float([5]),
    weight3: float([5, 4, 4]),
    table: float([7, 3]),
    indices: numbers(7, [2, 5]),
    flatIndices: numbers(7, [6]),
    offsets: torch.tensor([0, 2, 5]),
    samples2: torch.rand([2, 4, 2], { dtype: 'float64' }),
    samples3: torch.rand([2, 4, 3], { dtype: 'float64' }),
    kernel1: float([6, 4, 3]),
    kernel2: float([6, 2, 3, 3]),
    kernel3: float([6, 4, 2, 2, 2]),
    transposed1: float([4, 3, 3]),
    transposed2: float([4, 3, 3, 3]),
    transposed3: float([4, 3, 2, 2, 2]),
    tbc: float([9, 2, 4]),
    tbcKernel: float([3, 4, 5]),
    grid: torch.rand([2, 3, 5, 2], { dtype: 'float64' }).mul(2).sub(1),
    theta: float([2, 2, 3]),
    theta3: float([2, 3, 4]),
    columns: float([2, 16, 35]),
    mean: float([4]),
    variance: torch.rand([4], { dtype: 'float64' }).add(0.5),
    spread: torch.rand([3, 4], { dtype: 'float64' }).add(0.1),
    ctc: torch.logSoftmax(float([10, 2, 5]), 2),
    ctcTargets: torch.tensor([
      [1, 2, 3],
      [2, 4, 1],
    ]),
    shuffled: float([2, 8, 3, 3]),
    two: float([2, 6]),
  };
}

/** Inputs for which there is no gradient. */
const constants = ['samples2', 'samples3', 'binary', 'signs', 'signs2', 'classWeights', 'mean', 'variance'];

type Case = [python: string, ours: (i: Inputs) => Tensor | readonly Tensor[] | { readonly [i: number]: Tensor }];

/** Python's call, with the inputs as names, and ours. */
const cases: Case[] = [
  ['relu(x)', ({ x }) => F.relu(x!)],
  ['relu6(x)', ({ x }) => F.relu6(x!)],
  ['threshold(x, 0.1, 2.0)', ({ x }) => F.threshold(x!, 0.1, 2)],
  ['hardtanh(x)', ({ x }) => F.hardtanh(x!)],
  ['hardtanh(x, -0.2, 0.3)', ({ x }) => F.hardtanh(x!, -0.2, 0.3)],
  ['elu(x)', ({ x }) => F.elu(x!)],
  ['elu(x, 0.5)', ({ x }) => F.elu(x!, 0.5)],
  ['selu(x)', ({ x }) => F.selu(x!)],
  ['celu(x)', ({ x }) => F.celu(x!)],
  ['celu(x, 0.5)', ({ x }) => F.celu(x!, 0.5)],
  ['leaky_relu(x)', ({ x }) => F.leakyRelu(x!)],
  ['leaky_relu(x, 0.3)', ({ x }) => F.leakyRelu(x!, 0.3)],
  ['rrelu(x)', ({ x }) => F.rrelu(x!)],
  ['rrelu(x, 0.2, 0.4, training=True)', ({ x }) => F.rrelu(x!, 0.2, 0.4, { training: true })],
  ['prelu(x, v)', ({ x, v }) => F.prelu(x!, v!)],
  ['glu(x)', ({ x }) => F.glu(x!)],
  ['gelu(x)', ({ x }) => F.gelu(x!)],
  ["gelu(x, approximate='tanh')", ({ x }) => F.gelu(x!, { approximate: 'tanh' })],
  ['silu(x)', ({ x }) => F.silu(x!)],
  ['mish(x)', ({ x }) => F.mish(x!)],
  ['hardswish(x)', ({ x }) => F.hardswish(x!)],
  ['hardsigmoid(x)', ({ x }) => F.hardsigmoid(x!)],
  ['sigmoid(x)', ({ x }) => F.sigmoid(x!)],
  ['logsigmoid(x)', ({ x }) => F.logsigmoid(x!)],
  ['tanh(x)', ({ x }) => F.tanh(x!)],
  ['tanhshrink(x)', ({ x }) => F.tanhshrink(x!)],
  ['softsign(x)', ({ x }) => F.softsign(x!)],
  ['softplus(x)', ({ x }) => F.softplus(x!)],
  ['softplus(x, 2, 1)', ({ x }) => F.softplus(x!, 2, 1)],
  ['hardshrink(x)', ({ x }) => F.hardshrink(x!)],
  ['softshrink(x, 0.3)', ({ x }) => F.softshrink(x!, 0.3)],
  ['softmax(x, 1)', ({ x }) => F.softmax(x!, 1)],
  ['softmax(x)', ({ x }) => F.softmax(x!)],
  ['softmax(line)', ({ line }) => F.softmax(line!)],
  ['softmin(x, 0)', ({ x }) => F.softmin(x!, 0)],
  ['log_softmax(x, 1, dtype=torch.float32)', ({ x }) => F.logSoftmax(x!, 1, { dtype: 'float32' })],
  ['gumbel_softmax(x)', ({ x }) => F.gumbelSoftmax(x!)],
  ['gumbel_softmax(x, 0.7, hard=True, dim=0)', ({ x }) => F.gumbelSoftmax(x!, { tau: 0.7, hard: true, dim: 0 })],
  ['relu_(x.clone())', ({ x }) => F.relu_(x!.clone())],
  ['threshold_(x.clone(), 0.1, 2.0)', ({ x }) => F.threshold_(x!.clone(), 0.1, 2)],
  ['hardtanh_(x.clone())', ({ x }) => F.hardtanh_(x!.clone())],
  ['elu_(x.clone())', ({ x }) => F.elu_(x!.clone())],
  ['selu_(x.clone())', ({ x }) => F.selu_(x!.clone())],
  ['celu_(x.clone())', ({ x }) => F.celu_(x!.clone())],
  ['leaky_relu_(x.clone())', ({ x }) => F.leakyRelu_(x!.clone())],
  ['rrelu_(x.clone())', ({ x }) => F.rrelu_(x!.clone())],
  ...['relu', 'relu6', 'selu', 'silu', 'mish', 'hardswish', 'hardsigmoid'].map(
    (name): Case => [
      `${name}(x.clone(), inplace=True)`,
      ({ x }) => (F[name as 'relu'] as typeof F.relu)(x!.clone(), { inplace: true }),
    ],
  ),
  ['dropout(x)', ({ x }) => F.dropout(x!)],
  ['dropout(x, 0.2, training=False)', ({ x }) => F.dropout(x!, 0.2, { training: false })],
  ['dropout(x.clone(), 0.2, inplace=True)', ({ x }) => F.dropout(x!.clone(), 0.2, { inplace: true })],
  ['alpha_dropout(x, 0.3)', ({ x }) => F.alphaDropout(x!, 0.3)],
  ['alpha_dropout(x, 0.3, training=True)', ({ x }) => F.alphaDropout(x!, 0.3, { training: true })],
  [
    'feature_alpha_dropout(image, 0.3, training=True)',
    ({ image }) => F.featureAlphaDropout(image!, 0.3, { training: true }),
  ],
  ['dropout1d(line)', ({ line }) => F.dropout1d(line!)],
  ['dropout1d(x)', ({ x }) => F.dropout1d(x!)],
  ['dropout1d(x.clone(), inplace=True)', ({ x }) => F.dropout1d(x!.clone(), 0.5, { inplace: true })],
  ['dropout2d(image)', ({ image }) => F.dropout2d(image!)],
  ['dropout3d(volume)', ({ volume }) => F.dropout3d(volume!)],
  ['dropout3d(image)', ({ image }) => F.dropout3d(image!)],
  ['linear(x, weight2, bias5)', ({ x, weight2, bias5 }) => F.linear(x!, weight2!, bias5!)],
  ['bilinear(x, y, weight3, bias5)', ({ x, y, weight3, bias5 }) => F.bilinear(x!, y!, weight3!, bias5!)],
  ['conv1d(line, kernel1, padding=1)', ({ line, kernel1 }) => F.conv1d(line!, kernel1!, { padding: 1 })],
  [
    "conv2d(image, kernel2, None, 1, 'same', 1, 2)",
    ({ image, kernel2 }) => F.conv2d(image!, kernel2!, null, 1, 'same', 1, 2),
  ],
  ['conv3d(volume, kernel3)', ({ volume, kernel3 }) => F.conv3d(volume!, kernel3!)],
  ['conv_transpose1d(line, transposed1, stride=2)', (i) => F.convTranspose1d(i.line!, i.transposed1!, { stride: 2 })],
  ['conv_transpose2d(image, transposed2)', (i) => F.convTranspose2d(i.image!, i.transposed2!)],
  ['conv_transpose3d(volume, transposed3)', (i) => F.convTranspose3d(i.volume!, i.transposed3!)],
  ['conv_tbc(tbc, tbcKernel, bias5)', (i) => F.convTbc(i.tbc!, i.tbcKernel!, i.bias5!)],
  ['avg_pool1d(line, 2)', ({ line }) => F.avgPool1d(line!, 2)],
  ['avg_pool2d(image, (2, 3), 1, 1, True, False)', ({ image }) => F.avgPool2d(image!, [2, 3], 1, 1, true, false)],
  ['avg_pool3d(volume, 2)', ({ volume }) => F.avgPool3d(volume!, 2)],
  ['adaptive_avg_pool1d(line, 3)', ({ line }) => F.adaptiveAvgPool1d(line!, 3)],
  ['adaptive_avg_pool2d(image, (None, 3))', ({ image }) => F.adaptiveAvgPool2d(image!, [null, 3])],
  ['adaptive_avg_pool3d(volume, 2)', ({ volume }) => F.adaptiveAvgPool3d(volume!, 2)],
  ['max_pool1d(line, 2)', ({ line }) => F.maxPool1d(line!, 2)],
  [
    'max_pool2d(image, 3, 2, 1, ceil_mode=True)',
    ({ image }) => F.maxPool2d(image!, 3, { stride: 2, padding: 1, ceilMode: true }),
  ],
  ['max_pool3d(volume, 2, dilation=2)', ({ volume }) => F.maxPool3d(volume!, 2, { dilation: 2 })],
  ['max_pool1d(line, 2, return_indices=True)', ({ line }) => F.maxPool1dWithIndices(line!, 2)],
  ['max_pool2d(image, 2, return_indices=True)', ({ image }) => F.maxPool2dWithIndices(image!, 2)],
  ['max_pool3d(volume, 2, return_indices=True)', ({ volume }) => F.maxPool3dWithIndices(volume!, 2)],
  ['adaptive_max_pool1d(line, 3)', ({ line }) => F.adaptiveMaxPool1d(line!, 3)],
  ['adaptive_max_pool2d(image, (2, None))', ({ image }) => F.adaptiveMaxPool2d(image!, [2, null])],
  ['adaptive_max_pool3d(volume, 2)', ({ volume }) => F.adaptiveMaxPool3d(volume!, 2)],
  ['adaptive_max_pool1d(line, 3, True)', ({ line }) => F.adaptiveMaxPool1dWithIndices(line!, 3)],
  ['adaptive_max_pool2d(image, 2, True)', ({ image }) => F.adaptiveMaxPool2dWithIndices(image!, 2)],
  ['adaptive_max_pool3d(volume, 2, True)', ({ volume }) => F.adaptiveMaxPool3dWithIndices(volume!, 2)],
  ['lp_pool1d(line.abs(), 2, 3)', ({ line }) => F.lpPool1d(line!.abs(), 2, 3)],
  [
    'lp_pool2d(plane, 1.5, (2, 3), 2, True)',
    ({ plane }) => F.lpPool2d(plane!, 1.5, [2, 3], { stride: 2, ceilMode: true }),
  ],
  ["lp_pool2d(image, float('inf'), 2)", ({ image }) => F.lpPool2d(image!, Infinity, 2)],
  ["lp_pool2d(image, -float('inf'), 2)", ({ image }) => F.lpPool2d(image!, -Infinity, 2)],
  ['lp_pool3d(volume, 2, 2)', ({ volume }) => F.lpPool3d(volume!, 2, 2)],
  [
    'fractional_max_pool2d(image, 2, output_size=(3, 4), _random_samples=samples2)',
    (i) => F.fractionalMaxPool2d(i.image!, 2, { outputSize: [3, 4], randomSamples: i.samples2! }),
  ],
  [
    'fractional_max_pool2d(image, 2, output_ratio=(0.5, 0.5))',
    (i) => F.fractionalMaxPool2d(i.image!, 2, { outputRatio: 0.5 }),
  ],
  [
    'fractional_max_pool2d(image, 2, output_ratio=(0.5, 0.5), return_indices=True)',
    (i) => F.fractionalMaxPool2dWithIndices(i.image!, 2, { outputRatio: 0.5 }),
  ],
  [
    'fractional_max_pool3d(volume, 2, output_size=2, _random_samples=samples3)',
    (i) => F.fractionalMaxPool3d(i.volume!, 2, { outputSize: [2, 2, 2], randomSamples: i.samples3! }),
  ],
  [
    'fractional_max_pool3d(volume, 2, output_size=2, return_indices=True)',
    (i) => F.fractionalMaxPool3dWithIndices(i.volume!, 2, { outputSize: [2, 2, 2] }),
  ],
  [
    'max_unpool1d(*max_pool1d(line, 2, return_indices=True), 2, output_size=[2, 4, 9])',
    ({ line }) => F.maxUnpool1d(...F.maxPool1dWithIndices(line!, 2), 2, { outputSize: [2, 4, 9] }),
  ],
  [
    'max_unpool2d(*max_pool2d(image, 2, return_indices=True), 2)',
    ({ image }) => F.maxUnpool2d(...F.maxPool2dWithIndices(image!, 2), 2),
  ],
  [
    'max_unpool3d(*max_pool3d(volume, 2, return_indices=True), 2, output_size=[4, 5, 6])',
    ({ volume }) => F.maxUnpool3d(...F.maxPool3dWithIndices(volume!, 2), 2, { outputSize: [4, 5, 6] }),
  ],
  ['embedding(indices, table)', (i) => F.embedding(i.indices!, i.table!)],
  [
    'embedding(indices, table, padding_idx=-2, scale_grad_by_freq=True)',
    (i) => F.embedding(i.indices!, i.table!, { paddingIdx: -2, scaleGradByFreq: true }),
  ],
  [
    'embedding(indices, table.detach().clone(), max_norm=0.5)',
    (i) => F.embedding(i.indices!, i.table!.detach().clone(), { maxNorm: 0.5 }),
  ],
  ['embedding_bag(indices, table)', (i) => F.embeddingBag(i.indices!, i.table!)],
  [
    "embedding_bag(flatIndices, table, offsets, mode='max')",
    (i) => F.embeddingBag(i.flatIndices!, i.table!, { offsets: i.offsets!, mode: 'max' }),
  ],
  [
    "embedding_bag(indices, table, mode='sum', per_sample_weights=torch.ones(2, 5, dtype=torch.double) / 3)",
    (i) =>
      F.embeddingBag(i.indices!, i.table!, {
        mode: 'sum',
        perSampleWeights: torch.ones([2, 5], { dtype: 'float64' }).div(3),
      }),
  ],
  [
    'embedding_bag(flatIndices, table, offsets, include_last_offset=True, padding_idx=1)',
    (i) => F.embeddingBag(i.flatIndices!, i.table!, { offsets: i.offsets!, includeLastOffset: true, paddingIdx: 1 }),
  ],
  ['batch_norm(x, mean.clone(), variance.clone())', (i) => F.batchNorm(i.x!, i.mean!.clone(), i.variance!.clone())],
  [
    'batch_norm(x, None, None, v, v, True, 0.3, 1e-3)',
    ({ x, v }) => F.batchNorm(x!, null, null, { weight: v!, bias: v!, training: true, momentum: 0.3, eps: 1e-3 }),
  ],
  ['instance_norm(image)', ({ image }) => F.instanceNorm(image!)],
  [
    'instance_norm(image, mean.clone(), variance.clone(), v, v, False)',
    (i) =>
      F.instanceNorm(i.image!, {
        runningMean: i.mean!.clone(),
        runningVar: i.variance!.clone(),
        weight: i.v!,
        bias: i.v!,
        useInputStats: false,
      }),
  ],
  ['layer_norm(x, [4], v, None, 1e-3)', ({ x, v }) => F.layerNorm(x!, [4], { weight: v!, eps: 1e-3 })],
  ['rms_norm(x, [4], v)', ({ x, v }) => F.rmsNorm(x!, [4], v!)],
  ['group_norm(image, 2, v, v)', ({ image, v }) => F.groupNorm(image!, 2, { weight: v!, bias: v! })],
  ['local_response_norm(line, 3)', ({ line }) => F.localResponseNorm(line!, 3)],
  [
    'local_response_norm(image, 2, 0.1, 0.5, 2.0)',
    ({ image }) => F.localResponseNorm(image!, 2, { alpha: 0.1, beta: 0.5, k: 2 }),
  ],
  ['l1_loss(x, y)', ({ x, y }) => F.l1Loss(x!, y!)],
  ["l1_loss(x, y, weight=spread, reduction='mean')", ({ x, y, spread }) => F.l1Loss(x!, y!, { weight: spread! })],
  ['l1_loss(x, v)', ({ x, v }) => F.l1Loss(x!, v!)],
  ["mse_loss(x, y, reduction='sum')", ({ x, y }) => F.mseLoss(x!, y!, { reduction: 'sum' })],
  [
    "mse_loss(x, y, weight=spread, reduction='none')",
    (i) => F.mseLoss(i.x!, i.y!, { weight: i.spread!, reduction: 'none' }),
  ],
  ['smooth_l1_loss(x, y, beta=0.5)', ({ x, y }) => F.smoothL1Loss(x!, y!, { beta: 0.5 })],
  ['smooth_l1_loss(x, y, beta=0.0)', ({ x, y }) => F.smoothL1Loss(x!, y!, { beta: 0 })],
  ['huber_loss(x, y, delta=0.5)', ({ x, y }) => F.huberLoss(x!, y!, { delta: 0.5 })],
  ['huber_loss(x, y, weight=spread)', ({ x, y, spread }) => F.huberLoss(x!, y!, { weight: spread! })],
  ['poisson_nll_loss(x, spread, full=True)', ({ x, spread }) => F.poissonNllLoss(x!, spread!, { full: true })],
  ['gaussian_nll_loss(x, y, spread, full=True)', (i) => F.gaussianNllLoss(i.x!, i.y!, i.spread!, { full: true })],
  ['gaussian_nll_loss(x, y, 0.5)', ({ x, y }) => F.gaussianNllLoss(x!, y!, 0.5)],
  ['gaussian_nll_loss(x, y, spread[:, 0])', ({ x, y, spread }) => F.gaussianNllLoss(x!, y!, spread!.select(1, 0))],
  ['nll_loss(logProbs, classes, classWeights)', (i) => F.nllLoss(i.logProbs!, i.classes!, { weight: i.classWeights! })],
  ['cross_entropy(x, classes)', ({ x, classes }) => F.crossEntropy(x!, classes!)],
  [
    "cross_entropy(x, classes, classWeights, ignore_index=1, reduction='none', label_smoothing=0.1)",
    (i) =>
      F.crossEntropy(i.x!, i.classes!, {
        weight: i.classWeights!,
        ignoreIndex: 1,
        reduction: 'none',
        labelSmoothing: 0.1,
      }),
  ],
  [
    'linear_cross_entropy(x, weight2, classes, linear_bias=bias5)',
    (i) => F.linearCrossEntropy(i.x!, i.weight2!, i.classes!, { linearBias: i.bias5! }),
  ],
  [
    'binary_cross_entropy(probabilities, binary, classWeights)',
    (i) => F.binaryCrossEntropy(i.probabilities!, i.binary!, { weight: i.classWeights! }),
  ],
  [
    'binary_cross_entropy_with_logits(x, binary, pos_weight=classWeights)',
    (i) => F.binaryCrossEntropyWithLogits(i.x!, i.binary!, { posWeight: i.classWeights! }),
  ],
  [
    "kl_div(logProbs, probabilities, reduction='batchmean')",
    (i) => F.klDiv(i.logProbs!, i.probabilities!, { reduction: 'batchmean' }),
  ],
  [
    'kl_div(logProbs, logProbs.flip(0), log_target=True)',
    ({ logProbs }) => F.klDiv(logProbs!, logProbs!.flip([0]), { logTarget: true }),
  ],
  [
    'multi_margin_loss(x, classes, p=2, margin=0.5, weight=classWeights)',
    (i) => F.multiMarginLoss(i.x!, i.classes!, { p: 2, margin: 0.5, weight: i.classWeights! }),
  ],
  ['multilabel_margin_loss(x, several)', ({ x, several }) => F.multilabelMarginLoss(x!, several!)],
  ['soft_margin_loss(x, signs2)', ({ x, signs2 }) => F.softMarginLoss(x!, signs2!)],
  [
    'multilabel_soft_margin_loss(x, binary, classWeights)',
    (i) => F.multilabelSoftMarginLoss(i.x!, i.binary!, { weight: i.classWeights! }),
  ],
  ['ctc_loss(ctc, ctcTargets, (10, 9), (3, 2))', (i) => F.ctcLoss(i.ctc!, i.ctcTargets!, [10, 9], [3, 2])],
  [
    "ctc_loss(ctc, ctcTargets, torch.tensor([10, 1]), torch.tensor([3, 2]), zero_infinity=True, reduction='none')",
    (i) =>
      F.ctcLoss(i.ctc!, i.ctcTargets!, torch.tensor([10, 1]), torch.tensor([3, 2]), {
        zeroInfinity: true,
        reduction: 'none',
      }),
  ],
  [
    'margin_ranking_loss(x[:, 0], y[:, 0], signs, 0.3)',
    ({ x, y, signs }) => F.marginRankingLoss(x!.select(1, 0), y!.select(1, 0), signs!, { margin: 0.3 }),
  ],
  ['hinge_embedding_loss(x, signs2)', ({ x, signs2 }) => F.hingeEmbeddingLoss(x!, signs2!)],
  [
    'cosine_embedding_loss(x, y, signs, 0.1)',
    ({ x, y, signs }) => F.cosineEmbeddingLoss(x!, y!, signs!, { margin: 0.1 }),
  ],
  [
    'triplet_margin_loss(x, y, z, swap=True, p=1)',
    ({ x, y, z }) => F.tripletMarginLoss(x!, y!, z!, { swap: true, p: 1 }),
  ],
  [
    "triplet_margin_with_distance_loss(x, y, z, swap=True, reduction='none')",
    ({ x, y, z }) => F.tripletMarginWithDistanceLoss(x!, y!, z!, { swap: true, reduction: 'none' }),
  ],
  [
    'triplet_margin_with_distance_loss(x, y, z, distance_function=lambda a, b: (a - b).abs().sum(1))',
    ({ x, y, z }) =>
      F.tripletMarginWithDistanceLoss(x!, y!, z!, { distanceFunction: (a, b) => a.sub(b).abs().sum([1]) }),
  ],
  ['normalize(x)', ({ x }) => F.normalize(x!)],
  ['normalize(x, p=3.0, dim=0)', ({ x }) => F.normalize(x!, { p: 3, dim: 0 })],
  ['pairwise_distance(x, y, 1.0, keepdim=True)', ({ x, y }) => F.pairwiseDistance(x!, y!, 1, { keepdim: true })],
  ['cosine_similarity(x, y)', ({ x, y }) => F.cosineSimilarity(x!, y!)],
  ['pdist(x)', ({ x }) => F.pdist(x!)],
  ['one_hot(classes, 5)', ({ classes }) => F.oneHot(classes!, 5)],
  ["pad(image, (1, 2, 0, 1), 'reflect')", ({ image }) => F.pad(image!, [1, 2, 0, 1], 'reflect')],
  ['pad(x, (1, 1), value=0.5)', ({ x }) => F.pad(x!, [1, 1], { value: 0.5 })],
  ['pixel_shuffle(shuffled, 2)', ({ shuffled }) => F.pixelShuffle(shuffled!, 2)],
  ['pixel_unshuffle(image, 2)', ({ image }) => F.pixelUnshuffle(image!, 2)],
  ['channel_shuffle(image, 2)', ({ image }) => F.channelShuffle(image!, 2)],
  ['native_channel_shuffle(image.detach(), 2)', ({ image }) => F.nativeChannelShuffle(image!.detach(), 2)],
  ['unfold(image, 2, padding=1, stride=(2, 1))', ({ image }) => F.unfold(image!, 2, { padding: 1, stride: [2, 1] })],
  ['fold(columns, (6, 8), 2)', ({ columns }) => F.fold(columns!, [6, 8], 2)],
  ...(['nearest', 'nearest-exact', 'area', 'bilinear', 'bicubic'] as const).flatMap((mode): Case[] => [
    [
      `interpolate(image, scale_factor=1.7, mode='${mode}')`,
      (i) => F.interpolate(i.image!, { scaleFactor: 1.7, mode }),
    ],
    [`interpolate(image, size=(3, 5), mode='${mode}')`, (i) => F.interpolate(i.image!, { size: [3, 5], mode })],
  ]),
  ['interpolate(line, 5)', ({ line }) => F.interpolate(line!, { size: 5 })],
  [
    "interpolate(line, scale_factor=2, mode='linear', align_corners=True)",
    ({ line }) => F.interpolate(line!, { scaleFactor: 2, mode: 'linear', alignCorners: true }),
  ],
  [
    "interpolate(volume, scale_factor=(1, 2, 0.5), mode='trilinear', recompute_scale_factor=True)",
    ({ volume }) => F.interpolate(volume!, { scaleFactor: [1, 2, 0.5], mode: 'trilinear', recomputeScaleFactor: true }),
  ],
  [
    "interpolate(volume, size=3, mode='nearest-exact')",
    ({ volume }) => F.interpolate(volume!, { size: 3, mode: 'nearest-exact' }),
  ],
  ["interpolate(line, size=4, mode='area')", ({ line }) => F.interpolate(line!, { size: 4, mode: 'area' })],
  [
    "interpolate(image, size=(3, 4), mode='bilinear', antialias=True)",
    ({ image }) => F.interpolate(image!, { size: [3, 4], mode: 'bilinear', antialias: true }),
  ],
  [
    "interpolate(image, size=(3, 4), mode='bicubic', antialias=True)",
    ({ image }) => F.interpolate(image!, { size: [3, 4], mode: 'bicubic', antialias: true }),
  ],
  [
    "interpolate(image, size=(3, 4), mode='lanczos', antialias=True)",
    ({ image }) => F.interpolate(image!, { size: [3, 4], mode: 'lanczos', antialias: true }),
  ],
  ['upsample(image, scale_factor=2)', ({ image }) => F.upsample(image!, { scaleFactor: 2 })],
  ['upsample_nearest(image, scale_factor=2)', ({ image }) => F.upsampleNearest(image!, { scaleFactor: 2 })],
  ['upsample_bilinear(image, scale_factor=2)', ({ image }) => F.upsampleBilinear(image!, { scaleFactor: 2 })],
  ['grid_sample(image, grid)', ({ image, grid }) => F.gridSample(image!, grid!)],
  [
    "grid_sample(image, grid, 'bicubic', 'reflection', True)",
    ({ image, grid }) =>
      F.gridSample(image!, grid!, { mode: 'bicubic', paddingMode: 'reflection', alignCorners: true }),
  ],
  [
    "grid_sample(image, grid, 'nearest', 'border')",
    ({ image, grid }) => F.gridSample(image!, grid!, { mode: 'nearest', paddingMode: 'border' }),
  ],
  ['affine_grid(theta, [2, 3, 4, 5])', ({ theta }) => F.affineGrid(theta!, [2, 3, 4, 5])],
  [
    'affine_grid(theta3, [2, 3, 2, 4, 5], True)',
    ({ theta3 }) => F.affineGrid(theta3!, [2, 3, 2, 4, 5], { alignCorners: true }),
  ],
  ['scaled_dot_product_attention(line, line, line)', ({ line }) => F.scaledDotProductAttention(line!, line!, line!)],
];

const listed = (output: unknown): Tensor[] => (Array.isArray(output) ? output : [output]) as Tensor[];

/** Outputs, and the gradients of all inputs that took part. */
function ours(inputs: Inputs, run: Case[1]): { outputs: Tensor[]; gradients: Record<string, Tensor> } {
  const leaves = Object.fromEntries(
    Object.entries(inputs).map(([name, x]) => {
      const learnt = x.isFloatingPoint() && !constants.includes(name);
      return [name, learnt ? x.detach().clone().requiresGrad_(true) : x];
    }),
  );
  torch.manualSeed(3);
  const outputs = listed(run(leaves));
  const sums = outputs.filter(({ requiresGrad }) => requiresGrad).map((y) => y.mul(y.cos()).sum().to('float64'));
  if (sums.length > 0) sums.reduce((sum, one) => sum.add(one)).backward();
  const gradients = Object.entries(leaves).flatMap(([name, { grad }]) =>
    grad === null ? [] : [[name, grad] as const],
  );
  return { outputs, gradients: Object.fromEntries(gradients) };
}

const { describe: withPython } = needs(python, 'a Python that has torch');

withPython('nn.functional equals torch.nn.functional', () => {
  interface Reference {
    results: { outputs: TensorJson[]; gradients: Record<string, TensorJson> }[];
  }
  const program = `
    import inspect, types, warnings
    warnings.simplefilter('ignore')
    import torch.nn.functional as F
    from torch.nn.functional import *
    names = [n for n in dir(F) if not n.startswith('_') and callable(getattr(F, n))]
    tensors = {name: T(value) for name, value in input['inputs'].items()}
    results = []
    for source in input['sources']:
        leaves = {n: t.clone().requires_grad_() if t.is_floating_point() and n not in input['constants'] else t for n, t in tensors.items()}
        torch.manual_seed(3)
        try:
            out = eval(source, {**leaves, **{n: getattr(F, n) for n in names}, 'torch': torch})
        except Exception as error:
            raise RuntimeError(source) from error
        outputs = list(out) if isinstance(out, tuple) else [out]
        sums = [(y * y.cos()).sum().double() for y in outputs if y.requires_grad]
        if sums: sum(sums).backward()
        results.append({'outputs': outputs, 'gradients': {n: t.grad for n, t in leaves.items() if t.is_leaf and t.grad is not None}})
    emit({'results': results})`;
  const inputs = makeInputs();
  const sources = cases.map(([source]) => source);
  const json = Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, encode(x)]));
  const reference = (python ? runPython(program, { inputs: json, sources, constants }) : { results: [] }) as Reference;

  for (const [i, [source, run]] of cases.entries()) {
    it(source, () => {
      const theirs = reference.results[i]!;
      const { outputs, gradients } = ours(inputs, run);
      expect(outputs.length).toBe(theirs.outputs.length);
      for (const [j, output] of outputs.entries())
        expect(error(output, decode(theirs.outputs[j]!))).toBeLessThanOrEqual(1e-12);
      expect(Object.keys(gradients).sort()).toEqual(Object.keys(theirs.gradients).sort());
      for (const [name, gradient] of Object.entries(gradients))
        expect([name, error(gradient, decode(theirs.gradients[name]!)) <= 1e-12]).toEqual([name, true]);
    });
  }
});

describe('nn.functional', () => {
  const names = readNames()['torch.nn.functional']!;

  it('has every public name that is not left out for a reason', () => {
    const reasons = leftOut.filter(({ area }) => area === 'torch.nn.functional');
    const missing = names.filter((name) => !(camelCase(name) in F) && !reasons.some((one) => one.names.test(name)));
    expect(missing).toEqual([]);
  });

  it('has a case above for every function', () => {
    const called = new Set(cases.map(([source]) => camelCase(source.split('(')[0]!)));
    const elsewhere = ['multiHeadAttentionForward', 'groupedMm']; // in attention's tests, and below
    const tested = (name: string) => called.has(name) || elsewhere.includes(name) || name.endsWith('WithIndices');
    expect(names.map(camelCase).filter((name) => name in F && !tested(name))).toEqual([]);
  });

  it('multiplies groups of rows', () => {
    const [a, b] = [torch.randn([4, 16]), torch.randn([2, 16, 8])].map((x) => x.to('bfloat16')) as [Tensor, Tensor];
    const y = F.groupedMm(a, b, { offs: torch.tensor([1, 4], { dtype: 'int32' }) });
    const parts = [a.narrow(0, 0, 1).matmul(b.select(0, 0)), a.narrow(0, 1, 3).matmul(b.select(0, 1))];
    expect(y.to('float32').sub(torch.cat(parts, 0).to('float32')).abs().max().item()).toBeLessThan(0.1);
  });

  const x = torch.randn([2, 4, 6, 6]);
  const code = (value: string) => expect.objectContaining({ code: value });
  const wrong: Record<string, [() => unknown, string]> = {
    'an unknown reduction': [() => F.mseLoss(x, x, { reduction: 'average' as never }), 'ERR_ARGUMENT'],
    'a probability above 1': [() => F.dropout(x, 2), 'ERR_ARGUMENT'],
    'weights of another shape': [() => F.mseLoss(x, x, { weight: torch.ones([3]) }), 'ERR_SHAPE'],
    'a target of another shape': [() => F.binaryCrossEntropyWithLogits(x, torch.ones([2])), 'ERR_SHAPE'],
    'a variance below 0': [() => F.gaussianNllLoss(x, x, -1), 'ERR_DATA'],
    'a mode that does not fit': [() => F.interpolate(x, { size: 3, mode: 'linear' }), 'ERR_ARGUMENT'],
    'neither size nor scale': [() => F.interpolate(x, {}), 'ERR_ARGUMENT'],
    'corners without a linear mode': [() => F.interpolate(x, { size: 3, alignCorners: true }), 'ERR_ARGUMENT'],
    'an output out of reach': [
      () => F.maxUnpool2d(...F.maxPool2dWithIndices(x, 2), 2, { outputSize: [9, 9] }),
      'ERR_SHAPE',
    ],
    'a fraction and a size': [() => F.fractionalMaxPool2d(x, 2, { outputSize: 2, outputRatio: 0.5 }), 'ERR_ARGUMENT'],
    'a padding row that is not there': [
      () => F.embedding(torch.tensor([1]), torch.ones([3, 2]), { paddingIdx: 3 }),
      'ERR_INDEX',
    ],
    'bags without offsets': [() => F.embeddingBag(torch.tensor([1]), torch.ones([3, 2])), 'ERR_ARGUMENT'],
    'weights of a mean': [
      () =>
        F.embeddingBag(torch.tensor([[1]]), torch.ones([3, 2]), {
          mode: 'mean',
          perSampleWeights: torch.ones([1, 1]),
        }),
      'ERR_ARGUMENT',
    ],
    'one value a group': [() => F.groupNorm(torch.ones([1, 2]), 2), 'ERR_SHAPE'],
    'a margin of 0': [() => F.tripletMarginLoss(x, x, x, { margin: 0 }), 'ERR_ARGUMENT'],
    'a grid mode': [() => F.gridSample(x, torch.ones([2, 1, 1, 2]), { mode: 'linear' as never }), 'ERR_ARGUMENT'],
    'an affine map of another size': [() => F.affineGrid(torch.ones([2, 3, 3]), [2, 1, 2, 2]), 'ERR_SHAPE'],
  };
  for (const [what, [run, error]] of Object.entries(wrong))
    it(`refuses ${what}`, () => expect(run).toThrow(code(error)));
});
