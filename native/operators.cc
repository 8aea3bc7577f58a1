#include "operators.h"

#include <deque>
#include <map>
#include <mutex>
#include <set>

#include "capture/recorder.h"
#include "flights.h"

namespace isotorch {
namespace {

struct Registry {
  std::mutex mutex;
  std::deque<Operator> operators;  // a deque: references stay valid while it grows
  std::map<std::pair<std::string, std::string>, int32_t> numbers;
  std::map<std::string, std::set<std::string>> overloads;  // by base name; '' sorts first

  void ReadNames() {
    for (const auto& name : c10::Dispatcher::singleton().getAllOpNames()) {
      if (c10::Dispatcher::singleton().findSchema(name)) overloads[name.name].insert(name.overload_name);
    }
  }
};

Registry& TheRegistry() {
  static auto* registry = new Registry;
  return *registry;
}

bool IsWritten(const c10::AliasInfo& alias) {
  if (alias.isWrite()) return true;
  for (const c10::AliasInfo& contained : alias.containedTypes()) {  // the elements of a list
    if (IsWritten(contained)) return true;
  }
  return false;
}

Operator Describe(const c10::OperatorHandle& handle) {
  const c10::FunctionSchema& schema = handle.schema();
  Operator op{handle, schema.name(), toString(schema), {}, {}};
  op.random = handle.hasTag(at::Tag::nondeterministic_seeded);
  op.reads_values = handle.hasTag(at::Tag::data_dependent_output);
  op.dynamic_shape = handle.hasTag(at::Tag::dynamic_output_shape);
  for (size_t i = 0; i < schema.arguments().size() && i < 64; i++) {
    const c10::AliasInfo* alias = schema.arguments()[i].alias_info();
    // The schemas of batch normalisation do not tell that it updates its running statistics.
    bool running = schema.arguments()[i].name() == "running_mean" || schema.arguments()[i].name() == "running_var";
    if (running || (alias && IsWritten(*alias))) op.writes |= uint64_t{1} << i;
  }
  for (const auto& argument : schema.arguments()) {
    op.arguments.push_back(PlanFor(argument));
    if (op.arguments.back().kind == Kind::kUnsupported) op.supported = false;
  }
  for (const auto& result : schema.returns()) op.results.push_back(PlanFor(result));
  if (schema.returns().size() == 1 && op.results[0].kind == Kind::kTensor && !op.results[0].list) {
    const c10::AliasInfo* alias = schema.returns()[0].alias_info();
    for (size_t i = 0; alias && alias->isWrite() && i < schema.arguments().size(); i++) {
      const c10::AliasInfo* other = schema.arguments()[i].alias_info();
      if (other && other->isWrite() && other->beforeSets() == alias->beforeSets())
        op.result_is_argument = static_cast<int32_t>(i);
    }
  }
  return op;
}

constexpr size_t kMostArguments = 64, kUsualArguments = 8;
constexpr int64_t kMostRemembered = 8;  // integers of a list

// The handles behind a tensor argument, as FromJs read it: one, or those of a Float64Array.
void CollectHandles(napi_env env, napi_value value, const Plan& plan, std::vector<Handle>& handles) {
  Handle handle;
  if (napi_get_value_double(env, value, &handle) == napi_ok) {
    handles.push_back(handle);
  } else if (plan.list && Napi::Value(env, value).IsTypedArray()) {
    auto array = Napi::Value(env, value).As<Napi::Float64Array>();
    handles.assign(array.Data(), array.Data() + array.ElementLength());
  }
}

// The handles of what an operator gave, in order, lists flattened; 0 for undefined tensors.
void CollectResults(napi_env env, napi_value value, const Operator& op, std::vector<Handle>& handles) {
  auto collect = [&](napi_value one, const Plan& plan, auto&& self) -> void {
    if (plan.kind != Kind::kTensor) return;
    Napi::Value result(env, one);
    if (result.IsArray()) {
      auto array = result.As<Napi::Array>();
      for (uint32_t i = 0; i < array.Length(); i++) self(array.Get(i), plan, self);
    } else {
      handles.push_back(result.IsNumber() ? result.As<Napi::Number>().DoubleValue() : 0);
    }
  };
  if (op.results.size() == 1) return collect(value, op.results[0], collect);
  auto array = Napi::Value(env, value).As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++) collect(array.Get(i), op.results[i], collect);
}

// The operator of a number; after its first use here without a look at what all environments share.
Environment::Known& KnownOperator(Environment& environment, int32_t number) {
  auto& known = environment.operators;
  auto index = static_cast<size_t>(number);
  if (number >= 0 && index < known.size() && known[index].op != nullptr) return known[index];
  const Operator& op = Operators::All().At(number);
  if (index >= known.size()) known.resize(index + 1);
  known[index] = {&op, std::vector<c10::IValue>(op.arguments.size())};
  return known[index];
}

// A list of integers: the one that this argument had last, if it is the same, for making one takes several allocations.
c10::IValue IntegersFrom(napi_env env, napi_value value, const Plan& plan, c10::IValue& last,
                         const Environment& environment) {
  int64_t given[kMostRemembered];
  int64_t count = SmallIntegers(env, value, plan, given, kMostRemembered);
  if (count < 0) return FromJs(env, value, plan, environment);  // something else, to be refused or defaulted in words
  if (last.isIntList()) {
    c10::List<int64_t> list = last.toIntList();
    bool same = static_cast<int64_t>(list.size()) == count;
    for (int64_t i = 0; same && i < count; i++) same = list.get(i) == given[i];
    if (same) return last;
  }
  return last = std::vector<int64_t>(given, given + count);
}

// Empties the environment's stack at the end of a call, however it ends: tensors must not wait there for the next one.
struct StackGuard {
  torch::jit::Stack& stack;
  ~StackGuard() { stack.clear(); }
};


// call(number, …arguments in schema order): the result; undefined where it is one of the arguments.
napi_value Call(napi_env env, napi_callback_info info) {
  // Node fills all places that it is given, so few are given first.
  size_t count = kUsualArguments;
  napi_value values[kMostArguments + 1];
  void* data;
  napi_get_cb_info(env, info, &count, values, nullptr, &data);
  if (count > kUsualArguments) {
    count = std::min(count, kMostArguments + 1);
    napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  }
  auto& environment = *static_cast<Environment*>(data);
  const Operator* op = nullptr;
  try {
    int32_t number;
    if (count < 1 || napi_get_value_int32(env, values[0], &number) != napi_ok)
      throw Misuse("ERR_OPERATOR", "Expected an operator's number");
    Environment::Known& known = KnownOperator(environment, number);
    op = known.op;
    size_t expected = op->arguments.size();
    if (count - 1 > expected) {
      throw Misuse("ERR_ARGUMENT", "Expected at most " + std::to_string(expected) + " arguments but received " +
                                       std::to_string(count - 1));
    }
    torch::jit::Stack& stack = environment.stack;
    StackGuard guard{stack};
    stack.reserve(expected);
    for (size_t i = 0; i < expected; i++) {
      const Plan& plan = op->arguments[i];
      if (i + 1 >= count && plan.default_value) {
        stack.push_back(*plan.default_value);
      } else if (i + 1 < count && plan.kind == Kind::kInt && plan.list) {
        stack.push_back(IntegersFrom(env, values[i + 1], plan, known.lists[i], environment));
      } else {
        napi_value value = values[i + 1];
        if (i + 1 >= count) Check(env, napi_get_undefined(env, &value));
        stack.push_back(FromJs(env, value, plan, environment));
      }
    }
    if (environment.flights->Any()) environment.flights->SettleCall(*op, stack);
    Recorder* recorder = environment.Recording();
    torch::jit::Stack recorded;
    if (recorder) {
      recorder->CheckCall(*op, stack);
      recorded = stack;
    }
    op->handle.callBoxed(stack);
    napi_value result = nullptr;
    if (op->result_is_argument < 0 && stack.size() == 1) {
      if (stack[0].isTensor() && stack[0].toTensor().defined())
        Check(env, napi_create_double(env, environment.handles.Add(std::move(stack[0]).toTensor()), &result));
      else
        result = ToJs(env, stack[0], op->results[0], environment);
    } else if (stack.size() > 1) {
      Check(env, napi_create_array_with_length(env, stack.size(), &result));
      for (size_t i = 0; i < stack.size(); i++) {
        Check(env, napi_set_element(env, result, i, ToJs(env, stack[i], op->results[i], environment)));
      }
    }
    if (recorder) {
      std::vector<std::vector<Handle>> tensors(expected);
      for (size_t i = 0; i < expected && i + 1 < count; i++) {
        if (op->arguments[i].kind == Kind::kTensor) CollectHandles(env, values[i + 1], op->arguments[i], tensors[i]);
      }
      std::vector<Handle> results;
      if (result != nullptr) CollectResults(env, result, *op, results);
      recorder->Call(*op, std::move(recorded), tensors, results);
    }
    AccountMemory(env, environment);
    return result;
  } catch (...) {
    ErrorContext context;
    if (op && !IsEnding(env)) {
      context.operator_name = op->name;
      context.schema = op->schema;
      for (size_t i = 1; i < count; i++) {
        context.received +=
            (i > 1 ? ", " : "") +
            Describe(env, values[i], i - 1 < op->arguments.size() ? op->arguments[i - 1] : Plan(), environment);
      }
    }
    ThrowCurrent(env, context);
    return nullptr;
  }
}

}  // namespace

Operators& Operators::All() {
  static auto* all = new Operators;
  return *all;
}

int32_t Operators::Number(const c10::OperatorName& name) {
  Registry& registry = TheRegistry();
  std::lock_guard lock(registry.mutex);
  auto key = std::make_pair(name.name, name.overload_name);
  auto known = registry.numbers.find(key);
  if (known != registry.numbers.end()) return known->second;
  auto handle = c10::Dispatcher::singleton().findSchema(name);
  if (!handle) return -1;
  auto number = static_cast<int32_t>(registry.operators.size());
  registry.operators.push_back(Describe(*handle));
  registry.numbers.emplace(key, number);
  return number;
}

const Operator& Operators::At(int32_t number) {
  Registry& registry = TheRegistry();
  std::lock_guard lock(registry.mutex);
  if (number < 0 || static_cast<size_t>(number) >= registry.operators.size())
    throw Misuse("ERR_OPERATOR", "Expected an operator's number");
  return registry.operators[number];
}

std::vector<std::string> Operators::OverloadsOf(const std::string& base) {
  Registry& registry = TheRegistry();
  std::lock_guard lock(registry.mutex);
  if (!registry.overloads.count(base)) registry.ReadNames();  // first use, or a library was loaded since
  const auto& names = registry.overloads[base];
  return {names.begin(), names.end()};
}

std::vector<std::string> Operators::BaseNames() {
  Registry& registry = TheRegistry();
  std::lock_guard lock(registry.mutex);
  registry.ReadNames();
  std::vector<std::string> names;
  for (const auto& [name, overloads] : registry.overloads) {
    if (!overloads.empty()) names.push_back(name);
  }
  return names;
}

void ExportOperators(Napi::Env env, Napi::Object exports) {
  // The hot path: a plain callback that carries its environment, with no wrapper's allocations.
  napi_value call;
  Check(env, napi_create_function(env, "call", NAPI_AUTO_LENGTH, Call, &Environment::Of(env), &call));
  Check(env, napi_set_named_property(env, exports, "call", call));
}

}  // namespace isotorch
