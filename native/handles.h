// The table of live tensors. JavaScript holds a tensor as one number, its handle: slot index and generation packed
// into a double. A stale or invented handle is refused; it can't reach foreign memory.
//
// Invariants: a slot's generation grows each time it is emptied, so an old handle never fits a new tenant; generation
// 0 is never used, so no handle is 0 and 0 can stand for "no tensor". Used by its own environment's thread only.
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace isotorch {

using Handle = double;

class Handles {
 public:
  // Stores a defined tensor, in the innermost scope if there is one.
  Handle Add(at::Tensor tensor);
  // Throws ERR_TENSOR_DISPOSED for a handle that holds nothing (any more). The reference lives until the next Add.
  const at::Tensor& Get(Handle handle) const;
  bool Alive(Handle handle) const { return Find(handle) >= 0; }
  // Forgets the tensor; false if it was gone already.
  bool Release(Handle handle);
  // Takes the tensor out of all scopes: it lives until Release.
  void Keep(Handle handle);

  void BeginScope();
  // Releases what the innermost scope holds, except `survivors`, which move to the scope around it, if any.
  void EndScope(const Handle* survivors, size_t count);

  size_t Count() const { return live_; }
  // Bytes of all distinct storages that live handles reach; walks the table.
  uint64_t Bytes() const;

  // CPU bytes gained and lost since last asked, for V8's accounting.
  int64_t TakeByteDelta() { return std::exchange(byte_delta_, 0); }
  int64_t ByteDelta() const { return byte_delta_; }

 private:
  struct Slot {
    at::Tensor tensor;
    uint32_t generation = 1;
    int32_t scope = -1;  // index into scopes_, or -1: unscoped
    int64_t bytes = 0;
  };
  ptrdiff_t Find(Handle handle) const;  // the slot that holds the tensor, or -1
  size_t IndexOf(Handle handle) const;  // the same, or throws

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::vector<std::vector<Handle>> scopes_;
  std::vector<std::vector<Handle>> spare_;  // emptied scope lists, kept for their memory
  size_t live_ = 0;
  int64_t byte_delta_ = 0;
};

}  // namespace isotorch
