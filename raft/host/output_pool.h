// raft/host/output_pool.h: the Outputs of the steps that run now.
//
// All replicas of a node share them, so an idle group holds neither vectors nor
// the payloads of its last step. One Output is enough, unless an observer or a
// state machine steps another group.
#ifndef QUORATE_RAFT_HOST_OUTPUT_POOL_H_
#define QUORATE_RAFT_HOST_OUTPUT_POOL_H_

#include <memory>
#include <utility>
#include <vector>

#include "raft/core/core.h"

namespace quorate::raft {

class OutputPool {
 public:
  // An Output of the pool, for one step. It is empty at the beginning, and goes
  // back when the Lease ends.
  class Lease {
   public:
    explicit Lease(OutputPool* pool) : pool_(*pool), output_(pool->Take()) {}
    ~Lease() {
      output_->Clear();
      pool_.free_.push_back(std::move(output_));
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    Output& operator*() { return *output_; }

   private:
    OutputPool& pool_;
    std::unique_ptr<Output> output_;
  };

  // The number of Outputs that no step uses.
  size_t free() const { return free_.size(); }

 private:
  std::unique_ptr<Output> Take() {
    if (free_.empty()) return std::make_unique<Output>();
    std::unique_ptr<Output> output = std::move(free_.back());
    free_.pop_back();
    return output;
  }

  std::vector<std::unique_ptr<Output>> free_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_OUTPUT_POOL_H_
