// The distance head from ATen's operators, on any device: PyTorch's own exact distances, from coordinate differences.
#include <ATen/ops/_cdist_backward.h>
#include <ATen/ops/_cdist_forward.h>

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
  at::Tensor f = features.contiguous(), p = prototypes.contiguous(), upstream = grad.contiguous().neg();
  at::Tensor distances = logits.neg(), grad_f, grad_p;
  if (mask[0]) grad_f = at::_cdist_backward(upstream, f, p, 2.0, distances);
  if (mask[1]) grad_p = at::_cdist_backward(upstream.t().contiguous(), p, f, 2.0, distances.t().contiguous());
  return {grad_f, grad_p};
}

}  // namespace isomax
