// libisomax_cuda: CUDA kernels for libisomax's operators, which without it run on LibTorch's own
// (distance_anywhere.cc). Nothing but registrations: it is opened, and the dispatcher has them; their autograd and
// autocast are libisomax's.
//
// Here the distance head, as ../isomax/distance_cpu.cc does it, but with nothing that the host has to wait for: every
// decision is made and used on the device. Near pairs are found again from the logits instead of being listed.
#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <algorithm>

#include "../isomax/checks.h"
#include "kernels.h"
#include "product.h"

namespace isomax {
namespace {

at::Tensor Empty(at::IntArrayRef sizes, const at::Tensor& like) { return at::empty(sizes, like.options()); }

// Both sides as the kernels take them, with the memory that they point to.
template <class T>
struct Sides {
  at::Tensor f, p, moved, squares;
  Points<T> features, prototypes;
  int64_t n, c, d;
  cudaStream_t stream = c10::cuda::getCurrentCUDAStream();

  Sides(const at::Tensor& f_, const at::Tensor& p_) : f(Working(f_)), p(Working(p_)) {
    n = f.size(0), c = p.size(0), d = f.size(1);
    moved = Empty({n + c, d}, f), squares = Empty({n + c}, f);
    T* to = moved.mutable_data_ptr<T>();
    T* norms = squares.mutable_data_ptr<T>();
    features = {f.const_data_ptr<T>(), to, norms, n};
    prototypes = {p.const_data_ptr<T>(), to + n * d, norms + n, c};
    at::Tensor centre = Empty({d}, f), parts = at::empty({Tiles(d), 2}, f.options().dtype(at::kDouble));
    T* centre_data = centre.mutable_data_ptr<T>();
    FindCentre<T>(prototypes.x, c, d, parts.mutable_data_ptr<double>(), centre_data, stream);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    Move<T>(features, prototypes, centre_data, d, stream);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  }
};

// A GEMM on the device may sum along the whole of d in one register, where the CPU's libraries stop now and then.
// near.h allows κ up to 18. One chain of float32 additions, played on 20,000 pairs of features of one sign, has κ = 15
// for k = 256, 20 for 512 and 40 for 2048; parts of 256 that are added have 10 for d = 512 and less for more.
template <class T>
void Products(const Sides<T>& sides, T* out) {
  constexpr int64_t kLongest = 256, kAligned = 4;
  int64_t parts = (sides.d + kLongest - 1) / kLongest;
  int64_t part = ((sides.d + parts - 1) / parts + kAligned - 1) / kAligned * kAligned;
  for (int64_t k = 0; k < sides.d; k += part) {
    Product<T>({sides.features.moved + k, sides.d}, {sides.prototypes.moved + k, sides.d, true}, sides.n, sides.c,
               std::min(part, sides.d - k), k > 0, out);
  }
}

template <class T>
at::Tensor Forward(const at::Tensor& features, const at::Tensor& prototypes) {
  Sides<T> sides(features, prototypes);
  at::Tensor logits = Empty({sides.n, sides.c}, sides.f);
  T* data = logits.mutable_data_ptr<T>();
  Products(sides, data);
  FinishLogits<T>(sides.features, sides.prototypes, sides.d, data, sides.stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return logits;
}

// The memory of a Summary.
template <class T>
struct SummaryOf {
  at::Tensor sums, near;
  SummaryOf(int64_t rows, int64_t others, const at::Tensor& like)
      : sums(Empty({rows, Tiles(others)}, like)),
        near(at::empty({rows, Tiles(others)}, like.options().dtype(at::kInt))) {}
  operator Summary<T>() const {
    return {sums.mutable_data_ptr<T>(), reinterpret_cast<uint32_t*>(near.mutable_data_ptr<int32_t>())};
  }
};

template <class T>
Gradients Backward(const at::Tensor& grad_, const at::Tensor& features, const at::Tensor& prototypes,
                   const at::Tensor& logits_, std::array<bool, 2> mask) {
  Sides<T> sides(features, prototypes);
  int64_t n = sides.n, c = sides.c, d = sides.d;
  at::Tensor grad = grad_.contiguous(), logits = logits_.contiguous(), a = at::empty_like(logits);
  const T* g = grad.const_data_ptr<T>();
  const T* z = logits.const_data_ptr<T>();
  T* coefficients = a.mutable_data_ptr<T>();
  SummaryOf<T> by_feature(n, c, a), by_prototype(c, n, a);
  FindCoefficients<T>(g, z, sides.features, sides.prototypes, coefficients, by_feature, by_prototype, sides.stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  at::Tensor grad_f, grad_p;
  if (mask[0]) {
    grad_f = Empty({n, d}, a);
    T* out = grad_f.template mutable_data_ptr<T>();
    StartGradient<T>(sides.features, sides.prototypes, by_feature, g, z, c, 1, d, out, sides.stream);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    Product<T>({coefficients, c}, {sides.prototypes.moved, d}, n, d, c, true, out);
  }
  if (mask[1]) {
    grad_p = Empty({c, d}, a);
    T* out = grad_p.template mutable_data_ptr<T>();
    StartGradient<T>(sides.prototypes, sides.features, by_prototype, g, z, 1, c, d, out, sides.stream);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    Product<T>({coefficients, c, true}, {sides.features.moved, d}, c, d, n, true, out);
  }
  return {grad_f, grad_p};
}

bool Nothing(const at::Tensor& features, const at::Tensor& prototypes) {
  return features.numel() == 0 || prototypes.numel() == 0;
}

at::Tensor DistanceLogitsCuda(const at::Tensor& features, const at::Tensor& prototypes) {
  c10::cuda::CUDAGuard on_device(features.device());
  if (Nothing(features, prototypes)) return at::zeros({features.size(0), prototypes.size(0)}, features.options());
  return AT_DISPATCH_FLOATING_TYPES(WorkingType(features), "distance_logits",
                                    [&] { return Forward<scalar_t>(features, prototypes).to(features.scalar_type()); });
}

Gradients DistanceLogitsBackwardCuda(const at::Tensor& grad, const at::Tensor& features, const at::Tensor& prototypes,
                                     const at::Tensor& logits, std::array<bool, 2> mask) {
  c10::cuda::CUDAGuard on_device(features.device());
  if (Nothing(features, prototypes)) {
    auto zeros = [](const at::Tensor& like) { return at::zeros(like.sizes(), like.options()); };
    return {mask[0] ? zeros(features) : at::Tensor(), mask[1] ? zeros(prototypes) : at::Tensor()};
  }
  return AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "distance_logits_backward",
                                    [&] { return Backward<scalar_t>(grad, features, prototypes, logits, mask); });
}

}  // namespace

TORCH_LIBRARY_IMPL(isomax, CUDA, library) {
  library.impl("distance_logits", &Checked<DistanceLogitsCuda>);
  library.impl("distance_logits_backward", &CheckedBackward<DistanceLogitsBackwardCuda>);
}

}  // namespace isomax
