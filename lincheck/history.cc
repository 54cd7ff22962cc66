#include "lincheck/history.h"

#include <cassert>

namespace quorate::lincheck {

uint32_t History::Partition(std::string_view name) {
  const auto [it, inserted] =
      numbers_.try_emplace(absl::string_view(name.data(), name.size()),
                           static_cast<uint32_t>(names_.size()));
  if (inserted) names_.emplace_back(name);
  return it->second;
}

void History::Add(const Operation& operation) {
  assert(operation.partition < names_.size());
  assert(operation.invoke <= operation.ret);
  operations_.push_back(operation);
}

}  // namespace quorate::lincheck
