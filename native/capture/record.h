// A record: what a captured step does, as a list of instructions over places. It is made once, by the Recorder, while
// the step runs eagerly; afterwards it never changes, so that any number of replays may wait in the compute thread's
// queue.
//
// Words: a *place* is where one tensor of the step stands while the step runs, a slot of the frame; an *outside* tensor
// is one that was there before (parameters, buffers, optimizer state, resident data) and is captured by reference.
#pragma once
#include <ATen/ATen.h>
#include <ATen/ThreadLocalState.h>
#include <ATen/core/stack.h>
#include <c10/core/InferenceMode.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../autocast.h"
#include "../handles.h"
#include "../storages.h"

namespace isotorch {

// A slot of the frame (≥ 0) or an outside tensor (~index).
using Place = int32_t;
constexpr Place kNowhere = INT32_MIN;  // no tensor, or a result that nobody reads

// A tensor as an instruction reads it; `last` hands the frame's own reference over, so that memory is freed, or stolen
// by an operator, as early as can be.
struct Use {
  Place place = kNowhere;
  bool last = false;
};

// What one run of a record works on.
class Frame {
 public:
  Frame(size_t places, const std::vector<at::Tensor>& outside) : places_(places), outside_(outside) {}

  const at::Tensor& Get(Place place) const;
  at::Tensor Take(const Use& use);
  void Put(Place place, at::Tensor tensor) {
    if (place >= 0) places_[place] = std::move(tensor);
  }

  torch::jit::Stack stack;  // scratch, kept for its memory
  // Regions that the step has entered and not left; an error leaves them in reverse order.
  std::vector<std::unique_ptr<c10::InferenceMode>> inference;
  std::vector<std::unique_ptr<AutocastRegion>> autocast;

 private:
  std::vector<at::Tensor> places_;
  const std::vector<at::Tensor>& outside_;
};

struct Instruction {
  std::vector<Use> uses;
  std::vector<Place> results;
  // Measured while recording: bytes that the step held after this instruction, and at most during it.
  int64_t live_bytes = 0;
  int64_t peak_bytes = 0;
  std::vector<std::string> result_kinds;  // "float32 [64, 10]", for inspect()
  std::vector<c10::Device> devices;       // of all tensors that it reads and makes

  virtual ~Instruction() = default;
  virtual void Run(Frame& frame) const = 0;
  virtual std::string Name() const = 0;                // aten::add, backward
  virtual std::string Schema() const { return {}; }    // of operators
  virtual std::string Settings() const { return {}; }  // arguments that are no tensors, for inspect()
};

// A tensor from outside, and what must still be so of it for the record to be good.
struct Outside {
  Handle handle = 0;  // 0: a constant of the record's own
  std::vector<int64_t> sizes{}, strides{};
  at::ScalarType dtype;
  c10::Device device;
  bool requires_grad = false;
  // Whether the step looks at its gradient before it sets one; and whether there was one at the beginning and at the
  // end.
  bool reads_gradient = false, gradient_before = false, gradient_after = false;
  std::vector<int64_t> gradient_strides{};  // of the one that was there at the beginning
  StorageKey storage = nullptr;           // where its values were, and at which address
  const void* memory = nullptr;
};

class Graphed;

struct Record {
  Record();
  ~Record();

  std::vector<std::unique_ptr<Instruction>> instructions;
  std::vector<at::Tensor> outside;
  std::vector<Outside> outside_facts;
  size_t inputs = 0;  // the first places of the frame
  size_t places = 0;
  std::vector<Use> outputs;
  at::ThreadLocalState state;  // grad mode, autocast and the like, as they were when recording began
  // Memory that is reached from outside (gradients count as written), and which of the inputs it writes into.
  Touched touched;
  std::vector<bool> writes_input;
  // Changes the form of a tensor that JavaScript holds, so that its facts can't be asked for meanwhile.
  bool reforms = false;
  bool writes_inputs = false;  // with its own operators
  bool inlined = false;        // of a custom function
  bool random = false;         // draws from a generator
  int64_t peak_bytes = 0;
  std::optional<c10::Device> device;  // the one that all its tensors are on
  std::vector<std::string> no_graph;  // why a device's graph can't hold it; empty if it can

  // Whether all that it captured by reference is still there and has the form it had.
  bool Fits(const Handles& handles) const;
  // Whether it looks at gradients that were there before it; whether those are there now that were there when it was
  // recorded; and whether the step leaves them so, so that it can follow itself.
  bool ReadsGradients() const;
  bool GradientsFit() const;
  bool KeepsGradients() const;
  // Runs it on the calling thread, which is the compute thread; results are detached. Throws in the middle of the step
  // when `stop` becomes true, for nobody is left then who could see half a step.
  std::vector<at::Tensor> Replay(std::vector<at::Tensor> inputs, const std::atomic<bool>& stop) const;
  // Runs it as a part of what the calling thread does: in its modes, with the gradients' graph it asks for, and with
  // results as they come.
  std::vector<at::Tensor> RunInline(std::vector<at::Tensor> inputs) const;
  // Operator by operator.
  std::vector<at::Tensor> ReplayPlain(std::vector<at::Tensor> inputs, const std::atomic<bool>& stop) const;
  // How a device's graph holds it, or why none does; empty where there are no graphs.
  std::string GraphStatus() const;
  void PrepareGraph();  // when the record is complete

 private:
  void RunInstructions(Frame& frame, std::vector<at::Tensor> inputs, const std::atomic<bool>* stop) const;

  std::unique_ptr<Graphed> graphed_;
  std::string why_no_graph_;
};

}  // namespace isotorch
