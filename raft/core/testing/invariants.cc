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

// `payload` is the checksum of the payload.
uint64_t EntryDigest(const Entry& entry, uint32_t payload) {
  uint64_t digest = payload;
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

// "rule: replica 3 …" from pieces.
template <typename... Pieces>
std::string Violation(const char* rule, ReplicaId replica,
                      const Pieces&... pieces) {
  std::ostringstream out;
  out << rule << ": replica " << replica << " ";
  (out << ... << pieces);
  return out.str();
}

// Stores the violation, and returns false. Its streams stay out of the rules,
// which run at each step.
template <typename... Pieces>
[[gnu::cold, gnu::noinline]] bool Fail(std::string* violation, const char* rule,
                                       ReplicaId replica,
                                       const Pieces&... pieces) {
  *violation = Violation(rule, replica, pieces...);
  return false;
}

}  // namespace

uint64_t ClusterInvariants::Seen::DigestOf(const Entry& entry) {
  Checksum& known = checksums[entry.index.value() % checksums.size()];
  // The block of `known` exists, so no other payload has its address.
  if (entry.payload.empty() || known.payload.data() != entry.payload.data() ||
      known.payload.size() != entry.payload.size()) {
    known = {entry.payload, Crc32c(0, entry.payload.view())};
  }
  return EntryDigest(entry, known.checksum);
}

LeaderTerm* ClusterInvariants::FindLeader(Term term) {
  if (term == last_leader_.first && last_leader_.second != nullptr) {
    return last_leader_.second;
  }
  const auto found = leaders_.find(term);
  if (found == leaders_.end()) return nullptr;
  last_leader_ = {term, &found->second};
  return &found->second;
}

uint64_t ClusterInvariants::DigestOf(ReplicaId replica, const Entry& entry) {
  return SameDigest(entry, SeenOf(replica).DigestOf(entry));
}

ClusterInvariants::Seen& ClusterInvariants::SeenOf(ReplicaId replica) {
  for (auto& [id, seen] : seen_) {
    if (id == replica) return *seen;
  }
  return *seen_.emplace_back(replica, std::make_unique<Seen>()).second;
}

const ClusterInvariants::Seen* ClusterInvariants::FindSeen(
    ReplicaId replica) const {
  for (const auto& [id, seen] : seen_) {
    if (id == replica) return seen.get();
  }
  return nullptr;
}

std::string ClusterInvariants::ObserveStart(ReplicaId replica,
                                            const Core& core) {
  Seen& seen = SeenOf(replica);
  std::string violation;
  NoteRecovery(core);
  const Index boundary = core.evicted();
  for (Index i = boundary + 1; i <= core.last().index; ++i) {
    if (!CheckAppended(replica, core, core.EntryAt(i), &seen, &violation)) {
      return violation;
    }
  }
  CheckRestart(replica, core, seen, &violation);
  seen.term = core.term();
  seen.voted_for = core.voted_for();
  seen.role = core.role();
  seen.commit = core.commit_index();
  seen.applied = core.applied_index();
  seen.installing = false;
  seen.durable = DurableOf(core);
  seen.snapshot = core.snapshot().position.index;
  seen.disk.pending.clear();
  ++seen.disk.changes;
  seen.disk.hard_state = {core.term(), core.voted_for()};
  seen.disk.base = core.log_start().index;
  seen.disk.terms.clear();
  for (Index i = core.log_start().index + 1; i <= core.last().index; ++i) {
    seen.disk.terms.push_back(core.TermAt(i));
  }
  return violation;
}

void ClusterInvariants::NoteRecovery(const Core& core) {
  if (core.configuration().generation <= generation_) return;
  generation_ = core.configuration().generation;
  for (Index i = core.evicted() + 1; i <= core.last().index; ++i) {
    const Entry& entry = core.EntryAt(i);
    if (entry.kind == EntryKind::kCommands || i > Index(facts_.size()))
      continue;
    for (const Fact& fact : facts_[i.value() - 1]) {
      if (fact.term == entry.term && fact.configuration) {
        replaced_[{entry.term, i}] = fact.digest;
      }
    }
  }
  const Index index =
      std::max(core.snapshot().position.index, core.configuration_index());
  configurations_.erase(configurations_.lower_bound(index),
                        configurations_.end());
  configurations_[index] = EncodeConfiguration(core.configuration());
}

uint64_t ClusterInvariants::SameDigest(const Entry& entry,
                                       uint64_t digest) const {
  if (entry.kind == EntryKind::kCommands) return digest;
  const auto replaced = replaced_.find({entry.term, entry.index});
  return replaced == replaced_.end() ? digest : replaced->second;
}

// Its term and its vote are those of before.
void ClusterInvariants::ObserveOlderDisk(ReplicaId replica) {
  Seen& seen = SeenOf(replica);
  Seen older;
  older.commit = seen.commit;
  older.disk.hard_state = seen.disk.hard_state;
  seen = std::move(older);
  older_.insert(replica);
}

std::string ClusterInvariants::CheckRecovered(ReplicaId replica,
                                              const Core& core) const {
  const Seen* const seen = FindSeen(replica);
  if (seen == nullptr) return {};
  // Each log has held the entries before.
  const Index boundary = core.evicted();
  for (Index i = boundary + 1; i <= core.last().index; ++i) {
    const Entry& entry = core.EntryAt(i);
    const uint64_t digest =
        SameDigest(entry, EntryDigest(entry, Crc32c(0, entry.payload.view())));
    const bool known =
        i <= Index(facts_.size()) &&
        std::any_of(facts_[i.value() - 1].begin(), facts_[i.value() - 1].end(),
                    [&](const Fact& fact) {
                      return fact.term == entry.term && fact.digest == digest;
                    });
    if (known) continue;
    return Violation("log matching", replica, "recovers an entry at ", i,
                     " of term ", entry.term, " that no log held");
  }
  std::string violation;
  CheckRestart(replica, core, *seen, &violation);
  return violation;
}

bool ClusterInvariants::CheckRestart(ReplicaId replica, const Core& core,
                                     const Seen& seen,
                                     std::string* violation) const {
  const HardState& written = seen.disk.hard_state;
  if (core.term() < written.term) {
    return Fail(violation, "durability", replica, "restarts in term ",
                core.term(), " though it had ", written.term, " on disk");
  }
  if (core.term() == written.term && written.voted_for != ReplicaId() &&
      core.voted_for() != written.voted_for) {
    return Fail(violation, "durability", replica, "forgot its vote for ",
                written.voted_for, " in term ", written.term);
  }
  if (!CheckKnownCommit(replica, core, seen, violation)) return false;
  const WrittenLog& disk = seen.disk;
  const Index certain = disk.certain();
  LogPosition durable = seen.durable;
  if (disk.watched && certain > disk.base && certain > durable.index) {
    durable = {disk.TermAt(certain), certain};
  }
  // An installed snapshot replaces a log that does not hold the entry at its
  // position, so nothing of that log stays.
  const LogPosition start = core.log_start();
  if (!disk.watched && core.commit_index() > seen.commit) return true;
  if (disk.watched && !disk.MayHold(start)) {
    if (core.last() == start) return true;
    return Fail(violation, "durability", replica,
                "restarts with entries through ", core.last().index,
                " behind a snapshot through ", start.index,
                " that its log did not hold");
  }
  if (core.last().index < durable.index) {
    return Fail(violation, "durability", replica,
                "restarts with a log that ends at ", core.last().index,
                " though it had ", durable.index, " on disk");
  }
  if (durable.index > start.index &&
      core.TermAt(durable.index) != durable.term) {
    return Fail(violation, "durability", replica,
                "restarts with an entry of term ", core.TermAt(durable.index),
                " at ", durable.index, ", it had one of term ", durable.term,
                " on disk");
  }
  return true;
}

bool ClusterInvariants::CheckKnownCommit(ReplicaId replica, const Core& core,
                                         const Seen& seen,
                                         std::string* violation) const {
  const Index commit = core.commit_index();
  if (commit > core.snapshot().position.index && commit > seen.commit) {
    return Fail(violation, "commit", replica, "restarts with commit index ",
                commit, ", it knew ", seen.commit);
  }
  if (commit == Index(0) || commit > committed()) return true;
  const Term term = committed_[commit.value() - 1].term;
  if (core.TermAt(commit) == term) return true;
  return Fail(violation, "commit", replica, "restarts with entry ", commit,
              " of term ", core.TermAt(commit),
              " committed, though that of term ", term, " was");
}

std::string ClusterInvariants::ObserveWritten(ReplicaId replica,
                                              const WriteToken& token) {
  WrittenLog& disk = SeenOf(replica).disk;
  disk.watched = true;
  ++disk.changes;
  disk.hard_state = token.hard_state;
  if (disk.pending.empty() || disk.pending.front().token != token) return {};
  const WrittenLog::PendingWrite write = std::move(disk.pending.front());
  disk.pending.pop_front();
  if (!write.terms.empty()) {
    // A write removes the suffix that it replaces.
    disk.terms.resize(write.first - disk.base - 1);
    disk.terms.insert(disk.terms.end(), write.terms.begin(), write.terms.end());
  }
  std::string violation;
  if (CheckMessages(replica, write.after, disk, &violation)) {
    CheckKept(replica, disk, &violation);
  }
  return violation;
}

// Entries that the replica acknowledged in its present term stay on its disk:
// the leader of that term counts on them.
bool ClusterInvariants::CheckKept(ReplicaId replica, const WrittenLog& disk,
                                  std::string* violation) {
  LeaderTerm* const leader_term = FindLeader(disk.hard_state.term);
  if (leader_term == nullptr || older_.contains(replica)) return true;
  const auto* const acknowledged = leader_term->FindAcknowledged(replica);
  if (acknowledged == nullptr || acknowledged->index <= disk.base) return true;
  const Index index = acknowledged->index;
  const Term term = leader_term->TermAt(index);
  if (index <= disk.last() && (term == Term() || disk.TermAt(index) == term)) {
    return true;
  }
  return Fail(violation, "acknowledged entries", replica, "acknowledged ",
              index, " of term ", term, " to replica ", leader_term->replica,
              " in term ", disk.hard_state.term, ", now its disk holds ",
              disk.base + 1, " to ", disk.last(), ", the last of term ",
              disk.terms.empty() ? Term() : disk.terms.back());
}

// Raft paper Figure 13, rule 6: entries behind a snapshot stay if the log holds
// the last entry that the snapshot covers.
bool ClusterInvariants::CheckInstalled(ReplicaId replica, LogPosition position,
                                       const WrittenLog& disk,
                                       std::string* violation) {
  if (!disk.watched || disk.last() <= position.index) return true;
  const bool holds = position.index <= disk.base ||
                     disk.TermAt(position.index) == position.term;
  if (!holds) return true;
  return Fail(violation, "acknowledged entries", replica,
              "installs a snapshot through ", position.index, " of term ",
              position.term, " over a log that holds that entry and ends",
              " at ", disk.last());
}

bool ClusterInvariants::CheckInstalling(ReplicaId replica, const Core& core,
                                        const Output& output, const Seen& seen,
                                        std::string* violation) const {
  if (!seen.installing || !core.installing()) return true;
  if (output.write.has_value() && !output.write->entries.empty()) {
    return Fail(violation, "installing", replica, "writes entry ",
                output.write->entries.front().index,
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
    return Fail(violation, "installing", replica, "sends ",
                MessageTypeName(type), " while a snapshot replaces its log");
  }
  return true;
}

bool ClusterInvariants::CheckDisk(ReplicaId replica, const Core& core,
                                  const Output& output, Seen* seen,
                                  std::string* violation) {
  WrittenLog* const disk = &seen->disk;
  const Index durable = core.durable_index();
  // Nothing of what the rules below compare has changed.
  if (output.events.empty() && !output.write.has_value() &&
      durable == seen->durable.index && disk->changes == seen->disk_changes) {
    return true;
  }
  bool right = true;
  for (const Event& event : output.events) {
    if (event.kind != Event::Kind::kSnapshotInstalled) continue;
    right = CheckInstalled(replica, core.snapshot().position, *disk, violation);
    // The log was cut after these writes, or they have no entries.
    for (WrittenLog::PendingWrite& write : disk->pending) write.terms.clear();
    disk->base = event.index;
    disk->terms.clear();
    ++disk->changes;
    right = right && CheckKept(replica, *disk, violation);
  }
  if (output.write.has_value()) {
    const Write& write = *output.write;
    WrittenLog::PendingWrite pending;
    pending.token = write.token;
    if (!write.entries.empty()) pending.first = write.entries.front().index;
    for (const Entry& entry : write.entries) {
      pending.terms.push_back(entry.term);
    }
    pending.after = write.after;
    disk->pending.push_back(std::move(pending));
  }
  seen->disk_changes = disk->changes;
  if (!right) return false;
  if (!disk->watched || durable <= disk->base) return true;
  const Index last = disk->last();
  if (durable <= last && disk->TermAt(durable) == core.TermAt(durable)) {
    return true;
  }
  return Fail(violation, "durability", replica, "takes entry ", durable,
              " of term ", core.TermAt(durable),
              " for written, its disk holds ", disk->base + 1, " to ", last,
              ", the last of term ",
              disk->terms.empty() ? Term() : disk->terms.back());
}

// Checks messages that leave now.
bool ClusterInvariants::CheckMessages(ReplicaId replica,
                                      const std::vector<Message>& messages,
                                      const WrittenLog& disk,
                                      std::string* violation) {
  for (const Message& message : messages) {
    if (message.type != MessageType::kAppendReply || !message.reject) continue;
    LeaderTerm* const leader_term = FindLeader(message.term);
    if (leader_term != nullptr) ++leader_term->SendingTo(replica).reasons;
  }
  for (const Message& message : messages) {
    const MessageType type = message.type;
    if (!disk.watched) {
      // Its disk is not known, and the leader may rely on the message.
      if (type == MessageType::kAppendReply && !message.reject) {
        NoteAcknowledgement(replica, message);
      }
      continue;
    }
    // A pre-vote carries a term that has not begun yet.
    if (type == MessageType::kPreVote ||
        (type == MessageType::kPreVoteReply && !message.reject)) {
      continue;
    }
    if (message.term > disk.hard_state.term) {
      return Fail(violation, "durability", replica, "sends ",
                  MessageTypeName(type), " of term ", message.term,
                  ", on its disk is ", disk.hard_state.term);
    }
    const bool votes = type == MessageType::kVoteReply && !message.reject;
    if (type == MessageType::kVote || votes) {
      const ReplicaId candidate = votes ? message.to : replica;
      if (disk.hard_state.voted_for == candidate) continue;
      return Fail(violation, "durability", replica, "sends its vote for ",
                  candidate, " in term ", message.term,
                  " before that is on its disk");
    }
    if (type != MessageType::kAppendReply || message.reject) continue;
    if (!CheckAcknowledgement(replica, message, disk, violation)) return false;
  }
  return true;
}

// An acknowledgement names the last entry through which the replica's disk has
// the log of the leader of that term.
bool ClusterInvariants::CheckAcknowledgement(ReplicaId replica,
                                             const Message& message,
                                             const WrittenLog& disk,
                                             std::string* violation) {
  const Index index = message.durable;
  if (index > disk.last()) {
    return Fail(violation, "durability", replica, "acknowledges ", index,
                ", its disk ends at ", disk.last());
  }
  LeaderTerm* const leader = FindLeader(message.term);
  if (leader == nullptr) return true;
  LeaderTerm& leader_term = *leader;
  const Term term = leader_term.TermAt(index);
  if (index > disk.base && term != Term() && disk.TermAt(index) != term) {
    return Fail(violation, "acknowledged entries", replica, "acknowledges ",
                index, " to replica ", leader_term.replica, " of term ",
                message.term, ", whose entry there is of term ", term,
                "; on its disk is one of term ", disk.TermAt(index));
  }
  NoteAcknowledgement(replica, message);
  return true;
}

void ClusterInvariants::NoteAcknowledgement(ReplicaId replica,
                                            const Message& message) {
  LeaderTerm* const leader_term = FindLeader(message.term);
  if (leader_term == nullptr) return;
  if (auto* const known = leader_term->FindAcknowledged(replica)) {
    known->index = std::max(known->index, message.durable);
  } else {
    leader_term->acknowledged.push_back(
        {.member = replica, .index = message.durable});
  }
}

bool ClusterInvariants::CheckSnapshot(ReplicaId replica, const Core& core,
                                      Seen* seen, std::string* violation) {
  const SnapshotDescriptor& snapshot = core.snapshot();
  const LogPosition position = snapshot.position;
  if (position.index == seen->snapshot) return true;
  seen->snapshot = position.index;
  if (position.index > committed()) {
    return Fail(violation, "snapshot", replica, "holds one through ",
                position.index, ", committed is ", committed());
  }
  const Committed& known = committed_[position.index.value() - 1];
  if (position.term != known.term) {
    return Fail(violation, "snapshot", replica, "stamps ", position.index,
                " with term ", position.term, ", it is of term ", known.term);
  }
  if (snapshot.log_time != known.log_time) {
    return Fail(violation, "snapshot", replica, "stamps ", position.index,
                " with log time ", snapshot.log_time, ", it has ",
                known.log_time);
  }
  // A replica that a recovery left out keeps the configurations of before.
  if (core.configuration().generation < generation_) return true;
  const auto after = configurations_.upper_bound(position.index);
  if (after == configurations_.begin()) return true;
  if (EncodeConfiguration(snapshot.configuration).view() !=
      std::prev(after)->second.view()) {
    return Fail(violation, "snapshot", replica, "stamps ", position.index,
                " with another configuration than was committed at ",
                std::prev(after)->first);
  }
  return true;
}

bool ClusterInvariants::CheckConfiguration(ReplicaId replica, const Core& core,
                                           const Output& output,
                                           std::string* violation) {
  const bool changed = std::any_of(
      output.events.begin(), output.events.end(), [](const Event& event) {
        return event.kind == Event::Kind::kConfigurationChanged ||
               event.kind == Event::Kind::kSuffixTruncated;
      });
  if (!changed) return true;
  Index index = core.last().index;
  const Index boundary = core.evicted();
  while (index > boundary &&
         core.EntryAt(index).kind != EntryKind::kConfiguration) {
    index = index - 1;
  }
  const bool right = index == boundary
                         ? core.configuration() ==
                               core.ConfigurationAt(std::max(
                                   boundary, core.snapshot().position.index))
                         : EncodeConfiguration(core.configuration()).view() ==
                               core.EntryAt(index).payload.view();
  if (right) return true;
  return Fail(violation, "configuration", replica,
              "goes by another one than the newest in its log, at ", index);
}

std::string ClusterInvariants::Observe(ReplicaId replica, const Core& core,
                                       const Output& output) {
  Seen& seen = SeenOf(replica);
  std::string violation;
  CheckStep(replica, core, output, &seen, &violation);
  seen.term = core.term();
  seen.voted_for = core.voted_for();
  seen.role = core.role();
  seen.commit = core.commit_index();
  seen.installing = core.installing();
  if (core.durable_index() != seen.durable.index || !output.events.empty() ||
      output.write.has_value()) {
    seen.durable = DurableOf(core);
  }
  return violation;
}

bool ClusterInvariants::CheckStep(ReplicaId replica, const Core& core,
                                  const Output& output, Seen* seen,
                                  std::string* violation) {
  // Few steps have events or a write, and half of them send nothing.
  const bool events = !output.events.empty();
  for (const Index index : output.lease_reads) {
    if (index >= committed()) continue;
    *violation = absl::StrCat(
        "lease: replica ", replica.value(), " reads by its lease at index ",
        index.value(), ", though entry ", committed().value(), " is committed");
    return false;
  }
  const bool before =
      (!events || CheckEvents(replica, core, output, seen, violation)) &&
      CheckReplica(replica, core, *seen, violation) &&
      CheckInstalling(replica, core, output, *seen, violation);
  // The checker follows the disk also after a violation.
  std::string of_disk;
  if (!CheckDisk(replica, core, output, seen, &of_disk)) {
    if (before) *violation = std::move(of_disk);
    return false;
  }
  return before &&
         (output.messages.empty() ||
          CheckMessages(replica, output.messages, seen->disk, violation)) &&
         (output.heartbeats.empty() ||
          CheckMessages(replica, output.heartbeats, seen->disk, violation)) &&
         (!events || CheckConfiguration(replica, core, output, violation)) &&
         (!output.write.has_value() ||
          CheckEntries(replica, core, output, seen, violation)) &&
         (core.role() != RoleKind::kLeader ||
          (CheckLeader(replica, core, *seen, violation) &&
           CheckSentOnce(replica, core, output, violation))) &&
         CheckApply(replica, core, output, seen, violation) &&
         CheckSnapshot(replica, core, seen, violation);
}

bool ClusterInvariants::CheckEntries(ReplicaId replica, const Core& core,
                                     const Output& output, Seen* seen,
                                     std::string* violation) {
  for (const Entry& entry : output.write->entries) {
    if (!CheckAppended(replica, core, entry, seen, violation)) return false;
  }
  return true;
}

bool ClusterInvariants::CheckApply(ReplicaId replica, const Core& core,
                                   const Output& output, Seen* seen,
                                   std::string* violation) {
  for (const Entry& entry : output.apply) {
    if (entry.index != seen->applied + 1) {
      return Fail(violation, "state machine safety", replica, "applies ",
                  entry.index, " after ", seen->applied);
    }
    seen->applied = entry.index;
    if (!CheckApplied(replica, core, entry, seen, violation)) return false;
  }
  if (seen->applied == core.applied_index()) return true;
  return Fail(violation, "state machine safety", replica, "says it applied ",
              core.applied_index(), " but gave out ", seen->applied);
}

bool ClusterInvariants::CheckEvents(ReplicaId replica, const Core& core,
                                    const Output& output, Seen* seen,
                                    std::string* violation) {
  for (const Event& event : output.events) {
    if (event.kind == Event::Kind::kSuffixTruncated &&
        event.index <= seen->commit) {
      return Fail(violation, "state machine safety", replica, "truncates from ",
                  event.index, " though it committed ", seen->commit);
    }
    if (event.kind != Event::Kind::kSnapshotInstalled) continue;
    if (event.index <= seen->applied) {
      return Fail(violation, "state machine safety", replica,
                  "installs a snapshot through ", event.index,
                  " though it applied ", seen->applied);
    }
    const Term term = core.snapshot().position.term;
    if (event.index > committed() ||
        committed_[event.index.value() - 1].term != term) {
      return Fail(violation, "state machine safety", replica,
                  "installs a snapshot through ", event.index, " of term ",
                  term, " that no leader committed");
    }
    seen->applied = event.index;
  }
  return true;
}

bool ClusterInvariants::CheckReplica(ReplicaId replica, const Core& core,
                                     const Seen& seen, std::string* violation) {
  if (core.term() < seen.term) {
    return Fail(violation, "monotonic term", replica, "goes from term ",
                seen.term, " to ", core.term());
  }
  if (core.term() == seen.term && seen.voted_for != ReplicaId() &&
      core.voted_for() != seen.voted_for) {
    return Fail(violation, "one vote per term", replica, "voted for ",
                seen.voted_for, " and ", core.voted_for(), " in term ",
                core.term());
  }
  if (core.commit_index() < seen.commit) {
    return Fail(violation, "monotonic commit", replica, "goes from ",
                seen.commit, " to ", core.commit_index());
  }
  if (core.commit_index() > core.last().index) {
    return Fail(violation, "commit", replica, "commits ", core.commit_index(),
                " beyond its log, which ends at ", core.last().index);
  }
  return true;
}

bool ClusterInvariants::CheckLeader(ReplicaId replica, const Core& core,
                                    const Seen& seen, std::string* violation) {
  const Term term = core.term();
  LeaderTerm* leader = FindLeader(term);
  const bool first = leader == nullptr;
  if (first) leader = &(leaders_[term] = LeaderTermOf(replica, core));
  if (leader->replica != replica) {
    return Fail(violation, "election safety", replica, "leads term ", term,
                ", which replica ", leader->replica, " led");
  }
  if (!CheckMatches(replica, core, leader, violation) ||
      (core.commit_index() > seen.commit &&
       !CheckLeaderCommit(replica, core, violation))) {
    return false;
  }
  if (!first) return true;
  const WrittenLog& disk = seen.disk;
  if (disk.watched && disk.hard_state != HardState{term, replica}) {
    return Fail(violation, "durability", replica, "leads term ", term,
                " before its own vote is on its disk");
  }
  // The new leader must hold what was committed in earlier terms. A leader of a
  // later term may have committed more meanwhile. By log matching it is enough
  // to compare the last such entry.
  size_t last = committed_.size();
  while (last > 0 && committed_[last - 1].committed_in >= term) --last;
  if (last == 0 || Index(last) < core.log_start().index) return true;
  if (core.TermAt(Index(last)) != committed_[last - 1].term) {
    return Fail(violation, "leader completeness", replica, "leads term ", term,
                " without the entry ", last, " of term ",
                committed_[last - 1].term, " that was committed in term ",
                committed_[last - 1].committed_in);
  }
  return true;
}

bool ClusterInvariants::CheckSentOnce(ReplicaId replica, const Core& core,
                                      const Output& output,
                                      std::string* violation) {
  LeaderTerm& leader_term = *FindLeader(core.term());
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
      return Fail(violation, "sent once", replica, "of term ", core.term(),
                  " sends replica ", message.to, " entry ", first,
                  " again. It was sent entries through ", to.last,
                  " and has rejected ", to.reasons, " appends");
    }
    to.NoteSent(message.entries);
    const uint64_t bound = to.reasons * (send_window_bytes_ + to.largest_bytes);
    if (to.again_bytes > bound) {
      return Fail(violation, "sent once", replica, "of term ", core.term(),
                  " has sent replica ", message.to, " ", to.again_bytes,
                  " bytes of entries again, of at most ", bound);
    }
  }
  return true;
}

// A leader's view of each follower is held against what that follower has
// acknowledged in this term, and against its disk.
bool ClusterInvariants::CheckMatches(ReplicaId replica, const Core& core,
                                     LeaderTerm* leader_term,
                                     std::string* violation) {
  core.GetMatches(&matches_);
  for (const Core::FollowerMatch& follower : matches_) {
    if (follower.match == Index()) continue;
    const Seen* const seen = FindSeen(follower.replica);
    if (seen == nullptr || !seen->disk.watched) continue;
    const WrittenLog& disk = seen->disk;
    auto* const known = leader_term->FindAcknowledged(follower.replica);
    if (known == nullptr || follower.match > known->index) {
      return Fail(violation, "acknowledged entries", replica, "of term ",
                  core.term(), " takes ", follower.match,
                  " for durable on replica ", follower.replica,
                  ", which acknowledged ",
                  known == nullptr ? Index() : known->index, " in this term");
    }
    // It was compared before with this disk.
    if (known->match == follower.match && known->disk == disk.changes) continue;
    known->match = follower.match;
    known->disk = disk.changes;
    // In a later term another leader may have replaced these entries.
    if (older_.contains(follower.replica) ||
        disk.hard_state.term != core.term() || follower.match <= disk.base ||
        follower.match < core.log_start().index) {
      continue;
    }
    if (follower.match > disk.last() ||
        disk.TermAt(follower.match) != core.TermAt(follower.match)) {
      return Fail(violation, "acknowledged entries", replica, "of term ",
                  core.term(), " takes ", follower.match, " of term ",
                  core.TermAt(follower.match), " for durable on replica ",
                  follower.replica, ", whose disk ends at ", disk.last());
    }
  }
  return true;
}

bool ClusterInvariants::CheckLeaderCommit(ReplicaId replica, const Core& core,
                                          std::string* violation) {
  const Index commit = core.commit_index();
  if (core.TermAt(commit) != core.term()) {
    return Fail(violation, "commit", replica, "of term ", core.term(),
                " commits entry ", commit, " of term ", core.TermAt(commit),
                " by counting");
  }
  // The checker counts by itself, without the quorum functions of the product.
  const Configuration& configuration = core.configuration();
  for (const auto* voters :
       {&configuration.voters, &configuration.outgoing_voters}) {
    size_t count = 0;
    for (const Member& voter : *voters) {
      const Seen* const seen = FindSeen(voter.replica);
      const LogPosition durable = voter.replica == replica ? DurableOf(core)
                                  : seen == nullptr        ? LogPosition()
                                                           : seen->durable;
      count += Holds(durable, core.term(), commit) ? 1 : 0;
    }
    if (2 * count > voters->size() || voters->empty()) continue;
    return Fail(violation, "commit", replica, "commits ", commit, ", only ",
                count, " of ", voters->size(), " voters have it on disk");
  }
  return true;
}

bool ClusterInvariants::CheckAppended(ReplicaId replica, const Core& core,
                                      const Entry& entry, Seen* seen,
                                      std::string* violation) {
  const Index previous = entry.index - 1;
  const Term previous_term = core.TermAt(previous);
  if (previous > core.evicted() &&
      entry.log_time < core.EntryAt(previous).log_time) {
    return Fail(violation, "monotonic log time", replica, "appends ",
                entry.index, " at ", entry.log_time, " after ",
                core.EntryAt(previous).log_time);
  }
  if (facts_.size() < entry.index.value()) facts_.resize(entry.index.value());
  std::vector<Fact>& facts = facts_[entry.index.value() - 1];
  const uint64_t digest = SameDigest(entry, seen->DigestOf(entry));
  for (Fact& fact : facts) {
    if (fact.term != entry.term) continue;
    if (fact.digest != digest) {
      return Fail(violation, "log matching", replica, "holds another entry at ",
                  entry.index, " in term ", entry.term);
    }
    // Before the log start the term of the predecessor may be unknown.
    if (previous < core.log_start().index) return true;
    if (fact.previous_term != previous_term) {
      return Fail(violation, "log matching", replica, "holds entry ",
                  entry.index, " of term ", entry.term, " after one of term ",
                  previous_term, ", elsewhere it follows one of term ",
                  fact.previous_term);
    }
    return true;
  }
  facts.push_back({entry.term, previous_term, digest,
                   entry.kind == EntryKind::kConfiguration});
  return true;
}

bool ClusterInvariants::CheckApplied(ReplicaId replica, const Core& core,
                                     const Entry& entry, Seen* seen,
                                     std::string* violation) {
  const uint64_t digest = SameDigest(entry, seen->DigestOf(entry));
  const size_t slot = entry.index.value() - 1;
  if (slot == committed_.size()) {
    committed_.push_back({entry.term, digest, core.term(), entry.log_time});
    if (entry.kind == EntryKind::kConfiguration) {
      configurations_[entry.index] = entry.payload;
    }
    return true;
  }
  if (slot > committed_.size()) {
    return Fail(violation, "state machine safety", replica, "commits ",
                entry.index, ", everybody else at most ", committed_.size());
  }
  const Committed& known = committed_[slot];
  if (known.term != entry.term || known.digest != digest) {
    return Fail(violation, "state machine safety", replica, "applies at ",
                entry.index, " an entry of term ", entry.term,
                ", elsewhere one of term ", known.term,
                known.term == entry.term ? " with other contents" : "");
  }
  return true;
}

}  // namespace quorate::raft
