// lincheck/explain/relaxed.h: decides about a partition most of whose
// operations were given an unknown outcome. For lincheck/explain/minimise.h
// alone.
//
// Thousands of operations that may take effect at any time are too many to try
// one by one. Few of them differ in their effect on the state that others look
// at. So one operation stands for all of its kind, and may take effect again
// and again. A contradiction even then is one. An order that explains the rest
// is handed out to the operations of each kind. If it needs more operations of
// a kind than there are, these are counted, and the search is repeated.
#ifndef QUORATE_LINCHECK_EXPLAIN_RELAXED_H_
#define QUORATE_LINCHECK_EXPLAIN_RELAXED_H_

#include <cstddef>
#include <vector>

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/model.h"
#include "lincheck/search/search.h"

namespace quorate::lincheck {

class Relaxed {
 public:
  // `operations` are all of one partition, and outlive this.
  Relaxed(absl::Span<const Operation> operations, const Model& model);

  struct Question {
    absl::Span<const size_t> kept;  // Indices, ascending.
    // By operation. Operations that are not kept may take effect only if they
    // are among these. Null: all may.
    const std::vector<bool>* among = nullptr;
    // Every kind is counted from the beginning: better where there are few, or
    // where no end of states can be made of them.
    bool counted = false;
  };
  // Decides about the operations, of which those that are not kept are relaxed.
  // Relaxed reads are left out. Indices in the result are those of the
  // operations. kOk comes with an order of operations that have to take effect.
  SearchResult Judge(const Question& question,
                     const SearchOptions& limits) const;
  // How many there are in all that may count when relaxed.
  size_t relaxable() const { return relaxable_; }
  // Those that do the same as `operation` when relaxed, itself included, by
  // time of invocation. Requires: it is no read.
  absl::Span<const size_t> Alike(size_t operation) const {
    return kinds_[kind_of_[operation]].members;
  }

  // The effect that all operations of one kind have when relaxed.
  struct Kind {
    std::vector<size_t> members;  // By time of invocation.
    bool linked = false;          // `links` say what it does.
    Links links;
  };

 private:
  const absl::Span<const Operation> operations_;
  const Model& model_;
  std::vector<Kind> kinds_;      // Latest first.
  std::vector<size_t> kind_of_;  // By operation.
  bool calls_suffice_ = true;
  size_t relaxable_ = 0;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_EXPLAIN_RELAXED_H_
