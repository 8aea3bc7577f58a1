// The entropic loss on CUDA, part of libisomax_cuda (distance.cc). The upstream gradient stays on the device.
#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include "../isomax/checks.h"
#include "kernels.h"

namespace isomax {
namespace {

void CheckCuda(const at::Tensor& logits, const at::Tensor& labels, double scale) {
  CheckLossInputs(logits, labels, scale);
  TORCH_CHECK_INDEX(logits.size(1) > 0 || logits.size(0) == 0, "expected labels of classes, but there are no classes");
}

at::Tensor EntropicLossCuda(const at::Tensor& logits, const at::Tensor& labels_, double scale) {
  CheckCuda(logits, labels_, scale);
  c10::cuda::CUDAGuard on_device(logits.device());
  at::Tensor z = Working(logits), labels = labels_.contiguous(), loss = at::empty({}, z.options());
  at::Tensor losses = at::empty({z.size(0)}, z.options().dtype(at::kDouble));
  AT_DISPATCH_FLOATING_TYPES(z.scalar_type(), "entropic_loss", [&] {
    EntropicLossForward<scalar_t>(z.const_data_ptr<scalar_t>(), labels.const_data_ptr<int64_t>(), scale, z.size(0),
                                  z.size(1), losses.mutable_data_ptr<double>(), loss.mutable_data_ptr<scalar_t>(),
                                  c10::cuda::getCurrentCUDAStream());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return loss.to(logits.scalar_type());
}

at::Tensor EntropicLossBackwardCuda(const at::Tensor& grad, const at::Tensor& logits, const at::Tensor& labels_,
                                    double scale) {
  CheckCuda(logits, labels_, scale);
  TORCH_CHECK(grad.numel() == 1 && grad.device() == logits.device(), "expected one gradient, on the device of the ",
              "logits, received one of shape ", grad.sizes(), " on ", grad.device());
  c10::cuda::CUDAGuard on_device(logits.device());
  at::Tensor z = Working(logits), labels = labels_.contiguous(), upstream = grad.to(z.scalar_type());
  at::Tensor out = at::empty_like(z);
  if (z.numel() == 0) return out.to(logits.scalar_type());
  AT_DISPATCH_FLOATING_TYPES(z.scalar_type(), "entropic_loss_backward", [&] {
    EntropicLossBackward<scalar_t>(upstream.const_data_ptr<scalar_t>(), z.const_data_ptr<scalar_t>(),
                                   labels.const_data_ptr<int64_t>(), scale, z.size(0), z.size(1),
                                   out.mutable_data_ptr<scalar_t>(), c10::cuda::getCurrentCUDAStream());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return out.to(logits.scalar_type());
}

}  // namespace

TORCH_LIBRARY_IMPL(isomax, CUDA, library) {
  library.impl("entropic_loss", &EntropicLossCuda);
  library.impl("entropic_loss_backward", &EntropicLossBackwardCuda);
}

}  // namespace isomax
