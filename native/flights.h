// Everything of one environment that touches tensors' memory while JavaScript goes on: captured steps, arrays being
// read, files, batches being gathered. Whatever eager code does meanwhile behaves as if it came after the calls that
// began them. Two ways lead there:
//
//   a *flight* is work that ends by itself: whoever would meet it in the same memory waits for it;
//   a *snapshot* reads only, perhaps for long: whoever would change its memory makes it take a copy before.
//
// All memory is known by its storages. Touched by the JavaScript thread only, but for what is said to be otherwise.
#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "operators.h"
#include "snapshot.h"
#include "storages.h"

namespace isotorch {

class Flight {
 public:
  // `queued`: it runs on the compute thread, one after the other with all others that do.
  explicit Flight(bool queued) : queued_(queued) {}

  // False if it was known.
  bool Add(std::shared_ptr<const Touched> touched);
  void Add(const at::Tensor& tensor, bool written);
  // Gradients that it may write and JavaScript may hold.
  Touched gradients;
  bool random = false;         // draws from a generator
  std::function<void()> send;  // while it waits to be sent off
  void Launch();               // sends it off, if that is still to be done

  // Whether it would be in the way of one who reads, or `writes`, a storage.
  bool Meets(StorageKey storage, bool writes) const;
  template <typename Each>
  void ForEach(const Each& each) const {  // (storage, written)
    for (const auto& touched : shared_)
      for (const auto& [storage, written] : *touched) each(storage, written);
    for (const auto* touched : {&touched_, &gradients})
      for (const auto& [storage, written] : *touched) each(storage, written);
  }
  bool queued() const { return queued_; }

  // From any thread.
  void Land();
  bool Landed();
  void Wait();
  bool WaitFor(std::chrono::milliseconds time);  // whether it has landed

 private:
  bool queued_;
  std::vector<std::shared_ptr<const Touched>> shared_;
  Touched touched_;
  std::mutex mutex_;
  std::condition_variable landed_;
  bool done_ = false;
};

// What must be out of a flight's way before it touches memory. Cleared on its own thread, so that the JavaScript thread
// need not wait.
struct Obstacles {
  std::vector<std::shared_ptr<Flight>> flights;
  std::vector<std::shared_ptr<Snapshot>> snapshots;
  void Clear();
};

class Flights {
 public:
  // `ending`: whether the environment is to end, so that nobody may wait any more.
  explicit Flights(std::function<bool()> ending) : ending_(std::move(ending)) {}

  bool Any() const { return !flights_.empty() || !snapshots_.empty(); }

  void Begin(std::shared_ptr<Flight> flight) { flights_.push_back(std::move(flight)); }
  void End(const std::shared_ptr<Flight>& flight);
  // Lets all land that have not.
  void Abandon();
  // For a flight that may add to the gradient of `tensor`, before it is sent.
  void AddGradient(Flight& flight, const at::Tensor& tensor);
  // For a flight that is about to be sent: those that wait to be sent and were called before it go first.
  Obstacles Before(const std::shared_ptr<Flight>& flight);

  // The values of `tensor` as they are when what is under way has ended; or with `bytes`, a tensor on the same storage,
  // of those. Until Release.
  std::shared_ptr<Snapshot> Hold(const at::Tensor& tensor);
  std::shared_ptr<Snapshot> HoldBytes(at::Tensor bytes);
  void Release(const std::shared_ptr<Snapshot>& snapshot);
  void Settle(Snapshot& snapshot);       // returns when its values are there

  // Each returns when nothing is in the caller's way who reads, or writes, what the tensor views.
  void Settle(const at::Tensor& tensor, bool writes);
  void Settle(const Touched& touched);
  void SettleCall(const Operator& op, const torch::jit::Stack& arguments);
  // For one who changes what belongs to a tensor (its gradient, whether it needs one) and no values.
  void SettleForm(const at::Tensor& tensor);
  void SettleRandom();
  void Await(Flight& flight);  // sends it off if need be, and returns when it has landed
  // Waits for all captured steps. What else the caller may meet is the caller's to name.
  void SettleSteps();
  // Before a backward pass from there: it adds to gradients.
  void SettleGradients(const std::vector<at::Tensor>& roots);

 private:
  void Await(StorageKey storage, bool writes);
  void Part(StorageKey storage);

  std::function<bool()> ending_;
  std::vector<std::shared_ptr<Flight>> flights_;  // in the order of their calls
  std::unordered_map<StorageKey, std::unordered_set<std::shared_ptr<Snapshot>>> snapshots_;
};

}  // namespace isotorch
