#include "turns.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include "../errors.h"
#include "../stoppable.h"

namespace isotorch {
namespace {

constexpr int64_t kShort = 1024;  // turns of a loop that needs no question

void Turn(torch::jit::Stack&) {
  if (Stoppable::Unwanted()) throw Misuse("ERR_ABORTED", "The environment is closing");
}

const torch::jit::RegisterOperators turn({torch::jit::Operator("isotorch::turn() -> ()", Turn,
                                                               c10::AliasAnalysisKind::CONSERVATIVE)});

bool IsShort(const torch::jit::Node& loop) {
  auto turns = torch::jit::toIValue(loop.input(0));
  return turns && turns->isInt() && turns->toInt() <= kShort;
}

void AskIn(torch::jit::Block& block) {
  for (torch::jit::Node* node : block.nodes()) {
    for (torch::jit::Block* inner : node->blocks()) AskIn(*inner);
    if (node->hasAttribute(torch::jit::attr::Subgraph)) AskIn(*node->g(torch::jit::attr::Subgraph)->block());
    if (node->kind() != torch::jit::prim::Loop || IsShort(*node)) continue;
    node->blocks()[0]->prependNode(node->owningGraph()->create(c10::Symbol::fromQualString("isotorch::turn"), 0));
  }
}

}  // namespace

void AskInLoops(const torch::jit::Module& module) {
  for (torch::jit::Function* function : module._ivalue()->compilation_unit()->get_functions()) {
    auto* program = torch::jit::tryToGraphFunction(*function);
    if (program == nullptr) continue;
    program->ensure_defined();
    AskIn(*program->graph()->block());
    program->clear_optimized_graphs();
  }
}

}  // namespace isotorch
