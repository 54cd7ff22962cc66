// kv/command/command.h: a batch of commands of many clients in the payload of
// one entry (docs/reference/formats/commands.md).
//
// Encoding appends to one growing buffer. Decoding gives views into the
// payload. Nondeterminism was resolved earlier: times are absolute, slots are
// computed. A batch that is not well formed is refused as a whole. A
// well-formed batch may contain an invalid command: its result is kMalformed,
// and it does nothing.
//
//   BatchBuilder batch;
//   uint32_t position = batch.Add({.op = Op::kSet, .slot = HashSlot("k"),
//   .arguments = {{"k", "v"}}}); host.Propose(group, batch.Finish(), …);
#ifndef QUORATE_KV_COMMAND_COMMAND_H_
#define QUORATE_KV_COMMAND_COMMAND_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/little_endian.h"
#include "kv/command/rules.h"
#include "kv/command/session_stamp.h"
#include "kv/command/version.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

// Limits of commands. Part of the replicated rules.
inline constexpr size_t kKeyBytesMax = 64 << 10;
// Limit of stored values. Requests carry less, because the payload of an entry
// is smaller.
inline constexpr size_t kValueBytesMax = 1 << 20;
// Bytes of values that one command may return, a kAtomic with its nested
// commands included. Above it the result is kTooLarge.
inline constexpr size_t kReturnedBytesMax = 64 << 20;
// Bytes of the results of all commands of a batch, as the store returns them.
// Above it, a large result becomes kResultNotKept. Not a replicated rule:
// replicas store nothing that depends on it.
inline constexpr size_t kEntryResultBytesMax = 2 * kReturnedBytesMax;
// The most keys of a write, or of all commands of a kAtomic: an entry is
// applied without a pause. Callers keep to it; it is no replicated rule. A read
// of more keys travels in an entry only if it must.
inline constexpr size_t kEntryKeysMax = 10'000;
// The most keys that one kExpire may remove, and the most rows of sessions.
inline constexpr int64_t kExpireKeysMax = 4'096;

// Stored numbers: never renumber. Each comment lists: arguments; numbers; flags
// that apply → payload of the result. Reads change nothing; a batch contains
// them if they must observe unapplied writes of their own connection.
enum class Op : uint8_t {
  // key → bytes, or kNil.
  kGet = 1,
  // key → integer.
  kStrlen = 2,
  // key; start, end (inclusive; negative: from the end) → bytes, empty if the
  // key is absent.
  kGetRange = 3,
  // key… → integer; a key that is named twice counts twice.
  kExists = 4,
  // key… → array.
  kMGet = 5,
  // key → integer: absolute milliseconds; -1: no expiry; -2: no key.
  kExpireTime = 6,
  // key → bytes "string", or kNil.
  kType = 7,
  // ; first slot, last slot, all owned → integer: keys in these slots, due keys
  // included until they are removed.
  kKeyCount = 8,
  // ; cursor (kv/slots/slot_scan.h), last slot << 32 | count. Visits keys from
  // the cursor to the last slot → array: the next cursor (decimal; 0: the end),
  // then keys. All these slots are owned. The visit ends after about `count`
  // keys or kScanBytesMax.
  kScan = 9,
  // key → integer: milliseconds of log time until its expiry; -1: no expiry;
  // -2: no key.
  kTtl = 10,
  // key → none, for WATCH. The version is that of the value; for an absent key
  // (kNil) that of the slot's last removal.
  kWatch = 11,
  // key; bit → integer: 0 or 1. Bits are counted from the highest one of each
  // byte.
  kGetBit = 12,
  // key with slot… (SlotKey), the first one in the slot of the command → array.
  // All slots are owned.
  kMGetOfSlots = 13,
  // key with slot… → integer, as kExists.
  kExistsOfSlots = 14,

  // key, value; kIfAbsent kIfPresent kReturnOld kKeepExpiry, expire_at_ms,
  // expected → see ResultView.
  kSet = 16,
  // key → bytes, or kNil.
  kGetDel = 17,
  // key…; expected (only with one key) → integer: removed keys.
  kDel = 18,
  // key; delta → integer.
  kIncrBy = 19,
  // key, suffix; longest value (0: kValueBytesMax) → integer: new length.
  kAppend = 20,
  // key, value, …; kIfAbsent (all or nothing: MSETNX) → none.
  kMSet = 21,
  // key; expire_at_ms; at most one of kIfAbsent (the key has no expiry),
  // kIfPresent (it has one), kIfGreater, kIfLess, or kIfPresent with kIfLess →
  // integer: 1 done, 0 not.
  kExpireAt = 22,
  // key → integer: 1 if an expiry was removed, else 0.
  kPersist = 23,
  // key, bytes; offset, longest value (0: kValueBytesMax) → integer: length.
  // Zeros fill a gap. Empty bytes change nothing.
  kSetRange = 24,
  // key, decimal (kv/command/decimal.h); longest value (0: kValueBytesMax) →
  // bytes: the sum.
  kIncrByFloat = 25,
  // key; 2 * bit + new value, longest value (0: kValueBytesMax) → integer: the
  // old value of the bit. Zeros fill a gap. Writes only if the value changes.
  kSetBit = 26,

  // Commands that are evaluated one after another, with no other command in
  // between (MULTI/EXEC). The nested commands have this slot and no stamps. An
  // error of one does not undo the others. → nested results.
  kAtomic = 32,
  // key; expected; kIfAbsent. Only at the beginning of a kAtomic (WATCH). If a
  // condition does not hold, the kAtomic does nothing and is kConditionFailed.
  // With kIfAbsent the key must be absent, and `expected` must be the slot's
  // last removal. The key was then absent ever since kWatch returned that
  // version.
  kCheckVersion = 33,

  // ; first slot, last slot, all owned. Removes every key of these slots;
  // sessions stay. → integer: removed keys.
  kFlush = 48,
  // ; count, at most kExpireKeysMax. Removes up to `count` due keys of all
  // slots, the earliest first, and as many expired rows of sessions. → integer:
  // removed keys and rows.
  kExpire = 49,
  // a step of a move of slots (kv/command/move_command.h); the most slots whose
  // data it removes → bytes: its answer. kConditionFailed: refused.
  kMove = 50,
};

// Bits, combined. A bit that an op does not accept makes the command
// kMalformed.
using CommandFlags = uint16_t;
inline constexpr CommandFlags kIfAbsent = 1 << 0;   // NX.
inline constexpr CommandFlags kIfPresent = 1 << 1;  // XX.
// GT and LT: no expiry counts as infinite.
inline constexpr CommandFlags kIfGreater = 1 << 2;
inline constexpr CommandFlags kIfLess = 1 << 3;
inline constexpr CommandFlags kReturnOld = 1 << 4;   // GET.
inline constexpr CommandFlags kKeepExpiry = 1 << 5;  // KEEPTTL.
// `expire_at_ms` is relative to the entry's log time, so that no clock observes
// a longer lifetime than the client asked for.
inline constexpr CommandFlags kRelativeExpiry = 1 << 6;

// True if the op never changes keys.
bool IsRead(Op op);
// True if a read's result depends on how late it is, even if no key is due.
bool ShowsTimeLeft(Op op);
std::string_view OpName(Op op);
// The distance of the keys among the arguments: every KeyStep-th is a key, the
// first one included. 0: no argument is a key.
uint32_t KeyStep(Op op);
// True if the result has an element for each key.
inline bool GetsMany(Op op) {
  return op == Op::kMGet || op == Op::kMGetOfSlots;
}

// A key and its slot.
struct SlotKey {
  Slot slot;
  std::string_view key;
};
// True if each key among the arguments follows its own slot.
inline bool NamesSlots(Op op) {
  return op == Op::kMGetOfSlots || op == Op::kExistsOfSlots;
}
inline constexpr size_t kSlotPrefixBytes = 2;
// Appends the argument of an op that names slots.
void AppendSlotKey(Slot slot, std::string_view key, std::string* argument);
// The key of an argument, which is one of the keys of a command of `op` in
// `slot`.
inline SlotKey KeyOf(Op op, Slot slot, std::string_view argument) {
  if (!NamesSlots(op)) return {slot, argument};
  return {Slot(LoadFixed<uint16_t>(argument.data())),
          argument.substr(kSlotPrefixBytes)};
}

// A command to encode. Its views must be valid during Add only.
struct CommandSpec {
  Op op = Op::kGet;
  Slot slot = {};
  CommandFlags flags = 0;
  std::optional<SessionStamp> session = {};
  std::optional<int64_t> expire_at_ms = {};
  // Compare and swap: the command takes effect only if the key has this version
  // (none: only if the key is absent). Otherwise the result is kConditionFailed
  // with the current version.
  std::optional<Version> expected = {};
  std::array<int64_t, 2> numbers = {};
  absl::Span<const std::string_view> arguments = {};
};

struct CommandView;

class BatchBuilder {
 public:
  // Requires: empty(). The version is at most the level of the group.
  void SetRules(uint32_t rules);
  uint32_t rules() const { return rules_; }

  // Appends a command and returns its position in the entry; for a nested
  // command, its position in the kAtomic.
  uint32_t Add(const CommandSpec& spec);
  // Appends a command of another batch of this version, as encoded there.
  uint32_t AddEncoded(const CommandView& command);

  // Opens a kAtomic and returns its position. Commands added before EndAtomic
  // are nested in it.
  uint32_t BeginAtomic(Slot slot, const std::optional<SessionStamp>& session);
  void EndAtomic();

  // Bytes that Add would append. The payload must stay within
  // raft::kEntryPayloadBytesMax.
  static size_t EncodedSize(const CommandSpec& spec);
  // Bytes that a kAtomic adds to its nested commands.
  static size_t AtomicOverhead(bool session);

  uint32_t count() const { return count_; }
  size_t size_bytes() const;
  bool empty() const { return count_ == 0; }

  // Returns the payload. The builder is empty afterwards. It keeps its memory
  // for the next batch, up to kKeptBytesMax.
  Buffer Finish();
  static constexpr size_t kKeptBytesMax = 64 << 10;
  // Bytes of its memory.
  size_t capacity_bytes() const { return bytes_.capacity(); }

 private:
  std::string bytes_;
  uint32_t rules_ = kRulesVersion;
  uint32_t count_ = 0;
  // Offset of the open kAtomic (0: none is open), and its number of commands.
  size_t atomic_offset_ = 0;
  uint32_t atomic_count_ = 0;
};

// Iterates over length-prefixed byte strings. CommandReader makes it, over
// checked bytes only.
class ArgumentReader {
 public:
  ArgumentReader() = default;
  ArgumentReader(std::string_view bytes, uint32_t count)
      : bytes_(bytes), count_(count) {}
  uint32_t count() const { return count_; }
  // Returns the next argument. Requires: fewer than count() were read.
  std::string_view Next();

 private:
  std::string_view bytes_;
  uint32_t count_ = 0;
};

// A decoded command: views into the payload. `op` is a value of the enum,
// fields are within bounds, and argument count and flags suit the op.
struct CommandView {
  Op op = Op::kGet;
  CommandFlags flags = 0;
  Slot slot;
  uint32_t rules = kRulesVersion;  // The rules version of its batch.
  bool has_session = false;
  bool has_expiry = false;
  bool has_expected = false;
  SessionStamp session;
  int64_t expire_at_ms = 0;
  Version expected;
  std::array<int64_t, 2> numbers = {};
  ArgumentReader arguments;
  // The nested commands of a kAtomic, for CommandReader::Nested.
  std::string_view nested;
  uint32_t nested_count = 0;
  // The command as encoded.
  std::string_view encoded;
};

// The time at which the key is due, if a command with an expiry runs at
// `now_ms`. Requires: has_expiry.
int64_t DueOf(const CommandView& command, int64_t now_ms);

// First and last slot of a command on whole slots (kKeyCount, kScan, kFlush).
// They are as encoded, so they may be out of range or in the wrong order.
// Returns nullopt for other commands.
std::optional<std::pair<int64_t, int64_t>> SlotsOf(
    Op op, const std::array<int64_t, 2>& numbers);

// The hash by which a session recognises a request. It is a keyed hash of
// everything but the request's stamp and its absolute times, which a retry may
// compute again.
uint64_t RequestHash(uint64_t hash_key, const CommandView& command);

// The rules version of a batch, which may be of a newer program. Zero for bytes
// that are no batch.
uint32_t RulesOf(std::string_view payload);

// The first fields of an encoded command, which may be malformed.
struct CommandHeader {
  Op op = Op::kGet;
  CommandFlags flags = 0;
  size_t size_bytes = 0;  // The size of the whole command.
};

// Reads a batch, or the nested commands of a kAtomic.
class CommandReader {
 public:
  // Reads a payload. Check ok() first: false if the batch is not well formed;
  // then it has no commands. Requires: this program knows RulesOf(payload).
  explicit CommandReader(std::string_view payload);
  // Reads the nested commands of `atomic`.
  static CommandReader Nested(const CommandView& atomic);

  bool ok() const { return ok_; }
  // The rules version of the batch.
  uint32_t rules() const { return rules_; }
  uint32_t count() const { return count_; }
  bool done() const { return next_ == count_; }
  // The position of the next command.
  uint32_t position() const { return next_; }
  // Decodes the next command. Returns false if the command is malformed; the
  // reader continues behind it. Requires: !done().
  bool Next(CommandView* command);
  // The header of the next command. Requires: !done().
  CommandHeader NextHeader() const;
  // Continues behind the next command. Requires: !done().
  void Skip() { TakeEncoded(); }

 private:
  explicit CommandReader(const CommandView& atomic);
  std::string_view TakeEncoded();

  std::string_view rest_;
  uint32_t rules_ = kRulesVersion;
  uint32_t count_ = 0;
  uint32_t next_ = 0;
  bool nested_ = false;
  bool ok_ = false;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_COMMAND_COMMAND_H_
