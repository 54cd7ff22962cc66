#include "lincheck/links/zones.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lincheck/links/links.h"

namespace quorate::lincheck {
namespace {

constexpr uint32_t kNone = Link::kNone;
constexpr Time kBefore = std::numeric_limits<Time>::min();

class Zones {
 public:
  Zones(absl::Span<const Operation> operations, const Model& model,
        Linked linked)
      : operations_(operations),
        model_(model),
        linked_(std::move(linked)),
        counting_(FindCounting(operations, linked_)) {}

  Decision Run();

 private:
  struct Block {
    uint32_t first = 0;  // The name it begins with.
    Time f = kNever;     // Least response.
    Time s = kBefore;    // Greatest invocation.
    uint32_t f_op = kNone;
    uint32_t s_op = kNone;
  };

  bool Index();
  bool Walk(uint32_t first);
  bool WalkName(uint32_t name, Block* block, Time* p, uint32_t* p_op);
  bool Compare();
  void Order();
  bool Fail(std::vector<size_t> core, std::string reason);
  bool Conflict(const Block& a, const Block& b);
  // Why two blocks precede each other, of which `b` is seen last.
  std::string Overlap(const Block& a, const Block& b);
  // The state that `op` left or, if it only reads, saw.
  uint32_t StateOf(uint32_t op) const {
    const Link& link = linked_.links[op];
    return link.written != kNone ? link.written : link.seen;
  }
  // The operation that shows the state before `op`.
  uint32_t Teller(uint32_t op) const {
    return linked_.told_by.empty() ? op : linked_.told_by[op];
  }
  // Both, and what ties them to the same block: the read-modify-writes between
  // the states they stand for.
  void AddTied(uint32_t a, uint32_t b, std::vector<size_t>* core) const;
  // False if `from` is not reached from `to`'s state.
  bool AddPath(uint32_t from, uint32_t to, std::vector<size_t>* core) const;
  // Adds whatever wrote, directly or not, what these operations saw.
  void FillScope();
  std::string Call(uint32_t op) {
    result_.named.push_back(op);
    return DescribeSeenCall(model_, operations_[op]);
  }

  const absl::Span<const Operation> operations_;
  const Model& model_;
  const Linked linked_;
  const Counting counting_;
  // By name: the read-modify-write that consumed it.
  std::vector<uint32_t> successor_;
  std::vector<uint32_t> readers_begin_;  // By name, into readers_.
  std::vector<uint32_t> readers_;
  std::vector<bool> walked_;  // By name.
  std::vector<Block> blocks_;
  Decision result_{.by_zones = true};
};

bool Zones::Fail(std::vector<size_t> core, std::string reason) {
  // An operation of unknown outcome proves something only through those that
  // saw it.
  for (size_t i = 0; i < core.size(); ++i) {
    if (!operations_[core[i]].known())
      core.push_back(counting_.needed_by[core[i]]);
  }
  std::erase_if(core, [&](size_t op) { return !operations_[op].known(); });
  std::sort(core.begin(), core.end());
  core.erase(std::unique(core.begin(), core.end()), core.end());
  result_.result = Result::kViolation;
  result_.core = std::move(core);
  result_.reason = std::move(reason);
  FillScope();
  return false;
}

bool Zones::Index() {
  successor_.assign(linked_.names, kNone);
  readers_begin_.assign(linked_.names + 1, 0);
  for (uint32_t i = 0; i < operations_.size(); ++i) {
    const Link& link = linked_.links[i];
    if (!counting_.kept[i] || link.seen == kNone) continue;
    if (link.seen != 0 && counting_.writer[link.seen] == kNone) {
      return Fail(
          {i}, absl::StrCat(Call(i), " saw a value that was never written."));
    }
    if (link.written == kNone) {
      ++readers_begin_[link.seen + 1];
      continue;
    }
    uint32_t& successor = successor_[link.seen];
    if (successor != kNone) {
      return Fail({Teller(i), Teller(successor)},
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
    if (counting_.kept[i] && link.seen != kNone && link.written == kNone) {
      readers_[at[link.seen]++] = i;
    }
  }
  return true;
}

bool Zones::AddPath(uint32_t from, uint32_t to,
                    std::vector<size_t>* core) const {
  const size_t before = core->size();
  uint32_t state = to;
  // An observer of an appended value saw the values below it.
  bool told = false;
  for (size_t steps = 0; state != from; ++steps) {
    const uint32_t op = counting_.writer[state];
    if (op == kNone || linked_.links[op].seen == kNone ||
        steps > operations_.size()) {
      core->resize(before);
      return false;
    }
    const uint32_t teller = Teller(op);
    if (teller == op || !told) core->push_back(teller);
    told = teller != op;
    state = linked_.links[op].seen;
  }
  return true;
}

void Zones::AddTied(uint32_t a, uint32_t b, std::vector<size_t>* core) const {
  for (uint32_t op : {a, b}) {
    if (op != kNone) core->push_back(op);
  }
  if (a == kNone || b == kNone) return;
  if (!AddPath(StateOf(a), StateOf(b), core)) {
    AddPath(StateOf(b), StateOf(a), core);
  }
}

void Zones::FillScope() {
  std::vector<bool> in(operations_.size(), false);
  std::vector<size_t> open = result_.core;
  for (size_t i = 0; i < open.size(); ++i) {
    const size_t op = open[i];
    if (in[op]) continue;
    in[op] = true;
    result_.scope.push_back(op);
    const uint32_t seen = linked_.links[op].seen;
    if (seen != kNone && counting_.writer[seen] != kNone)
      open.push_back(counting_.writer[seen]);
  }
  std::sort(result_.scope.begin(), result_.scope.end());
}

bool Zones::WalkName(uint32_t name, Block* block, Time* p, uint32_t* p_op) {
  walked_[name] = true;
  Time latest = *p;
  uint32_t latest_op = *p_op;
  for (uint32_t r = readers_begin_[name]; r < readers_begin_[name + 1]; ++r) {
    const uint32_t op = readers_[r];
    const Operation& read = operations_[op];
    if (read.ret < *p) {
      std::vector<size_t> core;
      AddTied(*p_op, op, &core);
      return Fail(std::move(core),
                  absl::StrCat(Call(op), " returned before ", Call(*p_op),
                               linked_.links[*p_op].written == kNone
                                   ? " was invoked, which saw what had been "
                                     "there before."
                                   : " was invoked, on which what it saw "
                                     "depends."));
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
  uint32_t p_op = counting_.writer[first];
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
      std::vector<size_t> core;
      AddTied(p_op, next, &core);
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
  for (const Block* block : {&a, &b}) {
    AddTied(block->f_op, block->s_op, &core);
    // The operations that tie the last one to the initial state.
    if (block->first == 0) AddPath(0, StateOf(block->s_op), &core);
  }
  // The later of them is seen although the earlier had taken effect since.
  const bool swap = b.f_op != kNone && (a.f_op == kNone || a.s > b.s);
  return Fail(std::move(core), swap ? Overlap(b, a) : Overlap(a, b));
}

std::string Zones::Overlap(const Block& a, const Block& b) {
  const auto what = [&](const Block& block) {
    const uint32_t writer = counting_.writer[block.first];
    return writer == kNone ? std::string("the initial state")
                           : absl::StrCat("what ", Call(writer), " left");
  };
  const std::string later = absl::StrCat(Call(a.f_op), " had returned before ",
                                         Call(b.s_op), " was invoked");
  Links links;
  const bool alone = a.f_op == a.s_op;
  const bool lost =
      alone && model_.FindLinks(operations_[a.f_op], &links) && links.appends;
  if (b.f_op == kNone) {
    return absl::StrCat(later, lost ? ", which saw the value without it."
                                    : ", which saw what it had replaced.");
  }
  const std::string earlier = absl::StrCat(
      Call(b.f_op), " had returned before ", Call(a.s_op), " was invoked");
  if (lost) {
    return absl::StrCat(earlier, ", and ", later, ", which saw ", what(b),
                        " without it.");
  }
  if (alone && linked_.links[a.f_op].written != kNone) {
    const bool saw = linked_.links[b.s_op].seen == b.first;
    return absl::StrCat(earlier, " and replaced it, and ", later, ", which ",
                        saw ? "still saw " : "still builds on ", what(b), ".");
  }
  return absl::StrCat(earlier, ", and ", later, ": neither ", what(a), " nor ",
                      what(b), " can have come first.");
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
  const auto earlier = ByInvocation(operations_);
  for (const Block& block : blocks_) {
    for (uint32_t name = block.first, op = counting_.writer[name];;) {
      if (op != kNone) result_.order.push_back(op);
      const size_t begin = result_.order.size();
      result_.order.insert(result_.order.end(),
                           readers_.begin() + readers_begin_[name],
                           readers_.begin() + readers_begin_[name + 1]);
      std::sort(result_.order.begin() + begin, result_.order.end(), earlier);
      op = successor_[name];
      if (op == kNone) break;
      name = linked_.links[op].written;
    }
  }
}

Decision Zones::Run() {
  if (!Index()) return std::move(result_);
  walked_.assign(linked_.names, false);
  for (uint32_t name = 0; name < linked_.names; ++name) {
    const uint32_t op = counting_.writer[name];
    const bool begins =
        name == 0 || (op != kNone && linked_.links[op].seen == kNone);
    if (begins && !Walk(name)) return std::move(result_);
  }
  for (uint32_t name = 0; name < linked_.names; ++name) {
    const uint32_t op = counting_.writer[name];
    if (op == kNone || walked_[name]) continue;
    // A ring.
    std::vector<size_t> core;
    uint32_t link = op;
    do {
      core.push_back(Teller(link));
      link = counting_.writer[linked_.links[link].seen];
    } while (link != op && core.size() <= operations_.size());
    Fail(std::move(core),
         absl::StrCat("What ", Call(op), " saw depends on what it wrote."));
    return std::move(result_);
  }
  if (Compare()) Order();
  return std::move(result_);
}

}  // namespace

Decision CheckZones(absl::Span<const Operation> operations,
                    const Model& model) {
  std::optional<Linked> linked = LinkOperations(operations, model);
  if (!linked.has_value()) return {.result = Result::kUnknown};
  if (!linked->core.empty()) {
    return {.result = Result::kViolation,
            .by_zones = true,
            .core = std::move(linked->core),
            .reason = std::move(linked->reason),
            .named = std::move(linked->named)};
  }
  const bool partial = linked->partial;
  Decision decision = Zones(operations, model, *std::move(linked)).Run();
  if (decision.result == Result::kOk && partial) {
    return {.result = Result::kUnknown};
  }
  return decision;
}

}  // namespace quorate::lincheck
