#include "raft/core/invariants.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "env/crc32c.h"
#include "env/random.h"

namespace quorate::raft {
namespace {

uint64_t DigestOf(const Entry& entry) {
  uint64_t digest = Crc32c(0, entry.payload.view());
  digest = Mix64(digest ^ entry.payload.size() << 32);
  digest = Mix64(digest ^ static_cast<uint64_t>(entry.kind) ^
                 uint64_t{entry.version} << 8);
  return Mix64(digest ^ static_cast<uint64_t>(entry.log_time.ns()));
}

LogPosition DurableOf(const Core& core) {
  return {core.TermAt(core.durable_index()), core.durable_index()};
}

// Whether who has `durable` on its disk has the entry there that a leader of
// `term` appended at `index`: by the time of its acknowledgement no log had
// gone on with an older term.
bool Holds(LogPosition durable, Term term, Index index) {
  return durable.term >= term && durable.index >= index;
}

// Votes and answers say what is on the disk. A pre-vote speaks of a term that
// does not exist yet.
Term ToldTerm(const std::vector<Message>& messages, Term told) {
  for (const Message& message : messages) {
    if (message.type == MessageType::kPreVote ||
        message.type == MessageType::kPreVoteReply) {
      continue;
    }
    told = std::max(told, message.term);
  }
  return told;
}

// "rule: node 3 …" from pieces.
template <typename... Pieces>
std::string Violation(const char* rule, NodeId node, const Pieces&... pieces) {
  std::ostringstream out;
  out << rule << ": node " << node << " ";
  (out << ... << pieces);
  return out.str();
}

}  // namespace

std::string ClusterInvariants::ObserveStart(NodeId node, const Core& core) {
  const Index boundary = core.boundary().index;
  for (Index i = boundary + 1; i <= core.last().index; ++i) {
    std::string violation = CheckAppended(node, core, core.EntryAt(i));
    if (!violation.empty()) return violation;
  }
  Seen& seen = seen_[node];
  std::string violation = CheckRestart(node, core, seen);
  seen.term = core.term();
  seen.voted_for = core.voted_for();
  seen.role = core.role();
  seen.commit = core.commit_index();
  seen.applied = core.applied_index();
  seen.durable = DurableOf(core);
  return violation;
}

std::string ClusterInvariants::CheckRestart(NodeId node, const Core& core,
                                            const Seen& seen) {
  if (core.term() < seen.told) {
    return Violation("durability", node, "restarts in term ", core.term(),
                     " after it spoke in term ", seen.told);
  }
  // A snapshot that was being installed replaced the log.
  if (core.commit_index() > seen.commit) return "";
  const Index durable = seen.durable.index;
  if (core.last().index < durable) {
    return Violation("durability", node, "restarts with a log that ends at ",
                     core.last().index, " though it had ", durable, " on disk");
  }
  if (durable > core.boundary().index &&
      core.TermAt(durable) != seen.durable.term) {
    return Violation("durability", node, "restarts with an entry of term ",
                     core.TermAt(durable), " at ", durable,
                     ", it had one of term ", seen.durable.term, " on disk");
  }
  return "";
}

std::string ClusterInvariants::Observe(NodeId node, const Core& core,
                                       const Output& output) {
  Seen& seen = seen_[node];
  std::string violation = CheckEvents(node, core, output, &seen);
  if (violation.empty()) violation = CheckReplica(node, core, seen);
  for (const Write& write : output.writes) {
    for (const Entry& entry : write.entries) {
      if (violation.empty()) violation = CheckAppended(node, core, entry);
    }
  }
  if (violation.empty() && core.role() == RoleKind::kLeader) {
    violation = CheckLeader(node, core, seen);
  }
  for (const Entry& entry : output.apply) {
    if (!violation.empty()) break;
    if (entry.index != seen.applied + 1) {
      violation = Violation("state machine safety", node, "applies ",
                            entry.index, " after ", seen.applied);
      break;
    }
    seen.applied = entry.index;
    violation = CheckApplied(node, core, entry);
  }
  if (violation.empty() && seen.applied != core.applied_index()) {
    violation = Violation("state machine safety", node, "says it applied ",
                          core.applied_index(), " but gave out ", seen.applied);
  }
  seen.term = core.term();
  seen.voted_for = core.voted_for();
  seen.role = core.role();
  seen.commit = core.commit_index();
  seen.durable = DurableOf(core);
  seen.told = ToldTerm(output.messages, seen.told);
  seen.told = ToldTerm(output.heartbeats, seen.told);
  return violation;
}

std::string ClusterInvariants::CheckEvents(NodeId node, const Core& core,
                                           const Output& output, Seen* seen) {
  for (const Event& event : output.events) {
    if (event.kind == Event::Kind::kSuffixTruncated &&
        event.index <= seen->commit) {
      return Violation("state machine safety", node, "truncates from ",
                       event.index, " though it committed ", seen->commit);
    }
    if (event.kind != Event::Kind::kSnapshotInstalled) continue;
    if (event.index <= seen->applied) {
      return Violation("state machine safety", node,
                       "installs a snapshot through ", event.index,
                       " though it applied ", seen->applied);
    }
    const Term term = core.snapshot().position.term;
    if (event.index > committed() ||
        committed_[event.index.value() - 1].term != term) {
      return Violation("state machine safety", node,
                       "installs a snapshot through ", event.index, " of term ",
                       term, " that nobody committed");
    }
    seen->applied = event.index;
  }
  return "";
}

std::string ClusterInvariants::CheckReplica(NodeId node, const Core& core,
                                            const Seen& seen) {
  if (core.term() < seen.term) {
    return Violation("monotonic term", node, "goes from term ", seen.term,
                     " to ", core.term());
  }
  if (core.term() == seen.term && seen.voted_for != NodeId() &&
      core.voted_for() != seen.voted_for) {
    return Violation("one vote per term", node, "voted for ", seen.voted_for,
                     " and ", core.voted_for(), " in term ", core.term());
  }
  if (core.commit_index() < seen.commit) {
    return Violation("monotonic commit", node, "goes from ", seen.commit,
                     " to ", core.commit_index());
  }
  if (core.commit_index() > core.last().index) {
    return Violation("commit", node, "commits ", core.commit_index(),
                     " beyond its log, which ends at ", core.last().index);
  }
  return "";
}

std::string ClusterInvariants::CheckLeader(NodeId node, const Core& core,
                                           const Seen& seen) {
  const Term term = core.term();
  const auto [leader, first] = leaders_.emplace(term, node);
  if (leader->second != node) {
    return Violation("election safety", node, "leads term ", term,
                     ", which node ", leader->second, " led");
  }
  if (core.commit_index() > seen.commit) {
    std::string violation = CheckLeaderCommit(node, core);
    if (!violation.empty()) return violation;
  }
  if (!first) return "";
  // What was committed in earlier terms; a leader of a later one may have
  // committed more while this one was being elected. By log matching the last
  // such entry speaks for all before it.
  size_t last = committed_.size();
  while (last > 0 && committed_[last - 1].committed_in >= term) --last;
  if (last == 0 || Index(last) < core.boundary().index) return "";
  if (core.TermAt(Index(last)) != committed_[last - 1].term) {
    return Violation("leader completeness", node, "leads term ", term,
                     " without the entry ", last, " of term ",
                     committed_[last - 1].term, " that was committed in term ",
                     committed_[last - 1].committed_in);
  }
  return "";
}

std::string ClusterInvariants::CheckLeaderCommit(NodeId node,
                                                 const Core& core) {
  const Index commit = core.commit_index();
  if (core.TermAt(commit) != core.term()) {
    return Violation("commit", node, "of term ", core.term(), " commits entry ",
                     commit, " of term ", core.TermAt(commit), " by counting");
  }
  // Counted here, without the product's arithmetic of quorums.
  const Configuration& configuration = core.configuration();
  for (const auto* voters :
       {&configuration.voters, &configuration.outgoing_voters}) {
    size_t count = 0;
    for (const Member& voter : *voters) {
      const auto seen = seen_.find(voter.node);
      const LogPosition durable = voter.node == node    ? DurableOf(core)
                                  : seen == seen_.end() ? LogPosition()
                                                        : seen->second.durable;
      count += Holds(durable, core.term(), commit) ? 1 : 0;
    }
    if (2 * count > voters->size() || voters->empty()) continue;
    return Violation("commit", node, "commits ", commit, ", only ", count,
                     " of ", voters->size(), " voters have it on disk");
  }
  return "";
}

std::string ClusterInvariants::CheckAppended(NodeId node, const Core& core,
                                             const Entry& entry) {
  const Index previous = entry.index - 1;
  const Term previous_term = core.TermAt(previous);
  if (previous > core.boundary().index &&
      entry.log_time < core.EntryAt(previous).log_time) {
    return Violation("monotonic log time", node, "appends ", entry.index,
                     " at ", entry.log_time, " after ",
                     core.EntryAt(previous).log_time);
  }
  if (facts_.size() < entry.index.value()) facts_.resize(entry.index.value());
  std::vector<Fact>& facts = facts_[entry.index.value() - 1];
  const uint64_t digest = DigestOf(entry);
  for (Fact& fact : facts) {
    if (fact.term != entry.term) continue;
    if (fact.digest != digest) {
      return Violation("log matching", node, "holds another entry at ",
                       entry.index, " in term ", entry.term);
    }
    // Behind a boundary the predecessor's term may be forgotten.
    if (previous < core.boundary().index) return "";
    if (fact.previous_term != previous_term) {
      return Violation("log matching", node, "holds entry ", entry.index,
                       " of term ", entry.term, " after one of term ",
                       previous_term, ", elsewhere it follows one of term ",
                       fact.previous_term);
    }
    return "";
  }
  facts.push_back({entry.term, previous_term, digest});
  return "";
}

std::string ClusterInvariants::CheckApplied(NodeId node, const Core& core,
                                            const Entry& entry) {
  const uint64_t digest = DigestOf(entry);
  const size_t slot = entry.index.value() - 1;
  if (slot == committed_.size()) {
    committed_.push_back({entry.term, digest, core.term()});
    return "";
  }
  if (slot > committed_.size()) {
    return Violation("state machine safety", node, "commits ", entry.index,
                     ", everybody else at most ", committed_.size());
  }
  const Committed& known = committed_[slot];
  if (known.term != entry.term || known.digest != digest) {
    return Violation("state machine safety", node, "applies at ", entry.index,
                     " an entry of term ", entry.term,
                     ", elsewhere one of term ", known.term,
                     known.term == entry.term ? " with other contents" : "");
  }
  return "";
}

}  // namespace quorate::raft
