// libisomax: the distance head of the IsoMax family as LibTorch operators. Knows nothing of Node: Python can load the
// same file with torch.ops.load_library.
//
//   isomax::distance_logits(features [N, d], prototypes [C, d]) -> [N, C],   logits_ij = −‖f_i − p_j‖₂
//
// Macêdo et al., "Entropic Out-of-Distribution Detection" (IEEE TNNLS 2021), eq. for the IsoMax logits. The distance
// is the exact one, from coordinate differences, as in the authors' code: the expansion ‖f‖² + ‖p‖² − 2f·p cancels
// when a feature is near a prototype, which is where trained networks put them.
//
// Gradient in closed form, 0 where the distance is 0: ∂logit_ij/∂f_i = −(f_i − p_j)/d_ij, ∂logit_ij/∂p_j = −∂/∂f_i.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace isomax {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void CheckInputs(const at::Tensor& features, const at::Tensor& prototypes) {
  TORCH_CHECK(features.dim() == 2 && prototypes.dim() == 2,
              "expected features of shape [N, d] and prototypes of shape [C, d], received shapes ", features.sizes(),
              " and ", prototypes.sizes());
  TORCH_CHECK(features.size(1) == prototypes.size(1),
              "expected features and prototypes with the same size of their last dimension, received shapes ",
              features.sizes(), " and ", prototypes.sizes());
  TORCH_CHECK(features.scalar_type() == prototypes.scalar_type(),
              "expected features and prototypes of the same dtype, received ", features.scalar_type(), " and ",
              prototypes.scalar_type());
  TORCH_CHECK(at::isFloatingType(features.scalar_type()), "expected features of a floating dtype, received ",
              features.scalar_type());
  TORCH_CHECK(features.device() == prototypes.device(),
              "expected features and prototypes on the same device, received ", features.device(), " and ",
              prototypes.device());
}

// Half types are computed in float32: differences of close numbers need the digits.
at::Tensor Working(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kDouble ? tensor.contiguous() : tensor.to(at::kFloat).contiguous();
}

constexpr int64_t kExact = 2;  // cdist's compute mode that never uses the matrix product

at::Tensor DistanceLogits(const at::Tensor& features, const at::Tensor& prototypes) {
  CheckInputs(features, prototypes);
  return at::_cdist_forward(Working(features), Working(prototypes), 2.0, kExact).neg().to(features.scalar_type());
}

// (grad_logits, features, prototypes) -> (grad_features, grad_prototypes). Distances are computed again where the
// saved logits are of a half type, whose rounding would spoil the quotient.
std::tuple<at::Tensor, at::Tensor> DistanceLogitsBackward(const at::Tensor& grad_logits, const at::Tensor& features,
                                                          const at::Tensor& prototypes, const at::Tensor& logits) {
  at::Tensor f = Working(features), p = Working(prototypes);
  bool exact = logits.scalar_type() == f.scalar_type();
  at::Tensor distances = exact ? logits.neg() : at::_cdist_forward(f, p, 2.0, kExact);
  at::Tensor grad = Working(grad_logits).neg();
  at::Tensor grad_f = at::_cdist_backward(grad, f, p, 2.0, distances);
  at::Tensor grad_p = at::_cdist_backward(grad.t().contiguous(), p, f, 2.0, distances.t().contiguous());
  return {grad_f.to(features.scalar_type()), grad_p.to(prototypes.scalar_type())};
}

// The backward as a function of its own, so that a second derivative is refused in words instead of being wrong.
struct BackwardFunction : torch::autograd::Function<BackwardFunction> {
  static variable_list forward(AutogradContext*, const at::Tensor& grad_logits, const at::Tensor& features,
                               const at::Tensor& prototypes, const at::Tensor& logits) {
    at::AutoDispatchBelowADInplaceOrView guard;
    auto [grad_f, grad_p] = DistanceLogitsBackward(grad_logits, features, prototypes, logits);
    return {grad_f, grad_p};
  }
  static variable_list backward(AutogradContext*, const variable_list&) {
    TORCH_CHECK(false,
                "isomax::distance_logits is differentiable once: its second derivative is not defined. "
                "Ask for gradients without createGraph");
  }
};

struct Function : torch::autograd::Function<Function> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& features, const at::Tensor& prototypes) {
    at::AutoDispatchBelowADInplaceOrView guard;
    at::Tensor logits = DistanceLogits(features, prototypes);
    context->save_for_backward({features, prototypes, logits});
    return logits;
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    return BackwardFunction::apply(grads[0], saved[0], saved[1], saved[2]);
  }
};

at::Tensor DistanceLogitsAutograd(const at::Tensor& features, const at::Tensor& prototypes) {
  CheckInputs(features, prototypes);
  return Function::apply(features, prototypes);
}

}  // namespace

TORCH_LIBRARY(isomax, library) { library.def("distance_logits(Tensor features, Tensor prototypes) -> Tensor"); }

TORCH_LIBRARY_IMPL(isomax, CompositeExplicitAutograd, library) { library.impl("distance_logits", &DistanceLogits); }

TORCH_LIBRARY_IMPL(isomax, Autograd, library) { library.impl("distance_logits", &DistanceLogitsAutograd); }

}  // namespace isomax
