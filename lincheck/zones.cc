#include "lincheck/zones.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"

namespace quorate::lincheck {
namespace {

constexpr uint32_t kNone = ~uint32_t{0};
constexpr Time kBefore = std::numeric_limits<Time>::min();

// One operation's place among the writes, named by numbers: 0 is the initial
// state, kNone nothing.
struct Link {
  uint32_t seen = kNone;
  uint32_t written = kNone;
};

struct ValueHash {
  size_t operator()(Value v) const {
    if (v.is_string()) return absl::Hash<std::string_view>{}(v.bytes());
    return absl::Hash<int64_t>{}(v.is_integer() ? v.integer() : -1);
  }
};

// Numbers what is written, then finds what is seen. Lookups only: no order of a
// table shows.
template <typename Key, typename Hash = absl::Hash<Key>>
class Numbering {
 public:
  explicit Numbering(Key initial) { numbers_.emplace(initial, 0); }
  // kNone if `key` was written before.
  uint32_t Write(Key key) {
    const auto number = static_cast<uint32_t>(numbers_.size());
    return numbers_.emplace(key, number).second ? number : kNone;
  }
  // A name that nobody wrote gets a number of its own.
  uint32_t See(Key key) {
    return numbers_.emplace(key, static_cast<uint32_t>(numbers_.size()))
        .first->second;
  }
  size_t size() const { return numbers_.size(); }

 private:
  absl::flat_hash_map<Key, uint32_t, Hash> numbers_;
};

struct Linked {
  std::vector<Link> links;  // For each operation; both kNone: left out.
  size_t names = 0;
};

std::optional<Linked> LinkByVersions(absl::Span<const Operation> operations,
                                     const Model& model) {
  Linked linked;
  linked.links.resize(operations.size());
  Numbering<Version> numbering(kInitialVersion);
  bool nameless =
      false;  // A write with unknown outcome that might be any version.
  for (size_t i = 0; i < operations.size(); ++i) {
    const Operation& op = operations[i];
    if (!op.known() && model.IsRead(op)) continue;
    if (op.written != kNoVersion) {
      linked.links[i].written = numbering.Write(op.written);
      if (linked.links[i].written == kNone) return std::nullopt;
    } else if (!op.known()) {
      nameless = true;
    }
  }
  const size_t written = numbering.size();
  for (size_t i = 0; i < operations.size(); ++i) {
    const Operation& op = operations[i];
    // What an operation with unknown outcome saw is unknown too: it counts as a
    // plain write, which permits more; the replay of the order found decides
    // whether that was too much.
    if (op.seen == kNoVersion || !op.known()) continue;
    linked.links[i].seen = numbering.See(op.seen);
    if (nameless && linked.links[i].seen >= written) return std::nullopt;
  }
  linked.names = numbering.size();
  return linked;
}

std::optional<Linked> LinkByValues(absl::Span<const Operation> operations,
                                   const Model& model) {
  Linked linked;
  linked.links.resize(operations.size());
  std::vector<Links> found(operations.size());
  Numbering<Value, ValueHash> numbering(Value::Nil());
  for (size_t i = 0; i < operations.size(); ++i) {
    if (!operations[i].known() && model.IsRead(operations[i])) continue;
    if (!model.FindLinks(operations[i], &found[i])) return std::nullopt;
    if (!found[i].writes) continue;
    linked.links[i].written = numbering.Write(found[i].written);
    if (linked.links[i].written == kNone) return std::nullopt;
  }
  for (size_t i = 0; i < operations.size(); ++i) {
    if (found[i].reads) linked.links[i].seen = numbering.See(found[i].seen);
  }
  linked.names = numbering.size();
  return linked;
}

class Zones {
 public:
  Zones(absl::Span<const Operation> operations, const Model& model,
        Linked linked)
      : operations_(operations), model_(model), linked_(std::move(linked)) {}

  ZonesResult Run();

 private:
  struct Block {
    uint32_t first = 0;  // The name it begins with.
    Time f = kNever;     // Least response.
    Time s = kBefore;    // Greatest invocation.
    uint32_t f_op = kNone;
    uint32_t s_op = kNone;
  };

  // Marks which operations count: known ones, and those with unknown outcome
  // that they need, transitively.
  void Keep();
  bool Index();
  bool Walk(uint32_t first);
  bool WalkName(uint32_t name, Block* block, Time* p, uint32_t* p_op);
  bool Compare();
  void Order();
  bool Fail(std::vector<size_t> core, std::string reason);
  bool Conflict(const Block& a, const Block& b);
  // The writes that tie `op` to its block: the one it saw, and the chain up to
  // the block's first.
  void AddChain(uint32_t op, std::vector<size_t>* core) const;
  std::string Call(uint32_t op) const {
    return absl::StrCat(DescribeCall(model_, operations_[op]), " of client ",
                        operations_[op].client);
  }

  const absl::Span<const Operation> operations_;
  const Model& model_;
  const Linked linked_;
  std::vector<bool> kept_;
  std::vector<uint32_t> needed_by_;  // For each kept operation with unknown
                                     // outcome: one that saw what it wrote.
  std::vector<uint32_t>
      writer_;  // By name; kNone for the initial state and phantoms.
  std::vector<uint32_t>
      successor_;  // By name: the read-modify-write that consumed it.
  std::vector<uint32_t> readers_begin_;  // By name, into readers_.
  std::vector<uint32_t> readers_;
  std::vector<bool> walked_;  // By name.
  std::vector<Block> blocks_;
  ZonesResult result_;
};

bool Zones::Fail(std::vector<size_t> core, std::string reason) {
  // What has an unknown outcome proves something only through whoever saw it.
  for (size_t i = 0; i < core.size(); ++i) {
    if (!operations_[core[i]].known()) core.push_back(needed_by_[core[i]]);
  }
  std::sort(core.begin(), core.end());
  core.erase(std::unique(core.begin(), core.end()), core.end());
  result_.result = Result::kViolation;
  result_.core = std::move(core);
  result_.reason = std::move(reason);
  return false;
}

void Zones::Keep() {
  writer_.assign(linked_.names, kNone);
  kept_.assign(operations_.size(), false);
  needed_by_.assign(operations_.size(), kNone);
  std::vector<uint32_t> needed;  // Operations whose predecessor is needed.
  for (uint32_t i = 0; i < operations_.size(); ++i) {
    const Link& link = linked_.links[i];
    if (link.written != kNone) writer_[link.written] = i;
    if (!operations_[i].known()) continue;
    if (link.seen == kNone && link.written == kNone) continue;
    kept_[i] = true;
    if (link.seen != kNone) needed.push_back(i);
  }
  while (!needed.empty()) {
    const uint32_t by = needed.back();
    needed.pop_back();
    const uint32_t op = writer_[linked_.links[by].seen];
    if (op == kNone || kept_[op]) continue;
    kept_[op] = true;
    needed_by_[op] = by;
    if (linked_.links[op].seen != kNone) needed.push_back(op);
  }
}

bool Zones::Index() {
  successor_.assign(linked_.names, kNone);
  readers_begin_.assign(linked_.names + 1, 0);
  for (uint32_t i = 0; i < operations_.size(); ++i) {
    const Link& link = linked_.links[i];
    if (!kept_[i] || link.seen == kNone) continue;
    if (link.seen != 0 && writer_[link.seen] == kNone) {
      return Fail({i}, absl::StrCat(Call(i), " saw what nobody wrote."));
    }
    if (link.written == kNone) {
      ++readers_begin_[link.seen + 1];
      continue;
    }
    uint32_t& successor = successor_[link.seen];
    if (successor != kNone) {
      std::vector<size_t> core = {i, successor};
      AddChain(i, &core);
      return Fail(std::move(core),
                  absl::StrCat("Lost update: both ", Call(successor), " and ",
                               Call(i), " replaced the same value."));
    }
    successor = i;
  }
  for (size_t n = 0; n < linked_.names; ++n) {
    readers_begin_[n + 1] += readers_begin_[n];
  }
  readers_.resize(readers_begin_.back());
  std::vector<uint32_t> at(readers_begin_.begin(), readers_begin_.end() - 1);
  for (uint32_t i = 0; i < operations_.size(); ++i) {
    const Link& link = linked_.links[i];
    if (kept_[i] && link.seen != kNone && link.written == kNone) {
      readers_[at[link.seen]++] = i;
    }
  }
  return true;
}

void Zones::AddChain(uint32_t op, std::vector<size_t>* core) const {
  size_t steps = 0;
  while (op != kNone && steps++ < operations_.size()) {
    core->push_back(op);
    const uint32_t seen = linked_.links[op].seen;
    op = seen == kNone ? kNone : writer_[seen];
  }
}

bool Zones::WalkName(uint32_t name, Block* block, Time* p, uint32_t* p_op) {
  walked_[name] = true;
  Time latest = *p;
  uint32_t latest_op = *p_op;
  for (uint32_t r = readers_begin_[name]; r < readers_begin_[name + 1]; ++r) {
    const uint32_t op = readers_[r];
    const Operation& read = operations_[op];
    if (read.ret < *p) {
      std::vector<size_t> core = {*p_op};
      AddChain(*p_op, &core);
      AddChain(op, &core);
      return Fail(std::move(core),
                  absl::StrCat(Call(op), " returned before ", Call(*p_op),
                               " was invoked, on which what it saw depends."));
    }
    if (read.invoke > latest) {
      latest = read.invoke;
      latest_op = op;
    }
    if (read.ret < block->f) block->f = read.ret, block->f_op = op;
    if (read.invoke > block->s) block->s = read.invoke, block->s_op = op;
  }
  *p = latest;
  *p_op = latest_op;
  return true;
}

bool Zones::Walk(uint32_t first) {
  Block block{.first = first};
  Time p = kBefore;
  uint32_t p_op = writer_[first];
  if (p_op != kNone) {
    const Operation& write = operations_[p_op];
    p = write.invoke;
    block.f = write.ret;
    block.s = write.invoke;
    block.f_op = block.s_op = p_op;
  } else {
    block.f = kBefore;  // The initial state was there before everything.
  }
  for (uint32_t name = first;;) {
    if (!WalkName(name, &block, &p, &p_op)) return false;
    const uint32_t next = successor_[name];
    if (next == kNone) break;
    const Operation& update = operations_[next];
    if (update.ret < p) {
      std::vector<size_t> core = {p_op};
      AddChain(p_op, &core);
      AddChain(next, &core);
      return Fail(std::move(core),
                  absl::StrCat(Call(p_op), " was invoked after ", Call(next),
                               " returned, and saw what that one replaced."));
    }
    if (update.invoke > p) p = update.invoke, p_op = next;
    if (update.ret < block.f) block.f = update.ret, block.f_op = next;
    if (update.invoke > block.s) block.s = update.invoke, block.s_op = next;
    name = linked_.links[next].written;
    if (walked_[name]) break;
  }
  blocks_.push_back(block);
  return true;
}

bool Zones::Conflict(const Block& a, const Block& b) {
  std::vector<size_t> core;
  for (uint32_t op : {a.f_op, a.s_op, b.f_op, b.s_op}) {
    if (op != kNone) AddChain(op, &core);
  }
  const auto what = [&](const Block& block) {
    return writer_[block.first] == kNone ? std::string("the initial state")
                                         : Call(writer_[block.first]);
  };
  std::string reason = absl::StrCat(
      "What ", what(a), " left and what ", what(b),
      " left were each seen both before and after the other: ", Call(a.s_op),
      " began after the other had taken effect, and so did ", Call(b.s_op),
      ".");
  return Fail(std::move(core), std::move(reason));
}

bool Zones::Compare() {
  std::vector<const Block*> forward;
  for (const Block& block : blocks_) {
    if (block.f < block.s) forward.push_back(&block);
  }
  std::sort(forward.begin(), forward.end(), [](const Block* a, const Block* b) {
    return std::pair(a->f, a->first) < std::pair(b->f, b->first);
  });
  for (size_t i = 1; i < forward.size(); ++i) {
    if (forward[i]->f < forward[i - 1]->s) {
      return Conflict(*forward[i - 1], *forward[i]);
    }
  }
  for (const Block& block : blocks_) {
    if (block.f < block.s) continue;
    // The last forward zone that begins before s is the only one that can reach
    // beyond f.
    const auto after = std::partition_point(
        forward.begin(), forward.end(),
        [&](const Block* other) { return other->f < block.s; });
    if (after == forward.begin()) continue;
    const Block& other = **(after - 1);
    if (block.f < other.s) return Conflict(block, other);
  }
  return true;
}

void Zones::Order() {
  // Any order of blocks by their lower end respects all precedences; at equal
  // ends backward zones come first.
  std::sort(blocks_.begin(), blocks_.end(), [](const Block& a, const Block& b) {
    const auto key = [](const Block& block) {
      return std::tuple(std::min(block.f, block.s), block.f < block.s,
                        block.first);
    };
    return key(a) < key(b);
  });
  for (const Block& block : blocks_) {
    for (uint32_t name = block.first, op = writer_[name];;) {
      if (op != kNone) result_.order.push_back(op);
      for (uint32_t r = readers_begin_[name]; r < readers_begin_[name + 1];
           ++r) {
        result_.order.push_back(readers_[r]);
      }
      op = successor_[name];
      if (op == kNone) break;
      name = linked_.links[op].written;
    }
  }
}

ZonesResult Zones::Run() {
  Keep();
  if (!Index()) return std::move(result_);
  walked_.assign(linked_.names, false);
  for (uint32_t name = 0; name < linked_.names; ++name) {
    const uint32_t op = writer_[name];
    const bool begins = name == 0 || (op != kNone && kept_[op] &&
                                      linked_.links[op].seen == kNone);
    if (begins && !Walk(name)) return std::move(result_);
  }
  for (uint32_t name = 0; name < linked_.names; ++name) {
    const uint32_t op = writer_[name];
    if (op == kNone || !kept_[op] || walked_[name]) continue;
    std::vector<size_t> core;
    AddChain(op, &core);
    Fail(std::move(core),
         absl::StrCat("What ", Call(op), " saw depends on what it wrote."));
    return std::move(result_);
  }
  if (Compare()) Order();
  return std::move(result_);
}

}  // namespace

bool HasVersions(absl::Span<const Operation> operations, const Model& model) {
  bool any = false;
  for (const Operation& op : operations) {
    if (op.seen != kNoVersion || op.written != kNoVersion) {
      any = true;
    } else if (op.known()) {
      return false;
    }
  }
  (void)model;
  return any;
}

std::optional<ZonesResult> CheckZones(absl::Span<const Operation> operations,
                                      const Model& model) {
  std::optional<Linked> linked = HasVersions(operations, model)
                                     ? LinkByVersions(operations, model)
                                     : LinkByValues(operations, model);
  if (!linked.has_value()) return std::nullopt;
  return Zones(operations, model, *std::move(linked)).Run();
}

}  // namespace quorate::lincheck
