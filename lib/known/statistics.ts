// Channel means and standard deviations with which images are normalised before they enter a network, in units of full
// scale (a uint8 pixel of 255 is 1). A network that was trained with one set's numbers must see every other set,
// unknown ones included, through the same numbers.

/** One number a channel, in units of full scale. */
export interface Statistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * The customary numbers of well-known sets. CIFAR-10, CIFAR-100 and SVHN: those of the IsoMax papers' code (three
 * decimals, dlmacedo/entropic-out-of-distribution-detection, loaders/image.py). MNIST and Fashion-MNIST: the training
 * set's own, to four decimals, as in PyTorch's examples.
 */
export const statistics = {
  mnist: { mean: [0.1307], std: [0.3081] },
  fashionMnist: { mean: [0.286], std: [0.353] },
  cifar10: { mean: [0.491, 0.482, 0.446], std: [0.247, 0.243, 0.261] },
  cifar100: { mean: [0.507, 0.486, 0.44], std: [0.267, 0.256, 0.276] },
  svhn: { mean: [0.437, 0.443, 0.472], std: [0.198, 0.201, 0.197] },
} as const satisfies Record<string, Statistics>;
