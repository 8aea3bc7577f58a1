// Feeds at the boundary: begin one, ask for its next batch, end it.
#include "bridge.h"
#include "feed.h"
#include "flights.h"
#include "plain.h"

namespace isotorch {
namespace {

const std::shared_ptr<Feed>& FeedArgument(const Napi::CallbackInfo& info, Environment& environment) {
  auto found = environment.feeds.find(static_cast<uint32_t>(IntegerArgument(info, 0, "feed")));
  if (found == environment.feeds.end()) throw Misuse("ERR_ARGUMENT", "Expected a feed that was not ended");
  return found->second;
}

// beginFeed(sources, plan, batch, from, count, ahead, device): its number.
Napi::Value BeginFeed(const Napi::CallbackInfo& info, Environment& environment) {
  Feed::Options options;
  auto sources = TensorsArgument(info, 0, environment);
  at::Tensor plan = Plain(TensorArgument(info, 1, environment));
  options.batch = IntegerArgument(info, 2, "batch");
  options.from = IntegerArgument(info, 3, "from");
  options.count = IntegerArgument(info, 4, "count");
  options.ahead = IntegerArgument(info, 5, "ahead");
  std::string device = StringArgument(info, 6, "device");
  try {
    options.device = c10::Device(device);
  } catch (const c10::Error&) {
    throw Misuse("ERR_DEVICE", "Expected a device such as 'cpu' or 'cuda:0' but received '" + device + "'");
  }
  auto on_host = [](const at::Tensor& tensor) {
    return Peculiarity(tensor).empty() && tensor.is_cpu() && tensor.is_contiguous();
  };
  for (at::Tensor& source : sources) {
    source = Plain(source);
    if (!on_host(source) || source.dim() < 1) throw Misuse("ERR_ARGUMENT", "Expected contiguous tensors on the CPU");
  }
  if (!on_host(plan) || plan.dim() != 2 || plan.scalar_type() != at::kLong || plan.size(0) < 1)
    throw Misuse("ERR_ARGUMENT", "Expected a plan: int64 [1 + parameters, N], contiguous on the CPU");
  int64_t most = options.batch < 1 ? 0 : (plan.size(1) + options.batch - 1) / options.batch;
  if (options.batch < 1 || options.ahead < 1 || options.from < 0 || options.count > most)
    throw Misuse("ERR_ARGUMENT", "Expected a batch size and ahead of at least 1, and batches that the plan has");
  for (const at::Tensor& source : sources) options.sources.push_back(environment.flights->Hold(source));
  options.plan = environment.flights->Hold(plan);
  uint32_t number = environment.next_feed++;
  environment.feeds.emplace(number, std::make_shared<Feed>(std::move(options)));
  return Napi::Number::New(info.Env(), number);
}

// nextOfFeed(feed): resolves with the batch's handles; none after the last.
Napi::Value NextOfFeed(const Napi::CallbackInfo& info, Environment& environment) {
  auto feed = FeedArgument(info, environment);
  auto batch = std::make_shared<std::vector<at::Tensor>>();
  auto job = std::make_unique<Job>(info.Env());
  Job* raw = job.get();
  job->result = [batch](Napi::Env env) -> Napi::Value {
    auto& environment = Environment::Of(env);
    auto handles = Napi::Float64Array::New(env, batch->size());
    for (size_t i = 0; i < batch->size(); i++) handles[i] = environment.handles.Add(std::move((*batch)[i]));
    AccountMemory(env, environment);
    return handles;
  };
  std::function<void()> done;
  Napi::Promise promise = environment.mailbox->Defer(info.Env(), std::move(job), done);
  try {
    feed->Next([batch, raw, done](std::vector<at::Tensor> tensors, Failure failure) {
      *batch = std::move(tensors);
      raw->failure = std::move(failure);
      done();
    });
  } catch (const Misuse&) {  // the promise is there already: it tells
    raw->failure = DescribeCurrent();
    done();
  }
  return promise;
}

Napi::Value EndFeed(const Napi::CallbackInfo& info, Environment& environment) {
  auto found = environment.feeds.find(static_cast<uint32_t>(IntegerArgument(info, 0, "feed")));
  if (found == environment.feeds.end()) return Napi::Boolean::New(info.Env(), false);
  const Feed::Options& options = found->second->options();
  for (const auto& source : options.sources) environment.flights->Release(source);
  environment.flights->Release(options.plan);
  environment.feeds.erase(found);
  return Napi::Boolean::New(info.Env(), true);
}

}  // namespace

void ExportFeeds(Napi::Env env, Napi::Object exports) {
  Export<BeginFeed>(env, exports, "beginFeed");
  Export<NextOfFeed>(env, exports, "nextOfFeed");
  Export<EndFeed>(env, exports, "endFeed");
}

}  // namespace isotorch
