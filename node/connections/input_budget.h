// node/connections/input_budget.h: the number of bytes of requests that all
// connections of a node hold because they are incomplete or wait.
//
// Each connection reports its share. Above the limit the budget refuses shares,
// at the end of the turn, until the sum is within the limit again. The share
// with the largest product of bytes and age goes first. So many connections
// that each send slowly are refused before one that sends a large request fast.
// One object per node, shared by all client tables.
#ifndef QUORATE_NODE_CONNECTIONS_INPUT_BUDGET_H_
#define QUORATE_NODE_CONNECTIONS_INPUT_BUDGET_H_

#include <cstddef>
#include <cstdint>

#include "absl/container/btree_map.h"
#include "env/loop.h"
#include "env/pending.h"
#include "env/quota.h"
#include "env/time.h"

namespace quorate::node {

class InputBudget {
 public:
  // The part of one connection. It reports zero bytes before it is destroyed.
  class Share {
   public:
    // Drops the bytes, answers with an error and closes the connection.
    virtual void RefuseInput() = 0;

   protected:
    ~Share() = default;

   private:
    friend class InputBudget;

    uint64_t number_ = 0;  // Its place in shares_.
    Quota::Share held_;
    MonoTime since_;  // The beginning of its age.
  };

  // `loop` outlives the budget, which outlives its shares.
  InputBudget(env::Loop& loop, size_t limit_bytes);
  InputBudget(const InputBudget&) = delete;
  InputBudget& operator=(const InputBudget&) = delete;

  // `share` has `bytes` now. With `progress` its age begins again.
  void Change(Share& share, size_t bytes, bool progress);

  size_t limit_bytes() const { return limit_bytes_; }
  uint64_t used_bytes() const { return held_.bytes(); }
  // Shares that were refused.
  uint64_t refused() const { return refused_; }

 private:
  void RefuseMost();

  env::Loop& loop_;
  const size_t limit_bytes_;
  Quota held_;
  uint64_t refused_ = 0;
  // Shares that have bytes, in the order in which they began to have some.
  absl::btree_map<uint64_t, Share*> shares_;
  uint64_t last_number_ = 0;
  bool refusal_due_ = false;
  env::Pending refusal_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONNECTIONS_INPUT_BUDGET_H_
