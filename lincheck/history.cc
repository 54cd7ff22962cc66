#include "lincheck/history.h"

#include <algorithm>
#include <cstdlib>

#include "absl/hash/hash.h"

namespace quorate::lincheck {

uint32_t History::Partition(std::string_view name) {
  const auto [it, inserted] =
      numbers_.try_emplace(absl::string_view(name.data(), name.size()),
                           static_cast<uint32_t>(names_.size()));
  if (inserted) names_.emplace_back(name);
  return it->second;
}

namespace {

// Abseil hashes a std::string_view by the standard library, which is slow.
size_t HashOf(std::string_view bytes) {
  return absl::Hash<absl::string_view>{}(
      absl::string_view(bytes.data(), bytes.size()));
}

}  // namespace

Value History::String(std::string_view bytes) {
  constexpr size_t kRecentMax = 16'384;
  if (strings_ >= recent_.size() && recent_.size() < kRecentMax) {
    recent_.assign(recent_.empty() ? 16 : 4 * recent_.size(), Value());
  }
  Value& recent = recent_[HashOf(bytes) & (recent_.size() - 1)];
  if (!recent.is_string() || recent.bytes() != bytes) {
    recent = arena_.String(bytes);
    ++strings_;
  }
  return recent;
}

Value History::Integer(int64_t n) {
  return Value::Holds(n) ? Value::Integer(n) : String(std::to_string(n));
}

size_t CountClients(const History& history) {
  std::vector<uint32_t> clients;
  clients.reserve(history.operations().size());
  for (const Operation& op : history.operations()) clients.push_back(op.client);
  std::sort(clients.begin(), clients.end());
  return std::unique(clients.begin(), clients.end()) - clients.begin();
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
