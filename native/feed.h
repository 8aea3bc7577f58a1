// Batches of data that is too large for the device: a thread of its own gathers rows from host memory, ahead of those
// who use them, into a ring of page-locked buffers, and copies each to the device on a side stream while the device
// computes. On the CPU the batches are fresh tensors in host memory. It never starts a thread team of LibTorch's:
// gathering is copying.
#pragma once
#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "errors.h"
#include "snapshot.h"

namespace isotorch {

class Feed {
 public:
  struct Options {
    // Contiguous on the host: a batch takes rows of each source, which the plan says with what goes with them. As they
    // are when the feed begins.
    std::vector<std::shared_ptr<Snapshot>> sources;
    std::shared_ptr<Snapshot> plan;  // int64 [1 + parameters, N]
    int64_t batch = 1;
    int64_t from = 0;   // the first batch
    int64_t count = 0;  // one past the last
    int64_t ahead = 2;  // batches that wait for their user
    c10::Device device = at::kCPU;
  };
  // A batch: rows of each source, then the plan's columns; empty after the last one.
  using Ready = std::function<void(std::vector<at::Tensor>, Failure)>;

  explicit Feed(Options options);
  ~Feed();
  // Calls `ready` once, from any thread, when the next batch is there. One at a time.
  void Next(Ready ready);
  const Options& options() const { return options_; }

 private:
  // What one batch is gathered into, and whether the device has taken it.
  struct Slot {
    std::vector<at::Tensor> buffers;
    std::optional<c10::Event> copied;
  };
  void Loop();
  std::vector<at::Tensor> Gather(int64_t number);
  std::vector<at::Tensor> GatherFrom(Slot& slot, const at::Tensor& plan, int64_t start, int64_t rows);
  std::vector<at::Tensor> ToDevice(Slot& slot, const std::vector<at::Tensor>& host);
  void Deliver(std::unique_lock<std::mutex>& lock);

  Options options_;
  std::vector<Slot> ring_;
  size_t next_slot_ = 0;
  std::optional<c10::Stream> side_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<at::Tensor>> ready_;
  Ready waiting_;
  Failure failure_;
  bool done_ = false, stopping_ = false;
  std::thread thread_;  // last: starts when the rest is there
};

}  // namespace isotorch
