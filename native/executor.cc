#include "executor.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "capture/memory.h"
#include "environment.h"

namespace isotorch {

namespace {

constexpr std::chrono::milliseconds kTeamStays{1}, kMemoryStays{2000};

// How long an environment that closes waits for its job under way. Captured steps and scripts end between two
// operators; one operator may take longer, or, in a script's hands, for ever.
constexpr std::chrono::milliseconds kPatience{1000};

// A thread that runs on must not meet LibTorch's static destructors.
void SkipDestructorsAtExit() {
#ifdef __GLIBC__
  static const int registered = on_exit(
      [](int status, void*) {
        std::fflush(nullptr);
        _exit(status);
      },
      nullptr);
  (void)registered;
#endif
}

class Executor : public std::enable_shared_from_this<Executor> {
 public:
  struct Entry {
    void* owner;
    std::function<void()> run;  // runs the job and posts it back
    std::function<void()> drop;
  };

  // The process's executor, started by the first environment and ended with the last.
  static std::shared_ptr<Executor> Get() {
    static auto* mutex = new std::mutex;
    static auto* current = new std::weak_ptr<Executor>;
    std::lock_guard lock(*mutex);
    auto executor = current->lock();
    if (!executor) *current = executor = std::make_shared<Executor>();
    return executor;
  }

  Executor() { Start(); }

  ~Executor() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void Push(Entry entry) {
    {
      std::lock_guard lock(mutex_);
      queue_.push_back(std::move(entry));
    }
    changed_.notify_all();
  }

  // Drops what `owner` has waiting and returns when none of its jobs runs. One that does not end is left behind with its
  // thread, and another thread serves the others.
  void Abandon(void* owner) {
    std::unique_lock lock(mutex_);
    std::deque<Entry> kept, dropped;
    for (auto& entry : queue_) (entry.owner == owner ? dropped : kept).push_back(std::move(entry));
    queue_ = std::move(kept);
    if (!changed_.wait_for(lock, kPatience, [&] { return running_ != owner; })) {
      static auto* for_good = new std::vector<std::shared_ptr<Executor>>;  // the thread comes back here, perhaps
      for_good->push_back(shared_from_this());
      SkipDestructorsAtExit();
      thread_.detach();
      running_ = nullptr;
      Start();
    }
    lock.unlock();
    for (auto& entry : dropped) entry.drop();
  }

 private:
  static void Unlocked(std::unique_lock<std::mutex>& lock, void (*work)()) {
    lock.unlock();
    work();
    lock.lock();
  }

  void Start() {
    threads_++;
    thread_ = std::thread([this, number = threads_] { Loop(number); });
  }

  void Loop(int number) {
    std::unique_lock lock(mutex_);
    auto due = [this] { return stopping_ || !queue_.empty(); };
    for (;;) {
      // Between the steps of a loop the team stays, and the memory of the steps somewhat longer. Then the team goes, so
      // that eager code's is the only one, and the memory to whoever needs it.
      if (!changed_.wait_for(lock, kTeamStays, due)) {
        Unlocked(lock, ReleaseTeam);
        if (!changed_.wait_for(lock, kMemoryStays, due)) {
          Unlocked(lock, StepMemory::Trim);
          changed_.wait(lock, due);
        }
      }
      if (stopping_) return;
      Entry entry = std::move(queue_.front());
      queue_.pop_front();
      running_ = entry.owner;
      lock.unlock();
      entry.run();
      lock.lock();
      if (number != threads_) return;  // left behind
      running_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> queue_;
  void* running_ = nullptr;
  bool stopping_ = false;
  int threads_ = 0;  // so far
  std::thread thread_;
};

}  // namespace

// All of it is touched by the JavaScript thread only, but for calls.NonBlockingCall.
struct Mailbox::State {
  static void Settle(Napi::Env env, Napi::Function, State* state, Job* raw);
  using Calls = Napi::TypedThreadSafeFunction<State, Job, Settle>;
  Calls calls;
  std::shared_ptr<Executor> executor;  // from the first job on
  int pending = 0;                     // jobs sent and not settled
  bool closed = false, released = false;
  std::shared_ptr<std::atomic<bool>> closing = std::make_shared<std::atomic<bool>>(false);
};

void Mailbox::State::Settle(Napi::Env env, Napi::Function, State* state, Job* raw) {
  std::unique_ptr<Job> job(raw);
  if (env == nullptr) return;  // the environment is closing: only free
  Napi::HandleScope scope(env);
  if (--state->pending == 0) state->calls.Unref(env);
  try {
    if (job->settled) job->settled(env);
    if (job->failure.code.empty()) {
      job->deferred.Resolve(job->result(env));
    } else {
      job->deferred.Reject(MakeError(env, job->failure));
    }
  } catch (...) {
    Failure failure = DescribeCurrent();
    job->deferred.Reject(MakeError(env, failure.code.c_str(), failure.message));
  }
}

Mailbox::Mailbox(Napi::Env env) : state_(std::make_shared<State>()) {
  state_->calls = State::Calls::New(env, "isotorch compute", 0, 1, state_.get());
  state_->calls.Unref(env);  // an idle mailbox does not keep the process alive
}

Mailbox::~Mailbox() { Close(); }

Napi::Promise Mailbox::Send(Napi::Env env, std::unique_ptr<Job> job) {
  Napi::Promise promise = job->deferred.Promise();
  if (state_->closed) throw Misuse("ERR_ABORTED", "The environment is closing");
  if (!state_->executor) state_->executor = Executor::Get();
  if (state_->pending++ == 0) state_->calls.Ref(env);
  if (job->parallel) {
    job->threads = at::get_num_threads();
    ReleaseTeam();
  }
  State* state = state_.get();
  Job* raw = job.release();
  state->executor->Push({state,
                         [state = state_, raw] {
                           try {
                             // The number of threads is each thread's own setting, and results depend on it.
                             if (raw->parallel && at::get_num_threads() != raw->threads)
                               at::set_num_threads(raw->threads);
                             raw->work();
                           } catch (...) {
                             raw->failure = DescribeCurrent();
                           }
                           raw->work = nullptr;  // its tensors go here, on this thread
                           // While the environment closes the job is leaked, since what it holds may not be freed off the
                           // JavaScript thread.
                           if (!*state->closing) (void)state->calls.NonBlockingCall(raw);
                         },
                         [raw] { delete raw; }});
  return promise;
}

Napi::Promise Mailbox::Defer(Napi::Env env, std::unique_ptr<Job> job, std::function<void()>& done) {
  Napi::Promise promise = job->deferred.Promise();
  if (state_->closed) throw Misuse("ERR_ABORTED", "The environment is closing");
  if (state_->pending++ == 0) state_->calls.Ref(env);
  done = [state = state_, raw = job.release()] { (void)state->calls.NonBlockingCall(raw); };
  return promise;
}

std::shared_ptr<const std::atomic<bool>> Mailbox::Closing() const { return state_->closing; }

void Mailbox::Abandon() {
  *state_->closing = true;
  state_->closed = true;
  if (state_->executor) state_->executor->Abandon(state_.get());
  state_->executor.reset();
}

void Mailbox::Close() {
  Abandon();
  if (std::exchange(state_->released, true)) return;
  state_->calls.Release();
}

void ReleaseTeam() {
  using Pause = int (*)(int);
  static const auto pause = [] {
    void* gomp = dlopen("libgomp.so.1", RTLD_LAZY | RTLD_NOLOAD);
    return gomp ? reinterpret_cast<Pause>(dlsym(gomp, "omp_pause_resource_all")) : nullptr;
  }();
  constexpr int kSoft = 1;  // omp_pause_soft
  if (pause) pause(kSoft);
}

}  // namespace isotorch
