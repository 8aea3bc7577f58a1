// The distance head's kernels, one pair for each place where it can run. What they compute is said in distance.cc.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <tuple>

#include "working.h"

namespace isomax {

using Gradients = std::tuple<at::Tensor, at::Tensor>;

// On any device, from ATen's operators. The backward takes float32 and float64 alone: half types come as float32.
at::Tensor DistanceLogitsAnywhere(const at::Tensor& features, const at::Tensor& prototypes);
Gradients DistanceLogitsBackwardAnywhere(const at::Tensor& grad, const at::Tensor& features,
                                         const at::Tensor& prototypes, const at::Tensor& logits,
                                         std::array<bool, 2> mask);

// On the CPU, as matrix products.
at::Tensor DistanceLogitsCpu(const at::Tensor& features, const at::Tensor& prototypes);
Gradients DistanceLogitsBackwardCpu(const at::Tensor& grad, const at::Tensor& features, const at::Tensor& prototypes,
                                    const at::Tensor& logits, std::array<bool, 2> mask);

}  // namespace isomax
