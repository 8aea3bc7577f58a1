#include "record.h"

#include <algorithm>

#include "../errors.h"
#include "../stoppable.h"
#include "graphed.h"
#include "memory.h"

namespace isotorch {

const at::Tensor& Frame::Get(Place place) const {
  static const at::Tensor none;
  if (place == kNowhere) return none;
  return place >= 0 ? places_[place] : outside_[~place];
}

at::Tensor Frame::Take(const Use& use) {
  if (use.last && use.place >= 0) return std::move(places_[use.place]);
  return Get(use.place);
}

bool Record::Fits(const Handles& handles) const {
  for (size_t i = 0; i < outside.size(); i++) {
    const Outside& facts = outside_facts[i];
    if (facts.handle == 0) continue;
    const at::Tensor& tensor = outside[i];
    if (!handles.Alive(facts.handle) || !handles.Get(facts.handle).is_same(tensor)) return false;
    if (tensor.sizes() != facts.sizes || tensor.scalar_type() != facts.dtype || tensor.device() != facts.device ||
        tensor.requires_grad() != facts.requires_grad)
      return false;
    if (tensor.layout() == at::kStrided && tensor.strides() != facts.strides) return false;
    // What it touches is known by storages, and a device's graph holds addresses.
    if (!reforms && (StorageOf(tensor) != facts.storage || AddressOf(tensor) != facts.memory)) return false;
  }
  return true;
}

bool Record::ReadsGradients() const {
  return std::any_of(outside_facts.begin(), outside_facts.end(),
                     [](const Outside& facts) { return facts.reads_gradient; });
}

bool Record::GradientsFit() const {
  for (size_t i = 0; i < outside.size(); i++) {
    const Outside& facts = outside_facts[i];
    if (!facts.reads_gradient) continue;
    const at::Tensor& gradient = outside[i].grad();
    if (gradient.defined() != facts.gradient_before) return false;
    // Fused optimizers go by memory.
    if (gradient.defined() && gradient.layout() == at::kStrided && gradient.strides() != facts.gradient_strides)
      return false;
  }
  return true;
}

bool Record::KeepsGradients() const {
  return std::all_of(outside_facts.begin(), outside_facts.end(), [](const Outside& facts) {
    return !facts.reads_gradient || facts.gradient_before == facts.gradient_after;
  });
}

Record::Record() = default;
Record::~Record() = default;

void Record::PrepareGraph() { graphed_ = Graphed::For(*this, why_no_graph_); }

std::string Record::GraphStatus() const { return graphed_ ? graphed_->Status() : why_no_graph_; }

std::vector<at::Tensor> Record::Replay(std::vector<at::Tensor> inputs, const std::atomic<bool>& stop) const {
  return graphed_ ? graphed_->Run(std::move(inputs), stop) : ReplayPlain(std::move(inputs), stop);
}

void Record::RunInstructions(Frame& frame, std::vector<at::Tensor> given, const std::atomic<bool>* stop) const {
  for (size_t i = 0; i < given.size(); i++) frame.Put(static_cast<Place>(i), std::move(given[i]));
  given.clear();
  for (const auto& instruction : instructions) {
    if (stop && stop->load(std::memory_order_relaxed)) throw Misuse("ERR_ABORTED", "The environment is closing");
    try {
      instruction->Run(frame);
    } catch (...) {
      if (!stop) throw;  // within autograd, whose threads pass on standard exceptions alone
      Failure failure = DescribeCurrent();
      failure.operator_name = instruction->Name();
      failure.schema = instruction->Schema();
      throw Failed{std::move(failure)};
    }
  }
}

std::vector<at::Tensor> Record::RunInline(std::vector<at::Tensor> given) const {
  Frame frame(places, outside);
  RunInstructions(frame, std::move(given), nullptr);
  std::vector<at::Tensor> results;
  results.reserve(outputs.size());
  for (const Use& use : outputs) results.push_back(frame.Take(use));
  return results;
}

std::vector<at::Tensor> Record::ReplayPlain(std::vector<at::Tensor> given, const std::atomic<bool>& stop) const {
  at::ThreadLocalStateGuard guard(state);
  Stoppable scripts([&stop] { return stop.load(std::memory_order_relaxed); });
  StepMemory memory;
  Frame frame(places, outside);
  RunInstructions(frame, std::move(given), &stop);
  std::vector<at::Tensor> results;
  results.reserve(outputs.size());
  at::NoGradGuard no_grad;
  for (const Use& use : outputs) results.push_back(frame.Take(use).detach());
  return results;
}

}  // namespace isotorch
