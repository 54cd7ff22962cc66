// node/http/ordered_scan.h: one page of GET /v1/scan: the keys of a range in
// their order, with their values if the client wants them.
//
// A state machine without I/O: it says which read comes next, and takes the
// answer. Stores keep the keys of a slot without order. So the page visits all
// keys of a slot and keeps the least ones.
#ifndef QUORATE_NODE_HTTP_ORDERED_SCAN_H_
#define QUORATE_NODE_HTTP_ORDERED_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/slots/slot_strategy.h"

namespace quorate::node {

class OrderedScan {
 public:
  static constexpr uint32_t kLimitMax = 1'000;
  // The most bytes of keys and values of a page, unless it has one key.
  static constexpr size_t kPageBytesMax = 256 << 10;
  // The most bytes of keys that are kept until the slot is visited.
  static constexpr size_t kKeptBytesMax = 2 * kPageBytesMax;

  struct Range {
    std::string from;               // The first key of the page is not less.
    std::optional<std::string> to;  // All keys are less.
    uint32_t limit = 100;           // Keys of the page; 1 … kLimitMax.
    bool values = false;
  };
  // Requires: `slots` is ordered, and outlives the object.
  OrderedScan(Range range, const kv::SlotStrategy& slots);

  bool done() const { return phase_ == Phase::kDone; }
  // The next read, which visits about `count_max` keys. Valid until Take.
  // Requires: !done().
  kv::CommandSpec Question(uint32_t count_max);
  // Takes the answer, kOk or kNil. Returns the keys that it has visited, or
  // nullopt if the answer is none to the question.
  std::optional<size_t> Take(const kv::ResultView& result);
  // The page as JSON. Requires: done().
  std::string TakePage();

 private:
  enum class Phase : uint8_t { kKeys, kValues, kDone };

  void AddKey(std::string_view key);
  // Keeps the least keys that fit into the page.
  void DropGreaterKeys();
  void EndSlot();
  void EndKeys();
  void AppendItem(std::string_view key, const std::string_view* value);

  const Range range_;
  const kv::SlotStrategy& slots_;
  Phase phase_ = Phase::kKeys;
  uint64_t cursor_ = 0;
  Slot slot_;
  Slot last_slot_;
  // Keys of the present slot, in any order.
  std::vector<std::string> kept_;
  size_t kept_bytes_ = 0;
  // The least key of the slot that was dropped. Greater ones are dropped, too.
  std::optional<std::string> dropped_;
  // Those of the page, ascending.
  std::vector<std::string> keys_;
  size_t keys_bytes_ = 0;
  size_t next_value_ = 0;
  std::string_view argument_;        // The key of the last kGet.
  std::optional<std::string> next_;  // Where the next page begins.
  std::string items_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_HTTP_ORDERED_SCAN_H_
