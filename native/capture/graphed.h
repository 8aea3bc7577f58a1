// A record's replays as one launch of a device graph each, after some plain ones. What a graph can't repeat, since it
// happens on the host, is repeated here: inputs are copied to fixed places, results from them, and gradients are hung
// where the step hangs them. Used by the compute thread only, but for Status().
#pragma once
#include <mutex>

#include "plugin.h"
#include "record.h"

namespace isotorch {

class Graphed {
 public:
  // Null where the record's device has no graphs, or the record can't be held by one; `why` then tells.
  static std::unique_ptr<Graphed> For(const Record& record, std::string& why);

  std::vector<at::Tensor> Run(std::vector<at::Tensor> inputs, const std::atomic<bool>& stop);
  std::string Status() const;

 private:
  Graphed(const Record& record, std::unique_ptr<DeviceGraph> graph);
  bool Capture(const std::vector<at::Tensor>& inputs);
  // Whether the gradients that the step adds to are those that it added to when it was captured.
  bool GradientsFit() const;
  void Tell(std::string status);

  struct Leaf {
    at::Tensor tensor;
    bool cleared;         // the step sets its gradient before it adds to it
    at::Tensor gradient;  // after a run
  };

  const Record& record_;
  std::unique_ptr<DeviceGraph> graph_;
  int warm_ups_ = 0;
  bool given_up_ = false, captured_ = false;
  std::vector<at::Tensor> inputs_, outputs_;
  std::vector<Leaf> leaves_;
  mutable std::mutex mutex_;
  std::string status_;
};

}  // namespace isotorch
