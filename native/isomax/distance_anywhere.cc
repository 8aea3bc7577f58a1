// The distance head from ATen's operators, on any device: PyTorch's own exact distances, from coordinate differences.
#include <ATen/Functions.h>

#include "distance.h"

namespace isomax {
namespace {

constexpr int64_t kExact = 2;  // cdist's compute mode that never uses the matrix product

}  // namespace

at::Tensor DistanceLogitsAnywhere(const at::Tensor& features, const at::Tensor& prototypes) {
  return at::_cdist_forward(Working(features), Working(prototypes), 2.0, kExact).neg().to(features.scalar_type());
}

Gradients DistanceLogitsBackwardAnywhere(const at::Tensor& grad, const at::Tensor& features,
                                         const at::Tensor& prototypes, const at::Tensor& logits,
                                         std::array<bool, 2> mask) {
  at::Tensor f = Working(features), p = Working(prototypes), upstream = Working(grad).neg();
  // Rounded to a half type, the logits would spoil the quotient: distances are computed again.
  bool exact = logits.scalar_type() == f.scalar_type();
  at::Tensor distances = exact ? logits.neg() : at::_cdist_forward(f, p, 2.0, kExact);
  at::Tensor grad_f, grad_p;
  if (mask[0]) grad_f = at::_cdist_backward(upstream, f, p, 2.0, distances).to(features.scalar_type());
  if (mask[1]) {
    grad_p = at::_cdist_backward(upstream.t().contiguous(), p, f, 2.0, distances.t().contiguous())
                 .to(prototypes.scalar_type());
  }
  return {grad_f, grad_p};
}

}  // namespace isomax
