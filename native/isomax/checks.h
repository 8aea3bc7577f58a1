// What the operators ask of their arguments, in words; the same on every device.
#pragma once

#include <ATen/core/Tensor.h>

#include "distance.h"

namespace isomax {

// Sizes may be symbols here: torch.compile traces with them.
inline void CheckInputs(const at::Tensor& features, const at::Tensor& prototypes) {
  TORCH_CHECK(features.dim() == 2 && prototypes.dim() == 2,
              "expected features of shape [N, d] and prototypes of shape [C, d], received shapes ",
              features.sym_sizes(), " and ", prototypes.sym_sizes());
  TORCH_CHECK(features.sym_size(1) == prototypes.sym_size(1),
              "expected features and prototypes with the same size of their last dimension, received shapes ",
              features.sym_sizes(), " and ", prototypes.sym_sizes());
  TORCH_CHECK(features.scalar_type() == prototypes.scalar_type(),
              "expected features and prototypes of the same dtype, received ", features.scalar_type(), " and ",
              prototypes.scalar_type());
  TORCH_CHECK(at::isFloatingType(features.scalar_type()), "expected features of a floating dtype, received ",
              features.scalar_type());
  TORCH_CHECK(features.device() == prototypes.device(),
              "expected features and prototypes on the same device, received ", features.device(), " and ",
              prototypes.device());
}

inline void CheckLossInputs(const at::Tensor& logits, const at::Tensor& labels, double scale) {
  TORCH_CHECK(logits.dim() == 2 && labels.dim() == 1 && labels.sym_size(0) == logits.sym_size(0),
              "expected logits of shape [N, C] and labels of shape [N], received shapes ", logits.sym_sizes(), " and ",
              labels.sym_sizes());
  TORCH_CHECK(at::isFloatingType(logits.scalar_type()), "expected logits of a floating dtype, received ",
              logits.scalar_type());
  TORCH_CHECK(labels.scalar_type() == at::kLong, "expected labels of dtype int64, received ", labels.scalar_type());
  TORCH_CHECK(logits.device() == labels.device(), "expected logits and labels on the same device, received ",
              logits.device(), " and ", labels.device());
  TORCH_CHECK(scale > 0, "expected a scale above 0, received ", scale);
}

// Kernels are called with what they can take, whoever calls: they read raw memory.
template <auto kernel>
at::Tensor Checked(const at::Tensor& features, const at::Tensor& prototypes) {
  CheckInputs(features, prototypes);
  return kernel(features, prototypes);
}

template <auto kernel>
Gradients CheckedBackward(const at::Tensor& grad, const at::Tensor& features, const at::Tensor& prototypes,
                          const at::Tensor& logits, std::array<bool, 2> mask) {
  CheckInputs(features, prototypes);
  TORCH_CHECK(features.scalar_type() == WorkingType(features), "expected features of float32 or float64, received ",
              features.scalar_type());
  for (const at::Tensor& each : {grad, logits}) {
    TORCH_CHECK(
        each.dim() == 2 && each.sym_size(0) == features.sym_size(0) && each.sym_size(1) == prototypes.sym_size(0),
        "expected gradients and logits of shape [N, C], received ", each.sym_sizes());
    TORCH_CHECK(each.scalar_type() == features.scalar_type() && each.device() == features.device(),
                "expected gradients and logits of the features' dtype and device, received ", each.scalar_type(),
                " and ", each.device());
  }
  return kernel(grad, features, prototypes, logits, mask);
}

}  // namespace isomax
