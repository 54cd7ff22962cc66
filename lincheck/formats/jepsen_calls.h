// lincheck/formats/jepsen_calls.h: what an entry of a Jepsen history means,
// whichever way it was written down.
//
// An entry says that a process invokes a function or that its invocation ended:
// `:ok`, `:fail` (it did not take effect) or `:info` (its outcome is unknown,
// and the process never comes back). A shape of an entry that has no meaning
// here is an error with its place: it must not turn into a verdict.
#ifndef QUORATE_LINCHECK_FORMATS_JEPSEN_CALLS_H_
#define QUORATE_LINCHECK_FORMATS_JEPSEN_CALLS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "lincheck/formats/edn.h"
#include "lincheck/formats/pairing.h"
#include "lincheck/formats/recording.h"
#include "lincheck/formats/vocabulary.h"

namespace quorate::lincheck {

inline constexpr uint32_t kNoNode = ~uint32_t{0};

// A vector of two.
bool IsPair(const EdnParser& edn, uint32_t node);

// One entry. Nodes are those of the parser it came from.
struct JepsenEntry {
  uint32_t process = kNoNode;
  uint32_t type = kNoNode;
  uint32_t function = kNoNode;
  uint32_t value = kNoNode;
  uint32_t key = kNoNode;    // If the key stands beside the value.
  uint32_t error = kNoNode;  // Why it failed.
  // Nothing behind the value says that it is whole.
  bool value_may_be_cut = false;
  Time time = 0;
};

class JepsenCalls {
 public:
  // Where a byte of the parser's text stands in the file.
  using Locate = absl::FunctionRef<Position(size_t offset)>;

  struct Options {
    JepsenOptions jepsen;
    // Every value is a pair of key and value.
    bool independent = false;
    // In files that name keys beside values: results that are nil are an error.
    bool keys_beside_values = false;
    // An invocation that never returned may be followed by the process's next.
    bool processes_go_on = false;
    // The value of objects before any operation.
    EdnKind initial = EdnKind::kNil;
  };

  // `recording` must outlive this.
  JepsenCalls(Recording* recording, Vocabulary vocabulary, Options options);

  // An entry of a client: its process is a number.
  absl::Status Take(const EdnParser& edn, const JepsenEntry& entry,
                    Locate locate);
  // An entry of anybody else: kept for the axis of time.
  void TakeNemesis(const EdnParser& edn, const JepsenEntry& entry);
  // No entries follow. kInvalidArgument if something is read of a shape that
  // nothing in the history writes.
  absl::Status Finish();

  // Whether Take() failed because a value looks like one with a key where there
  // are none, or has no key where all have one.
  bool misfits() const { return misfits_; }

 private:
  // The value of a key of transactions.
  struct KeyShapes {
    bool appended = false;
    bool list_written = false;
    std::optional<Position> list_read;   // Where it was read first as a vector,
    std::optional<Position> other_read;  // and as something else but nil.
  };

  absl::Status Invoke(const EdnParser& edn, const JepsenEntry& entry,
                      const FunctionForm& form, uint32_t process,
                      Locate locate);
  absl::Status End(const EdnParser& edn, const JepsenEntry& entry,
                   const FunctionForm& form, uint32_t process,
                   std::string_view type, Locate locate);
  // `op` ended with :fail.
  void Fail(const EdnParser& edn, const JepsenEntry& entry, uint32_t value,
            const FunctionForm& form, Operation* op);
  absl::Status FillArguments(const EdnParser& edn, uint32_t value, size_t at,
                             const FunctionForm& form, Operation* op,
                             Locate locate);
  absl::Status FillResult(const EdnParser& edn, uint32_t value,
                          const FunctionForm& form, size_t at, Operation* op,
                          Locate locate);
  // An invocation without argument has no value, or the result in advance.
  absl::Status FillForetold(const EdnParser& edn, uint32_t value, size_t at,
                            const FunctionForm& form, Operation* op,
                            Locate locate);
  // True where it cannot be told whether a result is whole, and it could have
  // been another one.
  bool MayHaveBeenLonger(const EdnParser& edn, uint32_t value,
                         const FunctionForm& form) const;
  // False if a return has a value that is neither a result nor what its
  // invocation says.
  bool RepeatsCall(const EdnParser& edn, uint32_t value,
                   const FunctionForm& form, const Operation& op);
  absl::Status FillFlag(const EdnParser& edn, uint32_t value,
                        const FunctionForm& form, size_t at, Operation* op,
                        Locate locate);
  absl::Status FillInteger(const EdnParser& edn, uint32_t value,
                           const FunctionForm& form, size_t at, Operation* op,
                           Locate locate);
  absl::Status KeepList(const std::string& list, Position position,
                        Value* value);
  // Where the key and the value of an entry stand. False if there should be a
  // key and is none.
  bool SplitKey(const EdnParser& edn, const JepsenEntry& entry, uint32_t* key,
                uint32_t* value) const;
  // The name of the object, and whether the file has it as a string.
  std::string KeyName(const EdnParser& edn, uint32_t key, bool* is_string);
  absl::StatusOr<uint32_t> PartitionOf(const EdnParser& edn, uint32_t key,
                                       Locate locate);
  Value ToValue(const EdnParser& edn, uint32_t node);
  // Whether it is the pair of the arguments of `op`.
  bool RepeatsPair(const EdnParser& edn, uint32_t value, const Operation& op);

  void NoteWritten(const EdnParser& edn, uint32_t value);
  void NoteRead(const EdnParser& edn, uint32_t value, Position position);
  void NoteTransaction(const EdnParser& edn, uint32_t value, bool returned,
                       Locate locate);
  absl::Status CheckShapes() const;

  // True if `name` is one that ends faults.
  bool CloseFaults(std::string_view name, Time time);

  // Faults that a nemesis has begun and not ended.
  struct Step {
    std::string name;
    size_t event = 0;  // Into the recording's.
    bool fault = false;
  };

  Recording* const recording_;
  const Vocabulary vocabulary_;
  const Options options_;
  Pairing pairing_;
  std::string scratch_;
  std::vector<Step> steps_;
  bool misfits_ = false;
  std::vector<bool> string_keys_;  // By partition.
  uint32_t written_kinds_ = 0;     // Bits of ShapeOf().
  // Where a value of this shape was read first: a collection, an integer or the
  // digits of one.
  std::map<uint32_t, Position> read_shapes_;
  std::map<std::string, KeyShapes> key_shapes_;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_JEPSEN_CALLS_H_
