// The dtype that the kernels work in. Half types are computed in float32: differences of close numbers need the digits.
#pragma once

#include <ATen/core/Tensor.h>

namespace isomax {

inline at::ScalarType WorkingType(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

inline at::Tensor Working(const at::Tensor& tensor) { return tensor.to(WorkingType(tensor)).contiguous(); }

}  // namespace isomax
