#include "lincheck/formats/vocabulary.h"

#include <algorithm>
#include <memory>

#include "lincheck/models/transaction.h"

namespace quorate::lincheck {
namespace {

using A = ArgumentForm;
using R = ResultForm;

struct Row {
  std::string_view model;
  FunctionForm form;
};

constexpr Row kRows[] = {
    {"register", {"read", "get", A::kNone, R::kValue}},
    {"register", {"write", "put", A::kValue, R::kNone}},
    {"cas-register", {"read", "get", A::kNone, R::kValue}},
    {"cas-register", {"write", "put", A::kValue, R::kNone}},
    {"cas-register", {"cas", "", A::kPair, R::kDone}},
    {"kv", {"get", "read", A::kNone, R::kValue}},
    {"kv", {"put", "write", A::kValue, R::kNone}},
    {"kv", {"append", "", A::kText, R::kInteger}},
    {"kv", {"delete", "", A::kNone, R::kFlag}},
    {"kv", {"incr", "", A::kInteger, R::kInteger}},
    {"kv", {"cas", "", A::kPair, R::kDone}},
    {"kv", {"swap", "", A::kValue, R::kValue}},
    {"kv", {"take", "", A::kNone, R::kValue}},
    {"kv", {"put_if_exists", "", A::kValue, R::kFlag}},
    {"kv-expiring", {"put_for", "", A::kFor, R::kNone}},
    {"kv-expiring", {"expire", "", A::kDuration, R::kFlag}},
    {"kv-expiring", {"persist", "", A::kNone, R::kFlag}},
    {"counter", {"incr", "add", A::kInteger, R::kInteger}},
    {"counter", {"get", "read", A::kNone, R::kInteger}},
    {"set", {"add", "", A::kValue, R::kFlag}},
    {"set", {"remove", "", A::kValue, R::kFlag}},
    {"set", {"contains", "", A::kValue, R::kFlag}},
    {"set", {"read", "", A::kNone, R::kList}},
    {"queue", {"enqueue", "", A::kItem, R::kNone}},
    {"queue", {"dequeue", "", A::kNone, R::kValue}},
    {"queue", {"peek", "", A::kNone, R::kValue}},
    {"queue", {"length", "", A::kNone, R::kInteger}},
    {"mutex", {"acquire", "lock", A::kNone, R::kDone}},
    {"mutex", {"release", "unlock", A::kNone, R::kDone}},
    {"lock", {"acquire", "lock", A::kNone, R::kToken}},
    {"lock", {"release", "unlock", A::kInteger, R::kFlag}},
    {"lock", {"check", "", A::kInteger, R::kFlag}},
    {"txn", {"txn", "", A::kTriples, R::kTriples}},
};

// Some models have the functions of another one, and perhaps more.
bool Has(std::string_view model, std::string_view row) {
  return row == model ||
         (row == "kv" && (model == "kv-text" || model == "kv-expiring"));
}

}  // namespace

std::string_view WhyNotResultOf(Value list, Value result) {
  std::vector<Datum> wanted;
  std::vector<Datum> got;
  Transaction::Read(list, &wanted);
  const std::string_view why = Transaction::Read(result, &got);
  if (!why.empty() || Transaction::Repeats(got, wanted)) return why;
  return "the result of a transaction repeats it, with what it read";
}

const ModelEntry* FindModelAmong(std::string_view name,
                                 absl::Span<const ModelEntry> own) {
  for (const ModelEntry& entry : own) {
    if (entry.name == name) return &entry;
  }
  return FindModel(name);
}

std::optional<Vocabulary> Vocabulary::Of(std::string_view model,
                                         absl::Span<const ModelEntry> own) {
  const ModelEntry* const entry = FindModelAmong(model, own);
  if (entry == nullptr) return std::nullopt;
  const std::unique_ptr<Model> made = entry->make();
  Vocabulary vocabulary;
  vocabulary.model_ = std::string(model);
  const bool own_model = entry != FindModel(model);
  for (int number = 0; number < 256; ++number) {
    const auto function = static_cast<uint8_t>(number);
    const std::string_view name = made->FunctionName(function);
    if (name == "?") break;
    if (own_model) {
      vocabulary.functions_.push_back({name, "", A::kAny, R::kAny, function});
    }
    for (const Row& row : kRows) {
      if (own_model || row.form.name != name || !Has(model, row.model)) {
        continue;
      }
      vocabulary.functions_.push_back(row.form);
      vocabulary.functions_.back().function = function;
    }
  }
  return vocabulary;
}

const FunctionForm* Vocabulary::FindSynonym(std::string_view name) const {
  for (const FunctionForm& form : functions_) {
    if (!form.synonym.empty() && form.synonym == name) return &form;
  }
  return nullptr;
}

std::string Vocabulary::Names() const {
  std::string names;
  for (const FunctionForm& form : functions_) {
    if (!names.empty()) names += ", ";
    names += form.name;
  }
  return names;
}

std::string GuessModel(const std::vector<std::string>& functions,
                       const GuessHints& hints) {
  // Plainest first.
  constexpr std::string_view kModels[] = {
      "cas-register", "kv",    "kv-expiring", "set", "counter",
      "queue",        "mutex", "lock",        "txn"};
  std::string_view best = kModels[0];
  size_t best_known = 0;
  for (const std::string_view name : kModels) {
    const std::optional<Vocabulary> vocabulary = Vocabulary::Of(name);
    const bool refuted =
        name == "set" ? hints.reads_integers : name == "mutex" && hints.tokens;
    if (!vocabulary.has_value() || refuted) continue;
    const auto known = static_cast<size_t>(std::count_if(
        functions.begin(), functions.end(), [&](const std::string& function) {
          return vocabulary->Find(function) != nullptr;
        }));
    if (known > best_known) {
      best = name;
      best_known = known;
    }
  }
  return std::string(best);
}

}  // namespace quorate::lincheck
