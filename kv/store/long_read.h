// kv/store/long_read.h: a read of many keys of one group in pieces, all of the
// state at the time when it began.
//
// Writes go on between the pieces. Views of the slots' tables keep the state
// meanwhile: the first write to a page copies that page. So a read should not
// last long.
#ifndef QUORATE_KV_STORE_LONG_READ_H_
#define QUORATE_KV_STORE_LONG_READ_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "kv/command/command.h"
#include "kv/command/key_reads.h"
#include "kv/command/result.h"
#include "kv/store/read.h"
#include "kv/store/table.h"

namespace quorate::kv {

// First Count() until it returns false, then Next() until done().
class LongRead {
 public:
  // Successive keys of one slot.
  struct Part {
    TableView view;  // The table of the slot.
    size_t end = 0;  // The number of keys up to the last one of the part.
  };

  static bool Takes(Op op) {
    return GetsMany(op) || op == Op::kExists || op == Op::kExistsOfSlots;
  }

  // Requires: Takes(op). The keys are without slots, and outlive the object.
  // The parts, of at least one key each, divide them. `key_reads` outlives the
  // object, too, and counts the keys unless it is null.
  LongRead(Op op, std::vector<Part> parts, const ReadTime& time,
           std::vector<std::string_view> keys, KeyReads* key_reads);

  // Looks up at most `keys_max` further keys. Returns false once all are looked
  // up, or once the read has no elements.
  bool Count(size_t keys_max);

  // ---- After Count returned false.
  // A key needs a later log time: the read has no result.
  bool needs_time() const { return needs_time_; }
  // The whole result, unless it has elements: the number of keys that exist, or
  // kTooLarge.
  ResultView Whole() const;
  bool has_elements() const { return GetsMany(op_) && !too_large(); }
  // The bytes of all values.
  size_t value_bytes() const { return value_bytes_; }

  // ---- Elements. Requires: has_elements().
  // The next elements: at least one, at most `keys_max`, and none after
  // `bytes_max` bytes. Valid until the next call.
  absl::Span<const ResultElement> Next(size_t keys_max, size_t bytes_max);
  // The number of elements so far, and of all.
  size_t taken() const { return next_; }
  size_t size() const { return keys_.size(); }
  bool done() const { return next_ == keys_.size(); }

 private:
  static constexpr size_t kPrefetchMax = 16;

  bool too_large() const { return value_bytes_ > kReturnedBytesMax; }
  // The state of keys_[next_]. The keys behind it are on their way to the
  // processor's cache then.
  Lookup LookUpNext();

  const Op op_;
  const std::vector<Part> parts_;
  const ReadTime time_;
  const std::vector<std::string_view> keys_;
  size_t next_ = 0;
  size_t part_ = 0;  // That of keys_[next_].
  // The hashes of the keys from the last prefetch on.
  std::array<uint64_t, kPrefetchMax> hashes_;
  size_t found_ = 0;
  size_t value_bytes_ = 0;
  bool counted_ = false;
  bool needs_time_ = false;
  std::vector<ResultElement> elements_;
  KeyReads* const key_reads_;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_LONG_READ_H_
