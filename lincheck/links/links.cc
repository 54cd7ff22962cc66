#include "lincheck/links/links.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"

namespace quorate::lincheck {
namespace {

constexpr uint32_t kNone = Link::kNone;

// Numbers what is written, then finds what is seen. Lookups only: no order of a
// table shows.
template <typename Key, typename Hash = absl::Hash<Key>>
class Numbering {
 public:
  Numbering(Key initial, size_t size) {
    numbers_.reserve(size);
    numbers_.emplace(initial, 0);
  }
  // kNone if `key` was written before.
  uint32_t Write(Key key) {
    const auto number = static_cast<uint32_t>(numbers_.size());
    return numbers_.emplace(key, number).second ? number : kNone;
  }
  // An unwritten name gets a number of its own.
  uint32_t See(Key key) {
    return numbers_.emplace(key, static_cast<uint32_t>(numbers_.size()))
        .first->second;
  }
  size_t size() const { return numbers_.size(); }

 private:
  absl::flat_hash_map<Key, uint32_t, Hash> numbers_;
};

std::optional<Linked> LinkByVersions(absl::Span<const Operation> operations,
                                     const Model& model) {
  Linked linked;
  linked.links.resize(operations.size());
  Numbering<StateVersion> numbering(kInitialVersion, operations.size() / 2);
  bool nameless = false;  // A write that might be any version.
  for (size_t i = 0; i < operations.size(); ++i) {
    const Operation& op = operations[i];
    if (!op.known() && OnlyReads(model, op)) continue;
    if (op.written != kNoVersion) {
      linked.links[i].written = numbering.Write(op.written);
      if (linked.links[i].written == kNone) return std::nullopt;
    } else if (!model.IsRead(op)) {
      nameless = true;
    }
  }
  const size_t written = numbering.size();
  for (size_t i = 0; i < operations.size(); ++i) {
    const Operation& op = operations[i];
    // The state before an operation of unknown outcome is unknown, too. It
    // counts as a plain write, which permits more. The replay of the order
    // decides whether it permits too much.
    if (op.seen == kNoVersion || !op.known()) continue;
    linked.links[i].seen = numbering.See(op.seen);
    if (!nameless || linked.links[i].seen < written) continue;
    linked.links[i].seen = kNone;
    linked.partial = true;
  }
  linked.names = numbering.size();
  return linked;
}

// Links operations where values are built by appending.
class Appends {
 public:
  Appends(absl::Span<const Operation> operations, const Model& model,
          const std::vector<Links>& found)
      : operations_(operations), model_(model), found_(found) {}

  std::optional<Linked> Run();

 private:
  // A state: the bytes of an observed or written value, or a beginning of it.
  struct State {
    std::string_view bytes;
    uint32_t writer = kNone;    // The operation that left it.
    uint32_t observer = kNone;  // One through which it is known.
    uint32_t next = kNone;      // The next one with its key in states_by_tail_.
  };
  static constexpr size_t kTailBytes = 24;

  static uint64_t Tail(std::string_view bytes) {
    const size_t size = bytes.size();
    return absl::HashOf(size, bytes.substr(size - std::min(size, kTailBytes)));
  }
  // False if the partition is not one of distinct pieces and values.
  bool Collect();
  uint32_t Find(std::string_view bytes) const;
  uint32_t Add(std::string_view bytes, uint32_t writer, uint32_t observer);
  // The piece that `bytes` ends with: its operation; kNone if there is none.
  // False if there are several.
  bool LastPiece(std::string_view bytes, uint32_t* op) const;
  // The state that `observer` saw; false if that cannot be told, or if it
  // cannot be (core is then filled in).
  bool Observe(uint32_t observer, Value seen);
  // `observer` saw `op` append to another value than an observer before it.
  bool Contradict(uint32_t observer, uint32_t op);
  // Links writes that were not seen. False if their place is not known.
  bool Finish();
  bool Fail(std::vector<size_t> core, std::string reason);
  std::string Call(uint32_t op) {
    linked_.named.push_back(op);
    return DescribeSeenCall(model_, operations_[op]);
  }

  const absl::Span<const Operation> operations_;
  const Model& model_;
  const std::vector<Links>& found_;
  std::vector<State> states_;
  absl::flat_hash_map<uint64_t, uint32_t> states_by_tail_;
  absl::flat_hash_map<std::string_view, uint32_t> pieces_;
  std::vector<size_t> piece_sizes_;
  Linked linked_;
};

bool Appends::Fail(std::vector<size_t> core, std::string reason) {
  std::sort(core.begin(), core.end());
  core.erase(std::unique(core.begin(), core.end()), core.end());
  linked_.core = std::move(core);
  linked_.reason = std::move(reason);
  return false;
}

uint32_t Appends::Find(std::string_view bytes) const {
  const auto it = states_by_tail_.find(Tail(bytes));
  if (it == states_by_tail_.end()) return kNone;
  uint32_t state = it->second;
  while (state != kNone && states_[state].bytes != bytes) {
    state = states_[state].next;
  }
  return state;
}

uint32_t Appends::Add(std::string_view bytes, uint32_t writer,
                      uint32_t observer) {
  const auto number = static_cast<uint32_t>(states_.size());
  const auto [it, inserted] = states_by_tail_.try_emplace(Tail(bytes), number);
  states_.push_back({bytes, writer, observer, inserted ? kNone : it->second});
  it->second = number;
  return number;
}

bool Appends::Collect() {
  Add({}, kNone, kNone);
  for (uint32_t i = 0; i < operations_.size(); ++i) {
    const Links& links = found_[i];
    if (links.writes) {
      if (!links.written.is_string() || links.written.bytes().empty() ||
          Find(links.written.bytes()) != kNone) {
        return false;
      }
      linked_.links[i].written = Add(links.written.bytes(), i, kNone);
    } else if (links.appends) {
      if (!links.written.is_string() || links.written.bytes().empty() ||
          !pieces_.emplace(links.written.bytes(), i).second) {
        return false;
      }
      piece_sizes_.push_back(links.written.bytes().size());
    }
    if (links.reads && !links.seen.is_nil() &&
        (!links.seen.is_string() || links.seen.bytes().empty())) {
      return false;
    }
  }
  std::sort(piece_sizes_.begin(), piece_sizes_.end());
  piece_sizes_.erase(std::unique(piece_sizes_.begin(), piece_sizes_.end()),
                     piece_sizes_.end());
  return true;
}

bool Appends::LastPiece(std::string_view bytes, uint32_t* op) const {
  *op = kNone;
  for (const size_t size : piece_sizes_) {
    if (size > bytes.size()) break;
    const auto it = pieces_.find(bytes.substr(bytes.size() - size));
    if (it == pieces_.end()) continue;
    if (*op != kNone) return false;
    *op = it->second;
  }
  return true;
}

bool Appends::Contradict(uint32_t observer, uint32_t op) {
  const uint32_t other = states_[linked_.links[op].written].observer;
  if (other == observer || other == kNone) {
    return Fail({observer}, absl::StrCat(Call(observer), " saw ", Call(op),
                                         " take effect twice."));
  }
  return Fail({observer, other},
              absl::StrCat(Call(observer), " saw ", Call(op),
                           " take effect on another value than ", Call(other),
                           " did."));
}

bool Appends::Observe(uint32_t observer, Value seen) {
  std::string_view rest = seen.is_nil() ? std::string_view() : seen.bytes();
  uint32_t* name = &linked_.links[observer].seen;
  for (;;) {
    const uint32_t known = Find(rest);
    uint32_t op = kNone;
    const bool sure = LastPiece(rest, &op);
    // A value that was written whole and also ends with a piece might be
    // either.
    const bool whole =
        known != kNone && (known == 0 || found_[states_[known].writer].writes);
    if (!sure || (whole && op != kNone)) return false;
    if (known != kNone) {
      *name = known;
      return true;
    }
    if (op == kNone) {
      return Fail({observer}, absl::StrCat(Call(observer),
                                           " saw a value that "
                                           "was never written."));
    }
    if (linked_.links[op].written != kNone) {
      return Contradict(observer, op);
    }
    *name = Add(rest, op, observer);
    linked_.links[op].written = *name;
    linked_.told_by[op] = observer;
    name = &linked_.links[op].seen;
    const Value size = found_[op].size;
    if (!size.is_none() &&
        size != Value::Integer(static_cast<int64_t>(rest.size()))) {
      return Fail({op, observer},
                  absl::StrCat(Call(op), " left a value of ", rest.size(),
                               " bytes, as ", Call(observer), " saw."));
    }
    rest.remove_suffix(found_[op].written.bytes().size());
  }
}

bool Appends::Finish() {
  // The value that an operation of unknown outcome replaced counts only if its
  // own value was seen.
  std::vector<bool> observed(states_.size(), false);
  std::vector<bool> done(operations_.size(), false);
  for (;;) {
    observed.resize(states_.size(), false);
    for (const Link& link : linked_.links) {
      if (link.seen != kNone) observed[link.seen] = true;
    }
    bool more = false;
    for (uint32_t i = 0; i < operations_.size(); ++i) {
      const Links& links = found_[i];
      if (operations_[i].known() || !links.writes || !links.reads || done[i]) {
        continue;
      }
      if (!observed[linked_.links[i].written]) continue;
      done[i] = more = true;
      if (!Observe(i, links.seen)) return false;
    }
    if (!more) break;
  }
  for (uint32_t i = 0; i < operations_.size(); ++i) {
    if (!found_[i].appends || linked_.links[i].written != kNone) continue;
    if (!operations_[i].known()) continue;
    // The size says where an append stands that was not seen: not linked here.
    if (!found_[i].size.is_none()) return false;
    linked_.links[i].written = static_cast<uint32_t>(states_.size());
    states_.push_back({{}, i, kNone, kNone});
  }
  return true;
}

std::optional<Linked> Appends::Run() {
  linked_.links.resize(operations_.size());
  linked_.told_by.resize(operations_.size());
  std::iota(linked_.told_by.begin(), linked_.told_by.end(), 0);
  if (!Collect()) return std::nullopt;
  for (uint32_t i = 0; i < operations_.size(); ++i) {
    if (!operations_[i].known() || !found_[i].reads) continue;
    if (Observe(i, found_[i].seen)) continue;
    if (linked_.core.empty()) return std::nullopt;
    break;
  }
  if (linked_.core.empty() && !Finish()) return std::nullopt;
  linked_.names = states_.size();
  return std::move(linked_);
}

std::optional<Linked> LinkByValues(absl::Span<const Operation> operations,
                                   const Model& model) {
  std::vector<Links> found(operations.size());
  bool appends = false;
  for (size_t i = 0; i < operations.size(); ++i) {
    if (!operations[i].known() && model.IsRead(operations[i])) continue;
    if (!model.FindLinks(operations[i], &found[i]) || found[i].conditional) {
      return std::nullopt;
    }
    appends |= found[i].appends;
  }
  if (appends) return Appends(operations, model, found).Run();
  Linked linked;
  linked.links.resize(operations.size());
  Numbering<Value, ValueHash> numbering(Value::Nil(), operations.size() / 2);
  for (size_t i = 0; i < operations.size(); ++i) {
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

}  // namespace

bool TellVersions(absl::Span<const Operation> operations) {
  return std::any_of(operations.begin(), operations.end(),
                     [](const Operation& op) {
                       return op.seen != kNoVersion || op.written != kNoVersion;
                     });
}

bool HasVersions(absl::Span<const Operation> operations) {
  bool any = false;
  for (const Operation& op : operations) {
    if (op.seen != kNoVersion || op.written != kNoVersion) {
      any = true;
    } else if (op.known()) {
      return false;
    }
  }
  return any;
}

Counting FindCounting(absl::Span<const Operation> operations,
                      const Linked& linked) {
  Counting found{.kept = std::vector<bool>(operations.size(), false),
                 .needed_by = std::vector<uint32_t>(operations.size(), kNone),
                 .writer = std::vector<uint32_t>(linked.names, kNone)};
  std::vector<uint32_t> needed;  // Operations whose predecessor is needed.
  for (uint32_t i = 0; i < operations.size(); ++i) {
    const Link& link = linked.links[i];
    if (link.written != kNone) found.writer[link.written] = i;
    found.kept[i] =
        operations[i].known() && (link.seen != kNone || link.written != kNone);
    if (found.kept[i] && link.seen != kNone) needed.push_back(i);
  }
  while (!needed.empty()) {
    const uint32_t by = needed.back();
    needed.pop_back();
    const uint32_t op = found.writer[linked.links[by].seen];
    if (op == kNone || found.kept[op]) continue;
    found.kept[op] = true;
    found.needed_by[op] = by;
    if (linked.links[op].seen != kNone) needed.push_back(op);
  }
  for (uint32_t& writer : found.writer) {
    if (writer != kNone && !found.kept[writer]) writer = kNone;
  }
  return found;
}

std::optional<Linked> LinkOperations(absl::Span<const Operation> operations,
                                     const Model& model) {
  return HasVersions(operations) ? LinkByVersions(operations, model)
                                 : LinkByValues(operations, model);
}

}  // namespace quorate::lincheck
