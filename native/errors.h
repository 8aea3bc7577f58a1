// Errors at the boundary. Whatever goes wrong in C++ reaches JavaScript as an IsotorchError with a stable code.
#pragma once
#include <napi.h>

#include <stdexcept>
#include <string>

namespace isotorch {

// A mistake of the caller's, found before LibTorch was asked.
struct Misuse : std::runtime_error {
  Misuse(const char* code, const std::string& message) : std::runtime_error(message), code(code) {}
  const char* code;
};

// What the operator call under way wants added to its errors; empty outside of one.
struct ErrorContext {
  std::string operator_name;
  std::string schema;
  std::string received;  // "float32 [128, 512], 3, null"
};

// Turns the exception being handled into a pending JavaScript exception of class IsotorchError.
void ThrowCurrent(Napi::Env env, const ErrorContext& context = {});

// The same as a value, for promises.
Napi::Value MakeError(Napi::Env env, const char* code, const std::string& message, const ErrorContext& context = {},
                      const std::string& backtrace = {});

Napi::Value MakeError(Napi::Env env, const struct Failure& failure);

// What a failed job brings back from the compute thread: plain data, no Napi.
struct Failure {
  std::string code, message, backtrace;
  std::string operator_name = {}, schema = {};
};
Failure DescribeCurrent();

// A failure on its way through C++ that has been described already.
struct Failed {
  Failure failure;
};

}  // namespace isotorch
