// raft/log/deferred_calls.h: callbacks that must not run inside the call that caused them.
//
// They run in step 2 of the turn, in order, unless the object goes first.
#ifndef QUORATE_RAFT_LOG_DEFERRED_CALLS_H_
#define QUORATE_RAFT_LOG_DEFERRED_CALLS_H_

#include <utility>
#include <vector>

#include "env/loop.h"
#include "env/pending.h"

namespace quorate::raft {

// Runs what was added in step 2 of the same turn, in order. Destroying it, also from one of the callbacks, drops the others.
class DeferredCalls {
 public:
  explicit DeferredCalls(env::Loop& loop) : loop_(loop) {}
  DeferredCalls(const DeferredCalls&) = delete;
  DeferredCalls& operator=(const DeferredCalls&) = delete;
  ~DeferredCalls() {
    if (destroyed_ != nullptr) *destroyed_ = true;
  }

  void Add(env::Callback call) {
    if (calls_.empty()) pending_ = loop_.Defer([this] { Run(); });
    calls_.push_back(std::move(call));
  }

 private:
  void Run() {
    bool destroyed = false;
    destroyed_ = &destroyed;
    std::vector<env::Callback> calls = std::move(calls_);
    calls_.clear();
    for (env::Callback& call : calls) {
      call();
      if (destroyed) return;
    }
    destroyed_ = nullptr;
  }

  env::Loop& loop_;
  std::vector<env::Callback> calls_;
  env::Pending pending_;
  bool* destroyed_ = nullptr;  // Points into Run while callbacks run.
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_DEFERRED_CALLS_H_
