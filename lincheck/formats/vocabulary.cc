#include "lincheck/formats/vocabulary.h"

#include <algorithm>
#include <memory>

#include "lincheck/models/registry.h"

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
    {"cas-register", {"cas", "", A::kPair, R::kFlag}},
    {"kv", {"get", "read", A::kNone, R::kValue}},
    {"kv", {"put", "write", A::kValue, R::kNone}},
    {"kv", {"append", "", A::kText, R::kInteger}},
    {"kv", {"delete", "", A::kNone, R::kFlag}},
    {"kv", {"incr", "", A::kInteger, R::kInteger}},
    {"kv", {"cas", "", A::kPair, R::kFlag}},
    {"kv", {"swap", "", A::kValue, R::kValue}},
    {"kv", {"take", "", A::kNone, R::kValue}},
    {"kv", {"put_if_exists", "", A::kValue, R::kFlag}},
};

// Models whose functions are those of another one.
std::string_view RowsOf(std::string_view model) {
  return model == "kv-text" ? "kv" : model;
}

}  // namespace

std::optional<Vocabulary> Vocabulary::Of(std::string_view model) {
  const ModelEntry* entry = FindModel(model);
  if (entry == nullptr) return std::nullopt;
  const std::unique_ptr<Model> made = entry->make();
  Vocabulary vocabulary;
  vocabulary.model_ = std::string(model);
  for (const Row& row : kRows) {
    if (row.model != RowsOf(model)) continue;
    const std::optional<uint8_t> function = FindFunction(*made, row.form.name);
    if (!function.has_value()) continue;
    vocabulary.functions_.push_back(row.form);
    vocabulary.functions_.back().function = *function;
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

std::string GuessModel(const std::vector<std::string>& functions) {
  // Plainest first.
  constexpr std::string_view kModels[] = {"cas-register", "kv"};
  std::string_view best = kModels[0];
  size_t best_known = 0;
  for (const std::string_view name : kModels) {
    const std::optional<Vocabulary> vocabulary = Vocabulary::Of(name);
    if (!vocabulary.has_value()) continue;
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
