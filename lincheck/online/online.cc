#include "lincheck/online/online.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace quorate::lincheck {
namespace {

constexpr uint32_t kNone = ~uint32_t{0};

// Open operations have slots; bit `slot` says that the operation was placed.
// Few have slots from 64 on.
class Bits {
 public:
  bool Has(uint32_t slot) const {
    const size_t word = slot / 64;
    return word <= more_.size() && (Word(word) >> (slot % 64) & 1) != 0;
  }
  void Set(uint32_t slot) {
    const size_t word = slot / 64;
    if (word > more_.size()) more_.resize(word);
    (word == 0 ? first_ : more_[word - 1]) |= uint64_t{1} << (slot % 64);
  }
  void Clear(uint32_t slot) {
    const size_t word = slot / 64;
    if (word > more_.size()) return;
    (word == 0 ? first_ : more_[word - 1]) &= ~(uint64_t{1} << (slot % 64));
    while (!more_.empty() && more_.back() == 0) more_.pop_back();
  }
  bool IsSubsetOf(const Bits& other) const {
    if ((first_ & ~other.first_) != 0) return false;
    for (size_t i = 0; i < more_.size(); ++i) {
      const uint64_t there = i < other.more_.size() ? other.more_[i] : 0;
      if ((more_[i] & ~there) != 0) return false;
    }
    return true;
  }
  size_t heap_bytes() const { return more_.size() * sizeof(uint64_t); }

  friend bool operator==(const Bits&, const Bits&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Bits& bits) {
    return H::combine(std::move(h), bits.first_, bits.more_);
  }

 private:
  uint64_t Word(size_t i) const { return i == 0 ? first_ : more_[i - 1]; }

  uint64_t first_ = 0;
  // Without trailing zero words, so that equal sets are equal vectors.
  std::vector<uint64_t> more_;
};

// Lets the values of `op` be those of `arena`.
void KeepValues(Operation* op, ValueArena* arena) {
  for (Value* const value : {&op->argument, &op->expected, &op->result}) {
    *value = arena->Copy(*value);
  }
}

}  // namespace

class OnlineChecker::Partition {
 public:
  Partition(std::string name, const Model& model, const OnlineOptions& options)
      : name_(std::move(name)),
        model_(model),
        options_(options),
        states_(model.NewStates()) {
    configurations_.push_back({states_->Initial(), {}, {}});
  }

  const std::string& name() const { return name_; }
  bool stopped() const { return stopped_; }
  bool given_up() const { return given_up_; }
  size_t configurations() const { return configurations_.size(); }
  // Those that are open, wait to be checked, or have an unknown outcome.
  size_t operations() const { return running_.size() + used_; }
  size_t size_bytes() const {
    size_t bytes = arena_.size_bytes() + slots_.size() * sizeof(Slot) +
                   running_.size() * sizeof(Operation) +
                   returned_.size() * sizeof(*returned_.begin());
    for (const Configuration& c : configurations_) {
      bytes += sizeof(c) + c.placed.heap_bytes() + c.spent.heap_bytes();
    }
    return states_ == nullptr ? bytes : bytes + states_->size_bytes();
  }

  uint64_t Invoke(Time now, const Operation& call) {
    Operation op = call;
    op.invoke = now;
    op.ret = kNever;
    op.result = {};
    KeepValues(&op, &arena_);
    if (!calls_differ_ && model_.LooksBeyondCall(op)) {
      calls_differ_ = true;
      for (Slot& slot : slots_) slot.kin = kNone;
    }
    running_.emplace(next_operation_, op);
    return next_operation_++;
  }

  void Return(uint64_t operation, Time now, Value result) {
    Operation op = End(operation);
    op.ret = now;
    op.result = arena_.Copy(result);
    returned_.emplace(now, Open(op));
  }
  void LeaveUnknown(uint64_t operation) {
    const Operation op = End(operation);
    if (!model_.IsRead(op)) Open(op);
  }
  void Withdraw(uint64_t operation) { End(operation); }
  void LeaveAllUnknown() {
    while (!running_.empty()) LeaveUnknown(running_.begin()->first);
  }

  // The next return that can be checked at `now`. All operations invoked at or
  // before it have ended, and no more can be invoked. kNone: none.
  uint32_t NextReturn(Time now) const {
    if (returned_.empty()) return kNone;
    const auto [ret, slot] = *returned_.begin();
    if (ret >= now) return kNone;
    if (!running_.empty() && running_.begin()->second.invoke <= ret) {
      return kNone;
    }
    return slot;
  }

  Result CheckReturn(uint32_t slot);

  const Operation& operation(uint32_t slot) const { return slots_[slot].op; }
  std::string Explain(uint32_t slot) const;
  void GiveUp() { given_up_ = true; }
  void Stop() {
    stopped_ = true;
    running_.clear();
    returned_.clear();
    slots_.clear();
    used_ = 0;
    arena_ = {};
    configurations_.clear();
    states_.reset();
  }

 private:
  struct Slot {
    bool used = false;
    bool is_read = false;
    uint32_t kin = kNone;  // An open operation of unknown outcome just like
                           // this one, to be spent before it.
    Operation op;
  };
  struct Configuration {
    StateId state = 0;
    Bits placed;  // Operations that returned.
    Bits spent;   // Operations of unknown outcome.
  };
  // By state and placed operations, the least that was spent to get there. It
  // is looked up, never iterated over.
  using Seen = absl::flat_hash_map<std::pair<StateId, Bits>, std::vector<Bits>>;

  Operation End(uint64_t operation) {
    const auto it = running_.find(operation);
    Operation op = it->second;
    running_.erase(it);
    return op;
  }

  uint32_t Open(const Operation& op) {
    uint32_t slot = 0;
    while (slot < slots_.size() && slots_[slot].used) ++slot;
    if (slot == slots_.size()) slots_.emplace_back();
    ++used_;
    slots_[slot] = {true, op.known() && KeepsState(model_, op), kNone, op};
    if (op.known() || calls_differ_) return slot;
    for (uint32_t i = 0; i < slots_.size(); ++i) {
      const Operation& other = slots_[i].op;
      if (i == slot || !slots_[i].used || other.known() ||
          !(CallKey::Of(other) == CallKey::Of(op)) ||
          other.invoke > op.invoke || HasKin(i)) {
        continue;
      }
      slots_[slot].kin = i;
    }
    return slot;
  }
  bool HasKin(uint32_t slot) const {
    return std::any_of(slots_.begin(), slots_.end(), [&](const Slot& other) {
      return other.used && other.kin == slot;
    });
  }

  // The operations that the search for a return at `limit` may place.
  void FindCandidates(Time limit);
  // Places every read that fits: it changes nothing, so it never hurts.
  void PlaceReads(Configuration* c);
  // Adds `c` unless one like it that spent no more is there.
  bool Remember(const Configuration& c, Seen* seen);
  // Expands `c` by one operation each into `next`.
  void Expand(const Configuration& c, Seen* seen,
              std::vector<Configuration>* next);
  void Free(uint32_t slot);
  // Forgets unknown ones that every configuration has spent, and states and
  // values that nothing refers to.
  void Compact();
  void CompactValues();

  const std::string name_;
  const Model& model_;
  const OnlineOptions options_;
  std::unique_ptr<StateSpace> states_;
  ValueArena arena_;
  size_t compact_at_bytes_ = 64 << 10;
  uint64_t next_operation_ = 0;
  std::map<uint64_t, Operation> running_;         // By order of invocation.
  std::set<std::pair<Time, uint32_t>> returned_;  // Not checked yet.
  std::vector<Slot> slots_;
  size_t used_ = 0;  // Slots.
  std::vector<Configuration> configurations_;
  uint64_t nodes_ = 0;
  std::vector<uint32_t> reads_to_place_;   // Slots; see FindCandidates().
  std::vector<uint32_t> others_to_place_;  // Slots; see FindCandidates().
  // Operations of unknown outcome with the same call may do different things.
  bool calls_differ_ = false;
  bool stopped_ = false;
  bool given_up_ = false;
};

void OnlineChecker::Partition::FindCandidates(Time limit) {
  reads_to_place_.clear();
  others_to_place_.clear();
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (!slot.used || slot.op.invoke > limit) continue;
    (slot.is_read ? reads_to_place_ : others_to_place_).push_back(i);
  }
}

void OnlineChecker::Partition::PlaceReads(Configuration* c) {
  for (const uint32_t i : reads_to_place_) {
    if (c->placed.Has(i)) continue;
    ++nodes_;
    if (states_->Step(c->state, slots_[i].op) == c->state) c->placed.Set(i);
  }
}

bool OnlineChecker::Partition::Remember(const Configuration& c, Seen* seen) {
  auto& spents = (*seen)[{c.state, c.placed}];
  for (const Bits& spent : spents) {
    if (spent.IsSubsetOf(c.spent)) return false;
  }
  std::erase_if(spents, [&](const Bits& s) { return c.spent.IsSubsetOf(s); });
  spents.push_back(c.spent);
  return true;
}

// Reads that fit were placed already.
void OnlineChecker::Partition::Expand(const Configuration& c, Seen* seen,
                                      std::vector<Configuration>* next) {
  for (const uint32_t i : others_to_place_) {
    const Slot& slot = slots_[i];
    const bool known = slot.op.known();
    if ((known ? c.placed : c.spent).Has(i)) continue;
    if (!known && slot.kin != kNone && !c.spent.Has(slot.kin)) continue;
    ++nodes_;
    const StateId state = states_->Step(c.state, slot.op);
    if (state == kImpossible || (!known && state == c.state)) continue;
    Configuration after = c;
    after.state = state;
    (known ? after.placed : after.spent).Set(i);
    PlaceReads(&after);
    if (Remember(after, seen)) next->push_back(std::move(after));
  }
}

Result OnlineChecker::Partition::CheckReturn(uint32_t slot) {
  const Time limit = slots_[slot].op.ret;
  nodes_ = 0;
  FindCandidates(limit);
  Seen seen;
  std::vector<Configuration> done;
  std::vector<Configuration> level;
  for (Configuration& c : configurations_) {
    Configuration start = c;
    PlaceReads(&start);
    if (Remember(start, &seen)) level.push_back(std::move(start));
  }
  // Breadth first: a configuration is met before those that spent more to get
  // there.
  while (!level.empty()) {
    std::vector<Configuration> next;
    for (Configuration& c : level) {
      if (c.placed.Has(slot)) {
        done.push_back(std::move(c));
      } else {
        Expand(c, &seen, &next);
      }
      if (nodes_ > options_.nodes_max ||
          done.size() + next.size() > options_.configurations_max) {
        return Result::kUnknown;
      }
    }
    level = std::move(next);
  }
  if (done.empty()) return Result::kViolation;
  // Some were met before a better one.
  std::erase_if(done, [&](const Configuration& c) {
    const auto& spents = seen[{c.state, c.placed}];
    return std::find(spents.begin(), spents.end(), c.spent) == spents.end();
  });
  configurations_ = std::move(done);
  returned_.erase({limit, slot});
  Free(slot);
  Compact();
  return Result::kOk;
}

void OnlineChecker::Partition::Free(uint32_t slot) {
  for (Configuration& c : configurations_) {
    c.placed.Clear(slot);
    c.spent.Clear(slot);
  }
  for (Slot& other : slots_) {
    if (other.kin == slot) other.kin = kNone;
  }
  slots_[slot] = {};
  --used_;
}

void OnlineChecker::Partition::Compact() {
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].used || slots_[i].op.known()) continue;
    const bool gone =
        std::all_of(configurations_.begin(), configurations_.end(),
                    [&](const Configuration& c) { return c.spent.Has(i); });
    if (gone) Free(i);
  }
  if (arena_.size_bytes() + states_->size_bytes() < compact_at_bytes_) return;
  // States of a user's own model may hold values, whose strings stay then.
  if (model_.HooksAreTested()) CompactValues();
  std::unique_ptr<StateSpace> states = model_.NewStates();
  for (Configuration& c : configurations_) {
    c.state = states->Import(*states_, c.state);
  }
  states_ = std::move(states);
  compact_at_bytes_ = std::max<size_t>(
      64 << 10, 2 * (arena_.size_bytes() + states_->size_bytes()));
}

void OnlineChecker::Partition::CompactValues() {
  ValueArena arena;
  for (Slot& slot : slots_) KeepValues(&slot.op, &arena);
  for (auto& [id, op] : running_) KeepValues(&op, &arena);
  arena_ = std::move(arena);
}

std::string OnlineChecker::Partition::Explain(uint32_t slot) const {
  constexpr size_t kShownMax = 4;
  const Operation& op = slots_[slot].op;
  std::string text = absl::StrCat(
      DescribeCall(model_, op), " of client ", op.client, " [", op.invoke, ", ",
      op.ret, "] cannot be placed. Before it the state can only have been ");
  std::set<std::string> states;
  for (const Configuration& c : configurations_) {
    states.insert(states_->Describe(c.state));
  }
  size_t shown = 0;
  for (const std::string& state : states) {
    if (shown == kShownMax) break;
    absl::StrAppend(&text, shown++ == 0 ? "" : " or ", state);
  }
  if (states.size() > kShownMax) {
    absl::StrAppend(&text, " or ", states.size() - kShownMax, " more");
  }
  absl::StrAppend(&text, "; open beside it:");
  for (const Slot& other : slots_) {
    if (!other.used || &other == &slots_[slot] || other.op.invoke > op.ret) {
      continue;
    }
    absl::StrAppend(&text, " ", DescribeCall(model_, other.op), " of client ",
                    other.op.client, " [", other.op.invoke, ", ",
                    other.op.known() ? absl::StrCat(other.op.ret) : "…", "];");
  }
  return text;
}

OnlineChecker::OnlineChecker(const Model& model, OnlineOptions options)
    : steps_(model, {}),
      model_(model.HooksAreTested() ? model : steps_),
      options_(options) {}

OnlineChecker::~OnlineChecker() = default;

OnlineChecker::Ticket OnlineChecker::Invoke(std::string_view partition,
                                            Time now, const Operation& call) {
  auto it = numbers_.find(partition);
  if (it == numbers_.end()) {
    const auto number = static_cast<uint32_t>(partitions_.size());
    it = numbers_.emplace(partition, number).first;
    partitions_.push_back(
        std::make_unique<Partition>(it->first, model_, options_));
  }
  Partition& object = *partitions_[it->second];
  if (object.stopped()) return {it->second, 0};
  const Ticket ticket{it->second, object.Invoke(now, call)};
  Drain(object, now);
  if (object.operations() > options_.operations_max) GiveUp(object);
  return ticket;
}

void OnlineChecker::Return(Ticket ticket, Time now, Value result) {
  Partition& object = *partitions_[ticket.partition];
  if (object.stopped()) return;
  object.Return(ticket.operation, now, result);
  Drain(object, now);
}

void OnlineChecker::LeaveUnknown(Ticket ticket, Time now) {
  Partition& object = *partitions_[ticket.partition];
  if (object.stopped()) return;
  object.LeaveUnknown(ticket.operation);
  Drain(object, now);
}

void OnlineChecker::Withdraw(Ticket ticket, Time now) {
  Partition& object = *partitions_[ticket.partition];
  if (object.stopped()) return;
  object.Withdraw(ticket.operation);
  Drain(object, now);
}

void OnlineChecker::Finish() {
  for (const auto& object : partitions_) {
    if (object->stopped()) continue;
    object->LeaveAllUnknown();
    Drain(*object, kNever);
  }
}

void OnlineChecker::Drain(Partition& partition, Time now) {
  for (uint32_t slot; (slot = partition.NextReturn(now)) != kNone;) {
    ++judged_;
    switch (partition.CheckReturn(slot)) {
      case Result::kOk:
        continue;
      case Result::kUnknown:
        return GiveUp(partition);
      case Result::kViolation: {
        OnlineViolation violation{.partition = partition.name(),
                                  .operation = partition.operation(slot),
                                  .reason = partition.Explain(slot)};
        KeepValues(&violation.operation, &kept_);
        violations_.push_back(std::move(violation));
        break;
      }
    }
    partition.Stop();
    return;
  }
}

void OnlineChecker::GiveUp(Partition& partition) {
  if (partition.stopped()) return;
  ++given_up_;
  partition.GiveUp();
  partition.Stop();
}

bool OnlineChecker::given_up(std::string_view partition) const {
  const auto it = numbers_.find(partition);
  return it != numbers_.end() && partitions_[it->second]->given_up();
}

Result OnlineChecker::result() const {
  if (!violations_.empty()) return Result::kViolation;
  return given_up_ > 0 ? Result::kUnknown : Result::kOk;
}

size_t OnlineChecker::operations() const {
  size_t count = 0;
  for (const auto& object : partitions_) count += object->operations();
  return count;
}

size_t OnlineChecker::size_bytes() const {
  size_t bytes = kept_.size_bytes();
  for (const auto& object : partitions_) bytes += object->size_bytes();
  return bytes;
}

size_t OnlineChecker::configurations() const {
  size_t count = 0;
  for (const auto& object : partitions_) count += object->configurations();
  return count;
}

}  // namespace quorate::lincheck
