// The captured steps of one environment that are under way on the compute thread. Whatever eager code does meanwhile
// behaves as if it came after them: what would meet a step in the same memory waits for it.
#pragma once
#include <condition_variable>
#include <mutex>

#include "../operators.h"
#include "record.h"

namespace isotorch {

class Flight {
 public:
  void Add(std::shared_ptr<const Record> record, const std::vector<at::Tensor>& inputs);
  // Whether it may write what `tensor` views or, where the caller `writes`, read it.
  bool Meets(const at::Tensor& tensor, bool writes) const;
  bool random() const { return random_; }
  void Land();
  bool Landed();
  void Wait();

 private:
  friend class Flights;
  std::vector<std::shared_ptr<const Record>> records_;
  std::vector<const void*> inputs_;     // storages
  std::vector<const void*> gradients_;  // storages of the gradients that are there when it begins
  bool random_ = false;
  std::mutex mutex_;
  std::condition_variable landed_;
  bool done_ = false;
};

class Flights {
 public:
  bool Any() const { return !flights_.empty(); }
  void Begin(std::shared_ptr<Flight> flight);
  void End(const std::shared_ptr<Flight>& flight);

  // Each returns when no step under way is in the caller's way.
  void Settle(const at::Tensor& tensor, bool writes);
  void SettleCall(const Operator& op, const torch::jit::Stack& arguments);
  void SettleRandom();
  void SettleAll();

 private:
  std::vector<std::shared_ptr<Flight>> flights_;
};

}  // namespace isotorch
