// lincheck/models/registry.h: the models that come with the checker, by name.
// For programs and readers of files; it knows nothing of either.
#ifndef QUORATE_LINCHECK_MODELS_REGISTRY_H_
#define QUORATE_LINCHECK_MODELS_REGISTRY_H_

#include <memory>
#include <string_view>

#include "absl/types/span.h"
#include "lincheck/model.h"
#include "lincheck/models/datum.h"

namespace quorate::lincheck {

struct ModelEntry {
  std::string_view name;
  std::string_view description;  // One line, for people.
  std::unique_ptr<Model> (*make)();
  // With objects (of transactions: keys) that start as this value. Null if the
  // model has no such value.
  std::unique_ptr<Model> (*make_from)(const Datum& initial) = nullptr;
};

// All of them, in the order in which they are listed to people.
absl::Span<const ModelEntry> Models();

// Null if there is none of this name.
const ModelEntry* FindModel(std::string_view name);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_REGISTRY_H_
