#include "lincheck/untold.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "lincheck/value.h"

namespace quorate::lincheck {
namespace {

// A version that no write tells.
struct Untold {
  Version version = kNoVersion;
  Time shown_by = kNever;  // When the first operation returned that saw it.
  Value value;             // None: nobody said.
};

std::vector<Untold> FindUntold(absl::Span<const Operation> operations,
                               const Model& model) {
  absl::flat_hash_set<Version> told = {kInitialVersion};  // Looked up only.
  for (const Operation& op : operations) {
    if (op.written != kNoVersion) told.insert(op.written);
  }
  std::vector<Untold> found;
  absl::flat_hash_map<Version, size_t> numbers;  // Looked up only.
  for (const Operation& op : operations) {
    if (!op.known() || op.seen == kNoVersion || told.contains(op.seen)) {
      continue;
    }
    const size_t number =
        numbers.try_emplace(op.seen, found.size()).first->second;
    if (number == found.size()) found.push_back({.version = op.seen});
    Untold& untold = found[number];
    untold.shown_by = std::min(untold.shown_by, op.ret);
    Links links;
    if (model.FindLinks(op, &links) && links.reads) untold.value = links.seen;
  }
  return found;
}

class Guess {
 public:
  Guess(absl::Span<const Operation> operations, const Model& model)
      : operations_(operations),
        model_(model),
        all_(operations.begin(), operations.end()) {
    for (size_t i = 0; i < operations.size(); ++i) {
      const Operation& op = operations[i];
      last_ = std::max({last_, op.seen, op.written});
      if (op.written != kNoVersion || OnlyReads(model, op)) continue;
      const Links links = LinksOf(i);
      leaving_[links.writes ? links.written : Value()].emplace(op.invoke, i);
      (IsPlain(links) ? plain_ : others_).emplace(op.invoke, i);
    }
  }

  std::vector<Operation> Run();

 private:
  using Writes = std::set<std::pair<Time, size_t>>;  // By time of invocation.
  struct Taken {
    size_t write = 0;
    Time shown_by = kNever;
  };

  Links LinksOf(size_t i) const {
    Links links;
    if (!model_.FindLinks(operations_[i], &links) || !links.writes) return {};
    return links;
  }
  // Whether it does not depend on what there was.
  static bool IsPlain(const Links& links) {
    return links.writes && !links.reads && !links.conditional;
  }
  // False if none of them can have written it.
  bool Take(Writes* from, Version version, Time shown_by);
  // What the writes taken saw themselves.
  void See();
  // Which version had which value; kNoVersion: several.
  void FindVersions();

  const absl::Span<const Operation> operations_;
  const Model& model_;
  std::vector<Operation> all_;
  Version last_ = kInitialVersion;
  // Writes that tell no version: by what they leave (none: nobody knows; looked
  // up only), those that are plain, and others.
  absl::flat_hash_map<Value, Writes, ValueHash> leaving_;
  Writes plain_;
  Writes others_;
  std::vector<Taken> taken_;
  absl::flat_hash_map<Value, Version, ValueHash> versions_;  // Looked up only.
};

bool Guess::Take(Writes* from, Version version, Time shown_by) {
  // Most took effect soon after they were invoked.
  for (;;) {
    const auto after = from->upper_bound({shown_by, operations_.size()});
    if (after == from->begin()) return false;
    const size_t write = std::prev(after)->second;
    from->erase(std::prev(after));
    if (all_[write].written != kNoVersion) continue;
    all_[write].written = version;
    taken_.push_back({write, shown_by});
    return true;
  }
}

void Guess::FindVersions() {
  for (size_t i = 0; i < all_.size(); ++i) {
    const Links links = LinksOf(i);
    if (all_[i].written == kNoVersion || !links.writes) continue;
    Version& version =
        versions_.try_emplace(links.written, all_[i].written).first->second;
    if (version != all_[i].written) version = kNoVersion;
  }
  versions_.try_emplace(Value::Nil(), kInitialVersion);
}

void Guess::See() {
  FindVersions();
  std::set<Version> in_order = {kInitialVersion};
  for (const Operation& op : all_) in_order.insert(op.written);
  for (size_t t = 0; t < taken_.size(); ++t) {
    const auto [i, shown_by] = taken_[t];
    const Links links = LinksOf(i);
    if (IsPlain(links)) continue;
    // It said so.
    if (all_[i].known() && all_[i].seen != kNoVersion) continue;
    // The version that had this value, or the last one before, if versions
    // count upwards.
    Version& version = all_[i].seen;
    version = *std::prev(in_order.upper_bound(all_[i].written - 1));
    if (links.reads) {
      const auto it = versions_.find(links.seen);
      if (it != versions_.end() && it->second != kNoVersion) {
        version = it->second;
      } else if (it == versions_.end() &&
                 Take(&leaving_[links.seen], last_ + 1, shown_by)) {
        version = ++last_;  // Seen by nobody else.
        versions_[links.seen] = version;
      }
    }
    if (!all_[i].known()) all_[i].ret = kNever - 1;
  }
}

std::vector<Operation> Guess::Run() {
  if (plain_.empty() && others_.empty()) return {};
  std::vector<Untold> untold = FindUntold(operations_, model_);
  // Those of which something is known choose first, and the earlier ones.
  std::sort(untold.begin(), untold.end(), [](const auto& a, const auto& b) {
    return std::tuple(a.value.is_none(), a.shown_by, a.version) <
           std::tuple(b.value.is_none(), b.shown_by, b.version);
  });
  for (const auto& [version, shown_by, value] : untold) {
    const bool good = value.is_none()
                          ? Take(&plain_, version, shown_by) ||
                                Take(&others_, version, shown_by)
                          : Take(&leaving_[value], version, shown_by) ||
                                Take(&leaving_[Value()], version, shown_by);
    if (!good) return {};
  }
  See();
  // Those that nobody saw.
  for (Operation& op : all_) {
    if (op.known() && op.written == kNoVersion && !OnlyReads(model_, op)) {
      op.written = ++last_;
    }
  }
  return std::move(all_);
}

}  // namespace

std::vector<Operation> TellUntold(absl::Span<const Operation> operations,
                                  const Model& model) {
  return Guess(operations, model).Run();
}

}  // namespace quorate::lincheck
