// JavaScript value ⇄ LibTorch value, driven by the operator's schema. A JavaScript number is a tensor's handle where
// the schema says Tensor and a number where it says int, float or Scalar, so nothing has to be guessed.
#pragma once
#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>
#include <node_api.h>

#include <optional>
#include <string>

#include "environment.h"

namespace isotorch {

enum class Kind : uint8_t {
  kTensor,
  kInt,
  kFloat,
  kBool,
  kScalar,
  kString,
  kDevice,
  kDtype,
  kLayout,
  kMemoryFormat,
  kGenerator,
  kComplex,
  kUnsupported,  // streams, storages, custom classes: no JavaScript value stands for them (yet)
};

// How one argument or result of an operator is converted.
struct Plan {
  std::string name;
  Kind kind = Kind::kUnsupported;
  bool list = false;
  bool optional = false;           // the whole value may be null
  bool optional_elements = false;  // elements of the list may be null
  bool keyword_only = false;
  int32_t repeat = 0;  // int[2]: a single number stands for two
  std::optional<c10::IValue> default_value;
  std::string type;  // in PyTorch's notation, for messages and for the generator
};
Plan PlanFor(const c10::Argument& argument);

// Throws Misuse naming the argument when `value` doesn't fit the plan.
c10::IValue FromJs(napi_env env, napi_value value, const Plan& plan, const Environment& environment);
// The integers of an array of at most `most`, or of one number that stands for all; −1 for anything else.
int64_t SmallIntegers(napi_env env, napi_value value, const Plan& plan, int64_t* out, int64_t most);
napi_value ToJs(napi_env env, const c10::IValue& value, const Plan& plan, Environment& environment);

// Names as PyTorch spells them: 'float32', 'bfloat16', 'channels_last'.
const char* DtypeName(at::ScalarType dtype);
at::ScalarType DtypeFromName(const std::string& name);  // throws ERR_DTYPE

// What came, for error messages: "float32 [128, 512]", "3", "null".
std::string Describe(napi_env env, napi_value value, const Plan& plan, const Environment& environment) noexcept;

// A napi call that can only fail when JavaScript has an exception pending or the environment is closing.
void Check(napi_env env, napi_status status);

}  // namespace isotorch
