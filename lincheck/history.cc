#include "lincheck/history.h"

#include <cstdlib>

namespace quorate::lincheck {

uint32_t History::Partition(std::string_view name) {
  const auto [it, inserted] =
      numbers_.try_emplace(absl::string_view(name.data(), name.size()),
                           static_cast<uint32_t>(names_.size()));
  if (inserted) names_.emplace_back(name);
  return it->second;
}

void History::Add(const Operation& operation) {
  // Without what the caller must see to, no verdict means anything.
  if (operation.partition >= names_.size() ||
      operation.invoke > operation.ret) {
    std::abort();
  }
  operations_.push_back(operation);
}

}  // namespace quorate::lincheck
