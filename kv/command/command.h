// kv/command/command.h: a batch of many clients' commands in one entry payload, flat
// (docs/reference/formats/commands.md).
//
// Encoding appends to one growing buffer; decoding gives views into the
// payload. Everything nondeterministic was resolved before: times are absolute,
// slots are computed. A batch is well formed or refused as a whole; a
// well-formed batch may hold a command that makes no sense, which then is
// answered with kMalformed and does nothing.
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
#include "kv/command/session_stamp.h"
#include "kv/command/version.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

// The version of the replicated rules: of everything that decides what a batch
// does to the state and what it returns, constants included. Whoever changes
// one of them raises it (kv/store/rules_test.cc). A batch carries the version of its
// proposer. With it rises env::kPeerProtocolVersion, so that nodes of two
// versions refuse each other. Batches of older versions in a log keep their meaning:
//   1  growth ends at kValueBytesMax; decimals of 255 bytes; removals leave no
//      trace.
//   2  growth ends where the proposer says; longer decimals; a slot remembers
//      its last removal; kTtl, kWatch, kExpire, kRelativeExpiry; positions of
//      kScan have 27 bits.
inline constexpr uint32_t kRulesVersion = 2;

// What commands may hold. Part of the replicated rules.
inline constexpr size_t kKeyBytesMax = 64 << 10;
// Of stored values. Requests carry less: an entry's payload is smaller.
inline constexpr size_t kValueBytesMax = 1 << 20;
// Values that one command (a kAtomic with all that is nested in it) may return, in bytes; beyond it: kTooLarge.
inline constexpr size_t kReturnedBytesMax = 64 << 20;
// Results of all commands of a batch, in bytes, as the store gives them out; beyond it: kResultNotKept instead of a large one. No rule of
// replicas: it decides nothing that they store.
inline constexpr size_t kEntryResultBytesMax = 2 * kReturnedBytesMax;
// Keys that one kExpire may remove.
inline constexpr int64_t kExpireKeysMax = 4'096;

// Stored numbers: never renumber. In comments: arguments; numbers; flags that
// matter → payload of the result. "Reads" change nothing; they stand in a batch
// when they must see unapplied writes of their own connection.
enum class Op : uint8_t {
  kGet = 1,       // key → bytes, or kNil.
  kStrlen = 2,    // key → integer.
  kGetRange = 3,  // key; start, end (inclusive; negative from the end) → bytes
                  // (empty if missing).
  kExists = 4,    // key… → integer, a key named twice counting twice.
  kMGet = 5,      // key… → array.
  kExpireTime =
      6,  // key → integer: absolute milliseconds, -1 no expiry, -2 no key.
  kType = 7,  // key → bytes "string", or kNil.
  // ; first slot, last slot, all owned → integer: keys in them, those due but
  // not yet removed included.
  kKeyCount = 8,
  // ; cursor (kv/slots/slot_scan.h), last slot << 32 | count: visits keys from the
  // cursor to the last slot, all owned, until about so many or kScanBytesMax
  // were visited → array: where to go on (decimal; 0: the end), then keys.
  kScan = 9,
  // key → integer: milliseconds of log time until its expiry, -1 no expiry, -2
  // no key.
  kTtl = 10,
  // key → none, for WATCH. Version: of the value; if there is none (kNil) of
  // the slot's last removal.
  kWatch = 11,

  kSet = 16,     // key, value; kIfAbsent kIfPresent kReturnOld kKeepExpiry,
                 // expire_at_ms, expected → see Result.
  kGetDel = 17,  // key → bytes, or kNil.
  kDel = 18,  // key…; expected (then one key) → integer: how many there were.
  kIncrBy = 19,  // key; delta → integer.
  // key, suffix; longest value (0: kValueBytesMax) → integer: new length.
  kAppend = 20,
  kMSet = 21,  // key, value, …; kIfAbsent (all or nothing: MSETNX) → none.
  kExpireAt =
      22,  // key; expire_at_ms; at most one of kIfAbsent (has none) kIfPresent
  // (has one) kIfGreater kIfLess, or kIfPresent and kIfLess → integer
  // 1 done, 0 not.
  kPersist = 23,  // key → integer 1 an expiry was removed, 0 not.
  // key, bytes; offset, longest value (0: kValueBytesMax) → integer: length.
  // Zeros fill a gap; no bytes change nothing.
  kSetRange = 24,
  // key, decimal (kv/command/decimal.h); longest value (0: kValueBytesMax) → bytes: the
  // sum.
  kIncrByFloat = 25,

  // Commands evaluated one after another with nothing of others in between
  // (MULTI/EXEC): `nested` of BatchReader, all of this slot, without stamps of
  // their own. An error of one does not undo others. → nested results.
  kAtomic = 32,
  // key; expected; kIfAbsent: only first in a kAtomic (WATCH). If any of them
  // does not hold, the whole kAtomic does nothing and is kConditionFailed. With
  // kIfAbsent the key must be absent, and `expected` the slot's last removal:
  // then the key was absent ever since kWatch returned that version.
  kCheckVersion = 33,

  // ; first slot, last slot: removes every key of slots that must all be owned.
  // Sessions stay. → integer: keys removed.
  kFlush = 48,
  // ; count, at most kExpireKeysMax: removes up to so many due keys of all
  // slots, the earliest first. → integer: keys removed.
  kExpire = 49,
};

// Bits, combined. A bit that an op does not list makes the command kMalformed.
using CommandFlags = uint16_t;
inline constexpr CommandFlags kIfAbsent = 1 << 0;   // NX.
inline constexpr CommandFlags kIfPresent = 1 << 1;  // XX.
inline constexpr CommandFlags kIfGreater =
    1 << 2;  // GT: no expiry counts as infinite.
inline constexpr CommandFlags kIfLess = 1 << 3;      // LT: likewise.
inline constexpr CommandFlags kReturnOld = 1 << 4;   // GET.
inline constexpr CommandFlags kKeepExpiry = 1 << 5;  // KEEPTTL.
// `expire_at_ms` counts from the entry's log time, so that no clock sees more
// left than was asked for.
inline constexpr CommandFlags kRelativeExpiry = 1 << 6;

// True if the op never changes keys.
bool IsRead(Op op);
std::string_view OpName(Op op);

// What to encode. Views need to live during Add only.
struct CommandSpec {
  Op op = Op::kGet;
  Slot slot = {};
  CommandFlags flags = 0;
  std::optional<SessionStamp> session = {};
  std::optional<int64_t> expire_at_ms = {};
  // Compare and swap: acts only if the key's version is this one (none: only if
  // the key is absent), else kConditionFailed with the current version in the
  // result.
  std::optional<Version> expected = {};
  std::array<int64_t, 2> numbers = {};
  absl::Span<const std::string_view> arguments = {};
};

class BatchBuilder {
 public:
  // Appends a command and returns its position in the entry (a nested one: in
  // its kAtomic).
  uint32_t Add(const CommandSpec& spec);

  // Opens a kAtomic: Adds until EndAtomic are nested in it. Returns its
  // position.
  uint32_t BeginAtomic(Slot slot, const std::optional<SessionStamp>& session);
  void EndAtomic();

  // Bytes that Add would append, so that a caller can keep within
  // raft::kEntryPayloadBytesMax.
  static size_t EncodedSize(const CommandSpec& spec);
  // What a kAtomic adds around its nested commands.
  static size_t AtomicOverhead(bool session);

  uint32_t count() const { return count_; }
  size_t size_bytes() const;
  bool empty() const { return count_ == 0; }

  // The payload; the builder is empty again and keeps its capacity.
  Buffer Finish();

 private:
  std::string bytes_;
  uint32_t count_ = 0;
  // Offset of the open kAtomic, and how many commands it has; 0: none is open.
  size_t atomic_offset_ = 0;
  uint32_t atomic_count_ = 0;
};

// Iterates over length-prefixed byte strings; made by CommandReader only over
// checked bytes.
class ArgumentReader {
 public:
  ArgumentReader() = default;
  ArgumentReader(std::string_view bytes, uint32_t count)
      : bytes_(bytes), count_(count) {}
  uint32_t count() const { return count_; }
  // The next one. Requires: fewer than count() were taken.
  std::string_view Next();

 private:
  std::string_view bytes_;
  uint32_t count_ = 0;
};

// A decoded command: views into the payload. `op` is one of the enum's and
// fields are within bounds; whether count and flags suit the op was checked
// too.
struct CommandView {
  Op op = Op::kGet;
  CommandFlags flags = 0;
  Slot slot;
  uint32_t rules = kRulesVersion;  // Of its batch.
  bool has_session = false;
  bool has_expiry = false;
  bool has_expected = false;
  SessionStamp session;
  int64_t expire_at_ms = 0;
  Version expected;
  std::array<int64_t, 2> numbers = {};
  ArgumentReader arguments;
  // Of kAtomic: the nested commands; read them with CommandReader(nested,
  // nested_count, …).
  std::string_view nested;
  uint32_t nested_count = 0;
  // The command as encoded.
  std::string_view encoded;
};

// When the key is due that a command gives an expiry, if it runs at `now_ms`.
// Requires: has_expiry.
int64_t DueOf(const CommandView& command, int64_t now_ms);

// First and last slot of a command on whole slots (kKeyCount, kScan, kFlush),
// as they stand there; nothing for the others.
std::optional<std::pair<int64_t, int64_t>> SlotsOf(const CommandView& command);

// What a session remembers of a request: a keyed hash of everything but its
// stamp and absolute times, which a retry of the same request may have computed
// anew.
uint64_t RequestHash(uint64_t hash_key, const CommandView& command);

// Reads a batch, or the nested commands of a kAtomic.
class CommandReader {
 public:
  // Over a payload. Check ok() first: false if the batch is not well formed,
  // then there are no commands.
  explicit CommandReader(std::string_view payload);
  // Over the nested commands of `atomic`.
  static CommandReader Nested(const CommandView& atomic);

  bool ok() const { return ok_; }
  // The version of the rules under which the batch was made.
  uint32_t rules() const { return rules_; }
  uint32_t count() const { return count_; }
  bool done() const { return next_ == count_; }
  // The next command's position.
  uint32_t position() const { return next_; }
  // Decodes the next command; false if it is malformed (the reader goes on
  // behind it). Requires: !done().
  bool Next(CommandView* command);

 private:
  explicit CommandReader(const CommandView& atomic);

  std::string_view rest_;
  uint32_t rules_ = kRulesVersion;
  uint32_t count_ = 0;
  uint32_t next_ = 0;
  bool nested_ = false;
  bool ok_ = false;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_COMMAND_COMMAND_H_
