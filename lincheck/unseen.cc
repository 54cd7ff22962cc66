#include "lincheck/unseen.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "lincheck/value.h"

namespace quorate::lincheck {
namespace {

// What a value is once something has been appended to it.
std::string TextOf(Value value) {
  if (value.is_integer()) return std::to_string(value.integer());
  return value.is_string() ? std::string(value.bytes()) : std::string();
}

class Unseen {
 public:
  Unseen(absl::Span<const Operation> operations, const Model& model)
      : operations_(operations), model_(model) {}

  std::vector<bool> Run() {
    std::vector<bool> unseen(operations_.size(), false);
    // (operation, what it does), of those that may turn out to be unseen.
    std::vector<std::pair<size_t, Links>> left;
    for (size_t i = 0; i < operations_.size(); ++i) {
      const Operation& op = operations_[i];
      Links links;
      if (!op.known() && model_.IsRead(op)) continue;
      const bool found = model_.FindLinks(op, &links);
      if (op.known() ? !found || !See(links) : !found) return unseen;
      appends_ = appends_ || links.appends;
      if (!op.known()) left.emplace_back(i, links);
    }
    // An operation that somebody may have seen counts with what it saw itself.
    for (bool more = true; more;) {
      more = false;
      for (size_t i = 0; i < left.size();) {
        if (!MayBeSeen(left[i].second)) {
          ++i;
          continue;
        }
        if (!See(left[i].second)) return unseen;
        left[i] = left.back();
        left.pop_back();
        more = true;
      }
    }
    for (const auto& [i, links] : left) unseen[i] = true;
    return unseen;
  }

 private:
  // False if more than the value that it names matters to an operation.
  bool See(const Links& links) {
    const bool named = links.reads || links.writes || links.appends;
    if (!named || links.conditional || !links.size.is_none()) return false;
    if (links.reads && seen_.insert(links.seen).second) {
      texts_.push_back(TextOf(links.seen));
      bytes_ += texts_.back().size();
    }
    return true;
  }
  bool MayBeSeen(const Links& links) {
    if (!appends_) return seen_.contains(links.written);
    const std::string text = TextOf(links.written);
    if (work_ > kWorkMax) return true;
    work_ += bytes_;
    return std::any_of(
        texts_.begin(), texts_.end(), [&](const std::string& seen) {
          return links.appends ? seen.find(text) != std::string::npos
                               : seen.starts_with(text);
        });
  }

  const absl::Span<const Operation> operations_;
  const Model& model_;
  // Bytes of seen values looked through: beyond it everything counts as seen.
  static constexpr uint64_t kWorkMax = uint64_t{1} << 24;

  bool appends_ = false;
  uint64_t bytes_ = 0;  // In texts_.
  uint64_t work_ = 0;
  absl::flat_hash_set<Value, ValueHash> seen_;  // Looked up only.
  std::vector<std::string> texts_;              // Of seen_.
};

}  // namespace

std::vector<bool> FindUnseen(absl::Span<const Operation> operations,
                             const Model& model) {
  // The usual case, and a quick one.
  if (std::all_of(operations.begin(), operations.end(),
                  [](const Operation& op) { return op.known(); })) {
    return std::vector<bool>(operations.size(), false);
  }
  return Unseen(operations, model).Run();
}

}  // namespace quorate::lincheck
