#include "raft/core/testing/leader_term.h"

#include <algorithm>
#include <iterator>

namespace quorate::raft {

LeaderTerm LeaderTermOf(ReplicaId replica, const Core& core) {
  LeaderTerm leader_term{.replica = replica, .start = core.log_start()};
  Term term;
  for (Index i = leader_term.start.index + 1; i <= core.last().index; ++i) {
    if (core.TermAt(i) == term) continue;
    term = core.TermAt(i);
    leader_term.runs.push_back({term, i});
  }
  return leader_term;
}

Term LeaderTerm::TermAt(Index index) const {
  if (index == start.index) return start.term;
  const auto after = std::upper_bound(
      runs.begin(), runs.end(), index,
      [](Index wanted, LogPosition run) { return wanted < run.index; });
  return after == runs.begin() ? Term() : std::prev(after)->term;
}

void LeaderTerm::Sending::NoteSent(const EntryList& entries) {
  const Index first = entries.front().index;
  last = entries.back().index;
  if (first < lowest || first > highest + 1) {
    lowest = first;
    highest = last;
    return;
  }
  for (const Entry& entry : entries) {
    if (entry.index > highest) break;
    again_bytes += entry.size_bytes();
    largest_bytes = std::max<uint64_t>(largest_bytes, entry.size_bytes());
  }
  highest = std::max(highest, last);
}

LeaderTerm::Sending& LeaderTerm::SendingTo(ReplicaId member) {
  for (Sending& to : sending) {
    if (to.member == member) return to;
  }
  return sending.emplace_back(Sending{.member = member});
}

LeaderTerm::Acknowledged* LeaderTerm::FindAcknowledged(ReplicaId member) {
  for (Acknowledged& known : acknowledged) {
    if (known.member == member) return &known;
  }
  return nullptr;
}

}  // namespace quorate::raft
