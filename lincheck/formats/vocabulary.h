// lincheck/formats/vocabulary.h: how files speak of a model's functions: by
// which names, with what arguments and results.
//
// Readers hold every operation against it, so that no model is ever stepped
// with an argument of a kind that it does not expect.
#ifndef QUORATE_LINCHECK_FORMATS_VOCABULARY_H_
#define QUORATE_LINCHECK_FORMATS_VOCABULARY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "lincheck/models/registry.h"

namespace quorate::lincheck {

enum class ArgumentForm : uint8_t {
  kNone,
  kValue,     // Nil, an integer or a string.
  kItem,      // A value that is not nil.
  kText,      // A string.
  kInteger,   // See IntegerOf (models/datum.h).
  kDuration,  // An integer for how long.
  kPair,      // The expected value, and the one that replaces it.
  kFor,       // A pair whose first value is a duration.
  kTriples,   // A transaction: a list of what, key, value, and so on.
  kAny,       // Any value, or nothing.
};
enum class ResultForm : uint8_t {
  kNone,
  kValue,
  kInteger,
  kFlag,     // Whether it did something: 1 or 0.
  kDone,     // A flag; a return of Jepsen's without one says 1.
  kToken,    // An integer, or nil: it was refused.
  kList,     // A list (models/value_list.h).
  kTriples,  // The transaction, with what was read.
  kAny,
};

// Names are constants, also those of a user's own model.
struct FunctionForm {
  std::string_view name;
  // Another name for it; may be empty.
  std::string_view synonym;
  ArgumentForm argument = ArgumentForm::kNone;
  ResultForm result = ResultForm::kNone;
  uint8_t function = 0;  // Operation::function.
};

// The mistake in the result of the transaction `list`; empty: none.
std::string_view WhyNotResultOf(Value list, Value result);

// One of `own`, else one of those that come with the checker; null if there is
// none of this name.
const ModelEntry* FindModelAmong(std::string_view name,
                                 absl::Span<const ModelEntry> own);

class Vocabulary {
 public:
  // Nothing if no model has this name. Of one of `own` every function takes and
  // gives whatever the file says.
  static std::optional<Vocabulary> Of(std::string_view model,
                                      absl::Span<const ModelEntry> own = {});

  // Null if the model has no such function.
  const FunctionForm* Find(std::string_view name) const {
    for (const FunctionForm& form : functions_) {
      if (form.name == name) return &form;
    }
    return FindSynonym(name);
  }
  // For messages: "get, put, append".
  std::string Names() const;
  const std::string& model() const { return model_; }

 private:
  const FunctionForm* FindSynonym(std::string_view name) const;

  std::string model_;
  std::vector<FunctionForm> functions_;
};

// Facts that tell models with equal functions apart.
struct GuessHints {
  bool reads_integers = false;  // A read returns one: no set.
  bool tokens = false;          // Locks have fencing tokens: no mutex.
};

// The plainest of the models that know the most of `functions` and are not
// refuted by `hints`. Reads and writes alone make a "cas-register": what was
// looked at may be the beginning only.
std::string GuessModel(const std::vector<std::string>& functions,
                       const GuessHints& hints);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_VOCABULARY_H_
