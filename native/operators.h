// Operators of LibTorch, called boxed through the dispatcher: every schema that the library in use has, without a
// list of ours. Each overload gets a small number on first use; calls name it by that.
#pragma once
#include <ATen/core/dispatch/Dispatcher.h>

#include <string>
#include <vector>

#include "values.h"

namespace isotorch {

struct Operator {
  c10::OperatorHandle handle;
  std::string name;    // aten::add
  std::string schema;  // the whole schema, as PyTorch prints it
  std::vector<Plan> arguments;
  std::vector<Plan> results;
  // The argument that a single tensor result is, for in-place and out= operators; −1 if it is a new tensor.
  int32_t result_is_argument = -1;
  bool supported = true;       // no argument without a JavaScript counterpart
  bool random = false;         // draws from a generator
  bool reads_values = false;   // gives JavaScript something that depends on values
  bool dynamic_shape = false;  // gives tensors whose shapes depend on values
  uint64_t writes = 0;         // a bit for each argument that it writes into

  bool Writes(size_t argument) const { return argument < 64 && (writes >> argument & 1) != 0; }
};

// The operators of this process; shared by all environments, never freed (the library outlives every use).
class Operators {
 public:
  static Operators& All();
  // The number of an overload; −1 if there is none of that name.
  int32_t Number(const c10::OperatorName& name);
  const Operator& At(int32_t number);  // throws Misuse on a number never given out
  // Overload names of a base name, '' first and the rest in alphabetical order.
  std::vector<std::string> OverloadsOf(const std::string& base);
  std::vector<std::string> BaseNames();
};

void ExportOperators(Napi::Env env, Napi::Object exports);  // call
void ExportSchemas(Napi::Env env, Napi::Object exports);    // operatorNames, overloads

}  // namespace isotorch
