// The second part of the losses as one operator, mean over the batch:
//
//   isomax::entropic_loss(logits [N, C], labels [N], scale) -> scalar,   loss = −1/N Σ_i log softmax(scale·z_i)_(y_i)
//
// Gradient scale/N·(softmax(scale·z) − onehot(y)). On the CPU each direction is one pass over the logits, and what is
// below the smallest normal number is 0. A gradient that is to be differentiated itself is made of ATen's operators.
#include <ATen/Dispatch.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <vector>

#include "checks.h"
#include "parallel.h"
#include "working.h"

namespace isomax {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor EntropicLoss(const at::Tensor& logits, const at::Tensor& labels, double scale) {
  static auto op = c10::Dispatcher::singleton()
                       .findSchemaOrThrow("isomax::entropic_loss", "")
                       .typed<at::Tensor(const at::Tensor&, const at::Tensor&, double)>();
  return op.call(logits, labels, scale);
}

at::Tensor EntropicLossBackward(const at::Tensor& grad, const at::Tensor& logits, const at::Tensor& labels,
                                double scale) {
  static auto op = c10::Dispatcher::singleton()
                       .findSchemaOrThrow("isomax::entropic_loss_backward", "")
                       .typed<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, double)>();
  return op.call(grad, logits, labels, scale);
}

// On any device, from ATen's operators, to be differentiated again or not.
at::Tensor EntropicLossAnywhere(const at::Tensor& logits, const at::Tensor& labels, double scale) {
  CheckLossInputs(logits, labels, scale);
  constexpr int64_t kIgnoreNone = -(int64_t{1} << 62);  // the default, −100, would let a wrong label pass in silence
  at::Tensor scaled = logits.to(WorkingType(logits)).mul(scale);
  return at::cross_entropy_loss(scaled, labels, {}, at::Reduction::Mean, kIgnoreNone).to(logits.scalar_type());
}

at::Tensor EntropicLossBackwardAnywhere(const at::Tensor& grad, const at::Tensor& logits, const at::Tensor& labels,
                                        double scale) {
  at::Tensor p = logits.to(WorkingType(logits)).mul(scale).softmax(1);
  at::Tensor onehot = at::zeros_like(p).scatter(1, labels.unsqueeze(1), 1);
  at::Tensor factor = grad.to(p.scalar_type()).mul(scale).div(logits.sym_size(0));
  return p.sub(onehot).mul(factor).to(logits.scalar_type());
}

// On the CPU.
void CheckLabels(const at::Tensor& labels, int64_t classes) {
  const int64_t* data = labels.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < labels.numel(); i++) {
    TORCH_CHECK_INDEX(data[i] >= 0 && data[i] < classes, "expected labels from 0 to ", classes - 1, ", received ",
                      data[i]);
  }
}

at::Tensor EntropicLossCpu(const at::Tensor& logits, const at::Tensor& labels_, double scale) {
  CheckLossInputs(logits, labels_, scale);
  at::Tensor z = Working(logits), labels = labels_.contiguous();
  int64_t n = z.size(0), c = z.size(1);
  CheckLabels(labels, c);
  std::vector<double> losses(n);
  AT_DISPATCH_FLOATING_TYPES(z.scalar_type(), "entropic_loss", [&] {
    const scalar_t* data = z.const_data_ptr<scalar_t>();
    const int64_t* label = labels.const_data_ptr<int64_t>();
    ForRows(n, 8 * c, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        losses[i] = Kernels<scalar_t>().entropic_loss(data + i * c, scalar_t(scale), c, label[i]);
    });
  });
  double sum = 0;
  for (double loss : losses) sum += loss;
  return at::full({}, sum / double(n), logits.options());
}

at::Tensor EntropicLossBackwardCpu(const at::Tensor& grad, const at::Tensor& logits, const at::Tensor& labels_,
                                   double scale) {
  CheckLossInputs(logits, labels_, scale);
  at::Tensor z = Working(logits), labels = labels_.contiguous(), out = at::empty_like(z);
  int64_t n = z.size(0), c = z.size(1);
  CheckLabels(labels, c);
  double factor = grad.item<double>() * scale / double(n);
  AT_DISPATCH_FLOATING_TYPES(z.scalar_type(), "entropic_loss_backward", [&] {
    const scalar_t* data = z.const_data_ptr<scalar_t>();
    const int64_t* label = labels.const_data_ptr<int64_t>();
    scalar_t* to = out.mutable_data_ptr<scalar_t>();
    ForRows(n, 8 * c, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        Kernels<scalar_t>().entropic_gradient(data + i * c, scalar_t(scale), c, label[i], factor, to + i * c);
    });
  });
  return out.to(logits.scalar_type());
}

struct EntropicLossFunction : torch::autograd::Function<EntropicLossFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& logits, const at::Tensor& labels,
                            double scale) {
    at::AutoDispatchBelowADInplaceOrView guard;
    context->save_for_backward({logits, labels});
    context->saved_data["scale"] = scale;
    return EntropicLoss(logits, labels, scale);
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    double scale = context->saved_data["scale"].toDouble();
    auto backward = at::GradMode::is_enabled() ? EntropicLossBackwardAnywhere : EntropicLossBackward;
    return {backward(grads[0], saved[0], saved[1], scale), at::Tensor(), at::Tensor()};
  }
};

at::Tensor EntropicLossAutograd(const at::Tensor& logits, const at::Tensor& labels, double scale) {
  return EntropicLossFunction::apply(logits, labels, scale);
}

// Under autocast in float32, as cross-entropy.
template <c10::DeviceType device>
at::Tensor EntropicLossAutocast(const at::Tensor& logits, const at::Tensor& labels, double scale) {
  c10::impl::ExcludeDispatchKeyGuard guard(at::autocast::get_autocast_dispatch_key_from_device_type(device));
  return EntropicLoss(at::autocast::cached_cast(at::kFloat, logits, device), labels, scale);
}

// Shapes alone.
at::Tensor EntropicLossMeta(const at::Tensor& logits, const at::Tensor& labels, double scale) {
  CheckLossInputs(logits, labels, scale);
  return at::empty({}, logits.options());
}

at::Tensor EntropicLossBackwardMeta(const at::Tensor&, const at::Tensor& logits, const at::Tensor&, double) {
  return at::empty_like(logits, at::MemoryFormat::Contiguous);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(isomax, library) {
  library.def("entropic_loss(Tensor logits, Tensor labels, float scale) -> Tensor");
  library.def("entropic_loss_backward(Tensor grad, Tensor logits, Tensor labels, float scale) -> Tensor");
}

TORCH_LIBRARY_IMPL(isomax, CompositeExplicitAutograd, library) {
  library.impl("entropic_loss", &EntropicLossAnywhere);
  library.impl("entropic_loss_backward", &EntropicLossBackwardAnywhere);
}

TORCH_LIBRARY_IMPL(isomax, CPU, library) {
  library.impl("entropic_loss", &EntropicLossCpu);
  library.impl("entropic_loss_backward", &EntropicLossBackwardCpu);
}

TORCH_LIBRARY_IMPL(isomax, Meta, library) {
  library.impl("entropic_loss", &EntropicLossMeta);
  library.impl("entropic_loss_backward", &EntropicLossBackwardMeta);
}

TORCH_LIBRARY_IMPL(isomax, Autograd, library) { library.impl("entropic_loss", &EntropicLossAutograd); }

TORCH_LIBRARY_IMPL(isomax, AutocastCPU, library) {
  library.impl("entropic_loss", &EntropicLossAutocast<c10::DeviceType::CPU>);
}

TORCH_LIBRARY_IMPL(isomax, AutocastCUDA, library) {
  library.impl("entropic_loss", &EntropicLossAutocast<c10::DeviceType::CUDA>);
}

}  // namespace isomax
