// libisomax: the distance head of the IsoMax family as LibTorch operators. Knows nothing of Node: Python can load the
// same file with torch.ops.load_library.
//
//   isomax::distance_logits(features [N, d], prototypes [C, d]) -> [N, C],   logits_ij = −‖f_i − p_j‖₂
//
// Macêdo et al., "Entropic Out-of-Distribution Detection" (IEEE TNNLS 2021), eq. for the IsoMax logits. The distance
// is exact, as in the authors' code, also where a feature is near a prototype, which is where trained networks put
// them.
//
// Gradient in closed form, 0 where the distance is 0: ∂logit_ij/∂f_i = −(f_i − p_j)/d_ij, ∂logit_ij/∂p_j = −∂/∂f_i.
#include "distance.h"

#include <ATen/autocast_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "checks.h"

namespace isomax {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The operators by their dispatcher, which knows the device.
at::Tensor DistanceLogits(const at::Tensor& features, const at::Tensor& prototypes) {
  static auto op = c10::Dispatcher::singleton()
                       .findSchemaOrThrow("isomax::distance_logits", "")
                       .typed<at::Tensor(const at::Tensor&, const at::Tensor&)>();
  return op.call(features, prototypes);
}

Gradients DistanceLogitsBackward(const at::Tensor& grad, const at::Tensor& features, const at::Tensor& prototypes,
                                 const at::Tensor& logits, std::array<bool, 2> mask) {
  static auto op = c10::Dispatcher::singleton()
                       .findSchemaOrThrow("isomax::distance_logits_backward", "")
                       .typed<Gradients(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                        std::array<bool, 2>)>();
  return op.call(grad, features, prototypes, logits, mask);
}

struct DistanceLogitsFunction : torch::autograd::Function<DistanceLogitsFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& features, const at::Tensor& prototypes) {
    at::AutoDispatchBelowADInplaceOrView guard;
    at::Tensor logits = DistanceLogits(features, prototypes);
    context->save_for_backward({features, prototypes, logits});
    return logits;
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    std::array<bool, 2> mask = {context->needs_input_grad(0), context->needs_input_grad(1)};
    auto [grad_f, grad_p] = DistanceLogitsBackward(grads[0], saved[0], saved[1], saved[2], mask);
    return {grad_f, grad_p};
  }
};

// The backward has an autograd of its own, so that a second derivative is refused in words instead of being wrong.
struct DistanceLogitsBackwardFunction : torch::autograd::Function<DistanceLogitsBackwardFunction> {
  static variable_list forward(AutogradContext*, const at::Tensor& grad, const at::Tensor& features,
                               const at::Tensor& prototypes, const at::Tensor& logits, std::array<bool, 2> mask) {
    at::AutoDispatchBelowADInplaceOrView guard;
    auto [grad_f, grad_p] = DistanceLogitsBackward(grad, features, prototypes, logits, mask);
    variable_list defined;  // a Function takes no others
    if (mask[0]) defined.push_back(grad_f);
    if (mask[1]) defined.push_back(grad_p);
    return defined;
  }
  static variable_list backward(AutogradContext*, const variable_list&) {
    TORCH_CHECK(false,
                "isomax::distance_logits is differentiable once: its second derivative is not defined. "
                "Ask for gradients without createGraph");
  }
};

at::Tensor DistanceLogitsAutograd(const at::Tensor& features, const at::Tensor& prototypes) {
  CheckInputs(features, prototypes);
  // Half types in float32 here already, so that the backward gets distances that aren't rounded.
  at::ScalarType working = WorkingType(features);
  if (features.scalar_type() != working) {
    return DistanceLogits(features.to(working), prototypes.to(working)).to(features.scalar_type());
  }
  return DistanceLogitsFunction::apply(features, prototypes);
}

Gradients DistanceLogitsBackwardAutograd(const at::Tensor& grad, const at::Tensor& features,
                                         const at::Tensor& prototypes, const at::Tensor& logits,
                                         std::array<bool, 2> mask) {
  auto defined = DistanceLogitsBackwardFunction::apply(grad, features, prototypes, logits, mask);
  return {mask[0] ? defined.front() : at::Tensor(), mask[1] ? defined.back() : at::Tensor()};
}

// Under autocast in float32, as cdist.
template <c10::DeviceType device>
at::Tensor DistanceLogitsAutocast(const at::Tensor& features, const at::Tensor& prototypes) {
  c10::impl::ExcludeDispatchKeyGuard guard(at::autocast::get_autocast_dispatch_key_from_device_type(device));
  return DistanceLogits(at::autocast::cached_cast(at::kFloat, features, device),
                        at::autocast::cached_cast(at::kFloat, prototypes, device));
}

// Shapes alone.
at::Tensor DistanceLogitsMeta(const at::Tensor& features, const at::Tensor& prototypes) {
  return at::empty_symint({features.sym_size(0), prototypes.sym_size(0)}, features.options());
}

Gradients DistanceLogitsBackwardMeta(const at::Tensor&, const at::Tensor& features, const at::Tensor& prototypes,
                                     const at::Tensor&, std::array<bool, 2> mask) {
  return {mask[0] ? at::empty_like(features, at::MemoryFormat::Contiguous) : at::Tensor(),
          mask[1] ? at::empty_like(prototypes, at::MemoryFormat::Contiguous) : at::Tensor()};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(isomax, library) {
  library.def("distance_logits(Tensor features, Tensor prototypes) -> Tensor");
  library.def(
      "distance_logits_backward(Tensor grad, Tensor features, Tensor prototypes, Tensor logits, bool[2] output_mask) "
      "-> (Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(isomax, CompositeExplicitAutograd, library) {
  library.impl("distance_logits", &Checked<DistanceLogitsAnywhere>);
  library.impl("distance_logits_backward", &CheckedBackward<DistanceLogitsBackwardAnywhere>);
}

TORCH_LIBRARY_IMPL(isomax, CPU, library) {
  library.impl("distance_logits", &Checked<DistanceLogitsCpu>);
  library.impl("distance_logits_backward", &CheckedBackward<DistanceLogitsBackwardCpu>);
}

TORCH_LIBRARY_IMPL(isomax, Meta, library) {
  library.impl("distance_logits", &Checked<DistanceLogitsMeta>);
  library.impl("distance_logits_backward", &CheckedBackward<DistanceLogitsBackwardMeta>);
}

TORCH_LIBRARY_IMPL(isomax, Autograd, library) {
  library.impl("distance_logits", &DistanceLogitsAutograd);
  library.impl("distance_logits_backward", &DistanceLogitsBackwardAutograd);
}

TORCH_LIBRARY_IMPL(isomax, AutocastCPU, library) {
  library.impl("distance_logits", &DistanceLogitsAutocast<c10::DeviceType::CPU>);
}

TORCH_LIBRARY_IMPL(isomax, AutocastCUDA, library) {
  library.impl("distance_logits", &DistanceLogitsAutocast<c10::DeviceType::CUDA>);
}

}  // namespace isomax
