#include "handles.h"

#include <ATen/MapAllocator.h>

#include <unordered_set>

#include "errors.h"

namespace isotorch {
namespace {

constexpr uint64_t kIndexBits = 26, kIndexCount = uint64_t{1} << kIndexBits;  // 67 million live tensors
constexpr double kIndexRange = kIndexCount;
constexpr uint32_t kLastGeneration = 1u << 27;  // index and generation fill a double's 53 bits

Handle Pack(size_t index, uint32_t generation) { return generation * kIndexRange + static_cast<double>(index); }

// What V8 should feel of a tensor: host memory that this handle alone keeps. A mapped file is the system's to drop.
int64_t HostBytes(const at::Tensor& tensor) {
  if (!tensor.has_storage() || tensor.device().type() != at::kCPU || tensor.storage().use_count() > 1) return 0;
  if (at::MapAllocator::fromDataPtr(tensor.storage().data_ptr()) != nullptr) return 0;
  return static_cast<int64_t>(tensor.storage().nbytes());
}

}  // namespace

Handle Handles::Add(at::Tensor tensor) {
  uint32_t index;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else {
    if (slots_.size() >= kIndexCount)
      throw Misuse("ERR_OUT_OF_MEMORY", "More than 67 million live tensors: dispose some, or use tidy()");
    index = slots_.size();
    slots_.emplace_back();
  }
  Slot& slot = slots_[index];
  slot.bytes = HostBytes(tensor);
  slot.tensor = std::move(tensor);
  Handle handle = Pack(index, slot.generation);
  slot.scope = static_cast<int32_t>(scopes_.size()) - 1;
  if (slot.scope >= 0) scopes_.back().push_back(handle);
  byte_delta_ += slot.bytes;
  live_++;
  return handle;
}

ptrdiff_t Handles::Find(Handle handle) const {
  // NaN, negative and too large numbers fail the first comparison, fractions the second.
  if (!(handle >= kIndexRange && handle < kIndexRange * kLastGeneration)) return -1;
  auto bits = static_cast<uint64_t>(handle);
  if (static_cast<double>(bits) != handle) return -1;
  size_t index = bits & (kIndexCount - 1);
  bool fits = index < slots_.size() && slots_[index].generation == bits >> kIndexBits && slots_[index].tensor.defined();
  return fits ? static_cast<ptrdiff_t>(index) : -1;
}

size_t Handles::IndexOf(Handle handle) const {
  ptrdiff_t index = Find(handle);
  if (index >= 0) return static_cast<size_t>(index);
  throw Misuse("ERR_TENSOR_DISPOSED",
               "Expected a live tensor but received one that was disposed. Tensors made inside tidy() end with it, "
               "unless they are returned from it or kept with keep()");
}

const at::Tensor& Handles::Get(Handle handle) const { return slots_[IndexOf(handle)].tensor; }

bool Handles::Release(Handle handle) {
  ptrdiff_t index = Find(handle);
  if (index < 0) return false;
  Slot& slot = slots_[index];
  at::Tensor last = std::move(slot.tensor);  // destroyed after the table is consistent again
  slot.tensor = at::Tensor();
  byte_delta_ -= std::exchange(slot.bytes, 0);
  live_--;
  if (++slot.generation < kLastGeneration) free_.push_back(static_cast<uint32_t>(index));  // else the slot is worn out
  return true;
}

void Handles::Keep(Handle handle) { slots_[IndexOf(handle)].scope = -1; }

void Handles::BeginScope() {
  if (spare_.empty()) {
    scopes_.emplace_back();
  } else {
    scopes_.push_back(std::move(spare_.back()));
    spare_.pop_back();
  }
}

void Handles::EndScope(const Handle* survivors, size_t count) {
  if (scopes_.empty()) throw Misuse("ERR_ARGUMENT", "Expected a scope to be open");
  int32_t scope = static_cast<int32_t>(scopes_.size()) - 1;
  std::vector<Handle> held = std::move(scopes_.back());
  scopes_.pop_back();
  for (size_t i = 0; i < count; i++) {
    ptrdiff_t index = Find(survivors[i]);
    if (index < 0) continue;
    Slot& slot = slots_[index];
    if (slot.scope != scope) continue;  // kept, or of an outer scope already
    slot.scope = scope - 1;
    if (scope > 0) scopes_.back().push_back(survivors[i]);
  }
  for (Handle handle : held) {
    ptrdiff_t index = Find(handle);
    if (index >= 0 && slots_[index].scope == scope) Release(handle);
  }
  held.clear();
  spare_.push_back(std::move(held));
}

uint64_t Handles::Bytes() const {
  std::unordered_set<const void*> seen;
  uint64_t bytes = 0;
  for (const Slot& slot : slots_) {
    if (!slot.tensor.defined() || !slot.tensor.has_storage()) continue;
    const auto& storage = slot.tensor.storage();
    if (seen.insert(storage.unsafeGetStorageImpl()).second) bytes += storage.nbytes();
  }
  return bytes;
}

}  // namespace isotorch
