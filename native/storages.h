// Whose memory a tensor's values are in: by that, and not by the tensor, it is known who would be in whose way.
#pragma once
#include <ATen/ATen.h>

#include <unordered_map>

namespace isotorch {

using StorageKey = const void*;
// Storage → whether it is written.
using Touched = std::unordered_map<StorageKey, bool>;

// The storage of a dense tensor, and the address where it begins; null for others.
inline StorageKey StorageOf(const at::Tensor& tensor) {
  return tensor.defined() && tensor.has_storage() ? tensor.storage().unsafeGetStorageImpl() : nullptr;
}
inline const void* AddressOf(const at::Tensor& tensor) {
  return tensor.defined() && tensor.has_storage() ? tensor.storage().data() : nullptr;
}

// Calls each(key) for the storages behind a tensor: one, those of a sparse tensor's parts, or none (undefined tensors,
// MKL-DNN's).
template <typename Each>
void ForEachStorage(const at::Tensor& tensor, const Each& each) {
  if (!tensor.defined()) return;
  if (tensor.has_storage()) {
    each(StorageOf(tensor));
    return;
  }
  switch (tensor.layout()) {
    case at::kSparse:
      ForEachStorage(tensor._indices(), each);
      ForEachStorage(tensor._values(), each);
      break;
    case at::kSparseCsr:
    case at::kSparseBsr:
      ForEachStorage(tensor.crow_indices(), each);
      ForEachStorage(tensor.col_indices(), each);
      ForEachStorage(tensor.values(), each);
      break;
    case at::kSparseCsc:
    case at::kSparseBsc:
      ForEachStorage(tensor.ccol_indices(), each);
      ForEachStorage(tensor.row_indices(), each);
      ForEachStorage(tensor.values(), each);
      break;
    default: break;
  }
}

}  // namespace isotorch
