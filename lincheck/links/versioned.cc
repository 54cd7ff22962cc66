#include "lincheck/links/versioned.h"

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
  States(const VersionedModel& model, bool plain)
      : model_(model), inner_(model.model_.NewStates(plain)) {}

  StateId Initial() override {
    return Number({{{{kInitialVersion, 0}, inner_->Initial()}}, {}});
  }

  StateId Step(StateId state, const Operation& op) override {
    State after{{}, states_[state]->made};
    if (!Make(op.written, &after.made)) return kImpossible;
    const bool reads = OnlyReads(model_.model_, op);
    for (World world : states_[state]->worlds) {
      if (!See(op, &world.current)) continue;
      const StateId next = inner_->Step(world.inner, op);
      if (next == kImpossible) continue;
      // A write that changes nothing may make no version.
      if (reads || (op.written == kNoVersion && next == world.inner)) {
        after.worlds.push_back({world.current, next});
      }
      // No operation may see the version any more.
      const bool over =
          world.current.seen_by >= model_.SeenBy(world.current.version);
      if (!reads && over) after.worlds.push_back({{op.written, 0}, next});
    }
    return Settle(std::move(after));
  }
  bool MaySee(StateId, const Operation&) const override { return true; }
  StateId Forget(StateId state) override { return state; }

  void Watch(absl::Span<const Operation>) override {}
  StateId Import(const StateSpace& from, StateId state) override {
    const auto& other = static_cast<const States&>(from);
    State same = *other.states_[state];
    for (World& world : same.worlds) {
      world.inner = inner_->Import(*other.inner_, world.inner);
    }
    return Settle(std::move(same));
  }

  std::string Describe(StateId state) const override {
    std::string text;
    StateId described = kImpossible;
    for (const World& world : states_[state]->worlds) {
      if (world.inner != described) {
        absl::StrAppend(&text, text.empty() ? "" : " or ",
                        inner_->Describe(world.inner));
        described = world.inner;
      }
      if (world.current.version == kNoVersion) continue;
      absl::StrAppend(&text, " (version ", world.current.version, ")");
    }
    return text;
  }

  size_t size_bytes() const override {
    return inner_->size_bytes() + size_bytes_;
  }

 private:
  // A possible version; kNoVersion: one that was neither told nor seen yet.
  struct Current {
    StateVersion version = kInitialVersion;
    uint32_t seen_by = 0;  // So many operations, if no write tells it.

    friend auto operator<=>(const Current&, const Current&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Current& c) {
      return H::combine(std::move(h), c.version, c.seen_by);
    }
  };
  // A possible case of the version and the state.
  struct World {
    Current current;
    StateId inner = kImpossible;

    friend auto operator<=>(const World&, const World&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const World& w) {
      return H::combine(std::move(h), w.current, w.inner);
    }
  };
  struct State {
    std::vector<World> worlds;  // In order, none twice, at least one.
    // Versions that several writes tell, in order.
    std::vector<StateVersion> made;

    friend bool operator==(const State&, const State&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const State& s) {
      return H::combine(std::move(h), s.worlds, s.made);
    }
  };

  // False if the version is there already.
  bool Make(StateVersion version, std::vector<StateVersion>* made) const {
    if (version == kNoVersion || !model_.often_told_.contains(version)) {
      return true;
    }
    const auto at = std::lower_bound(made->begin(), made->end(), version);
    if (version == kInitialVersion || (at != made->end() && *at == version)) {
      return false;
    }
    made->insert(at, version);
    return true;
  }
  // Its number, with its worlds in order; kImpossible if there are none.
  StateId Settle(State state) {
    if (state.worlds.empty()) return kImpossible;
    std::sort(state.worlds.begin(), state.worlds.end());
    state.worlds.erase(std::unique(state.worlds.begin(), state.worlds.end()),
                       state.worlds.end());
    return Number(std::move(state));
  }

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
      size_bytes_ += sizeof(State) + 64 +
                     it->first.worlds.size() * sizeof(World) +
                     it->first.made.size() * sizeof(StateVersion);
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
  absl::flat_hash_set<StateVersion> told = {
      kInitialVersion};  // Looked up only.
  for (const Operation& op : all) {
    if (op.written != kNoVersion && !told.insert(op.written).second) {
      often_told_.insert(op.written);
    }
  }
  for (const Operation& op : judged) {
    if (!OnlyReads(model, op) && op.written == kNoVersion) all_written_ = false;
    if (op.known() && op.seen != kNoVersion && !told.contains(op.seen)) {
      ++untold_[op.seen];
    }
  }
}

std::unique_ptr<StateSpace> VersionedModel::NewStates(bool plain) const {
  return std::make_unique<States>(*this, plain);
}

Reading VersionedModel::ReadingOf(const Operation& op) const {
  if (!OnlyReads(model_, op)) return Reading::kChanges;
  // A version that is seen says which one it was, if any write does not tell
  // its own.
  const bool learns = !all_written_ && op.known() && op.seen != kNoVersion;
  return learns ? Reading::kLearns : model_.ReadingOf(op);
}

uint32_t VersionedModel::SeenBy(StateVersion version) const {
  const auto it = untold_.find(version);
  return it != untold_.end() ? it->second : 0;
}

}  // namespace quorate::lincheck
