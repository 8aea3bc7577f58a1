// A tensor's values as they are at a call, for whoever reads them later on whatever thread: arrays, files, hashes,
// batches. It takes no memory of its own while nobody writes: it looks at the tensor's storage, through a tensor of its
// own, so that dispose(), set_ and the like don't reach it. Whoever is about to write there, or to give the storage
// other memory, makes it take a copy before (flights.h).
#pragma once
#include <ATen/ATen.h>

#include <memory>
#include <mutex>
#include <vector>

#include "storages.h"

namespace isotorch {

class Flight;

class Snapshot {
 public:
  // `source`: nobody else's. `before`: work under way that may still write into its memory.
  Snapshot(at::Tensor source, std::vector<std::shared_ptr<Flight>> before);

  // Calls read(tensor) when the values are there; nobody writes to them meanwhile. On any thread; one at a time.
  template <typename Read>
  void Look(const Read& read) {
    AwaitValues();
    std::lock_guard lock(mutex_);
    read(static_cast<const at::Tensor&>(source_));
  }
  // Copies some of its bytes, row by row, to the host. The first time it makes them contiguous, if they are not.
  void Copy(int64_t start, int64_t length, void* to);

  // From now on its memory is its own.
  void Part();
  // Nobody will read it any more.
  void Drop();

  // What must have ended before its values are there.
  std::vector<std::shared_ptr<Flight>> Before();
  // As when it was made, which is as they stay.
  int64_t nbytes() const { return nbytes_; }
  // Whether its bytes lie on the host as they are to be written.
  bool plain() const { return plain_; }
  const std::vector<StorageKey>& storages() const { return storages_; }

 private:
  void AwaitValues();

  std::vector<StorageKey> storages_;
  int64_t nbytes_;
  bool plain_;
  std::mutex mutex_;  // of all below; held while the memory is read and while it changes hands
  at::Tensor source_;
  std::vector<std::shared_ptr<Flight>> before_;
  bool own_ = false, flat_ = false;  // memory of its own; source_ is its bytes
};

// The bytes of a contiguous tensor, or of a range of its storage, as a tensor on the same memory.
at::Tensor BytesOf(const at::Tensor& contiguous);
at::Tensor StorageBytes(const at::Tensor& tensor, int64_t start, int64_t length);

}  // namespace isotorch
