// kv/store/read.h: the results of commands that read, wherever they run: in an
// entry or a transaction, at a read point, or as stale reads.
//
// Deterministic: results depend on keyspace, times and command alone. Ownership
// is checked elsewhere.
#ifndef QUORATE_KV_STORE_READ_H_
#define QUORATE_KV_STORE_READ_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "kv/command/command.h"
#include "kv/command/key_reads.h"
#include "kv/command/result.h"
#include "kv/command/version.h"
#include "kv/store/keyspace.h"
#include "kv/store/record.h"

namespace quorate::kv {

// The leader's log time at a read point (raft::Core::read_log_time and
// present_log_time). Min() where that of the last entry alone decides.
struct PointTime {
  WallTime known = WallTime::Min();    // The time left of a key counts from it.
  WallTime present = WallTime::Min();  // Keys are due by it; at least `known`.
};

struct ReadTime {
  int64_t log_ms = 0;    // Keys that are due by log time are absent.
  int64_t known_ms = 0;  // PointTime::known.
  // PointTime::present. For keys that are due by this time but not by log time,
  // log time must advance first.
  int64_t due_by_ms = 0;
};

// The outcome of a read of one key.
struct Lookup {
  enum class State : uint8_t {
    kFound,
    kMissing,
    // Present by log time, but due by ReadTime::due_by_ms. Log time decides, so
    // the caller evaluates the read in an entry, which advances log time.
    kNeedsTime,
  };
  State state = State::kMissing;
  ValueType type = ValueType::kString;
  // Valid until the next change of the keyspace. Set for kFound.
  std::string_view value = {};
  // The Buffer of a large value, so that a reply can share it; null for small
  // values.
  const Buffer* shared = nullptr;
  Version version = {};
  int64_t expire_at_ms = 0;  // 0: never.
  bool found() const { return state == State::kFound; }
};
// `record` may be null.
Lookup LookUp(const Record* record, const ReadTime& time);

// Reads the arguments of a command that is not encoded.
class ArgumentList {
 public:
  explicit ArgumentList(absl::Span<const std::string_view> arguments)
      : arguments_(arguments) {}
  uint32_t count() const { return static_cast<uint32_t>(arguments_.size()); }
  // Requires: count() > 0.
  std::string_view Next() {
    const std::string_view next = arguments_.front();
    arguments_.remove_prefix(1);
    return next;
  }

 private:
  absl::Span<const std::string_view> arguments_;
};

// Calls `visit` with each key of a command whose arguments are keys, in order,
// until it returns false. The keys that follow are on their way to the
// processor's cache meanwhile. `Command` is CommandView or ReadCommand.
template <typename Command, typename Visit>
void ForEachKey(const Keyspace& keyspace, const Command& command, Visit visit) {
  auto arguments = command.arguments;
  std::array<Keyspace::Key, Keyspace::kPrefetchMax> keys;
  while (arguments.count() > 0) {
    size_t count = 0;
    while (count < keys.size() && arguments.count() > 0) {
      const SlotKey of = KeyOf(command.op, command.slot, arguments.Next());
      keys[count++] = keyspace.MakeKey(of.slot, of.key);
    }
    // A single key gains nothing.
    if (count > 1) keyspace.Prefetch(absl::MakeConstSpan(keys.data(), count));
    for (size_t i = 0; i < count; ++i) {
      if (!visit(keys[i])) return;
    }
  }
}

template <typename Arguments>
struct ReadCommand {
  Op op = Op::kGet;
  Slot slot = {};
  std::array<int64_t, 2> numbers = {};
  Arguments arguments;
};

// All that a read depends on besides the command.
struct ReadState {
  const Keyspace& keyspace;
  ReadTime time;
  // The version of the command if it is in an entry; else none.
  Version version = {};
  // Bytes that the commands of the entry returned so far. At most
  // kReturnedBytesMax: a longer result is kTooLarge.
  size_t* returned_bytes;
  // Counts the keys of a read that has a result. Null: not counted.
  KeyReads* key_reads = nullptr;
};

// Calls `done` with the result and returns true. Returns false without a call
// if a key needs a later log time. The result and its views are valid during
// the call. Requires: IsRead(command.op).
template <typename Arguments>
bool EvaluateRead(const ReadState& state, const ReadCommand<Arguments>& command,
                  absl::FunctionRef<void(const ResultView&)> done);
extern template bool EvaluateRead(const ReadState&,
                                  const ReadCommand<ArgumentReader>&,
                                  absl::FunctionRef<void(const ResultView&)>);
extern template bool EvaluateRead(const ReadState&,
                                  const ReadCommand<ArgumentList>&,
                                  absl::FunctionRef<void(const ResultView&)>);

// Adds to `*returned_bytes`. Returns false above kReturnedBytesMax. Every
// replica counts, whether or not a client waits for the result.
bool MayReturn(size_t bytes, size_t* returned_bytes);

// The bit at `bit`, as in Op::kGetBit; false behind the end.
bool ValueBit(std::string_view value, int64_t bit);

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_READ_H_
