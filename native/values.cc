// JavaScript value → LibTorch value, by the schema's plan for it; and the words for one that does not fit.
#include "values.h"

#include <cmath>

#include "names.h"
#include "plain.h"

namespace isotorch {
namespace {

constexpr double kSafe = 9007199254740991.0;  // 2^53 − 1
constexpr uint32_t kMostElements = 1 << 22;     // of a list: sizes, indices, scalars. JavaScript may claim 2^32 − 1

[[noreturn]] void Wrong(napi_env env, napi_value value, const Plan& plan, const char* what,
                        const Environment& environment, const char* code = "ERR_ARGUMENT") {
  throw Misuse(code, std::string("Expected ") + what + " for " + plan.name + " but received " +
                         Describe(env, value, plan, environment));
}

napi_valuetype TypeOf(napi_env env, napi_value value) {
  napi_valuetype type;
  Check(env, napi_typeof(env, value, &type));
  return type;
}

std::string Text(napi_env env, napi_value value) {
  size_t length = 0;
  Check(env, napi_get_value_string_utf8(env, value, nullptr, 0, &length));
  std::string text(length, '\0');
  Check(env, napi_get_value_string_utf8(env, value, text.data(), length + 1, &length));
  return text;
}

// An int64 from a number (when it is a safe integer) or a bigint (when it fits).
bool ToInt(napi_env env, napi_value value, int64_t& out) {
  double number;
  if (napi_get_value_double(env, value, &number) == napi_ok) {
    if (!(std::abs(number) <= kSafe) || number != std::floor(number)) return false;
    out = static_cast<int64_t>(number);
    return true;
  }
  bool lossless;
  return napi_get_value_bigint_int64(env, value, &out, &lossless) == napi_ok && lossless;
}

bool ToComplex(napi_env env, napi_value value, c10::complex<double>& out) {
  napi_value part;
  double real, imag;
  if (TypeOf(env, value) != napi_object) return false;
  if (napi_get_named_property(env, value, "re", &part) != napi_ok || napi_get_value_double(env, part, &real) != napi_ok)
    return false;
  if (napi_get_named_property(env, value, "im", &part) != napi_ok || napi_get_value_double(env, part, &imag) != napi_ok)
    return false;
  out = {real, imag};
  return true;
}

// 2 is an int and 2.5 a double, as in Python; -0 keeps its sign as a double. A bigint may have 64 bits without a sign.
bool ToScalar(napi_env env, napi_value value, at::Scalar& out) {
  double number;
  bool boolean, lossless;
  int64_t integer;
  uint64_t natural;
  c10::complex<double> complex;
  if (napi_get_value_double(env, value, &number) == napi_ok) {
    bool whole = number == std::floor(number) && std::abs(number) <= kSafe && !(number == 0 && std::signbit(number));
    out = whole ? at::Scalar(static_cast<int64_t>(number)) : at::Scalar(number);
  } else if (napi_get_value_bool(env, value, &boolean) == napi_ok) {
    out = at::Scalar(boolean);
  } else if (ToInt(env, value, integer)) {
    out = at::Scalar(integer);
  } else if (napi_get_value_bigint_uint64(env, value, &natural, &lossless) == napi_ok && lossless) {
    out = at::Scalar(natural);
  } else if (ToComplex(env, value, complex)) {
    out = at::Scalar(complex);
  } else {
    return false;
  }
  return true;
}

template <typename Table>
auto Named(napi_env env, napi_value value, const Plan& plan, const Table& table, const char* what,
           const Environment& environment) {
  std::string name = TypeOf(env, value) == napi_string ? Text(env, value) : "";
  for (const auto& [text, meaning] : table) {
    if (name == text) return meaning;
  }
  Wrong(env, value, plan, what, environment);
}

const at::Tensor& TensorFrom(napi_env env, napi_value value, const Plan& plan, const Environment& environment) {
  Handle handle;
  if (napi_get_value_double(env, value, &handle) != napi_ok) Wrong(env, value, plan, "a Tensor", environment);
  return environment.handles.Get(handle);
}

c10::IValue Single(napi_env env, napi_value value, const Plan& plan, const Environment& environment) {
  switch (plan.kind) {
    case Kind::kTensor: return TensorFrom(env, value, plan, environment);
    case Kind::kInt: {
      int64_t integer;
      if (!ToInt(env, value, integer))
        Wrong(env, value, plan, "an integer (a safe number, or a bigint of 64 bits)", environment);
      return integer;
    }
    case Kind::kFloat: {
      double number;
      if (napi_get_value_double(env, value, &number) != napi_ok) Wrong(env, value, plan, "a number", environment);
      return number;
    }
    case Kind::kBool: {
      bool boolean;
      if (napi_get_value_bool(env, value, &boolean) != napi_ok) Wrong(env, value, plan, "a boolean", environment);
      return boolean;
    }
    case Kind::kScalar: {
      at::Scalar scalar;
      if (!ToScalar(env, value, scalar))
        Wrong(env, value, plan, "a number, bigint, boolean or { re, im }", environment);
      return scalar;
    }
    case Kind::kComplex: {
      c10::complex<double> complex;
      if (!ToComplex(env, value, complex)) Wrong(env, value, plan, "{ re, im }", environment);
      return complex;
    }
    case Kind::kString:
      if (TypeOf(env, value) != napi_string) Wrong(env, value, plan, "a string", environment);
      return Text(env, value);
    case Kind::kDevice:
      if (TypeOf(env, value) != napi_string) Wrong(env, value, plan, "a device such as 'cpu' or 'cuda:0'", environment);
      try {
        return c10::Device(Text(env, value));
      } catch (const c10::Error&) {
        Wrong(env, value, plan, "a device such as 'cpu' or 'cuda:0'", environment, "ERR_DEVICE");
      }
    case Kind::kDtype:
      if (TypeOf(env, value) != napi_string)
        Wrong(env, value, plan, "a dtype such as 'float32'", environment, "ERR_DTYPE");
      return static_cast<int64_t>(DtypeFromName(Text(env, value)));
    case Kind::kLayout:
      return static_cast<int64_t>(Named(env, value, plan, kLayouts, "a layout such as 'strided'", environment));
    case Kind::kMemoryFormat:
      return static_cast<int64_t>(Named(env, value, plan, kMemoryFormats,
                                        "'contiguous_format', 'preserve_format', 'channels_last' or 'channels_last_3d'",
                                        environment));
    case Kind::kGenerator: {
      double number;
      if (napi_get_value_double(env, value, &number) == napi_ok && number >= 0 && number < 4294967296.0) {
        auto found = environment.generators.find(static_cast<uint32_t>(number));
        if (found != environment.generators.end()) return found->second;
      }
      Wrong(env, value, plan, "a Generator", environment);
    }
    case Kind::kUnsupported: break;
  }
  throw Misuse("ERR_ARGUMENT", "Expected " + plan.type + " for " + plan.name + ", which has no JavaScript counterpart");
}

// Calls `each(element, index)`. A typed array gives its numbers without one napi call each.
template <typename Each>
void ForEachElement(napi_env env, napi_value value, const Plan& plan, const char* what, const Environment& environment,
                    Each each) {
  bool is;
  Check(env, napi_is_array(env, value, &is));
  if (is) {
    uint32_t length;
    Check(env, napi_get_array_length(env, value, &length));
    if (length > kMostElements) Wrong(env, value, plan, "at most 4,194,304 elements", environment);
    for (uint32_t i = 0; i < length; i++) {
      napi_value element;
      Check(env, napi_get_element(env, value, i, &element));
      each(element);
    }
    return;
  }
  Wrong(env, value, plan, what, environment);
}

// The doubles of a Float64Array (tensor handles come so), or false if it is something else.
bool Doubles(napi_env env, napi_value value, const double*& data, size_t& length) {
  bool is;
  Check(env, napi_is_typedarray(env, value, &is));
  if (!is) return false;
  napi_typedarray_type type;
  void* raw;
  Check(env, napi_get_typedarray_info(env, value, &type, &length, &raw, nullptr, nullptr));
  data = static_cast<const double*>(raw);
  return type == napi_float64_array;
}

}  // namespace

int64_t SmallIntegers(napi_env env, napi_value value, const Plan& plan, int64_t* out, int64_t most) {
  if (plan.repeat > 0 && plan.repeat <= most && ToInt(env, value, out[0])) {
    for (int32_t i = 1; i < plan.repeat; i++) out[i] = out[0];
    return plan.repeat;
  }
  bool is = false;
  uint32_t length = 0;
  Check(env, napi_is_array(env, value, &is));
  if (!is) return -1;
  Check(env, napi_get_array_length(env, value, &length));
  if (length > most) return -1;
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    Check(env, napi_get_element(env, value, i, &element));
    if (!ToInt(env, element, out[i])) return -1;
  }
  return length;
}

namespace {

c10::IValue List(napi_env env, napi_value value, const Plan& plan, const Environment& environment) {
  switch (plan.kind) {
    case Kind::kTensor: {
      const double* handles = nullptr;
      size_t length = 0;
      if (!Doubles(env, value, handles, length)) Wrong(env, value, plan, "an array of Tensors", environment);
      if (plan.optional_elements) {
        c10::List<std::optional<at::Tensor>> list;
        list.reserve(length);
        for (size_t i = 0; i < length; i++) {
          if (handles[i] == 0)
            list.push_back(std::nullopt);
          else
            list.push_back(environment.handles.Get(handles[i]));
        }
        return list;
      }
      c10::List<at::Tensor> list;
      list.reserve(length);
      for (size_t i = 0; i < length; i++) list.push_back(environment.handles.Get(handles[i]));
      return list;
    }
    case Kind::kInt: {
      std::vector<int64_t> list;
      int64_t integer;
      if (plan.repeat > 0 && ToInt(env, value, integer)) return std::vector<int64_t>(plan.repeat, integer);
      ForEachElement(env, value, plan, "an array of integers", environment, [&](napi_value element) {
        if (!ToInt(env, element, integer)) Wrong(env, value, plan, "an array of integers", environment);
        list.push_back(integer);
      });
      return list;
    }
    case Kind::kFloat: {
      std::vector<double> list;
      double number;
      if (plan.repeat > 0 && napi_get_value_double(env, value, &number) == napi_ok)
        return std::vector<double>(plan.repeat, number);
      ForEachElement(env, value, plan, "an array of numbers", environment, [&](napi_value element) {
        if (napi_get_value_double(env, element, &number) != napi_ok)
          Wrong(env, value, plan, "an array of numbers", environment);
        list.push_back(number);
      });
      return list;
    }
    case Kind::kBool: {
      c10::List<bool> list;
      bool boolean;
      ForEachElement(env, value, plan, "an array of booleans", environment, [&](napi_value element) {
        if (napi_get_value_bool(env, element, &boolean) != napi_ok)
          Wrong(env, value, plan, "an array of booleans", environment);
        list.push_back(boolean);
      });
      return list;
    }
    case Kind::kScalar: {
      c10::List<at::Scalar> list;
      at::Scalar scalar;
      ForEachElement(env, value, plan, "an array of numbers", environment, [&](napi_value element) {
        if (!ToScalar(env, element, scalar)) Wrong(env, value, plan, "an array of numbers", environment);
        list.push_back(scalar);
      });
      return c10::IValue(list);
    }
    case Kind::kString: {
      c10::List<std::string> list;
      ForEachElement(env, value, plan, "an array of strings", environment, [&](napi_value element) {
        if (TypeOf(env, element) != napi_string) Wrong(env, value, plan, "an array of strings", environment);
        list.push_back(Text(env, element));
      });
      return list;
    }
    default: return Single(env, value, plan, environment);  // throws: unsupported
  }
}

}  // namespace

void Check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) throw Napi::Error::New(env);
  throw Misuse("ERR_ARGUMENT", "The JavaScript environment refused a value");
}

c10::IValue FromJs(napi_env env, napi_value value, const Plan& plan, const Environment& environment) {
  // The common case first: a tensor or a number needs no look at the JavaScript type.
  if (plan.kind == Kind::kTensor && !plan.list) {
    Handle handle;
    if (napi_get_value_double(env, value, &handle) == napi_ok) return environment.handles.Get(handle);
  }
  napi_valuetype type = TypeOf(env, value);
  if (type == napi_undefined && plan.default_value) return *plan.default_value;
  if (type == napi_undefined || type == napi_null) {
    if (plan.optional) return {};
    throw Misuse("ERR_ARGUMENT", "Expected " + plan.type + " for " + plan.name + " but received " +
                                     (type == napi_null ? "null" : "nothing"));
  }
  return plan.list ? List(env, value, plan, environment) : Single(env, value, plan, environment);
}

namespace {

std::string Words(napi_env env, napi_value value, const Plan& plan, const Environment& environment) {
  switch (TypeOf(env, value)) {
    case napi_undefined: return "nothing";
    case napi_null: return "null";
    case napi_boolean: {
      bool boolean;
      napi_get_value_bool(env, value, &boolean);
      return boolean ? "true" : "false";
    }
    case napi_string: return "'" + Text(env, value).substr(0, 60) + "'";
    case napi_number: {
      double number;
      napi_get_value_double(env, value, &number);
      if (plan.kind == Kind::kTensor && environment.handles.Alive(number)) {
        return InWords(environment.handles.Get(number));
      }
      char text[32];
      snprintf(text, sizeof text, "%.17g", number);
      return text;
    }
    default: break;
  }
  const double* handles;
  size_t length;
  if (plan.kind == Kind::kTensor && Doubles(env, value, handles, length))
    return "a list of " + std::to_string(length) + " tensors";
  bool is = false;
  if (napi_is_array(env, value, &is) == napi_ok && is) {
    uint32_t count;
    Check(env, napi_get_array_length(env, value, &count));
    std::string text = "[";
    for (uint32_t i = 0; i < std::min(count, 8u); i++) {
      napi_value element;
      Check(env, napi_get_element(env, value, i, &element));
      text +=
          (i ? ", " : "") + (TypeOf(env, element) == napi_object ? "…" : Words(env, element, Plan(), environment));
    }
    return text + (count > 8 ? ", …]" : "]");
  }
  return "an object of another kind";
}

}  // namespace

// It is called where errors are made, so none may come of it: reading an array can run JavaScript.
std::string Describe(napi_env env, napi_value value, const Plan& plan, const Environment& environment) noexcept {
  try {
    return Words(env, value, plan, environment);
  } catch (...) {
    bool pending = false;
    napi_value exception;
    if (napi_is_exception_pending(env, &pending) == napi_ok && pending)
      napi_get_and_clear_last_exception(env, &exception);
    return "something that can't be described";
  }
}

}  // namespace isotorch
