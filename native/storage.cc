// Numbers in and out: TypedArrays to tensors and back, synchronously or on the compute thread.
#include "bridge.h"
#include "capture/recorder.h"
#include "flights.h"
#include "plain.h"

namespace isotorch {
namespace {

// The typed array that holds a dtype's elements: raw bits for the half types, pairs for complex numbers.
struct Carrier {
  napi_typedarray_type type;
  int64_t per_element;  // array elements per tensor element
};

Carrier CarrierOf(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat: return {napi_float32_array, 1};
    case at::kDouble: return {napi_float64_array, 1};
    case at::kComplexFloat: return {napi_float32_array, 2};
    case at::kComplexDouble: return {napi_float64_array, 2};
    case at::kComplexHalf: return {napi_uint16_array, 2};
    case at::kHalf:
    case at::kBFloat16:
    case at::ScalarType::UInt16: return {napi_uint16_array, 1};
    case at::ScalarType::UInt32: return {napi_uint32_array, 1};
    case at::ScalarType::UInt64: return {napi_biguint64_array, 1};
    case at::kChar: return {napi_int8_array, 1};
    case at::kShort: return {napi_int16_array, 1};
    case at::kInt: return {napi_int32_array, 1};
    case at::kLong: return {napi_bigint64_array, 1};
    default: break;
  }
  if (c10::elementSize(dtype) == 1 && !c10::isQIntType(dtype)) return {napi_uint8_array, 1};  // uint8, bool, float8
  throw Misuse("ERR_DTYPE", std::string("Expected a tensor of plain numbers but received ") + DtypeName(dtype) +
                                (c10::isQIntType(dtype) ? "; dequantize() or intRepr() gives one" : ""));
}

// Contiguous host memory with the tensor's values.
at::Tensor OnHost(const at::Tensor& tensor) { return Plain(tensor.detach()).to(at::kCPU).contiguous(); }

// The sizes of an array that JavaScript gave, and the elements that they make.
std::vector<int64_t> SizesArgument(const Napi::CallbackInfo& info, size_t index, Environment& environment,
                                   uint64_t& elements) {
  if (!info[index].IsArray()) throw Misuse("ERR_ARGUMENT", "Expected an array of integers for shape");
  Plan plan;
  plan.name = "shape";
  plan.kind = Kind::kInt;
  plan.list = true;
  std::vector<int64_t> shape = FromJs(info.Env(), info[index], plan, environment).toIntVector();
  elements = 1;
  for (int64_t size : shape) {
    if (size < 0) throw Misuse("ERR_SHAPE", "Expected sizes of at least 0 for shape but received " + c10::str(shape));
    if (__builtin_mul_overflow(elements, static_cast<uint64_t>(size), &elements))
      throw Misuse("ERR_SHAPE", "The shape " + c10::str(shape) + " has too many elements");
  }
  return shape;
}

// fromTypedArray(array, dtype, shape): a CPU tensor with a copy of the bytes. Any array goes with any dtype, as long
// as the number of bytes is right.
Napi::Value FromTypedArray(const Napi::CallbackInfo& info, Environment& environment) {
  Napi::Env env = info.Env();
  at::ScalarType dtype = DtypeFromName(StringArgument(info, 1, "dtype"));
  CarrierOf(dtype);
  uint64_t elements, bytes;
  std::vector<int64_t> shape = SizesArgument(info, 2, environment, elements);
  // The bytes are looked at last: reading the sizes may run JavaScript, which may detach or shrink their buffer.
  if (!info[0].IsTypedArray()) throw Misuse("ERR_ARGUMENT", "Expected a TypedArray for data");
  auto array = info[0].As<Napi::TypedArray>();
  if (__builtin_mul_overflow(elements, c10::elementSize(dtype), &bytes) || bytes != array.ByteLength()) {
    throw Misuse("ERR_SHAPE", std::string("Expected data of ") + std::to_string(elements) + " " + DtypeName(dtype) +
                                  " elements for shape " + c10::str(shape) + " but received " +
                                  std::to_string(array.ByteLength()) + " bytes");
  }
  at::Tensor tensor = at::empty(shape, at::TensorOptions().dtype(dtype));
  if (bytes > 0)
    memcpy(tensor.mutable_data_ptr(), static_cast<const char*>(array.ArrayBuffer().Data()) + array.ByteOffset(), bytes);
  AccountMemory(env, environment);
  Napi::Value made = ToJs(env, environment, tensor);
  if (Recorder* recorder = environment.Recording()) recorder->Constant(made.As<Napi::Number>().DoubleValue());
  return made;
}

// Zeroed memory of JavaScript's. The constructor throws where there is none left; Node-API's function ends the process.
Napi::ArrayBuffer NewBuffer(Napi::Env env, int64_t bytes) {
  if (bytes < (1 << 20)) return Napi::ArrayBuffer::New(env, bytes);
  try {
    auto constructor = env.Global().Get("ArrayBuffer").As<Napi::Function>();
    return constructor.New({Napi::Number::New(env, static_cast<double>(bytes))}).As<Napi::ArrayBuffer>();
  } catch (const Napi::Error& error) {
    throw Misuse("ERR_OUT_OF_MEMORY", "JavaScript has no memory for an array of " + std::to_string(bytes) + " bytes: " +
                                          error.Message());
  }
}

Napi::Value NewTypedArray(Napi::Env env, at::ScalarType dtype, int64_t elements, Napi::ArrayBuffer buffer) {
  Carrier carrier = CarrierOf(dtype);
  napi_value array;
  Check(env, napi_create_typedarray(env, carrier.type, elements * carrier.per_element, buffer, 0, &array));
  return Napi::Value(env, array);
}

constexpr int64_t kLargestBuffer = (int64_t{1} << 32) - 1;

void RequireFits(int64_t bytes) {
  if (bytes > kLargestBuffer)
    throw Misuse("ERR_ARGUMENT", "Expected at most 4 GiB in one TypedArray but the tensor has " +
                                     std::to_string(bytes) + " bytes; read it in parts");
}

// Throws for what no TypedArray can hold.
void RequireReadable(const at::Tensor& tensor) {
  std::string peculiar = Peculiarity(tensor);
  if (!peculiar.empty()) throw Misuse("ERR_ARGUMENT", "Expected a dense tensor with values but received " + peculiar);
  CarrierOf(tensor.scalar_type());
  RequireFits(tensor.numel() * static_cast<int64_t>(tensor.element_size()));
}

Napi::Value ToArraySync(const Napi::CallbackInfo& info, Environment& environment) {
  Napi::Env env = info.Env();
  at::Tensor tensor = TensorArgument(info, 0, environment);
  if (Recorder* recorder = environment.Recording()) recorder->RefuseRead("A tensor's values (toArraySync, tolist)");
  environment.flights->Settle(tensor, false);
  RequireReadable(tensor);
  at::Tensor host = OnHost(tensor);
  auto buffer = NewBuffer(env, static_cast<int64_t>(host.nbytes()));
  if (host.nbytes() > 0) memcpy(buffer.Data(), host.const_data_ptr(), host.nbytes());
  return NewTypedArray(env, host.scalar_type(), host.numel(), buffer);
}

// The same off this thread: the array's memory is made here, filled there, and shown when it is full.
Napi::Value ToArray(const Napi::CallbackInfo& info, Environment& environment) {
  Napi::Env env = info.Env();
  at::Tensor tensor = TensorArgument(info, 0, environment);
  if (Recorder* recorder = environment.Recording()) recorder->RefuseRead("A tensor's values (toArray)");
  RequireReadable(tensor);
  auto job = std::make_unique<Job>(env);
  auto buffer = NewBuffer(env, tensor.numel() * static_cast<int64_t>(tensor.element_size()));
  job->held = Napi::Persistent(buffer.As<Napi::Object>());
  job->parallel = !tensor.is_contiguous();
  void* memory = buffer.Data();
  auto snapshot = environment.flights->Hold(tensor);
  job->work = [snapshot, memory] {
    snapshot->Look([memory](const at::Tensor& values) {
      at::Tensor host = OnHost(values);
      if (host.nbytes() > 0) memcpy(memory, host.const_data_ptr(), host.nbytes());
    });
    snapshot->Drop();
  };
  job->settled = [snapshot](Napi::Env env) { Environment::Of(env).flights->Release(snapshot); };
  auto dtype = tensor.scalar_type();
  auto elements = tensor.numel();
  auto* raw = job.get();
  job->result = [raw, dtype, elements](Napi::Env env) {
    return NewTypedArray(env, dtype, elements, raw->held.Value().As<Napi::ArrayBuffer>());
  };
  return environment.mailbox->Send(env, std::move(job));
}

// Zero gradients have a storage of their size, without memory.
void RequireStorage(const at::Tensor& tensor) {
  std::string peculiar = Peculiarity(tensor);
  bool any = peculiar.empty() || (tensor.is_nested() && tensor.has_storage());
  if (!any) throw Misuse("ERR_ARGUMENT", "Expected a tensor with a storage but received " + peculiar);
}

// storageInfo(tensor): { id, nbytes }; equal ids are the same memory.
Napi::Value StorageInfo(const Napi::CallbackInfo& info, Environment& environment) {
  Napi::Env env = info.Env();
  const at::Tensor& tensor = TensorArgument(info, 0, environment);
  RequireStorage(tensor);
  Napi::Object object = Napi::Object::New(env);
  object["id"] = Napi::BigInt::New(
      env, static_cast<uint64_t>(reinterpret_cast<uintptr_t>(tensor.storage().unsafeGetStorageImpl())));
  object["nbytes"] = Napi::Number::New(env, static_cast<double>(tensor.storage().nbytes()));
  return object;
}

// storageBytes(tensor): a copy of the whole storage that the tensor views.
Napi::Value StorageBytes(const Napi::CallbackInfo& info, Environment& environment) {
  Napi::Env env = info.Env();
  at::Tensor tensor = TensorArgument(info, 0, environment);
  if (Recorder* recorder = environment.Recording()) recorder->RefuseRead("A tensor's bytes");
  environment.flights->Settle(tensor, false);
  RequireStorage(tensor);
  auto bytes = static_cast<int64_t>(tensor.storage().nbytes());
  RequireFits(bytes);
  auto options = tensor.options().dtype(at::kByte).requires_grad(false);
  at::Tensor whole = tensor._is_zerotensor()
                         ? at::zeros({bytes}, options)
                         : at::empty({0}, options).set_(tensor.storage(), 0, {bytes}, {1}).to(at::kCPU);
  auto buffer = NewBuffer(env, bytes);
  if (bytes > 0) memcpy(buffer.Data(), whole.const_data_ptr(), bytes);
  return Napi::Uint8Array::New(env, bytes, buffer, 0);
}

}  // namespace

void ExportStorage(Napi::Env env, Napi::Object exports) {
  Export<FromTypedArray>(env, exports, "fromTypedArray");
  Export<ToArray>(env, exports, "toArray");
  Export<ToArraySync>(env, exports, "toArraySync");
  Export<StorageInfo>(env, exports, "storageInfo");
  Export<StorageBytes>(env, exports, "storageBytes");
}

}  // namespace isotorch
