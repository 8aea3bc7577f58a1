#include "graphed.h"

#include "../errors.h"
#include "instructions.h"

namespace isotorch {
namespace {

constexpr int kWarmUps = 3;

}  // namespace

std::unique_ptr<Graphed> Graphed::For(const Record& record, std::string& why) {
  if (!record.device) return nullptr;  // nothing but the host, or several devices: no_graph tells of those
  const Plugin* plugin = PluginFor(record.device->type());
  if (plugin == nullptr) {
    why =
        record.device->is_cpu() ? "" : "no plugin for " + c10::DeviceTypeName(record.device->type(), true) + " graphs";
    return nullptr;
  }
  if (!record.no_graph.empty()) {
    why = record.no_graph.front();
    return nullptr;
  }
  auto graph = plugin->make_graph(record.device->index());
  return std::unique_ptr<Graphed>(new Graphed(record, std::move(graph)));
}

Graphed::Graphed(const Record& record, std::unique_ptr<DeviceGraph> graph) : record_(record), graph_(std::move(graph)) {
  for (size_t i = 0; i < record.outside.size(); i++) {
    const at::Tensor& tensor = record.outside[i];
    if (!tensor.requires_grad() || !tensor.is_leaf()) continue;
    bool cleared = false;
    for (const auto& instruction : record.instructions) {
      if (dynamic_cast<const BackwardInstruction*>(instruction.get())) break;
      bool uses_it = !instruction->uses.empty() && instruction->uses[0].place == ~static_cast<Place>(i);
      if (uses_it && dynamic_cast<const GetGradInstruction*>(instruction.get())) break;
      if (uses_it && dynamic_cast<const SetGradInstruction*>(instruction.get())) cleared = true;
      if (cleared) break;
    }
    leaves_.push_back({tensor, cleared, {}});
  }
  Tell("warming up");
}

std::vector<at::Tensor> Graphed::Run(std::vector<at::Tensor> inputs, const std::atomic<bool>& stop) {
  if (given_up_) return record_.ReplayPlain(std::move(inputs), stop);
  if (warm_ups_ < kWarmUps) {
    warm_ups_++;
    std::vector<at::Tensor> results;
    graph_->WarmUp([&] { results = record_.ReplayPlain(std::move(inputs), stop); });
    return results;
  }
  if (captured_ ? !GradientsFit() : !Capture(inputs)) return record_.ReplayPlain(std::move(inputs), stop);
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < inputs.size(); i++) inputs_[i].copy_(inputs[i], /*non_blocking=*/true);
  graph_->Launch();
  for (const Leaf& leaf : leaves_) at::Tensor(leaf.tensor).mutable_grad() = leaf.gradient;
  std::vector<at::Tensor> results;
  for (size_t i = 0; i < outputs_.size(); i++) {
    // A tensor from outside is given itself, as a plain replay gives it; what the graph made stays the graph's.
    Place place = record_.outputs[i].place;
    results.push_back(place < 0 ? outputs_[i].detach() : outputs_[i].clone());
  }
  return results;
}

bool Graphed::Capture(const std::vector<at::Tensor>& inputs) {
  std::vector<at::Tensor> before;
  for (const Leaf& leaf : leaves_) {
    before.push_back(leaf.tensor.grad());
    // The first gradient is kept as it is, later ones are added: not the same work.
    if (!leaf.cleared && !before.back().defined()) return false;
  }
  try {
    for (const at::Tensor& input : inputs) inputs_.push_back(input.detach().clone());
    graph_->Capture([this] {
      static const std::atomic<bool> never{false};
      outputs_ = record_.ReplayPlain(inputs_, never);
    });
  } catch (...) {
    Failure failure = DescribeCurrent();
    for (size_t i = 0; i < leaves_.size(); i++) leaves_[i].tensor.mutable_grad() = before[i];
    inputs_.clear();
    outputs_.clear();
    graph_.reset();
    given_up_ = true;
    Tell("plain, since capturing it failed: " + failure.message);
    return false;
  }
  for (Leaf& leaf : leaves_) leaf.gradient = leaf.tensor.grad();
  captured_ = true;
  Tell("one graph");
  return true;
}

bool Graphed::GradientsFit() const {
  for (const Leaf& leaf : leaves_) {
    if (!leaf.cleared && !leaf.tensor.grad().is_same(leaf.gradient)) return false;
  }
  return true;
}

void Graphed::Tell(std::string status) {
  std::lock_guard lock(mutex_);
  status_ = std::move(status);
}

std::string Graphed::Status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace isotorch
