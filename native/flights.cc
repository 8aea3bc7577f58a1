#include "flights.h"

#include <torch/csrc/autograd/functions/accumulate_grad.h>

#include <algorithm>
#include <utility>

namespace isotorch {
namespace {

// Calls each(tensor) for the leaves that a backward pass from `roots` reaches.
template <typename Each>
void ForEachLeaf(const std::vector<at::Tensor>& roots, const Each& each) {
  std::vector<torch::autograd::Node*> open;
  std::unordered_set<torch::autograd::Node*> seen;
  auto add = [&](torch::autograd::Node* node) {
    if (node != nullptr && seen.insert(node).second) open.push_back(node);
  };
  for (const at::Tensor& root : roots) {
    if (root.grad_fn())
      add(root.grad_fn().get());
    else
      each(root);
  }
  while (!open.empty()) {
    torch::autograd::Node* node = open.back();
    open.pop_back();
    if (auto* leaf = dynamic_cast<torch::autograd::AccumulateGrad*>(node)) each(leaf->variable);
    for (const auto& edge : node->next_edges()) add(edge.function.get());
  }
}

}  // namespace

bool Flight::Add(std::shared_ptr<const Touched> touched) {
  if (!shared_.empty() && shared_.back() == touched) return false;
  shared_.push_back(std::move(touched));
  return true;
}

void Flight::Add(const at::Tensor& tensor, bool written) {
  ForEachStorage(tensor, [&](StorageKey storage) {
    bool& known = touched_[storage];
    known = known || written;
  });
}

void Flight::Launch() {
  if (auto now = std::exchange(send, nullptr)) now();
}

bool Flight::Meets(StorageKey storage, bool writes) const {
  auto meets = [&](const Touched& touched) {
    auto found = touched.find(storage);
    return found != touched.end() && (writes || found->second);
  };
  return meets(touched_) || meets(gradients) ||
         std::any_of(shared_.begin(), shared_.end(), [&](const auto& touched) { return meets(*touched); });
}

void Flight::Land() {
  std::lock_guard lock(mutex_);
  done_ = true;
  landed_.notify_all();
}

bool Flight::Landed() {
  std::lock_guard lock(mutex_);
  return done_;
}

void Flight::Wait() {
  std::unique_lock lock(mutex_);
  landed_.wait(lock, [this] { return done_; });
}

bool Flight::WaitFor(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return landed_.wait_for(lock, time, [this] { return done_; });
}

void Obstacles::Clear() {
  for (const auto& flight : flights) flight->Wait();
  for (const auto& snapshot : snapshots) snapshot->Part();
  flights.clear();
  snapshots.clear();
}

// What another flight may write has a gradient that can't be asked for now, nor could JavaScript since that was sent: the
// gradients that both may meet are those that were known then.
void Flights::AddGradient(Flight& flight, const at::Tensor& tensor) {
  if (!tensor.requires_grad() || !tensor.is_leaf()) return;
  bool askable = true;
  for (const auto& other : flights_) {
    if (other.get() == &flight || other->Landed()) continue;
    ForEachStorage(tensor, [&](StorageKey storage) {
      if (!other->Meets(storage, false)) return;
      flight.gradients.insert(other->gradients.begin(), other->gradients.end());
      askable = false;
    });
  }
  if (!askable || !tensor.grad().defined()) return;
  ForEachStorage(tensor.grad(), [&](StorageKey storage) { flight.gradients[storage] = true; });
}

void Flights::End(const std::shared_ptr<Flight>& flight) {
  flights_.erase(std::remove(flights_.begin(), flights_.end(), flight), flights_.end());
}

void Flights::Abandon() {
  for (const auto& flight : flights_) {
    flight->send = nullptr;
    flight->Land();
  }
}

Obstacles Flights::Before(const std::shared_ptr<Flight>& flight) {
  Obstacles obstacles;
  for (const auto& other : std::vector(flights_)) {
    if (other == flight) break;
    other->Launch();
    if (other->queued() && flight->queued()) continue;  // one after the other anyway
    bool meets = false;
    flight->ForEach([&](StorageKey storage, bool written) { meets = meets || other->Meets(storage, written); });
    if (meets) obstacles.flights.push_back(other);
  }
  if (snapshots_.empty()) return obstacles;
  flight->ForEach([&](StorageKey storage, bool written) {
    auto found = written ? snapshots_.find(storage) : snapshots_.end();
    if (found == snapshots_.end()) return;
    obstacles.snapshots.insert(obstacles.snapshots.end(), found->second.begin(), found->second.end());
  });
  return obstacles;
}

std::shared_ptr<Snapshot> Flights::Hold(const at::Tensor& tensor) { return HoldBytes(tensor.variable_data()); }

std::shared_ptr<Snapshot> Flights::HoldBytes(at::Tensor bytes) {
  std::vector<std::shared_ptr<Flight>> before;
  ForEachStorage(bytes, [&](StorageKey storage) {
    for (const auto& flight : std::vector(flights_)) {
      if (!flight->Meets(storage, false)) continue;
      flight->Launch();
      before.push_back(flight);
    }
  });
  auto snapshot = std::make_shared<Snapshot>(std::move(bytes), std::move(before));
  for (StorageKey storage : snapshot->storages()) snapshots_[storage].insert(snapshot);
  return snapshot;
}

void Flights::Release(const std::shared_ptr<Snapshot>& snapshot) {
  for (StorageKey storage : snapshot->storages()) {
    auto found = snapshots_.find(storage);
    if (found == snapshots_.end()) continue;
    found->second.erase(snapshot);
    if (found->second.empty()) snapshots_.erase(found);
  }
}

// A worker may be terminated while it waits for what has no end.
void Flights::Await(Flight& flight) {
  constexpr std::chrono::milliseconds kPause{20};
  flight.Launch();
  while (!flight.WaitFor(kPause))
    if (ending_()) throw Misuse("ERR_ABORTED", "The environment is closing");
}

void Flights::Await(StorageKey storage, bool writes) {
  for (size_t i = 0; i < flights_.size(); i++) {
    auto flight = flights_[i];
    if (!flight->Meets(storage, writes)) continue;
    Await(*flight);
  }
}

void Flights::Part(StorageKey storage) {
  auto found = snapshots_.find(storage);
  if (found == snapshots_.end()) return;
  for (const auto& snapshot : found->second) snapshot->Part();
  snapshots_.erase(found);
}

void Flights::Settle(Snapshot& snapshot) {
  for (const auto& flight : snapshot.Before()) Await(*flight);
}

void Flights::Settle(const at::Tensor& tensor, bool writes) {
  ForEachStorage(tensor, [&](StorageKey storage) {
    Await(storage, writes);
    if (writes) Part(storage);
  });
}

void Flights::Settle(const Touched& touched) {
  for (const auto& [storage, written] : touched) {
    Await(storage, written);
    if (written) Part(storage);
  }
}

void Flights::SettleCall(const Operator& op, const torch::jit::Stack& arguments) {
  if (op.random) SettleRandom();
  for (size_t i = 0; i < arguments.size(); i++) {
    const c10::IValue& value = arguments[i];
    if (value.isTensor()) {
      Settle(value.toTensor(), op.Writes(i));
    } else if (value.isTensorList()) {
      for (const at::Tensor& tensor : value.toTensorVector()) Settle(tensor, op.Writes(i));
    } else if (op.arguments[i].kind == Kind::kTensor && value.isList()) {
      for (const c10::IValue& element : value.toListRef()) {
        if (element.isTensor()) Settle(element.toTensor(), op.Writes(i));
      }
    }
  }
}

void Flights::SettleForm(const at::Tensor& tensor) {
  ForEachStorage(tensor, [&](StorageKey storage) { Await(storage, true); });
}

void Flights::SettleRandom() {
  for (const auto& flight : std::vector(flights_)) {
    if (!flight->random) continue;
    Await(*flight);
  }
}

void Flights::SettleSteps() {
  for (const auto& flight : std::vector(flights_))
    if (flight->queued()) Await(*flight);
}

void Flights::SettleGradients(const std::vector<at::Tensor>& roots) {
  SettleSteps();
  if (!Any()) return;
  ForEachLeaf(roots, [&](const at::Tensor& leaf) {
    if (leaf.grad().defined()) Settle(leaf.grad(), true);
  });
}

}  // namespace isotorch
