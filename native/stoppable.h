// Code that may run for ever (loops of scripts) asks now and then whether somebody still waits for it.
#pragma once
#include <functional>

namespace isotorch {

// While it stands, Stoppable::Unwanted() on this thread answers with `unwanted`.
class Stoppable {
 public:
  explicit Stoppable(std::function<bool()> unwanted);
  ~Stoppable();
  Stoppable(const Stoppable&) = delete;

  // Asked often: answered anew a few times a second.
  static bool Unwanted();

 private:
  std::function<bool()> unwanted_;
  Stoppable* outer_;
};

}  // namespace isotorch
