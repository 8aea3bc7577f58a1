// Which tensors lie in memory as their shape says, and how to read those that don't. Many kinds have no memory of their
// own (meta, sparse, MKL-DNN's, gradients that are known to be zero), or other values in it than theirs (nested,
// conjugated, quantized): whoever follows a pointer asks here first.
#pragma once
#include <ATen/ATen.h>

#include <string>

namespace isotorch {

// What kind of tensor it is where it is no ordinary one, and what to do with it: "a nested tensor; unbind() gives
// its parts". Empty for one whose values lie in memory, maybe conjugated or negated.
std::string Peculiarity(const at::Tensor& tensor);

// Throws ERR_ARGUMENT unless the tensor's own storage holds all of its elements, at the strides it tells.
void RequireMemory(const at::Tensor& tensor);

// The tensor's values in memory on its device, as plain numbers: conjugation and negation carried out, zeros written
// out. The tensor itself where nothing is to do. Throws ERR_ARGUMENT for kinds that have none.
at::Tensor Plain(const at::Tensor& tensor);

// The tensor's gradient, which has memory from now on if it is dense: fused optimizers follow pointers.
at::Tensor GradientInMemory(const at::Tensor& tensor);

// "float32 [2, 3]" of any tensor, for messages.
std::string InWords(const at::Tensor& tensor) noexcept;

}  // namespace isotorch
