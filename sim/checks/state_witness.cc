#include "sim/checks/state_witness.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "raft/core/testing/names.h"
#include "sim/choices/time_text.h"

namespace quorate::sim {
namespace {

// So many entries before the place are kept.
constexpr uint64_t kEntriesKept = 200;
// So many of them are printed, the last ones.
constexpr size_t kEntriesShown = 8;
constexpr size_t kPayloadShown = 100;
// A state that is not longer is printed as a whole.
constexpr size_t kWholeBytes = 160;
constexpr size_t kBytesBefore = 40;
constexpr size_t kBytesAfter = 80;

std::string Quoted(std::string_view bytes) {
  return absl::StrCat(
      "\"", absl::CEscape(absl::string_view(bytes.data(), bytes.size())), "\"");
}

// The bytes around `at`.
std::string Around(std::string_view bytes, size_t at) {
  if (bytes.size() <= kWholeBytes) return Quoted(bytes);
  const size_t begin = at > kBytesBefore ? at - kBytesBefore : 0;
  const size_t end = std::min(bytes.size(), at + kBytesAfter);
  return absl::StrCat(begin > 0 ? "…" : "",
                      Quoted(bytes.substr(begin, end - begin)),
                      end < bytes.size() ? "…" : "");
}

size_t FirstDifference(std::string_view one, std::string_view other) {
  const size_t shorter = std::min(one.size(), other.size());
  return static_cast<size_t>(
      std::mismatch(one.begin(), one.begin() + static_cast<ptrdiff_t>(shorter),
                    other.begin())
          .first -
      one.begin());
}

std::string_view LineAt(std::string_view text, size_t begin) {
  if (begin >= text.size()) return "";
  return text.substr(begin, text.find('\n', begin) - begin);
}

}  // namespace

std::string StateDifference(std::string_view one, std::string_view other) {
  if (one.empty() && other.empty()) {
    return "the state machine has no words for its state "
           "(raft::StateMachine::Describe)";
  }
  if (one == other) {
    return absl::StrCat("both states in words: ", Around(one, 0),
                        "; they leave out what differs");
  }
  const size_t at = FirstDifference(one, other);
  const bool lines = one.find('\n') != std::string_view::npos &&
                     other.find('\n') != std::string_view::npos;
  if (!lines) {
    return absl::StrCat("first ", Around(one, at), " (", one.size(),
                        " bytes), then ", Around(other, at), " (", other.size(),
                        " bytes)");
  }
  const size_t before = one.substr(0, at).rfind('\n');
  const size_t begin = before == std::string_view::npos ? 0 : before + 1;
  const std::string_view first = LineAt(one, begin);
  const std::string_view second = LineAt(other, begin);
  const size_t column = FirstDifference(first, second);
  return absl::StrCat("first ", Around(first, column), ", then ",
                      Around(second, column));
}

void StateWitness::OnBoot(NodeId node) {
  Replica& replica = replicas_[node];
  replica = {.starts = replica.starts + 1, .started = clock_()};
}

void StateWitness::OnRestored(NodeId node, GroupId group, raft::Index index) {
  if (group != place_.group) return;
  Replica& replica = replicas_[node];
  replica.restored = index;
  replica.restored_at = clock_();
}

std::string StateWitness::WordsOf(const raft::Entry& entry) {
  if (entry.kind != raft::EntryKind::kCommands) {
    return std::string(raft::EntryKindName(entry.kind));
  }
  if (describe_) return describe_(entry);
  const std::string_view payload = entry.payload.view();
  return absl::StrCat(Quoted(payload.substr(0, kPayloadShown)),
                      payload.size() > kPayloadShown ? "…" : "");
}

void StateWitness::OnApplied(NodeId node, GroupId group,
                             const raft::Entry& entry) {
  if (group != place_.group || entry.index > place_.index ||
      entry.index.value() + kEntriesKept < place_.index.value() ||
      entries_.contains(entry.index)) {
    return;
  }
  entries_[entry.index] = {
      .applied = clock_(), .node = node, .words = WordsOf(entry)};
}

void StateWitness::OnState(NodeId node, GroupId group, raft::Index index,
                           uint64_t digest,
                           absl::FunctionRef<std::string()> state) {
  if (group != place_.group || index > place_.index) return;
  first_.try_emplace(index, digest);
  replicas_[node].digests[index] = digest;
  if (index != place_.index) return;
  states_.push_back({.node = node,
                     .time = clock_(),
                     .words = state(),
                     .origin = OriginOf(node)});
}

raft::Index StateWitness::LastEqual(const Replica& replica) const {
  raft::Index last;
  for (const auto& [index, digest] : replica.digests) {
    if (index < place_.index && first_.at(index) == digest) last = index;
  }
  return last;
}

void StateWitness::ExplainEntries(const Replica& replica,
                                  std::string* text) const {
  const raft::Index equal = LastEqual(replica);
  const raft::Index from = std::max(equal, replica.restored);
  if (replica.restored > equal) {
    absl::StrAppend(text,
                    " had a state of its own since the snapshot at index ",
                    from.value());
  } else if (equal == raft::Index()) {
    *text += " had no state of another replica since its start";
  } else {
    absl::StrAppend(text, " had the state of the others after index ",
                    equal.value());
  }
  std::vector<std::pair<raft::Index, const Entry*>> since;
  for (const auto& [index, entry] : entries_) {
    if (index > from && index < place_.index) since.push_back({index, &entry});
  }
  const size_t skipped =
      since.size() > kEntriesShown ? since.size() - kEntriesShown : 0;
  if (!since.empty()) *text += "; before that entry came:";
  if (skipped > 0) absl::StrAppend(text, "\n    … ", skipped, " entries");
  for (size_t i = skipped; i < since.size(); ++i) {
    absl::StrAppend(text, "\n    entry ", since[i].first.value(), ": ",
                    since[i].second->words);
  }
}

std::string StateWitness::OriginOf(NodeId node) const {
  const Replica& replica = replicas_.at(node);
  const std::string started =
      absl::StrCat("\n  node ", node.value(), " had started at ",
                   TimeText(replica.started), ", start ", replica.starts);
  if (replica.restored == raft::Index()) {
    return started + ", and had restored no snapshot since then";
  }
  return absl::StrCat(started, ", and had restored the snapshot at index ",
                      replica.restored.value(), " at ",
                      TimeText(replica.restored_at));
}

std::string StateWitness::Explain(NodeId node) const {
  const State& first = states_.front();
  const State& second = states_.back();
  std::string text;
  const auto entry = entries_.find(place_.index);
  if (entry != entries_.end()) {
    absl::StrAppend(&text, "\n  entry ", place_.index.value(),
                    ", applied first by node ", entry->second.node.value(),
                    " at ", TimeText(entry->second.applied), ": ",
                    entry->second.words);
  }
  absl::StrAppend(&text, "\n  states of node ", first.node.value(), " at ",
                  TimeText(first.time), " and of node ", node.value(), " at ",
                  TimeText(second.time), ": ",
                  StateDifference(first.words, second.words));
  absl::StrAppend(&text, "\n  node ", node.value());
  ExplainEntries(replicas_.at(node), &text);
  return absl::StrCat(text, first.origin, second.origin);
}

}  // namespace quorate::sim
