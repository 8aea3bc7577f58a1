#include "memory.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

namespace isotorch {
namespace {

constexpr size_t kSmallest = 128 << 10;  // malloc is good at what is smaller
constexpr size_t kAlignment = 64;
constexpr size_t kStagger =
    5 * kAlignment;  // activations are multiples of a page: without it all would share cache sets
constexpr size_t kHugePage = 2 << 20;

// Best fit with coalescing over one range of addresses, of which only what was used is backed by memory.
class Range {
 public:
  Range() {
    size_ = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
    void* range = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) {
      size_ = 0;  // a limit on addresses: malloc serves
      return;
    }
    base_ = top_ = touched_ = static_cast<char*>(range);
    (void)madvise(base_, size_, MADV_HUGEPAGE);
  }

  bool Has(const void* pointer) const { return pointer >= base_ && pointer < base_ + size_; }

  // Null if there is no room.
  void* Allocate(size_t bytes) {
    size_t size = (bytes + kStagger + kAlignment - 1) / kAlignment * kAlignment;
    std::lock_guard lock(mutex_);
    auto fit = free_.lower_bound({size, nullptr});
    if (fit != free_.end()) {
      char* place = fit->second;
      size_t whole = fit->first;
      free_.erase(fit);
      if (whole - size >= kSmallest) {
        blocks_[place] = {size, false};
        AddFree(place + size, whole - size);
      } else {
        blocks_[place] = {whole, false};
      }
      return place;
    }
    if (size > static_cast<size_t>(base_ + size_ - top_)) return nullptr;
    char* place = top_;
    top_ += size;
    touched_ = std::max(touched_, top_);
    blocks_[place] = {size, false};
    return place;
  }

  void Free(void* pointer) {
    std::lock_guard lock(mutex_);
    auto block = blocks_.find(static_cast<char*>(pointer));
    char* place = block->first;
    size_t size = block->second.size;
    auto next = blocks_.erase(block);
    if (next != blocks_.end() && next->second.free) {
      size += next->second.size;
      free_.erase({next->second.size, next->first});
      next = blocks_.erase(next);
    }
    if (next != blocks_.begin()) {
      auto before = std::prev(next);
      if (before->second.free) {
        place = before->first;
        size += before->second.size;
        free_.erase({before->second.size, before->first});
        blocks_.erase(before);
      }
    }
    if (place + size == top_)
      top_ = place;
    else
      AddFree(place, size);
  }

  void Trim() {
    std::lock_guard lock(mutex_);
    for (const auto& [size, place] : free_) Forget(place, place + size);
    Forget(top_, touched_);
    touched_ = top_;
  }

 private:
  struct Block {
    size_t size;
    bool free;
  };

  void AddFree(char* place, size_t size) {
    blocks_[place] = {size, true};
    free_.insert({size, place});
  }

  void Forget(char* from, char* to) {
    auto first = (reinterpret_cast<uintptr_t>(from) + kHugePage - 1) / kHugePage * kHugePage;
    auto last = reinterpret_cast<uintptr_t>(to) / kHugePage * kHugePage;
    if (first < last) (void)madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  }

  char* base_ = nullptr;
  size_t size_ = 0;
  std::mutex mutex_;
  char* top_ = nullptr;                      // what lies above is free
  char* touched_ = nullptr;                  // what lies above has no pages
  std::map<char*, Block> blocks_;            // by address, without a gap from the base to the top
  std::set<std::pair<size_t, char*>> free_;  // by size
};

Range* range = nullptr;
c10::Allocator* usual = nullptr;
thread_local bool in_step = false;
thread_local MemoryMeter* meter = nullptr;

class Allocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* memory = in_step && bytes >= kSmallest ? range->Allocate(bytes) : nullptr;
    if (memory == nullptr) memory = usual->raw_allocate(bytes);
    if (meter != nullptr) meter->Allocated(memory, bytes);
    return {memory, memory, &Free, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }

 private:
  static void Free(void* memory) {
    if (memory == nullptr) return;
    if (meter != nullptr) meter->Freed(memory);
    if (range->Has(memory))
      range->Free(memory);
    else
      usual->raw_deallocate(memory);
  }
};

}  // namespace

MemoryMeter::MemoryMeter() : outer_(meter) { meter = this; }
MemoryMeter::~MemoryMeter() { meter = outer_; }

void MemoryMeter::Allocated(void* memory, size_t bytes) {
  blocks_[memory] = bytes;
  live += static_cast<int64_t>(bytes);
  peak = std::max(peak, live);
}

void MemoryMeter::Freed(void* memory) {
  auto block = blocks_.find(memory);
  if (block == blocks_.end()) return;  // of before
  live -= static_cast<int64_t>(block->second);
  blocks_.erase(block);
}

void StepMemory::Install() {
  static std::once_flag once;
  std::call_once(once, [] {
    // Never freed: tensors of ours may be the last things to go.
    range = new Range;
    usual = c10::GetCPUAllocator();
    if (usual->raw_deleter() != nullptr) c10::SetCPUAllocator(new Allocator);
  });
}

StepMemory::StepMemory() { in_step = true; }
StepMemory::~StepMemory() { in_step = false; }

void StepMemory::Trim() { range->Trim(); }

}  // namespace isotorch
