// lincheck/formats/jepsen_calls.h: what an entry of a Jepsen history means,
// whichever way it was written down.
//
// An entry says that a process invokes a function or that its invocation ended:
// `:ok`, `:fail` (it did not take effect) or `:info` (nobody knows, and the
// process never comes back).
#ifndef QUORATE_LINCHECK_FORMATS_JEPSEN_CALLS_H_
#define QUORATE_LINCHECK_FORMATS_JEPSEN_CALLS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "lincheck/formats/edn.h"
#include "lincheck/formats/jepsen_options.h"
#include "lincheck/formats/pairing.h"
#include "lincheck/formats/recording.h"
#include "lincheck/formats/vocabulary.h"

namespace quorate::lincheck {

inline constexpr uint32_t kNoNode = ~uint32_t{0};

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
    // In files that name keys beside values: no value is a pair of key and
    // value, and results that are nil are an error.
    bool keys_beside_values = false;
    // An invocation that never returned may be followed by the process's next.
    bool processes_go_on = false;
    // What returned without a result repeats what it was invoked with.
    bool returns_repeat = false;
  };

  // `recording` must outlive this.
  JepsenCalls(Recording* recording, Vocabulary vocabulary, Options options);

  // An entry of a client: its process is a number.
  absl::Status Take(const EdnParser& edn, const JepsenEntry& entry,
                    Locate locate);
  // An entry of anybody else: kept for the axis of time.
  void TakeNemesis(const EdnParser& edn, const JepsenEntry& entry);
  // No entries follow.
  void Finish();

 private:
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
  // Where nobody can tell whether a result is whole, and it could have been
  // another one.
  bool MayHaveBeenLonger(const EdnParser& edn, uint32_t value,
                         const FunctionForm& form) const;
  // What a return without a result says, if it must repeat its call.
  bool RepeatsCall(const EdnParser& edn, uint32_t value,
                   const FunctionForm& form, const Operation& op);
  absl::Status FillInteger(const EdnParser& edn, uint32_t value,
                           const FunctionForm& form, size_t at, Operation* op,
                           Locate locate);
  absl::Status KeepList(const std::string& list, Position position,
                        Value* value);
  // Takes the key off `value`, if it is a pair of key and value; what was
  // `returned` may be a truth value in place of two arguments.
  uint32_t SplitKey(const EdnParser& edn, const JepsenEntry& entry,
                    const FunctionForm& form, bool returned,
                    uint32_t* key) const;
  uint32_t PartitionOf(const EdnParser& edn, uint32_t key);
  Value ToValue(const EdnParser& edn, uint32_t node);
  bool HasOwnArguments(const EdnParser& edn, uint32_t value,
                       const FunctionForm& form, const Operation& op);

  // True if `name` is one that ends faults.
  bool CloseFaults(std::string_view name, Time time);

  // What a nemesis has begun and not ended.
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
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_JEPSEN_CALLS_H_
