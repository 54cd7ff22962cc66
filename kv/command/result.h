// kv/command/result.h: the results of an entry's commands: one flat Buffer per
// entry, one result per command, in order (docs/reference/formats/commands.md).
// Reading does not copy: payloads are views into, or slices of, the Buffer.
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
  kNil = 1,  // The key is absent.
  // NX, XX, an expected version or a WATCH did not hold: nothing was changed.
  kConditionFailed = 2,
  kWrongType = 3,
  kNotInteger = 4,  // The value is no integer, and was not changed.
  kOverflow = 5,
  // The value would exceed its limit, or the reply kReturnedBytesMax: nothing
  // was changed.
  kTooLarge = 6,
  kNotFloat = 7,  // The value is no decimal number, and was not changed.
  // Refusals: the command did nothing and left no trace in its session.
  kNotOwner = 16,  // The group does not own the slot.
  // It is unknown whether an earlier copy took effect.
  kSessionExpired = 17,
  kStaleSequence = 18,  // The sequence is below the floor that the client sent.
  kSequenceReused = 19,  // The sequence belongs to another request.
  // The row is full until the client raises its floor.
  kTooManyOutstanding = 20,
  kTooManySessions = 21,  // The slot has SessionRules::rows_per_slot_max.
  kMalformed = 22,
  // The node of the leader has no memory left for it. The node decides this
  // before it proposes, so no store returns it.
  kOutOfMemory = 23,
  // The command took effect, but its result was too large to keep for
  // duplicates, or to return with the other results of its entry
  // (kEntryResultBytesMax).
  kResultNotKept = 32,
};

std::string_view ResultStatusName(ResultStatus status);
enum class PayloadKind : uint8_t {
  kNone = 0,
  kInteger = 1,
  kBytes = 2,
  kArray = 3,   // Elements are bytes or nil.
  kNested = 4,  // The results of a kAtomic.
};

// An element of a kArray.
struct ResultElement {
  bool nil = false;
  std::string_view bytes = {};
  // The Buffer of `bytes` if it can be shared; else null.
  const Buffer* shared = nullptr;
};

// One result. The status of kSet is kOk if it wrote (`wrote`), else
// kConditionFailed. With kReturnOld its payload is the old value (kBytes), or
// kNone if the key was absent, whatever the status.
struct ResultView {
  ResultStatus status = ResultStatus::kOk;
  PayloadKind kind = PayloadKind::kNone;
  // The command changed something; for a duplicate: its first copy did.
  bool wrote = false;
  // The session answered: an earlier copy ran.
  bool duplicate = false;
  // The version of the value read or written; the command's own version if
  // there is no single value; none for a missing key.
  Version version = {};
  int64_t integer = 0;  // Set for kInteger.
  // The value of kBytes; for other kinds the encoded payload.
  std::string_view bytes = {};
  // The Buffer of `bytes` if it can be shared; else null.
  const Buffer* shared = nullptr;
  // The elements of a kArray that is not encoded; `bytes` is empty then. The
  // result of a long read arrives in pieces: several results in order, each
  // with the number of elements before it and of all.
  absl::Span<const ResultElement> elements = {};
  size_t elements_before = 0;
  size_t elements_of_all = 0;  // 0: this is no piece.

  // False for a piece that others follow.
  bool ends() const {
    return elements_before + elements.size() >= elements_of_all;
  }
};

// True if `results` are complete results of `count` commands, or say that the
// batch was refused as malformed. Every reader below can then read them. Call
// it on bytes that another process made.
bool ResultsAreWhole(std::string_view results, uint32_t count);

// Iterates over an entry's results, or over those nested in one of them.
class ResultReader {
 public:
  // Checks the frame alone. Call ResultsAreWhole first on bytes of another
  // process.
  explicit ResultReader(std::string_view results);
  static ResultReader Nested(const ResultView& atomic);

  bool ok() const { return ok_; }
  // False if the batch was refused as malformed: it did nothing and has no
  // results.
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
  // Returns false for nil. Requires: !done().
  bool Next(std::string_view* bytes);

 private:
  std::string_view rest_;
  uint32_t count_ = 0;
  uint32_t next_ = 0;
};

// The part of the Buffer that `bytes` views, sharing its block. Requires:
// `bytes` lies in `buffer`.
Buffer SliceOf(const Buffer& buffer, std::string_view bytes);
// The result with a shared value, if the value is most of `all`: a reader that
// keeps it then keeps little else. `slice` outlives the result. Requires: the
// result was read from `all`.
ResultView ShareValue(const ResultView& result, const Buffer& all,
                      Buffer* slice);

// Builds the results of an entry, or of one command.
class ResultBuilder {
 public:
  // `entry` is the version of position 0.
  explicit ResultBuilder(const Version& entry);

  // Adds a result in any form.
  void Add(const ResultView& result);
  void AddInteger(const ResultView& head, int64_t value);
  void AddBytes(const ResultView& head, std::string_view bytes);
  void AddNone(const ResultView& head);
  // Adds a result whose payload is encoded already, in a session or by a nested
  // builder.
  void AddEncoded(const ResultView& head);

  // Reserves capacity for about this many more bytes.
  void Reserve(size_t bytes) { bytes_.reserve(bytes_.size() + bytes); }

  // Arrays: BeginArray, one AddElement/AddNil for each, EndArray.
  void BeginArray(const ResultView& head, uint32_t count);
  void AddElement(std::string_view bytes);
  void AddNil();
  void EndArray();

  // Nested results: BeginNested, any Adds, EndNested. `wrote` replaces the
  // value of the head.
  void BeginNested(const ResultView& head);
  void EndNested(bool wrote);

  uint32_t count() const { return count_; }
  // The last result that is not nested, in a form that AddEncoded takes.
  ResultView last() const;
  // Replaces the last result by kResultNotKept, unless the result is small.
  void LeaveOutLast();

  size_t size_bytes() const { return bytes_.size(); }
  Buffer Finish();
  // The result of a batch that was refused as malformed.
  static Buffer Refused(const Version& entry);

 private:
  void AddHead(const ResultView& head, PayloadKind kind, size_t payload_bytes);

  std::string bytes_;
  Version base_;
  uint32_t count_ = 0;
  size_t last_offset_ = 0;
  // Offsets of head and payload of the open array and of the open nested
  // results. An offset of 0 means that none is open.
  size_t array_offset_ = 0;
  size_t array_payload_ = 0;
  size_t nest_offset_ = 0;
  size_t nest_payload_ = 0;
  Version nest_version_;
  uint32_t nest_count_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_COMMAND_RESULT_H_
