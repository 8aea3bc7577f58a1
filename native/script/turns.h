// Loops of scripts, which may have no end: each turn asks whether somebody still waits for it (stoppable.h), so that a
// worker can be terminated, and a process end, in the middle of one.
#pragma once
#include <torch/csrc/jit/api/module.h>

namespace isotorch {

// Puts the question into every loop of the program that a module came with, before it is first run. The answer ends the
// script with ERR_ABORTED.
void AskInLoops(const torch::jit::Module& module);

}  // namespace isotorch
