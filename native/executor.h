// The compute thread: one for the whole process, because LibTorch's OpenMP keeps a team of threads for each thread
// that calls it. Jobs run in order of arrival; each settles a promise in the environment that sent it.
//
// Lifetimes: an environment's Mailbox is closed by its cleanup hook, which drops its waiting jobs and waits for the
// one under way; one that does not end is left behind. The thread ends with the last environment. A job holds its tensors itself, never handles.
#pragma once
#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>

#include "errors.h"

namespace isotorch {

struct Job {
  explicit Job(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise::Deferred deferred;
  std::function<void()> work;                    // on the compute thread; may throw
  std::function<Napi::Value(Napi::Env)> result;  // on the JavaScript thread, after work succeeded
  std::function<void(Napi::Env)> settled;        // on the JavaScript thread, before the promise settles either way
  Failure failure;                               // code is empty when work succeeded
  Napi::ObjectReference held;                    // JavaScript memory that work writes into
  bool parallel = false;                         // work may use LibTorch's thread team
  int threads = 0;                               // how large that team is: as on the thread that sent it
};

class Mailbox {
 public:
  explicit Mailbox(Napi::Env env);
  ~Mailbox();
  // Hands the job over and returns its promise.
  Napi::Promise Send(Napi::Env env, std::unique_ptr<Job> job);
  // A promise that another thread settles: it calls `done`, once, when the job's result can be made, or has filled in
  // its failure. The job's own `work` plays no part.
  Napi::Promise Defer(Napi::Env env, std::unique_ptr<Job> job, std::function<void()>& done);
  // Becomes true when the environment closes: work that can stop early looks at it.
  std::shared_ptr<const std::atomic<bool>> Closing() const;
  // Takes no more jobs, drops those that wait, and waits for the one under way, within a second.
  void Abandon();
  // The same, and nobody settles a promise any more: the threads that would have ended.
  void Close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Frees the calling thread's idle OpenMP team, so that the next thread's team is the only one: with two teams libgomp
// counts more threads than cores and stops spinning, and each parallel region pays a sleep and a wake.
void ReleaseTeam();

}  // namespace isotorch
