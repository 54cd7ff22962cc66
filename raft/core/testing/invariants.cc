#include "raft/core/testing/invariants.h"

#include <algorithm>
#include <iterator>
#include <sstream>
#include <utility>

#include "env/crc32c.h"
#include "env/random.h"
#include "raft/core/configuration.h"
#include "raft/core/testing/names.h"

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

// True if a log that is durable through `durable` counts as a copy of the entry
// that a leader of `term` appended at `index`. Such a log reaches `index`, and
// its last durable entry is of `term` or a later one.
bool Holds(LogPosition durable, Term term, Index index) {
  return durable.term >= term && durable.index >= index;
}

// "rule: node 3 …" from pieces.
template <typename... Pieces>
std::string Violation(const char* rule, NodeId node, const Pieces&... pieces) {
  std::ostringstream out;
  out << rule << ": node " << node << " ";
  (out << ... << pieces);
  return out.str();
}

// The leader's log at its election.
LeaderTerm LeaderTermOf(NodeId node, const Core& core) {
  LeaderTerm leader_term{.node = node, .start = core.log_start()};
  Term term;
  for (Index i = leader_term.start.index + 1; i <= core.last().index; ++i) {
    if (core.TermAt(i) == term) continue;
    term = core.TermAt(i);
    leader_term.runs.push_back({term, i});
  }
  return leader_term;
}

}  // namespace

Index WrittenLog::certain() const {
  Index index = last();
  for (const PendingWrite& write : pending) {
    if (!write.terms.empty()) index = std::min(index, write.first - 1);
  }
  return index;
}

bool WrittenLog::MayHold(LogPosition entry) const {
  if (entry.index <= base) return true;
  if (entry.index <= last() && TermAt(entry.index) == entry.term) return true;
  for (const PendingWrite& write : pending) {
    if (entry.index >= write.first &&
        entry.index < write.first + write.terms.size() &&
        write.terms[entry.index - write.first] == entry.term) {
      return true;
    }
  }
  return false;
}

Term LeaderTerm::TermAt(Index index) const {
  if (index == start.index) return start.term;
  const auto after = std::upper_bound(
      runs.begin(), runs.end(), index,
      [](Index wanted, LogPosition run) { return wanted < run.index; });
  return after == runs.begin() ? Term() : std::prev(after)->term;
}

LeaderTerm::Sending& LeaderTerm::SendingTo(NodeId member) {
  for (Sending& to : sending) {
    if (to.member == member) return to;
  }
  return sending.emplace_back(Sending{.member = member});
}

Index LeaderTerm::AcknowledgedBy(NodeId member) const {
  for (const auto& [node, index] : acknowledged) {
    if (node == member) return index;
  }
  return Index();
}

ClusterInvariants::Seen& ClusterInvariants::SeenOf(NodeId node) {
  const size_t place = node.value();
  if (seen_.size() <= place) seen_.resize(place + 1);
  if (seen_[place] == nullptr) seen_[place] = std::make_unique<Seen>();
  return *seen_[place];
}

const ClusterInvariants::Seen* ClusterInvariants::FindSeen(NodeId node) const {
  return node.value() < seen_.size() ? seen_[node.value()].get() : nullptr;
}

std::string ClusterInvariants::ObserveStart(NodeId node, const Core& core) {
  const Index boundary = core.log_start().index;
  for (Index i = boundary + 1; i <= core.last().index; ++i) {
    std::string violation = CheckAppended(node, core, core.EntryAt(i));
    if (!violation.empty()) return violation;
  }
  Seen& seen = SeenOf(node);
  std::string violation = CheckRestart(node, core, seen);
  seen.term = core.term();
  seen.voted_for = core.voted_for();
  seen.role = core.role();
  seen.commit = core.commit_index();
  seen.applied = core.applied_index();
  seen.installing = false;
  seen.durable = DurableOf(core);
  seen.snapshot = core.snapshot().position.index;
  seen.disk.pending.clear();
  seen.disk.hard_state = {core.term(), core.voted_for()};
  seen.disk.base = core.log_start().index;
  seen.disk.terms.clear();
  for (Index i = core.log_start().index + 1; i <= core.last().index; ++i) {
    seen.disk.terms.push_back(core.TermAt(i));
  }
  return violation;
}

std::string ClusterInvariants::CheckRecovered(NodeId node,
                                              const Core& core) const {
  const Seen* const seen = FindSeen(node);
  if (seen == nullptr) return {};
  // Each log has held the entries before.
  const Index boundary = core.log_start().index;
  for (Index i = boundary + 1; i <= core.last().index; ++i) {
    const Entry& entry = core.EntryAt(i);
    const uint64_t digest = DigestOf(entry);
    const bool known =
        i <= Index(facts_.size()) &&
        std::any_of(facts_[i.value() - 1].begin(), facts_[i.value() - 1].end(),
                    [&](const Fact& fact) {
                      return fact.term == entry.term && fact.digest == digest;
                    });
    if (known) continue;
    return Violation("log matching", node, "recovers an entry at ", i,
                     " of term ", entry.term, " that no log held");
  }
  return CheckRestart(node, core, *seen);
}

std::string ClusterInvariants::CheckRestart(NodeId node, const Core& core,
                                            const Seen& seen) const {
  const HardState& written = seen.disk.hard_state;
  if (core.term() < written.term) {
    return Violation("durability", node, "restarts in term ", core.term(),
                     " though it had ", written.term, " on disk");
  }
  if (core.term() == written.term && written.voted_for != NodeId() &&
      core.voted_for() != written.voted_for) {
    return Violation("durability", node, "forgot its vote for ",
                     written.voted_for, " in term ", written.term);
  }
  const WrittenLog& disk = seen.disk;
  const Index certain = disk.certain();
  LogPosition durable = seen.durable;
  if (disk.watched && certain > disk.base && certain > durable.index) {
    durable = {disk.TermAt(certain), certain};
  }
  // An installed snapshot replaces a log that does not hold the entry at its
  // position, so nothing of that log stays.
  const LogPosition start = core.log_start();
  if (!disk.watched && core.commit_index() > seen.commit) return {};
  if (disk.watched && !disk.MayHold(start)) {
    if (core.last() == start) return {};
    return Violation("durability", node, "restarts with entries through ",
                     core.last().index, " behind a snapshot through ",
                     start.index, " that its log did not hold");
  }
  if (core.last().index < durable.index) {
    return Violation("durability", node, "restarts with a log that ends at ",
                     core.last().index, " though it had ", durable.index,
                     " on disk");
  }
  if (durable.index > start.index &&
      core.TermAt(durable.index) != durable.term) {
    return Violation("durability", node, "restarts with an entry of term ",
                     core.TermAt(durable.index), " at ", durable.index,
                     ", it had one of term ", durable.term, " on disk");
  }
  return {};
}

std::string ClusterInvariants::ObserveWritten(NodeId node,
                                              const WriteToken& token) {
  WrittenLog& disk = SeenOf(node).disk;
  disk.watched = true;
  disk.hard_state = token.hard_state;
  if (disk.pending.empty() || disk.pending.front().token != token) return {};
  const WrittenLog::PendingWrite write = std::move(disk.pending.front());
  disk.pending.pop_front();
  if (!write.terms.empty()) {
    // A write removes the suffix that it replaces.
    disk.terms.resize(write.first - disk.base - 1);
    disk.terms.insert(disk.terms.end(), write.terms.begin(), write.terms.end());
  }
  std::string violation = CheckMessages(node, write.after, disk);
  return violation.empty() ? CheckKept(node, disk) : violation;
}

// Entries that the replica acknowledged in its present term stay on its disk:
// the leader of that term counts on them.
std::string ClusterInvariants::CheckKept(NodeId node, const WrittenLog& disk) {
  const auto leader_term = leaders_.find(disk.hard_state.term);
  if (leader_term == leaders_.end()) return {};
  const Index index = leader_term->second.AcknowledgedBy(node);
  if (index <= disk.base) return {};
  const Term term = leader_term->second.TermAt(index);
  if (index <= disk.last() && (term == Term() || disk.TermAt(index) == term)) {
    return {};
  }
  return Violation("acknowledged entries", node, "acknowledged ", index,
                   " of term ", term, " to node ", leader_term->second.node,
                   " in term ", disk.hard_state.term, ", now its disk holds ",
                   disk.base + 1, " to ", disk.last(), ", the last of term ",
                   disk.terms.empty() ? Term() : disk.terms.back());
}

// Raft paper Figure 13, rule 6: entries behind a snapshot stay if the log holds
// the last entry that the snapshot covers.
std::string ClusterInvariants::CheckInstalled(NodeId node, LogPosition position,
                                              const WrittenLog& disk) {
  if (!disk.watched || disk.last() <= position.index) return {};
  const bool holds = position.index <= disk.base ||
                     disk.TermAt(position.index) == position.term;
  if (!holds) return {};
  return Violation("acknowledged entries", node, "installs a snapshot through ",
                   position.index, " of term ", position.term,
                   " over a log that holds that entry and ends", " at ",
                   disk.last());
}

std::string ClusterInvariants::CheckInstalling(NodeId node, const Core& core,
                                               const Output& output,
                                               const Seen& seen) const {
  if (!seen.installing || !core.installing()) return {};
  for (const Write& write : output.writes) {
    if (write.entries.empty()) continue;
    return Violation("installing", node, "writes entry ",
                     write.entries.front().index,
                     " while a snapshot replaces its log");
  }
  for (const Message& message : output.messages) {
    const MessageType type = message.type;
    const bool campaigns =
        type == MessageType::kPreVote || type == MessageType::kVote;
    // Earlier appends may still become durable, and are acknowledged then. One
    // of an old term is rejected without a hint.
    const bool rejects = type == MessageType::kAppendReply && message.reject &&
                         message.hint != LogPosition();
    if (!campaigns && !rejects) continue;
    return Violation("installing", node, "sends ", MessageTypeName(type),
                     " while a snapshot replaces its log");
  }
  return {};
}

std::string ClusterInvariants::CheckDisk(NodeId node, const Core& core,
                                         const Output& output,
                                         WrittenLog* disk) {
  std::string violation;
  for (const Event& event : output.events) {
    if (event.kind != Event::Kind::kSnapshotInstalled) continue;
    violation = CheckInstalled(node, core.snapshot().position, *disk);
    // The log was cut after these writes, or they have no entries.
    for (WrittenLog::PendingWrite& write : disk->pending) write.terms.clear();
    disk->base = event.index;
    disk->terms.clear();
    if (violation.empty()) violation = CheckKept(node, *disk);
  }
  for (const Write& write : output.writes) {
    WrittenLog::PendingWrite pending;
    pending.token = write.token;
    if (!write.entries.empty()) pending.first = write.entries.front().index;
    for (const Entry& entry : write.entries) {
      pending.terms.push_back(entry.term);
    }
    pending.after = write.after;
    disk->pending.push_back(std::move(pending));
  }
  const Index durable = core.durable_index();
  if (!violation.empty() || !disk->watched || durable <= disk->base) {
    return violation;
  }
  const Index last = disk->last();
  if (durable <= last && disk->TermAt(durable) == core.TermAt(durable)) {
    return {};
  }
  return Violation("durability", node, "takes entry ", durable, " of term ",
                   core.TermAt(durable), " for written, its disk holds ",
                   disk->base + 1, " to ", last, ", the last of term ",
                   disk->terms.empty() ? Term() : disk->terms.back());
}

// Checks messages that leave now.
std::string ClusterInvariants::CheckMessages(
    NodeId node, const std::vector<Message>& messages, const WrittenLog& disk) {
  for (const Message& message : messages) {
    if (message.type != MessageType::kAppendReply || !message.reject) continue;
    const auto leader_term = leaders_.find(message.term);
    if (leader_term == leaders_.end()) continue;
    ++leader_term->second.SendingTo(node).reasons;
  }
  if (!disk.watched) return {};
  for (const Message& message : messages) {
    const MessageType type = message.type;
    // A pre-vote carries a term that has not begun yet.
    if (type == MessageType::kPreVote ||
        (type == MessageType::kPreVoteReply && !message.reject)) {
      continue;
    }
    if (message.term > disk.hard_state.term) {
      return Violation("durability", node, "sends ", MessageTypeName(type),
                       " of term ", message.term, ", on its disk is ",
                       disk.hard_state.term);
    }
    const bool votes = type == MessageType::kVoteReply && !message.reject;
    if (type == MessageType::kVote || votes) {
      const NodeId candidate = votes ? message.to : node;
      if (disk.hard_state.voted_for == candidate) continue;
      return Violation("durability", node, "sends its vote for ", candidate,
                       " in term ", message.term,
                       " before that is on its disk");
    }
    if (type != MessageType::kAppendReply || message.reject) continue;
    std::string violation = CheckAcknowledgement(node, message, disk);
    if (!violation.empty()) return violation;
  }
  return {};
}

// An acknowledgement names the last entry through which the replica's disk has
// the log of the leader of that term.
std::string ClusterInvariants::CheckAcknowledgement(NodeId node,
                                                    const Message& message,
                                                    const WrittenLog& disk) {
  const Index index = message.durable;
  if (index > disk.last()) {
    return Violation("durability", node, "acknowledges ", index,
                     ", its disk ends at ", disk.last());
  }
  const auto it = leaders_.find(message.term);
  if (it == leaders_.end()) return {};
  LeaderTerm& leader_term = it->second;
  const Term term = leader_term.TermAt(index);
  if (index > disk.base && term != Term() && disk.TermAt(index) != term) {
    return Violation("acknowledged entries", node, "acknowledges ", index,
                     " to node ", leader_term.node, " of term ", message.term,
                     ", whose entry there is of term ", term,
                     "; on its disk is one of term ", disk.TermAt(index));
  }
  for (auto& [member, acknowledged] : leader_term.acknowledged) {
    if (member != node) continue;
    acknowledged = std::max(acknowledged, index);
    return {};
  }
  leader_term.acknowledged.push_back({node, index});
  return {};
}

std::string ClusterInvariants::CheckSnapshot(NodeId node, const Core& core,
                                             Seen* seen) {
  const SnapshotDescriptor& snapshot = core.snapshot();
  const LogPosition position = snapshot.position;
  if (position.index == seen->snapshot) return {};
  seen->snapshot = position.index;
  if (position.index > committed()) {
    return Violation("snapshot", node, "holds one through ", position.index,
                     ", committed is ", committed());
  }
  const Committed& known = committed_[position.index.value() - 1];
  if (position.term != known.term) {
    return Violation("snapshot", node, "stamps ", position.index, " with term ",
                     position.term, ", it is of term ", known.term);
  }
  if (snapshot.log_time != known.log_time) {
    return Violation("snapshot", node, "stamps ", position.index,
                     " with log time ", snapshot.log_time, ", it has ",
                     known.log_time);
  }
  const auto after = configurations_.upper_bound(position.index);
  if (after == configurations_.begin()) return {};
  if (EncodeConfiguration(snapshot.configuration).view() !=
      std::prev(after)->second.view()) {
    return Violation("snapshot", node, "stamps ", position.index,
                     " with another configuration than was committed at ",
                     std::prev(after)->first);
  }
  return {};
}

std::string ClusterInvariants::CheckConfiguration(NodeId node, const Core& core,
                                                  const Output& output) {
  const bool changed = std::any_of(
      output.events.begin(), output.events.end(), [](const Event& event) {
        return event.kind == Event::Kind::kConfigurationChanged ||
               event.kind == Event::Kind::kSuffixTruncated;
      });
  if (!changed) return {};
  Index index = core.last().index;
  const Index boundary = core.log_start().index;
  while (index > boundary &&
         core.EntryAt(index).kind != EntryKind::kConfiguration) {
    index = index - 1;
  }
  const bool right =
      index == boundary ? core.configuration() == core.ConfigurationAt(boundary)
                        : EncodeConfiguration(core.configuration()).view() ==
                              core.EntryAt(index).payload.view();
  if (right) return {};
  return Violation("configuration", node,
                   "goes by another one than the newest in its log, at ",
                   index);
}

std::string ClusterInvariants::Observe(NodeId node, const Core& core,
                                       const Output& output) {
  Seen& seen = SeenOf(node);
  std::string violation = CheckEvents(node, core, output, &seen);
  if (violation.empty()) violation = CheckReplica(node, core, seen);
  if (violation.empty()) {
    violation = CheckInstalling(node, core, output, seen);
  }
  std::string disk = CheckDisk(node, core, output, &seen.disk);
  if (violation.empty()) violation = std::move(disk);
  for (const auto* messages : {&output.messages, &output.heartbeats}) {
    if (!violation.empty()) break;
    violation = CheckMessages(node, *messages, seen.disk);
  }
  if (violation.empty()) {
    violation = CheckConfiguration(node, core, output);
  }
  for (const Write& write : output.writes) {
    for (const Entry& entry : write.entries) {
      if (violation.empty()) violation = CheckAppended(node, core, entry);
    }
  }
  if (violation.empty() && core.role() == RoleKind::kLeader) {
    violation = CheckLeader(node, core, seen);
    if (violation.empty()) violation = CheckSentOnce(node, core, output);
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
  if (violation.empty()) violation = CheckSnapshot(node, core, &seen);
  seen.term = core.term();
  seen.voted_for = core.voted_for();
  seen.role = core.role();
  seen.commit = core.commit_index();
  seen.installing = core.installing();
  seen.durable = DurableOf(core);
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
                       term, " that no leader committed");
    }
    seen->applied = event.index;
  }
  return {};
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
  return {};
}

std::string ClusterInvariants::CheckLeader(NodeId node, const Core& core,
                                           const Seen& seen) {
  const Term term = core.term();
  const auto [leader, first] = leaders_.try_emplace(term);
  if (first) leader->second = LeaderTermOf(node, core);
  if (leader->second.node != node) {
    return Violation("election safety", node, "leads term ", term,
                     ", which node ", leader->second.node, " led");
  }
  std::string matches = CheckMatches(node, core, leader->second);
  if (!matches.empty()) return matches;
  if (core.commit_index() > seen.commit) {
    std::string violation = CheckLeaderCommit(node, core);
    if (!violation.empty()) return violation;
  }
  if (!first) return {};
  const WrittenLog& disk = seen.disk;
  if (disk.watched && disk.hard_state != HardState{term, node}) {
    return Violation("durability", node, "leads term ", term,
                     " before its own vote is on its disk");
  }
  // The new leader must hold what was committed in earlier terms. A leader of a
  // later term may have committed more meanwhile. By log matching it is enough
  // to compare the last such entry.
  size_t last = committed_.size();
  while (last > 0 && committed_[last - 1].committed_in >= term) --last;
  if (last == 0 || Index(last) < core.log_start().index) return {};
  if (core.TermAt(Index(last)) != committed_[last - 1].term) {
    return Violation("leader completeness", node, "leads term ", term,
                     " without the entry ", last, " of term ",
                     committed_[last - 1].term, " that was committed in term ",
                     committed_[last - 1].committed_in);
  }
  return {};
}

std::string ClusterInvariants::CheckSentOnce(NodeId node, const Core& core,
                                             const Output& output) {
  LeaderTerm& leader_term = leaders_[core.term()];
  for (const SnapshotWork& work : output.snapshots) {
    if (work.kind != SnapshotWork::Kind::kRead || work.offset > 0) continue;
    ++leader_term.SendingTo(work.to).reasons;
  }
  for (const Message& message : output.messages) {
    if (message.type != MessageType::kAppend || message.entries.empty()) {
      continue;
    }
    LeaderTerm::Sending& to = leader_term.SendingTo(message.to);
    const Index first = message.entries.front().index;
    if (first <= to.last && ++to.went_back > to.reasons) {
      return Violation("sent once", node, "of term ", core.term(),
                       " sends node ", message.to, " entry ", first,
                       " again. It was sent entries through ", to.last,
                       " and has rejected ", to.reasons, " appends");
    }
    to.last = message.entries.back().index;
  }
  return {};
}

// A leader's view of each follower is held against what that follower has
// acknowledged in this term, and against its disk.
std::string ClusterInvariants::CheckMatches(
    NodeId node, const Core& core, const LeaderTerm& leader_term) const {
  for (const Core::FollowerStatus& follower : core.followers()) {
    if (follower.match == Index()) continue;
    const Seen* const seen = FindSeen(follower.node);
    if (seen == nullptr || !seen->disk.watched) continue;
    const Index acknowledged = leader_term.AcknowledgedBy(follower.node);
    if (follower.match > acknowledged) {
      return Violation("acknowledged entries", node, "of term ", core.term(),
                       " takes ", follower.match, " for durable on node ",
                       follower.node, ", which acknowledged ", acknowledged,
                       " in this term");
    }
    const WrittenLog& disk = seen->disk;
    // In a later term another leader may have replaced these entries.
    if (disk.hard_state.term != core.term() || follower.match <= disk.base ||
        follower.match < core.log_start().index) {
      continue;
    }
    if (follower.match > disk.last() ||
        disk.TermAt(follower.match) != core.TermAt(follower.match)) {
      return Violation("acknowledged entries", node, "of term ", core.term(),
                       " takes ", follower.match, " of term ",
                       core.TermAt(follower.match), " for durable on node ",
                       follower.node, ", whose disk ends at ", disk.last());
    }
  }
  return {};
}

std::string ClusterInvariants::CheckLeaderCommit(NodeId node,
                                                 const Core& core) {
  const Index commit = core.commit_index();
  if (core.TermAt(commit) != core.term()) {
    return Violation("commit", node, "of term ", core.term(), " commits entry ",
                     commit, " of term ", core.TermAt(commit), " by counting");
  }
  // The checker counts by itself, without the quorum functions of the product.
  const Configuration& configuration = core.configuration();
  for (const auto* voters :
       {&configuration.voters, &configuration.outgoing_voters}) {
    size_t count = 0;
    for (const Member& voter : *voters) {
      const Seen* const seen = FindSeen(voter.node);
      const LogPosition durable = voter.node == node ? DurableOf(core)
                                  : seen == nullptr  ? LogPosition()
                                                     : seen->durable;
      count += Holds(durable, core.term(), commit) ? 1 : 0;
    }
    if (2 * count > voters->size() || voters->empty()) continue;
    return Violation("commit", node, "commits ", commit, ", only ", count,
                     " of ", voters->size(), " voters have it on disk");
  }
  return {};
}

std::string ClusterInvariants::CheckAppended(NodeId node, const Core& core,
                                             const Entry& entry) {
  const Index previous = entry.index - 1;
  const Term previous_term = core.TermAt(previous);
  if (previous > core.log_start().index &&
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
    // Before the log start the term of the predecessor may be unknown.
    if (previous < core.log_start().index) return {};
    if (fact.previous_term != previous_term) {
      return Violation("log matching", node, "holds entry ", entry.index,
                       " of term ", entry.term, " after one of term ",
                       previous_term, ", elsewhere it follows one of term ",
                       fact.previous_term);
    }
    return {};
  }
  facts.push_back({entry.term, previous_term, digest});
  return {};
}

std::string ClusterInvariants::CheckApplied(NodeId node, const Core& core,
                                            const Entry& entry) {
  const uint64_t digest = DigestOf(entry);
  const size_t slot = entry.index.value() - 1;
  if (slot == committed_.size()) {
    committed_.push_back({entry.term, digest, core.term(), entry.log_time});
    if (entry.kind == EntryKind::kConfiguration) {
      configurations_[entry.index] = entry.payload;
    }
    return {};
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
  return {};
}

}  // namespace quorate::raft
