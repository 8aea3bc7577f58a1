#include "stoppable.h"

#include <chrono>
#include <utility>

namespace isotorch {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPause{20};

thread_local Stoppable* innermost = nullptr;
thread_local Clock::time_point next;

}  // namespace

Stoppable::Stoppable(std::function<bool()> unwanted) : unwanted_(std::move(unwanted)), outer_(innermost) {
  innermost = this;
}

Stoppable::~Stoppable() { innermost = outer_; }

bool Stoppable::Unwanted() {
  if (innermost == nullptr || Clock::now() < next) return false;
  next = Clock::now() + kPause;
  return innermost->unwanted_();
}

}  // namespace isotorch
