#include "errors.h"

#include <c10/util/Exception.h>

#include <cstdlib>

#include "environment.h"

namespace isotorch {
namespace {

bool Mentions(const std::string& text, std::initializer_list<const char*> words) {
  for (const char* word : words) {
    if (text.find(word) != std::string::npos) return true;
  }
  return false;
}

// LibTorch's exceptions carry a class but mostly plain c10::Error; the wording tells the rest.
const char* Classify(const c10::Error& error, const std::string& text) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error)) return "ERR_OUT_OF_MEMORY";
  if (dynamic_cast<const c10::IndexError*>(&error)) return "ERR_INDEX";
  if (Mentions(text, {"out of memory", "can't allocate memory"})) return "ERR_OUT_OF_MEMORY";
  if (Mentions(text, {"out of bounds", "out of range", "Dimension out of range"})) return "ERR_INDEX";
  if (Mentions(text, {"grad can be implicitly created", "requires grad", "require grad", "grad_fn",
                      "backward through the graph", "leaf variable", "leaf Variable", "inference tensor",
                      "Inference tensors", "inplace operation", "differentiat"})) {
    return "ERR_AUTOGRAD";
  }
  if (Mentions(text, {"on the same device", "Expected all tensors to be on", "device type", "Invalid device",
                      "not compiled with CUDA", "CUDA driver", "backend"})) {
    return "ERR_DEVICE";
  }
  if (Mentions(text, {"shape", "size", "dimension", "numel", "number of elements", "elements", "dim "}))
    return "ERR_SHAPE";
  if (Mentions(text, {"dtype", "scalar type", "not implemented for '", "ScalarType"})) return "ERR_DTYPE";
  return "ERR_LIBTORCH";
}

// "Could not run 'aten::x' with arguments from the 'CUDA' backend. …": what follows lists a hundred registrations.
std::string Shortened(const std::string& text) {
  size_t end = text.find(" This could be because");
  if (text.rfind("Could not run", 0) != 0 || end == std::string::npos) return text;
  return text.substr(0, end) +
         " This LibTorch has no kernel for it there: check torch.accelerator() and `isotorch doctor`";
}

}  // namespace

Failure DescribeCurrent() {
  try {
    throw;
  } catch (const Failed& error) {
    return error.failure;
  } catch (const Misuse& error) {
    return {error.code, error.what(), ""};
  } catch (const c10::Error& error) {
    std::string text = Shortened(error.what_without_backtrace());
    // Naming the frames takes tens of milliseconds, too long for an error that a program may expect and handle.
    static const bool wanted = std::getenv("ISOTORCH_BACKTRACE") != nullptr;
    return {Classify(error, text), text, wanted && error.backtrace() ? error.backtrace()->get() : ""};
  } catch (const std::bad_alloc&) {
    return {"ERR_OUT_OF_MEMORY", "Out of memory", ""};
  } catch (const std::exception& error) {
    // A number that a dtype can't hold is no c10::Error.
    bool overflow = Mentions(error.what(), {"cannot be converted to type"});
    return {overflow ? "ERR_DTYPE" : "ERR_LIBTORCH", error.what(), ""};
  } catch (...) {
    return {"ERR_LIBTORCH", "Unknown C++ exception", ""};
  }
}

Napi::Value MakeError(Napi::Env env, const char* code, const std::string& message, const ErrorContext& context,
                      const std::string& backtrace) {
  auto& environment = Environment::Of(env);
  std::string text = message;
  if (!context.operator_name.empty()) {
    // The name without its namespace and the plain sentence first; the call as it came below.
    size_t colons = context.operator_name.find("::");
    text = context.operator_name.substr(colons == std::string::npos ? 0 : colons + 2) + ": " + message;
    if (!context.received.empty()) text += "\n  received " + context.received;
    if (!context.schema.empty()) text += "\n  while calling " + context.schema;
  }
  Napi::Object details = Napi::Object::New(env);
  if (!context.operator_name.empty()) details["operator"] = Napi::String::New(env, context.operator_name);
  if (!context.schema.empty()) details["schema"] = Napi::String::New(env, context.schema);
  if (!backtrace.empty()) details["backtrace"] = Napi::String::New(env, backtrace);
  if (environment.error_class.IsEmpty()) {  // before lib/native.ts has introduced itself
    Napi::Error error = Napi::Error::New(env, text);
    error.Set("code", code);
    return error.Value();
  }
  return environment.error_class.New({Napi::String::New(env, code), Napi::String::New(env, text), details});
}

void ThrowCurrent(Napi::Env env, const ErrorContext& context) {
  try {
    throw;
  } catch (const Napi::Error& error) {  // JavaScript's own, on its way back
    error.ThrowAsJavaScriptException();
    return;
  } catch (...) {
  }
  Failure failure = DescribeCurrent();
  try {
    napi_throw(env, MakeError(env, failure.code.c_str(), failure.message, context, failure.backtrace));
  } catch (const Napi::Error&) {  // a worker that is being terminated takes no errors any more
  }
}

Napi::Value MakeError(Napi::Env env, const Failure& failure) {
  return MakeError(env, failure.code.c_str(), failure.message, {failure.operator_name, failure.schema, ""},
                   failure.backtrace);
}

}  // namespace isotorch
