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
#include <set>
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
  uint32_t key = kNoNode;     // If the key stands beside the value.
  uint32_t error = kNoNode;   // Why it failed.
  uint32_t moment = kNoNode;  // The :time of a map.
  uint32_t index = kNoNode;
  // Nothing behind the value says that it is whole.
  bool value_may_be_cut = false;
  Time time = 0;
};

// The entry that a map is. `*twice`: a key of it that is there for the second
// time, if there is one.
JepsenEntry EntryOf(const EdnParser& edn, uint32_t map, uint32_t* twice);

class JepsenCalls {
 public:
  // Where a byte of the parser's text stands in the file.
  using Locate = absl::FunctionRef<Position(size_t offset)>;

  struct Options {
    JepsenOptions jepsen;
    // Every value is a pair of key and value.
    bool independent = false;
    // Every entry has a :key. Results that are nil are an error. An invocation
    // that never returned may be followed by the process's next.
    bool map_lines = false;
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

 private:
  // The kinds of values that are written and read; a list is a vector.
  struct Shapes {
    std::set<EdnKind> written;
    bool appended = false;
    // Where a kind was read first. kCharacter stands for strings that are not
    // all digits.
    std::map<EdnKind, Position> read;
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
  // Whether it is what the arguments of `op` were read from.
  bool RepeatsCall(const EdnParser& edn, uint32_t value,
                   const FunctionForm& form, const Operation& op);
  // A flag, an integer or nothing. The value may repeat the call instead.
  absl::Status FillShortResult(const EdnParser& edn, uint32_t value,
                               const FunctionForm& form, size_t at,
                               Operation* op, Locate locate);
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

  void NoteWritten(const EdnParser& edn, uint32_t value, Shapes* shapes);
  void NoteRead(const EdnParser& edn, uint32_t value, Position position,
                Shapes* shapes);
  void NoteTransaction(const EdnParser& edn, uint32_t value, bool returned,
                       Locate locate);
  // `where`: behind what is written.
  absl::Status CheckShapes(const Shapes& shapes,
                           const std::string& where) const;

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
  std::vector<bool> string_keys_;  // By partition.
  Shapes shapes_;
  std::map<std::string, Shapes> key_shapes_;  // By key of transactions.
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_JEPSEN_CALLS_H_
