#include "lincheck/testing/levels_brute_force.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "lincheck/links/links.h"

namespace quorate::lincheck {
namespace {

constexpr size_t kNowhere = ~size_t{0};

// Whether one order of everything keeps each client's own.
class OneOrder {
 public:
  OneOrder(absl::Span<const Operation> operations, const Model& model,
           const std::vector<bool>& counting)
      : operations_(operations), model_(model), counting_(counting) {
    for (const Operation& op : operations) {
      if (op.written != kNoVersion) told_.insert({op.partition, op.written});
    }
  }

  bool Run() {
    std::vector<Place> places;
    for (size_t p = 0; p < counting_.size(); ++p) {
      spaces_.push_back(model_.NewStates());
      places.push_back({spaces_[p]->Initial(), kInitialVersion, 0, {}});
    }
    return From(0, places);
  }

 private:
  struct Place {
    StateId state = 0;
    StateVersion version = kInitialVersion;  // kNoVersion: unknown.
    StateVersion greatest = kInitialVersion;
    std::set<StateVersion> seen;  // Versions that no write tells.
  };

  bool From(uint32_t placed, const std::vector<Place>& places) {
    bool done = true;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if ((placed >> i & 1) == 0 && operations_[i].known()) done = false;
    }
    if (done) return true;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if ((placed >> i & 1) == 0 && MayFollow(i, placed) &&
          Place1(i, placed, places)) {
        return true;
      }
    }
    return false;
  }
  bool MayFollow(size_t i, uint32_t placed) const {
    for (size_t j = 0; j < operations_.size(); ++j) {
      if ((placed >> j & 1) == 0 &&
          operations_[j].client == operations_[i].client &&
          operations_[j].ret < operations_[i].invoke) {
        return false;
      }
    }
    return true;
  }
  // One name after another; if they count, upwards.
  bool Make(const Operation& op, StateVersion version, Place* place) const {
    if (counting_[op.partition] && version <= place->greatest) return false;
    place->version = version;
    place->greatest = std::max(place->greatest, version);
    return true;
  }
  bool See(const Operation& op, Place* place) const {
    if (!op.known() || op.seen == kNoVersion) return true;
    if (place->version != kNoVersion) return place->version == op.seen;
    if (op.seen == kInitialVersion || told_.contains({op.partition, op.seen}) ||
        !place->seen.insert(op.seen).second) {
      return false;
    }
    return Make(op, op.seen, place);
  }
  bool Place1(size_t i, uint32_t placed, std::vector<Place> places) {
    const Operation& op = operations_[i];
    Place& place = places[op.partition];
    if (!See(op, &place)) return false;
    const StateId before = place.state;
    place.state = spaces_[op.partition]->Step(before, op);
    if (place.state == kImpossible) return false;
    placed |= 1u << i;
    if (op.written != kNoVersion) {
      return Make(op, op.written, &place) && From(placed, places);
    }
    const bool may_be_none = model_.IsRead(op) || place.state == before;
    if (may_be_none && From(placed, places)) return true;
    if (model_.IsRead(op)) return false;
    place.version = kNoVersion;
    return From(placed, places);
  }

  const absl::Span<const Operation> operations_;
  const Model& model_;
  const std::vector<bool>& counting_;
  std::set<std::pair<uint32_t, StateVersion>> told_;
  std::vector<std::unique_ptr<StateSpace>> spaces_;
};

// Orders of the writes of one partition. Each operation takes effect on a state
// that one of them left, or on the initial one; a write on one before its own.
class WriteOrders {
 public:
  WriteOrders(absl::Span<const Operation> operations, const Model& model,
              bool counting)
      : operations_(operations),
        model_(model),
        counting_(counting),
        space_(model.NewStates()),
        states_{space_->Initial()},
        versions_{kInitialVersion},
        base_(operations.size(), kNowhere),
        position_(operations.size(), kNowhere) {}
  virtual ~WriteOrders() = default;

  bool Any() { return PlaceWrite(0); }

 protected:
  // Whether `i` may stand where it has been placed, as far as others have been.
  virtual bool Fits(size_t i) const = 0;

  const absl::Span<const Operation> operations_;
  const Model& model_;
  const bool counting_;
  const std::unique_ptr<StateSpace> space_;
  // By position.
  std::vector<StateId> states_;
  std::vector<StateVersion> versions_;  // kNoVersion: not told.
  // By operation: the position of the state it met, and of the one it left.
  std::vector<size_t> base_;
  std::vector<size_t> position_;

 private:
  // Whether it does the same wherever it stands.
  bool Blind(const Operation& op) const {
    Links links;
    return op.seen == kNoVersion && model_.FindLinks(op, &links) &&
           links.writes && !links.reads && !links.conditional;
  }
  // Whether its client learned what it met: by the version that it tells; where
  // none does, by its result.
  bool Tells(const Operation& op) const {
    Links links;
    if (!op.known()) return false;
    return TellVersions(operations_)
               ? op.seen != kNoVersion
               : model_.FindLinks(op, &links) && links.reads;
  }
  // Because its condition is not met, as an answer would have told.
  bool WritesNothing(Operation op, StateId state) const {
    if (op.known()) return false;
    op.ret = op.invoke;
    op.result = Value::Integer(0);
    return model_.IsRead(op) && space_->Step(state, op) != kImpossible;
  }
  // The state may get its version from a read, if no write tells it.
  bool MaySee(const Operation& op, size_t base) const {
    if (!op.known() || op.seen == kNoVersion || versions_[base] == op.seen) {
      return true;
    }
    return versions_[base] == kNoVersion &&
           std::find(versions_.begin(), versions_.end(), op.seen) ==
               versions_.end() &&
           std::none_of(operations_.begin(), operations_.end(),
                        [&](const Operation& other) {
                          return other.written == op.seen;
                        });
  }
  StateVersion See(const Operation& op, size_t base) {
    const StateVersion before = versions_[base];
    if (op.known() && op.seen != kNoVersion) versions_[base] = op.seen;
    return before;
  }
  bool Counts() const {
    StateVersion last = kNoVersion;
    for (const StateVersion version : versions_) {
      if (version == kNoVersion) continue;
      if (version <= last) return false;
      last = version;
    }
    return true;
  }
  bool PlaceWrite(uint32_t placed) {
    bool done = true;
    for (size_t i = 0; i < operations_.size(); ++i) {
      const Operation& op = operations_[i];
      if ((placed >> i & 1) != 0 || OnlyReads(model_, op)) continue;
      done = done && !op.known();
      position_[i] = states_.size();
      const bool blind = Blind(op);
      for (size_t base = states_.size(); base-- > 0;) {
        if (!MaySee(op, base)) continue;
        const StateId state = space_->Step(states_[base], op);
        if (state == kImpossible) continue;
        // Then it makes no old state new.
        if (WritesNothing(op, states_[base]) && base + 1 < states_.size()) {
          continue;
        }
        base_[i] = Tells(op) ? base : kNowhere;
        if (Fits(i)) {
          const StateVersion before = See(op, base);
          states_.push_back(state);
          versions_.push_back(op.written);
          if ((!counting_ || Counts()) && PlaceWrite(placed | 1u << i)) {
            return true;
          }
          states_.pop_back();
          versions_.pop_back();
          versions_[base] = before;
        }
        if (blind) break;
      }
      base_[i] = kNowhere;
      position_[i] = kNowhere;
    }
    return done && PlaceRead(0);
  }
  bool PlaceRead(size_t i) {
    while (i < operations_.size() &&
           (!OnlyReads(model_, operations_[i]) || !operations_[i].known())) {
      ++i;
    }
    if (i == operations_.size()) return true;
    for (size_t base = 0; base < states_.size(); ++base) {
      if (!MaySee(operations_[i], base) ||
          space_->Step(states_[base], operations_[i]) == kImpossible) {
        continue;
      }
      base_[i] = Tells(operations_[i]) ? base : kNowhere;
      const StateVersion before = See(operations_[i], base);
      if (Fits(i) && (!counting_ || Counts()) && PlaceRead(i + 1)) return true;
      versions_[base] = before;
    }
    base_[i] = kNowhere;
    return false;
  }
};

class Sessions final : public WriteOrders {
 public:
  Sessions(absl::Span<const Operation> operations, const Model& model,
           bool counting, ConsistencyLevel level)
      : WriteOrders(operations, model, counting), level_(level) {}

 private:
  bool Asks(ConsistencyLevel level) const {
    return level_ == level || level_ == ConsistencyLevel::kSessions;
  }
  bool Fits(size_t i) const override {
    for (size_t j = 0; j < operations_.size(); ++j) {
      if (operations_[i].client != operations_[j].client) continue;
      if (operations_[i].ret < operations_[j].invoke && !Follows(i, j)) {
        return false;
      }
      if (operations_[j].ret < operations_[i].invoke && !Follows(j, i)) {
        return false;
      }
    }
    return true;
  }
  // The client had the answer of `a` before it asked for `b`.
  bool Follows(size_t a, size_t b) const {
    const auto behind = [](size_t before, size_t after, bool strictly) {
      return before == kNowhere || after == kNowhere || before < after ||
             (!strictly && before == after);
    };
    return (!Asks(ConsistencyLevel::kReadYourWrites) ||
            behind(position_[a], base_[b], false)) &&
           (!Asks(ConsistencyLevel::kMonotonicReads) ||
            behind(base_[a], base_[b], false)) &&
           (!Asks(ConsistencyLevel::kMonotonicWrites) ||
            behind(position_[a], position_[b], true)) &&
           (!Asks(ConsistencyLevel::kWritesFollowReads) ||
            behind(base_[a], position_[b], true));
  }

  const ConsistencyLevel level_;
};

class Lags final : public WriteOrders {
 public:
  Lags(absl::Span<const Operation> operations, const Model& model,
       const Lag& most)
      : WriteOrders(operations, model, false), most_(most) {}

 private:
  bool Fits(size_t i) const override {
    const bool reads = position_[i] == kNowhere;
    uint64_t missed = 0;
    for (size_t j = 0; j < operations_.size(); ++j) {
      const Operation& op = operations_[j];
      if (position_[j] == kNowhere) continue;
      if (!reads) {
        // It is the last so far.
        if (operations_[i].ret < op.invoke && i != j) return false;
        continue;
      }
      if (position_[j] <= base_[i] || op.ret >= operations_[i].invoke) continue;
      ++missed;
      if (operations_[i].invoke - op.ret > most_.time) return false;
    }
    if (!reads && base_[i] != kNowhere && base_[i] + 1 != position_[i]) {
      return false;
    }
    return missed <= most_.versions;
  }

  const Lag most_;
};

}  // namespace

bool HoldsByBruteForce(absl::Span<const Operation> operations,
                       const Model& model, ConsistencyLevel level,
                       const std::vector<bool>& counting) {
  if (level == ConsistencyLevel::kSequential) {
    return OneOrder(operations, model, counting).Run();
  }
  for (uint32_t p = 0; p < counting.size(); ++p) {
    std::vector<Operation> of_partition;
    for (const Operation& op : operations) {
      if (op.partition == p) of_partition.push_back(op);
    }
    if (!Sessions(of_partition, model, counting[p], level).Any()) return false;
  }
  return true;
}

Lag LagByVersions(absl::Span<const Operation> operations, const Model& model) {
  Lag most;
  for (const Operation& read : operations) {
    if (!read.known() || !OnlyReads(model, read)) continue;
    uint64_t missed = 0;
    for (const Operation& write : operations) {
      if (write.partition != read.partition || write.ret >= read.invoke ||
          write.written <= read.seen) {
        continue;
      }
      ++missed;
      most.time = std::max(most.time, read.invoke - write.ret);
    }
    most.versions = std::max(most.versions, missed);
  }
  return most;
}

bool LagHoldsByBruteForce(absl::Span<const Operation> operations,
                          const Model& model, const Lag& most) {
  return Lags(operations, model, most).Any();
}

}  // namespace quorate::lincheck
