#include "plain.h"

#include <ATen/EmptyTensor.h>

#include "errors.h"
#include "names.h"
#include "values.h"

namespace isotorch {
namespace {

// Views stay within their storage, but for those that the compiler's own operators make.
bool StorageSuffices(const at::Tensor& tensor) {
  if (tensor.numel() == 0) return true;
  size_t needed = at::detail::computeStorageNbytes(tensor.sizes(), tensor.strides(), tensor.element_size(),
                                                   tensor.storage_offset());
  return needed <= tensor.storage().nbytes() && tensor.storage().data() != nullptr;
}

at::Tensor Resolved(const at::Tensor& tensor) {
  at::Tensor written = tensor._is_zerotensor() ? tensor.clone() : tensor;
  return written.resolve_conj().resolve_neg();
}

}  // namespace

std::string Peculiarity(const at::Tensor& tensor) {
  c10::DispatchKeySet batched{at::DispatchKey::Batched, at::DispatchKey::FuncTorchBatched};
  if (tensor.key_set().has_any(batched))
    return "a batched tensor; torch._removeBatchDim() gives one with values";
  if (tensor.is_nested()) return "a nested tensor; unbind() gives its parts";
  if (tensor.layout() != at::kStrided)
    return std::string("a tensor of layout ") + LayoutName(tensor.layout()) + "; toDense() gives a dense one";
  if (tensor.is_meta()) return "a meta tensor, which has a shape but no values";
  if (!tensor.has_storage()) return "a tensor without a storage";
  if (!tensor._is_zerotensor() && !StorageSuffices(tensor)) return "a tensor that reaches beyond its storage";
  return "";
}

void RequireMemory(const at::Tensor& tensor) {
  std::string peculiar = Peculiarity(tensor);
  if (peculiar.empty() && tensor._is_zerotensor())
    peculiar = "a gradient that is known to be zero and has no memory; clone() gives one";
  if (!peculiar.empty()) throw Misuse("ERR_ARGUMENT", "Expected a tensor in memory but received " + peculiar);
}

at::Tensor Plain(const at::Tensor& tensor) {
  std::string peculiar = Peculiarity(tensor);
  if (!peculiar.empty()) throw Misuse("ERR_ARGUMENT", "Expected a dense tensor with values but received " + peculiar);
  return Resolved(tensor);
}

at::Tensor GradientInMemory(const at::Tensor& tensor) {
  at::Tensor gradient = tensor.grad();
  if (!gradient.defined() || !Peculiarity(gradient).empty()) return gradient;
  at::Tensor resolved = Resolved(gradient);
  if (!resolved.is_same(gradient)) tensor.mutable_grad() = resolved;
  return resolved;
}

std::string InWords(const at::Tensor& tensor) noexcept {
  try {
    std::string text = DtypeName(tensor.scalar_type());
    if (tensor.is_nested()) return "nested " + text;
    text += " [";
    for (int64_t i = 0; i < tensor.dim(); i++) text += (i ? ", " : "") + std::to_string(tensor.size(i));
    text += "]";
    return tensor.device().is_cpu() ? text : text + " on " + tensor.device().str();
  } catch (...) {
    return "a tensor";
  }
}

}  // namespace isotorch
