#include "flights.h"

#include <algorithm>

namespace isotorch {
namespace {

const void* StorageOf(const at::Tensor& tensor) {
  return tensor.defined() && tensor.has_storage() ? tensor.storage().unsafeGetStorageImpl() : nullptr;
}

}  // namespace

void Flight::Add(std::shared_ptr<const Record> record, const std::vector<at::Tensor>& inputs) {
  for (const at::Tensor& input : inputs) inputs_.push_back(StorageOf(input));
  random_ = random_ || record->random;
  if (records_.empty() || records_.back() != record) records_.push_back(std::move(record));
}

bool Flight::Meets(const at::Tensor& tensor, bool writes) const {
  const void* storage = StorageOf(tensor);
  if (storage == nullptr) return false;
  for (const auto& record : records_) {
    auto found = record->touched.find(storage);
    if (found != record->touched.end() && (writes || found->second)) return true;
  }
  if (std::find(gradients_.begin(), gradients_.end(), storage) != gradients_.end()) return true;
  return writes && std::find(inputs_.begin(), inputs_.end(), storage) != inputs_.end();
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

// Gradients that JavaScript may hold are those that were there while nothing was under way: during a flight none can be
// asked for.
void Flights::Begin(std::shared_ptr<Flight> flight) {
  bool calm = std::all_of(flights_.begin(), flights_.end(), [](const auto& other) { return other->Landed(); });
  if (!calm) flight->gradients_ = flights_.back()->gradients_;
  for (size_t i = 0; calm && i < flight->records_.size(); i++) {
    for (const at::Tensor& tensor : flight->records_[i]->outside) {
      if (tensor.requires_grad() && tensor.grad().defined()) flight->gradients_.push_back(StorageOf(tensor.grad()));
    }
  }
  flights_.push_back(std::move(flight));
}

void Flights::End(const std::shared_ptr<Flight>& flight) {
  flights_.erase(std::remove(flights_.begin(), flights_.end(), flight), flights_.end());
}

void Flights::Settle(const at::Tensor& tensor, bool writes) {
  for (const auto& flight : flights_) {
    if (flight->Meets(tensor, writes)) flight->Wait();
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

void Flights::SettleRandom() {
  for (const auto& flight : flights_) {
    if (flight->random()) flight->Wait();
  }
}

void Flights::SettleAll() {
  for (const auto& flight : flights_) flight->Wait();
}

}  // namespace isotorch
