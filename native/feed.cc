#include "feed.h"

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstring>

namespace isotorch {

Feed::Feed(Options options) : options_(std::move(options)) {
  if (!options_.device.is_cpu()) {
    c10::impl::VirtualGuardImpl device(options_.device.type());
    if (!options_.device.has_index()) options_.device = device.getDevice();
    side_ = device.getStreamFromGlobalPool(options_.device);
    ring_.resize(static_cast<size_t>(options_.ahead) + 1);
  }
  thread_ = std::thread([this] { Loop(); });
}

Feed::~Feed() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  lock.unlock();
  thread_.join();
  if (waiting_) waiting_({}, {"ERR_ABORTED", "The stream of batches was closed", ""});
}

void Feed::Next(Ready ready) {
  std::unique_lock lock(mutex_);
  if (waiting_) throw Misuse("ERR_ARGUMENT", "Expected one call of next at a time");
  waiting_ = std::move(ready);
  Deliver(lock);
  changed_.notify_all();
}

// Hands the oldest batch to whoever waits, or tells the end.
void Feed::Deliver(std::unique_lock<std::mutex>& lock) {
  if (!waiting_ || (ready_.empty() && !done_)) return;
  Ready ready = std::exchange(waiting_, nullptr);
  std::vector<at::Tensor> batch;
  Failure failure;
  if (ready_.empty()) {
    failure = failure_;
  } else {
    batch = std::move(ready_.front());
    ready_.pop_front();
  }
  lock.unlock();
  ready(std::move(batch), std::move(failure));
  lock.lock();
}

void Feed::Loop() {
  std::unique_lock lock(mutex_);
  try {
    for (int64_t number = options_.from; number < options_.count; number++) {
      changed_.wait(lock, [this] { return stopping_ || static_cast<int64_t>(ready_.size()) < options_.ahead; });
      if (stopping_) return;
      lock.unlock();
      std::vector<at::Tensor> batch = Gather(number);
      lock.lock();
      ready_.push_back(std::move(batch));
      Deliver(lock);
    }
  } catch (...) {
    if (!lock.owns_lock()) lock.lock();
    failure_ = DescribeCurrent();
  }
  done_ = true;
  for (const auto& source : options_.sources) source->Drop();  // no writer need copy them any more
  Deliver(lock);
}

std::vector<at::Tensor> Feed::Gather(int64_t number) {
  at::NoGradGuard no_grad;
  Slot fresh;
  Slot& slot = ring_.empty() ? fresh : ring_[next_slot_++ % ring_.size()];
  if (slot.copied) slot.copied->synchronize();  // the device has read what stood here before
  std::vector<at::Tensor> batch;
  options_.plan->Look([&](const at::Tensor& plan) {
    int64_t start = number * options_.batch;
    batch = GatherFrom(slot, plan, start, std::min(options_.batch, plan.size(1) - start));
  });
  return ring_.empty() ? batch : ToDevice(slot, batch);
}

std::vector<at::Tensor> Feed::GatherFrom(Slot& slot, const at::Tensor& plan, int64_t start, int64_t rows) {
  auto buffer = [&](size_t place, at::IntArrayRef shape, at::ScalarType dtype) {
    if (slot.buffers.size() == place)
      slot.buffers.push_back(at::empty(shape, at::TensorOptions().dtype(dtype).pinned_memory(!ring_.empty())));
    return slot.buffers[place];
  };
  const int64_t* order = plan.const_data_ptr<int64_t>() + start;
  std::vector<at::Tensor> batch;
  for (const auto& snapshot : options_.sources) {
    snapshot->Look([&](const at::Tensor& source) {
      std::vector<int64_t> shape = source.sizes().vec();
      shape[0] = options_.batch;
      at::Tensor taken = buffer(batch.size(), shape, source.scalar_type());
      size_t bytes = source.size(0) == 0 ? 0 : source.nbytes() / source.size(0);
      auto* from = static_cast<const char*>(source.const_data_ptr());
      auto* to = static_cast<char*>(taken.mutable_data_ptr());
      for (int64_t row = 0; row < rows; row++) {
        if (order[row] < 0 || order[row] >= source.size(0))
          throw Misuse("ERR_INDEX", "Expected rows from 0 to " + std::to_string(source.size(0) - 1) + " but received " +
                                        std::to_string(order[row]));
        std::memcpy(to + row * bytes, from + order[row] * bytes, bytes);
      }
      batch.push_back(taken.narrow(0, 0, rows));
    });
  }
  // The plan's columns, row by row without a gap, so that a batch's plan is contiguous whatever its size.
  at::Tensor columns = buffer(batch.size(), {plan.size(0), options_.batch}, at::kLong);
  auto* to = columns.mutable_data_ptr<int64_t>();
  for (int64_t row = 0; row < plan.size(0); row++)
    std::memcpy(to + row * rows, order + row * plan.size(1), rows * sizeof(int64_t));
  batch.push_back(columns.view({-1}).narrow(0, 0, plan.size(0) * rows).view({-1, rows}));
  return batch;
}

std::vector<at::Tensor> Feed::ToDevice(Slot& slot, const std::vector<at::Tensor>& host) {
  c10::impl::VirtualGuardImpl device(options_.device.type());
  c10::Stream user = device.getDefaultStream(options_.device);  // where captured steps and eager code run
  std::vector<at::Tensor> batch;
  {
    c10::StreamGuard on_side(*side_);
    for (const at::Tensor& tensor : host) {
      batch.push_back(at::empty(tensor.sizes(), tensor.options().device(options_.device).pinned_memory(false)));
      batch.back().copy_(tensor, /*non_blocking=*/true);
      batch.back().record_stream(user);  // its memory is not used anew before the user is done with it
    }
  }
  if (!slot.copied) slot.copied.emplace(options_.device.type());
  slot.copied->record(*side_);
  slot.copied->block(user);  // what is computed from now on sees the copies
  return batch;
}

}  // namespace isotorch
