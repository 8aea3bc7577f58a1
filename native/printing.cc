// What a printed tensor shows, gathered in one call that records nothing and changes nothing: its facts, and of its
// values those at the edges. How they are laid out is TypeScript's (lib/tensor/print/).
#include <ATen/ATen.h>
#include <torch/csrc/autograd/function.h>

#include "bridge.h"
#include "flights.h"
#include "names.h"
#include "plain.h"

namespace isotorch {
namespace {

// How many values of each dimension are shown at its beginning and at its end, in tensors of more than `threshold`.
struct Limits {
  double threshold;
  int64_t edge_items;
};

// The first and last items of each long dimension.
at::Tensor Edges(at::Tensor tensor, int64_t edge) {
  for (int64_t dim = 0; dim < tensor.dim(); dim++) {
    int64_t size = tensor.size(dim);
    if (size <= 2 * edge) continue;
    tensor = at::cat({tensor.narrow(dim, 0, edge), tensor.narrow(dim, size - edge, edge)}, dim);
  }
  return tensor;
}

Napi::Array Integers(Napi::Env env, at::IntArrayRef values) {
  auto array = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); i++) array[i] = Napi::Number::New(env, static_cast<double>(values[i]));
  return array;
}

template <typename Array>
Napi::Value Copy(Napi::Env env, const at::Tensor& values, size_t count) {
  auto array = Array::New(env, count);
  if (count > 0) memcpy(array.Data(), values.const_data_ptr(), count * sizeof(*array.Data()));
  return array;
}

// { shape, shown, data }: the shape, that of the edges, and their values as doubles, as pairs of them where they are
// complex, or as bigints.
Napi::Object Values(Napi::Env env, const at::Tensor& tensor, const Limits& limits) {
  at::Tensor edges = Plain(tensor);
  if (static_cast<double>(tensor.numel()) > limits.threshold) edges = Edges(edges, limits.edge_items);
  at::ScalarType dtype = edges.scalar_type();
  if (dtype == at::ScalarType::Float4_e2m1fn_x2) edges = edges.view(at::kByte);  // shown as bytes, as PyTorch does
  bool complex = at::isComplexType(dtype), wide = dtype == at::kLong || dtype == at::ScalarType::UInt64;
  at::Tensor host = edges.to(at::kCPU, wide ? dtype : complex ? at::kComplexDouble : at::kDouble).contiguous();
  Napi::Object object = Napi::Object::New(env);
  object["shape"] = Integers(env, tensor.sizes());
  object["shown"] = Integers(env, host.sizes());
  object["complex"] = Napi::Boolean::New(env, complex);
  auto count = static_cast<size_t>(host.numel());
  object["data"] = dtype == at::kLong  ? Copy<Napi::BigInt64Array>(env, host, count)
                   : wide              ? Copy<Napi::BigUint64Array>(env, host, count)
                                       : Copy<Napi::Float64Array>(env, host, complex ? 2 * count : count);
  return object;
}

// The name of the operation that it came from; empty for a leaf. LibTorch refuses to tell it of a view that was made
// without recording and then written to.
std::string GradientFunction(const at::Tensor& tensor) {
  try {
    auto node = tensor.grad_fn();
    if (!node) return "";
    std::string name = node->name();
    size_t colons = name.rfind("::");
    return colons == std::string::npos ? name : name.substr(colons + 2);
  } catch (const c10::Error&) {
    return "Invalid";
  }
}

using Parts = std::vector<std::pair<const char*, at::Tensor>>;

// The tensors that a sparse one consists of, under the names that PyTorch prints.
Parts PartsOf(const at::Tensor& tensor) {
  switch (tensor.layout()) {
    case at::kSparse: return {{"indices", tensor._indices()}, {"values", tensor._values()}};
    case at::kSparseCsr:
    case at::kSparseBsr:
      return {{"crow_indices", tensor.crow_indices()},
              {"col_indices", tensor.col_indices()},
              {"values", tensor.values()}};
    case at::kSparseCsc:
    case at::kSparseBsc:
      return {{"ccol_indices", tensor.ccol_indices()},
              {"row_indices", tensor.row_indices()},
              {"values", tensor.values()}};
    default: return {};
  }
}

Napi::Object Printed(Napi::Env env, const at::Tensor& tensor, const Limits& limits, bool hidden);

// scheme, and the quantizer's parameters: numbers, or printed tensors.
void AddQuantizer(Napi::Env env, Napi::Object& object, const at::Tensor& tensor, const Limits& limits) {
  at::QScheme scheme = tensor.qscheme();
  object["scheme"] = Napi::String::New(env, toString(scheme));
  if (scheme == at::kPerTensorAffine || scheme == at::kPerTensorSymmetric) {
    object["scale"] = Napi::Number::New(env, tensor.q_scale());
    object["zeroPoint"] = Napi::Number::New(env, static_cast<double>(tensor.q_zero_point()));
  } else {
    object["scale"] = Printed(env, tensor.q_per_channel_scales(), limits, false);
    object["zeroPoint"] = Printed(env, tensor.q_per_channel_zero_points(), limits, false);
    object["axis"] = Napi::Number::New(env, static_cast<double>(tensor.q_per_channel_axis()));
  }
}

// What it shows beside its facts, under one of the names that lib/native.ts tells; nothing where it has no values.
void AddContent(Napi::Env env, Napi::Object& object, const at::Tensor& tensor, const Limits& limits) {
  auto list = [&](const char* name, const std::vector<at::Tensor>& tensors) {
    auto array = Napi::Array::New(env, tensors.size());
    for (size_t i = 0; i < tensors.size(); i++) array[i] = Printed(env, tensors[i], limits, false);
    object[name] = array;
  };
  if (tensor.is_nested()) {
    list("nested", tensor.unbind(0));
  } else if (Parts parts = PartsOf(tensor); !parts.empty()) {
    if (!tensor.is_meta()) object["nnz"] = Napi::Number::New(env, static_cast<double>(tensor._nnz()));
    auto array = Napi::Array::New(env, parts.size());
    for (size_t i = 0; i < parts.size(); i++) {
      at::Tensor part = parts[i].second.detach();
      Napi::Object shown = Napi::Object::New(env);
      shown["name"] = Napi::String::New(env, parts[i].first);
      shown["dtype"] = Napi::String::New(env, DtypeName(part.scalar_type()));
      shown["shape"] = Integers(env, part.sizes());
      if (!tensor.is_meta()) shown["values"] = Values(env, part, limits);
      array[i] = shown;
    }
    object["parts"] = array;
  } else if (tensor.is_quantized()) {
    AddQuantizer(env, object, tensor, limits);
    object["values"] = Values(env, tensor.dequantize(), limits);
  } else if (!tensor.is_meta()) {
    object["values"] = Values(env, tensor.layout() == at::kStrided ? tensor : tensor.to_dense(), limits);
  }
}

Napi::Object Printed(Napi::Env env, const at::Tensor& tensor, const Limits& limits, bool hidden) {
  Napi::Object object = Napi::Object::New(env);
  bool nested = tensor.is_nested();
  object["dtype"] = Napi::String::New(env, DtypeName(tensor.scalar_type()));
  object["device"] = Napi::String::New(env, tensor.device().str());
  object["layout"] = Napi::String::New(env, LayoutName(tensor.layout()));
  if (!nested) object["shape"] = Integers(env, tensor.sizes());
  object["gradFn"] = Napi::String::New(env, GradientFunction(tensor));
  object["requiresGrad"] = Napi::Boolean::New(env, tensor.requires_grad());
  if (hidden) return object;
  try {
    AddContent(env, object, tensor, limits);
  } catch (const std::exception&) {  // dtypes without arithmetic, kinds that no one has taught to print: facts alone
  }
  return object;
}

// printed(tensor, threshold, edgeItems): see NativePrinted in lib/native.ts. While a step is recorded, without values.
Napi::Value Print(const Napi::CallbackInfo& info, Environment& environment) {
  at::NoGradGuard no_grad;
  at::Tensor tensor = TensorArgument(info, 0, environment);
  Limits limits{NumberArgument(info, 1, "threshold"), IntegerArgument(info, 2, "edgeItems")};
  bool recording = environment.Recording() != nullptr;
  if (!recording) {
    if (tensor.has_storage())
      environment.flights->Settle(tensor, false);
    else
      environment.flights->SettleSteps();  // which memory it reaches is not known
  }
  return Printed(info.Env(), tensor, limits, recording);
}

}  // namespace

void ExportPrinting(Napi::Env env, Napi::Object exports) { Export<Print>(env, exports, "printed"); }

}  // namespace isotorch
