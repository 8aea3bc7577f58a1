// Memory of captured steps on the CPU. A step allocates and frees the same large blocks each time; malloc gives them
// back to the system in between, and a sixth of a small network's step goes into page faults. While a replay runs, its
// thread's large allocations come from a range of our own instead, which keeps its pages (huge ones, where the system
// has them) until the compute thread has been idle for a while.
#pragma once
#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace isotorch {

// Host memory that this thread has allocated since the meter was made and not freed again, gradients' saved tensors
// included.
class MemoryMeter {
 public:
  MemoryMeter();
  ~MemoryMeter();
  MemoryMeter(const MemoryMeter&) = delete;
  int64_t live = 0, peak = 0;

  void Allocated(void* memory, size_t bytes);
  void Freed(void* memory);

 private:
  std::unordered_map<void*, size_t> blocks_;
  MemoryMeter* outer_;
};

class StepMemory {
 public:
  StepMemory();  // this thread's large allocations come from the range as long as it lives
  ~StepMemory();
  StepMemory(const StepMemory&) = delete;

  // Makes LibTorch ask us for the CPU's memory: once, when the addon is loaded.
  static void Install();
  // Gives the pages of free memory back to the system.
  static void Trim();
};

}  // namespace isotorch
