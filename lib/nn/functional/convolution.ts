// Linear maps and convolutions: LibTorch's own operators. As with all of them, arguments may be given by position in
// PyTorch's order or by name in a last object: `conv2d(x, weight, { padding: 1 })`.

import { type Torch, torch } from '../../tensor/index.js';

/** x·Wᵀ + b, W [out, in]. */
export const linear: Torch['linear'] = torch.linear;
/** x₁ᵀ·W·x₂ + b, W [out, in₁, in₂]. */
export const bilinear: Torch['bilinear'] = torch.bilinear;
/** [N, in, L] with weights [out, in / groups, kernel]. */
export const conv1d: Torch['conv1d'] = torch.conv1d;
/** [N, in, H, W] with weights [out, in / groups, height, width]. */
export const conv2d: Torch['conv2d'] = torch.conv2d;
/** [N, in, D, H, W] with weights [out, in / groups, depth, height, width]. */
export const conv3d: Torch['conv3d'] = torch.conv3d;
/** The gradient of `conv1d` with respect to its input, as a layer: weights [in, out / groups, kernel]. */
export const convTranspose1d: Torch['convTranspose1d'] = torch.convTranspose1d;
/** The same for images: weights [in, out / groups, height, width]. */
export const convTranspose2d: Torch['convTranspose2d'] = torch.convTranspose2d;
/** The same for volumes: weights [in, out / groups, depth, height, width]. */
export const convTranspose3d: Torch['convTranspose3d'] = torch.convTranspose3d;
/** Over time first: [L, N, in] with weights [kernel, in, out] and a bias [out]. */
export const convTbc: Torch['convTbc'] = torch.convTbc;
/** Products of groups of matrices: [M, K] · [K, N] for each stretch of rows that ends at an offset of `offs`. */
export const groupedMm: Torch['_groupedMm'] = torch._groupedMm;
