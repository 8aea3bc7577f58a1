// Runs of records at the boundary: one step, or the many of `repeat`, on their way to the compute thread.
#include <algorithm>
#include <atomic>

#include "../bridge.h"
#include "../flights.h"
#include "record.h"

namespace isotorch {

// Steps on their way to the compute thread: what a single call and `repeat` send.
struct Steps {
  struct Step {
    std::shared_ptr<const Record> record;
    std::vector<at::Tensor> inputs;
  };
  std::vector<Step> steps;
  std::atomic<bool> cancelled{false};
};

// Steps that are being collected. Eager code that would meet one of them sends them off before their time.
struct Run {
  std::shared_ptr<Steps> steps = std::make_shared<Steps>();
  std::shared_ptr<Flight> flight = std::make_shared<Flight>(/*queued=*/true);
  Napi::ObjectReference sent;  // the promise, once they are on their way
};

namespace {

// What a step touches.
void AddMemory(Flights& flights, Flight& flight, const std::shared_ptr<Record>& record,
               const std::vector<at::Tensor>& inputs) {
  for (size_t i = 0; i < inputs.size(); i++) {
    flight.Add(inputs[i], record->writes_input[i]);
    if (record->writes_input[i]) flights.AddGradient(flight, inputs[i]);
  }
  if (!flight.Add(std::shared_ptr<const Touched>(record, &record->touched))) return;
  flight.random = flight.random || record->random;
  for (const at::Tensor& tensor : record->outside) flights.AddGradient(flight, tensor);
}

void AddStep(const Napi::CallbackInfo& info, size_t first, Environment& environment, Steps& steps, Flight& flight) {
  const auto& record = Numbered(info, first, environment.records, "record");
  auto inputs = TensorsArgument(info, first + 1, environment);
  if (inputs.size() != record->inputs)
    throw Misuse("ERR_ARGUMENT", "Expected " + std::to_string(record->inputs) + " inputs for the record");
  AddMemory(*environment.flights, flight, record, inputs);
  steps.steps.push_back({record, std::move(inputs)});
}

// Tells whoever waits, also where the steps are dropped.
struct Landing {
  explicit Landing(std::shared_ptr<Flight> landed) : flight(std::move(landed)) {}
  Landing(const Landing&) = delete;
  ~Landing() { flight->Land(); }
  std::shared_ptr<Flight> flight;
};

// Resolves with [steps done, …handles]: the results of the one step, or of all steps stacked. The flight has begun.
Napi::Promise Send(Napi::Env env, Environment& environment, std::shared_ptr<Steps> run, std::shared_ptr<Flight> flight,
                   bool stacked) {
  auto landing = std::make_shared<Landing>(flight);
  auto obstacles = std::make_shared<Obstacles>(environment.flights->Before(flight));
  bool reforms =
      std::any_of(run->steps.begin(), run->steps.end(), [](const auto& step) { return step.record->reforms; });
  struct Outcome {
    size_t done = 0;
    std::vector<at::Tensor> results;
  };
  auto outcome = std::make_shared<Outcome>();
  auto job = std::make_unique<Job>(env);
  job->parallel = true;
  job->work = [run, outcome, landing, obstacles, stacked, closing = environment.mailbox->Closing()] {
    Landing end(landing->flight);
    obstacles->Clear();
    std::vector<std::vector<at::Tensor>> results;
    for (auto& step : run->steps) {
      if (run->cancelled || *closing) break;
      auto record = std::move(step.record);
      std::vector<at::Tensor> values = record->Replay(std::move(step.inputs), *closing);
      outcome->done++;
      if (!stacked) {
        outcome->results = std::move(values);
        continue;
      }
      results.resize(values.size());
      for (size_t i = 0; i < values.size(); i++) results[i].push_back(std::move(values[i]));
    }
    run->steps.clear();
    at::NoGradGuard no_grad;
    for (auto& values : results) {
      for (const at::Tensor& value : values) {
        if (value.sizes() != values[0].sizes())
          throw Misuse("ERR_CAPTURE", "repeat: expected results of the same shape in each step but received " +
                                          c10::str(values[0].sizes()) + " and " + c10::str(value.sizes()) +
                                          ". Return scalars, such as the mean loss, or call the step for each batch");
      }
      outcome->results.push_back(at::stack(values));
    }
  };
  job->result = [outcome](Napi::Env env) {
    auto& environment = Environment::Of(env);
    auto values = Napi::Float64Array::New(env, outcome->results.size() + 1);
    values[0] = static_cast<double>(outcome->done);
    for (size_t i = 0; i < outcome->results.size(); i++)
      values[i + 1] = environment.handles.Add(std::move(outcome->results[i]));
    AccountMemory(env, environment);
    return values;
  };
  job->settled = [flight](Napi::Env env) { Environment::Of(env).flights->End(flight); };
  Napi::Promise promise = environment.mailbox->Send(env, std::move(job));
  if (reforms) environment.flights->Await(*flight);  // shapes and the like are read without a look at what is under way
  return promise;
}

// replay(record, inputs)
Napi::Value Replay(const Napi::CallbackInfo& info, Environment& environment) {
  auto steps = std::make_shared<Steps>();
  auto flight = std::make_shared<Flight>(/*queued=*/true);
  AddStep(info, 0, environment, *steps, *flight);
  environment.flights->Begin(flight);
  return Send(info.Env(), environment, std::move(steps), std::move(flight), false);
}

// Sends a run's steps off, unless they are.
void SendOff(Napi::Env env, Environment& environment, Run& run) {
  if (!run.sent.IsEmpty()) return;
  run.flight->send = nullptr;
  run.sent = Napi::Persistent(Send(env, environment, run.steps, run.flight, true).As<Napi::Object>());
}

Napi::Value BeginRun(const Napi::CallbackInfo& info, Environment& environment) {
  uint32_t number = environment.next_run++;
  environment.runs.emplace(number, std::make_shared<Run>());
  return Napi::Number::New(info.Env(), number);
}

// addStep(run, record, inputs): the inputs are held from now on. Gives the bytes of those that are no views of
// something larger, which is there anyway; −1 where the run has been sent off and takes no more.
Napi::Value AddStepTo(const Napi::CallbackInfo& info, Environment& environment) {
  auto run = Numbered(info, 0, environment.runs, "run");
  if (!run->sent.IsEmpty()) return Napi::Number::New(info.Env(), -1);
  AddStep(info, 1, environment, *run->steps, *run->flight);
  if (run->steps->steps.size() == 1) {
    run->flight->send = [env = info.Env(), &environment, raw = run.get()] {
      SendOff(env, environment, *raw);
      // Whoever collects the steps asks for the promise later, perhaps when it has been rejected.
      Napi::Object promise = raw->sent.Value();
      auto nothing = Napi::Function::New(env, [](const Napi::CallbackInfo&) {});
      promise.Get("catch").As<Napi::Function>().Call(promise, {nothing});
    };
    environment.flights->Begin(run->flight);
  }
  double bytes = 0;
  for (const at::Tensor& input : run->steps->steps.back().inputs) {
    if (input.has_storage() && input.storage().nbytes() <= input.nbytes()) bytes += static_cast<double>(input.nbytes());
  }
  return Napi::Number::New(info.Env(), bytes);
}

// sendRun(run)
Napi::Value SendRun(const Napi::CallbackInfo& info, Environment& environment) {
  auto run = Numbered(info, 0, environment.runs, "run");
  SendOff(info.Env(), environment, *run);
  return run->sent.Value();
}

// endRun(run, cancel): forgets it; one under way stops before its next step if `cancel`. Gives the promise of one that
// was sent off.
Napi::Value EndRun(const Napi::CallbackInfo& info, Environment& environment) {
  auto run = Numbered(info, 0, environment.runs, "run");
  if (BooleanArgument(info, 1, "cancel")) run->steps->cancelled = true;
  if (run->sent.IsEmpty()) {  // never to be sent
    run->flight->send = nullptr;
    run->flight->Land();
    environment.flights->End(run->flight);
  }
  Napi::Value sent = run->sent.IsEmpty() ? info.Env().Undefined() : run->sent.Value();
  environment.runs.erase(static_cast<uint32_t>(IntegerArgument(info, 0, "run")));
  return sent;
}

}  // namespace

void ExportRuns(Napi::Env env, Napi::Object exports) {
  Export<Replay>(env, exports, "replay");
  Export<BeginRun>(env, exports, "beginRun");
  Export<AddStepTo>(env, exports, "addStep");
  Export<SendRun>(env, exports, "sendRun");
  Export<EndRun>(env, exports, "endRun");
}

}  // namespace isotorch
