#include "snapshot.h"

#include <cstring>

#include "flights.h"

namespace isotorch {
namespace {

bool IsPlain(const at::Tensor& tensor) {
  return tensor.is_cpu() && tensor.layout() == at::kStrided && tensor.is_contiguous() && !tensor.is_conj() &&
         !tensor.is_neg();
}

}  // namespace

Snapshot::Snapshot(at::Tensor source, std::vector<std::shared_ptr<Flight>> before)
    : nbytes_(source.numel() * static_cast<int64_t>(source.element_size())),
      plain_(IsPlain(source)),
      source_(std::move(source)),
      before_(std::move(before)) {
  ForEachStorage(source_, [&](StorageKey storage) { storages_.push_back(storage); });
}

// Not under the lock while it waits: whoever writes next waits for the same work, and then for the lock.
void Snapshot::AwaitValues() {
  for (const auto& flight : Before()) flight->Wait();
  std::lock_guard lock(mutex_);
  before_.clear();
}

std::vector<std::shared_ptr<Flight>> Snapshot::Before() {
  std::lock_guard lock(mutex_);
  return before_;
}

void Snapshot::Copy(int64_t start, int64_t length, void* to) {
  AwaitValues();
  std::lock_guard lock(mutex_);
  if (!flat_) {
    at::Tensor values = source_.resolve_conj().resolve_neg().contiguous();
    own_ = own_ || !values.is_alias_of(source_);
    source_ = BytesOf(values);
    flat_ = true;
  }
  if (length == 0) return;
  at::Tensor piece = source_.narrow(0, start, length).cpu();
  std::memcpy(to, piece.const_data_ptr(), length);
}

void Snapshot::Part() {
  AwaitValues();
  std::lock_guard lock(mutex_);
  if (own_ || !source_.defined()) return;
  source_ = source_.clone();
  own_ = true;
}

void Snapshot::Drop() {
  at::Tensor last;
  std::lock_guard lock(mutex_);
  last = std::move(source_);
  source_ = at::Tensor();
}

at::Tensor BytesOf(const at::Tensor& contiguous) {
  auto size = static_cast<int64_t>(contiguous.element_size());
  return StorageBytes(contiguous, contiguous.storage_offset() * size, contiguous.numel() * size);
}

at::Tensor StorageBytes(const at::Tensor& tensor, int64_t start, int64_t length) {
  return at::empty({0}, at::TensorOptions().dtype(at::kByte).device(tensor.device()))
      .set_(tensor.storage(), start, {length}, {1});
}

}  // namespace isotorch
