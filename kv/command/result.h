// kv/command/result.h: what an entry's commands returned: one flat Buffer per entry,
// one result per command, in order (docs/reference/formats/commands.md). Read
// without copying: payloads are views into, or slices of, the Buffer.
#ifndef QUORATE_KV_COMMAND_RESULT_H_
#define QUORATE_KV_COMMAND_RESULT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/outcome.h"
#include "kv/command/version.h"

namespace quorate::kv {

// Stored in sessions: never renumber.
enum class ResultStatus : uint8_t {
  kOk = 0,
  kNil = 1,  // There is no such key.
  kConditionFailed =
      2,  // NX, XX, an expected version, a WATCH: nothing was changed.
  kWrongType = 3,
  kNotInteger = 4,  // Neither the value nor the sum is touched.
  kOverflow = 5,
  // The value would exceed kValueBytesMax, or the reply kReturnedBytesMax:
  // nothing was changed.
  kTooLarge = 6,
  kNotFloat = 7,  // The value is no decimal number.
  // Refusals: this command did nothing and left no trace in its session.
  kNotOwner = 16,  // The group does not own the slot: ask the map again.
  kSessionExpired =
      17,  // Whether an earlier copy took effect is not known any more.
  kStaleSequence = 18,   // Below the floor that the client itself acknowledged.
  kSequenceReused = 19,  // That sequence was another request.
  kTooManyOutstanding = 20,  // The row is full until the client's floor rises.
  kTooManySessions = 21,     // The slot has kSessionsPerSlotMax.
  kMalformed = 22,
  // The command took effect, but its result was too large: to be kept for
  // duplicates, or given out beside the others of its entry
  // (kEntryResultBytesMax).
  kResultNotKept = 32,
};

std::string_view ResultStatusName(ResultStatus status);
// What is known of this copy of the command: kNotExecuted for the refusals,
// else kDone. For a retry after an unknown outcome, kSessionExpired leaves the
// first try unknown.
Outcome OutcomeOf(ResultStatus status);

enum class PayloadKind : uint8_t {
  kNone = 0,
  kInteger = 1,
  kBytes = 2,
  kArray = 3,   // Of bytes or nil.
  kNested = 4,  // Results of a kAtomic.
};

// An element of a kArray.
struct ResultElement {
  bool nil = false;
  std::string_view bytes = {};
  // Where `bytes` live, if they can be shared; else null.
  const Buffer* shared = nullptr;
};

// One result. Of kSet: kOk if it wrote (`wrote`), kConditionFailed if not; with
// kReturnOld the payload is the old value (kBytes) or kNone if there was no
// key, whatever the status.
struct ResultView {
  ResultStatus status = ResultStatus::kOk;
  PayloadKind kind = PayloadKind::kNone;
  // Something was changed (or was, when the first copy of a duplicate ran).
  bool wrote = false;
  // Answered from the session: an earlier copy ran.
  bool duplicate = false;
  // Of the value read or written; of the command itself where there is no
  // single value. None for a missing key.
  Version version = {};
  int64_t integer = 0;  // kInteger.
  std::string_view bytes =
      {};  // kBytes; of the other kinds the encoded payload.
  // Where `bytes` of kBytes live, if they can be shared; else null.
  const Buffer* shared = nullptr;
  // Of a kArray that is not encoded: `bytes` is empty then.
  absl::Span<const ResultElement> elements = {};
};

// True if `results` are whole results of `count` commands, or a batch refused
// as malformed: then every reader below can go through them. For bytes that
// another process made.
bool ResultsAreWhole(std::string_view results, uint32_t count);

// Iterates over an entry's results, or over those nested in one of them.
class ResultReader {
 public:
  // Checks the frame alone: ResultsAreWhole comes first for bytes of another
  // process.
  explicit ResultReader(std::string_view results);
  static ResultReader Nested(const ResultView& atomic);

  bool ok() const { return ok_; }
  // False if the whole batch was refused as malformed: there are no results,
  // and nothing was done.
  bool batch_accepted() const { return batch_accepted_; }
  uint32_t count() const { return count_; }
  bool done() const { return next_ == count_; }
  // Requires: ok(), !done().
  ResultView Next();

 private:
  friend class ResultBuilder;
  ResultReader() = default;

  std::string_view rest_;
  uint32_t count_ = 0;
  uint32_t next_ = 0;
  Version base_;
  bool ok_ = false;
  bool batch_accepted_ = true;
  bool nested_ = false;
};

// The elements of a kArray payload.
class ArrayReader {
 public:
  explicit ArrayReader(std::string_view payload);
  uint32_t count() const { return count_; }
  bool done() const { return next_ == count_; }
  // False for nil. Requires: !done().
  bool Next(std::string_view* bytes);

 private:
  std::string_view rest_;
  uint32_t count_ = 0;
  uint32_t next_ = 0;
};

// A part of the Buffer that `bytes` views, sharing its block. Requires: bytes
// lies in buffer.
Buffer SliceOf(const Buffer& buffer, std::string_view bytes);

// Appends results; the store's side.
class ResultBuilder {
 public:
  // `entry` is the version of position 0.
  explicit ResultBuilder(const Version& entry);

  void AddInteger(const ResultView& head, int64_t value);
  void AddBytes(const ResultView& head, std::string_view bytes);
  void AddNone(const ResultView& head);
  // A result whose payload is already encoded (from a session, or a nested
  // builder).
  void AddEncoded(const ResultView& head);

  // Makes room at once for about so many bytes more.
  void Reserve(size_t bytes) { bytes_.reserve(bytes_.size() + bytes); }

  // Arrays: BeginArray, one AddElement/AddNil for each, EndArray.
  void BeginArray(const ResultView& head, uint32_t count);
  void AddElement(std::string_view bytes);
  void AddNil();
  void EndArray();

  // Nested results: BeginNested, any Adds, EndNested. `wrote` replaces the
  // head's.
  void BeginNested(const ResultView& head);
  void EndNested(bool wrote);

  uint32_t count() const { return count_; }
  // The last result added outside any nesting, as it can be kept and given to
  // AddEncoded.
  ResultView last() const;
  // Replaces the last result by kResultNotKept, unless it is small.
  void LeaveOutLast();

  size_t size_bytes() const { return bytes_.size(); }
  Buffer Finish();
  // What a refused batch returns.
  static Buffer Refused(const Version& entry);

 private:
  void AddHead(const ResultView& head, PayloadKind kind, size_t payload_bytes);

  std::string bytes_;
  Version base_;
  uint32_t count_ = 0;
  size_t last_offset_ = 0;
  // Of the open array or nest: where its head and its payload begin; a head at
  // 0 means that none is open.
  size_t array_offset_ = 0;
  size_t array_payload_ = 0;
  size_t nest_offset_ = 0;
  size_t nest_payload_ = 0;
  Version nest_version_;
  uint32_t nest_count_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_COMMAND_RESULT_H_
