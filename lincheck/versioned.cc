#include "lincheck/versioned.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"

namespace quorate::lincheck {

class VersionedModel::States final : public StateSpace {
 public:
  explicit States(const VersionedModel& model)
      : model_(model), inner_(model.model_.NewStates()) {}

  StateId Initial() override {
    return Number({inner_->Initial(), {{kInitialVersion, 0}}});
  }

  StateId Step(StateId state, const Operation& op) override {
    const State& before = *states_[state];
    State after{inner_->Step(before.inner, op), {}};
    if (after.inner == kImpossible) return kImpossible;
    const bool reads = model_.model_.IsRead(op);
    for (Current current : before.versions) {
      if (!See(op, &current)) continue;
      if (op.written == kNoVersion && (reads || after.inner == before.inner)) {
        after.versions.push_back(current);
      }
      // Nobody may see it any more.
      if (current.seen_by < model_.SeenBy(current.version)) continue;
      if (op.written != kNoVersion || !reads) {
        after.versions.push_back({op.written, 0});
      }
    }
    if (after.versions.empty()) return kImpossible;
    std::sort(after.versions.begin(), after.versions.end());
    after.versions.erase(
        std::unique(after.versions.begin(), after.versions.end()),
        after.versions.end());
    return Number(std::move(after));
  }

  bool MaySee(StateId, const Operation&) const override { return true; }
  StateId Forget(StateId state) override { return state; }

  void Watch(absl::Span<const Operation>) override {}

  StateId Import(const StateSpace& from, StateId state) override {
    const auto& other = static_cast<const States&>(from);
    State same = *other.states_[state];
    same.inner = inner_->Import(*other.inner_, same.inner);
    return Number(std::move(same));
  }

  std::string Describe(StateId state) const override {
    std::string text = inner_->Describe(states_[state]->inner);
    for (const Current& current : states_[state]->versions) {
      if (current.version == kNoVersion) continue;
      absl::StrAppend(&text, " (version ", current.version, ")");
    }
    return text;
  }

  size_t size_bytes() const override {
    return inner_->size_bytes() + size_bytes_;
  }

 private:
  // What the version may be; kNoVersion: one that nobody told or saw yet.
  struct Current {
    Version version = kInitialVersion;
    uint32_t seen_by = 0;  // So many operations, if no write tells it.

    friend auto operator<=>(const Current&, const Current&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Current& c) {
      return H::combine(std::move(h), c.version, c.seen_by);
    }
  };
  struct State {
    StateId inner = kImpossible;
    std::vector<Current> versions;  // In order, none twice, at least one.

    friend bool operator==(const State&, const State&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const State& s) {
      return H::combine(std::move(h), s.inner, s.versions);
    }
  };

  // False if `op` cannot have seen what it says.
  bool See(const Operation& op, Current* current) const {
    if (!op.known() || op.seen == kNoVersion) return true;
    const bool told = model_.SeenBy(op.seen) == 0;
    if (current->version == kNoVersion && !told) current->version = op.seen;
    if (current->version != op.seen) return false;
    if (!told) ++current->seen_by;
    return true;
  }

  StateId Number(State state) {
    const auto [it, inserted] = numbers_.try_emplace(
        std::move(state), static_cast<StateId>(states_.size()));
    if (inserted) {
      size_bytes_ +=
          sizeof(State) + 64 + it->first.versions.size() * sizeof(Current);
      states_.push_back(&it->first);
    }
    return it->second;
  }

  const VersionedModel& model_;
  const std::unique_ptr<StateSpace> inner_;
  // Looked up, never iterated over. Keys stay where they are.
  std::unordered_map<State, StateId, absl::Hash<State>> numbers_;
  std::vector<const State*> states_;
  size_t size_bytes_ = 0;
};

VersionedModel::VersionedModel(const Model& model,
                               absl::Span<const Operation> judged,
                               absl::Span<const Operation> all)
    : model_(model) {
  absl::flat_hash_set<Version> told = {kInitialVersion};  // Looked up only.
  for (const Operation& op : all) {
    if (op.written != kNoVersion) told.insert(op.written);
  }
  for (const Operation& op : judged) {
    if (!OnlyReads(model, op) && op.written == kNoVersion) all_written_ = false;
    if (op.known() && op.seen != kNoVersion && !told.contains(op.seen)) {
      ++untold_[op.seen];
    }
  }
}

std::unique_ptr<StateSpace> VersionedModel::NewStates() const {
  return std::make_unique<States>(*this);
}

// To see a version tells which one it was, if any write does not tell its own.
bool VersionedModel::IsRead(const Operation& op) const {
  return model_.IsRead(op) && op.written == kNoVersion &&
         (all_written_ || !op.known() || op.seen == kNoVersion);
}

uint32_t VersionedModel::SeenBy(Version version) const {
  const auto it = untold_.find(version);
  return it != untold_.end() ? it->second : 0;
}

}  // namespace quorate::lincheck
