// Log replication, the commit rules and heartbeats (Raft paper 5.3, 5.4.2;
// thesis 3.5, 3.6.2, 10.2.1).
#include <algorithm>
#include <utility>

#include "env/check.h"
#include "raft/core/configuration.h"
#include "raft/core/core_impl.h"

namespace quorate::raft {

Progress* Core::Impl::FindMember(ReplicaId replica) {
  std::vector<Progress>& members = leader_role().members;
  for (Progress& member : members) {
    if (member.replica() == replica) return &member;
  }
  return nullptr;
}

// ---- The leader's log.

// Log time never falls. Under one leader it advances at most by the monotonic
// time passed plus a bounded slew. A jump of a wall clock therefore cannot
// expire all keys. Under a clock whose error is not known, log time advances by
// monotonic time alone. It is not before that of an earlier heartbeat or read,
// which clients may have observed.
WallTime Core::Impl::NextLogTime(const Now& now) const {
  const Leader& leader = leader_role();
  const Duration elapsed = now.mono - leader.anchor_mono;
  const Duration slew(elapsed.ns() / 1'000'000 * options_->log_time_slew_ppm);
  const WallTime steady = leader.anchor_log_time + elapsed;
  const WallTime wall =
      now.wall.bounded() ? std::min(now.wall.earliest, steady + slew) : steady;
  return std::max({log_.LogTimeAt(log_.last().index), known_log_time_, wall});
}

void Core::Impl::RaiseLogTime(WallTime log_time, const Now& now) {
  Leader* const leader = LeaderOrNull();
  if (leader != nullptr && NextLogTime(now) < log_time) {
    leader->anchor_log_time = log_time;
    leader->anchor_mono = now.mono;
  }
  known_log_time_ = std::max(known_log_time_, log_time);
}

// Log time of the group begins with the first entry that is committed. The
// clock of a leader before that may have any error (docs/decisions/0034).
WallTime Core::Impl::PresentLogTime() {
  if (CanServeReads()) known_log_time_ = NextLogTime(now_);
  return known_log_time_;
}

LogPosition Core::Impl::AppendOwn(EntryKind kind, Buffer payload) {
  Entry entry;
  entry.term = hard_state_.term;
  entry.index = log_.last().index + 1;
  entry.kind = kind;
  entry.log_time = NextLogTime(now_);
  entry.leader_wall = now_.wall;
  entry.payload = std::move(payload);
  entry.checksum = EntryChecksum(entry);
  Leader& leader = leader_role();
  Wake();
  leader.send_due = true;
  leader.uncommitted_bytes += entry.size_bytes();
  leader.unwritten_bytes += entry.size_bytes();
  proposed_bytes_ += entry.size_bytes();
  const LogPosition position = entry.position();
  AppendToLog(std::move(entry));
  return position;
}

// Appends to the log in memory. FinishStep puts the entries into the write of
// this Step. A configuration takes effect when it is appended (thesis 4.1).
void Core::Impl::AppendToLog(Entry entry) {
  const bool configuration = entry.kind == EntryKind::kConfiguration;
  const Index index = entry.index;
  WriteFrom(index);
  log_.Append(std::move(entry));
  if (configuration) Emit(Event::Kind::kConfigurationChanged, index);
}

void Core::Impl::WriteFrom(Index index) {
  MutableWrite();
  if (write_from_ == Index()) write_from_ = index;
}

// Raft paper 5.3. The leader sends the entry while its own disk writes it. Its
// own copy counts at WriteDone, like that of a follower (thesis 10.2.1).
void Core::Impl::OnProposals(Proposals proposals) {
  std::optional<Refused::Reason> refused;
  for (Proposal& proposal : proposals.all) {
    const uint64_t tag = proposal.tag;
    if (!refused.has_value()) refused = Append(std::move(proposal));
    if (refused.has_value()) {
      out_->refused.push_back({tag, *refused});
    } else {
      out_->proposed.push_back({tag, log_.last()});
    }
  }
}

std::optional<Refused::Reason> Core::Impl::Append(Proposal proposal) {
  CHECK_LE(proposal.payload.size(), kEntryPayloadBytesMax);
  CHECK(proposal.kind != EntryKind::kConfiguration);
  Leader* leader = LeaderOrNull();
  if (leader == nullptr) return Refused::Reason::kNotLeader;
  if (leader->transfer) return Refused::Reason::kTransferInProgress;
  const size_t size_bytes = Entry().size_bytes() + proposal.payload.size();
  Refused::Reason reason;
  if (LacksRoom(*leader, size_bytes, &reason)) return reason;
  AppendOwn(proposal.kind, std::move(proposal.payload));
  return std::nullopt;
}

void Core::Impl::SendToMembers() {
  Leader& leader = leader_role();
  if (!std::exchange(leader.send_due, false)) return;
  for (Progress& member : leader.members) {
    SendAppends(member);
    member.catch_up().entries.clear();
  }
}

void Core::Impl::SendAppends(Progress& member) {
  if (member.state() == Progress::State::kReplicate &&
      member.next() > log_.last().index) {
    return;
  }
  const Inflights::Limits limits = {
      Fires("raft.no_pipeline") ? 1 : options_->inflight_messages_max,
      options_->inflight_bytes_max};
  const size_t bytes_max =
      Fires("raft.send_one_append") ? 1 : options_->send_bytes_max;
  size_t bytes = 0;
  // A leader may send its snapshot although its log has the entries.
  if (member.state() == Progress::State::kProbe && member.CanAppend(limits) &&
      snapshot().position.index > member.match() &&
      Fires("raft.snapshot_instead_of_entries")) {
    return StartSnapshot(member);
  }
  while (member.CanAppend(limits)) {
    // An append names the entry before its first one, which must be in the log.
    if (member.next() - 1 < log_.start().index) {
      StartSnapshot(member);
      return;
    }
    if (member.state() == Progress::State::kReplicate &&
        member.next() > log_.last().index) {
      return;
    }
    const bool probe = member.state() == Progress::State::kProbe;
    const bool room =
        !member.wants_no_entries() && MaySend(member, HostGate::Load::kEntries);
    if (!probe && !room) return;
    if (bytes >= bytes_max) {
      leader_role().send_backlog = true;
      return;
    }
    const bool empty =
        probe &&
        (!room || IsInactive(member) || member.inflights().Full(limits) ||
         !HasEntries(member) || Fires("raft.empty_probe"));
    if (!empty && !HasEntries(member)) return ReadEntries(member);
    bytes += SendAppend(member, empty ? WithEntries::kNo : WithEntries::kYes);
  }
}

// An inactive follower, or one that has a window of entries to write, gets a
// probe without entries. Returns the bytes of the entries.
size_t Core::Impl::SendAppend(Progress& member, WithEntries with_entries) {
  const Index previous = member.next() - 1;
  Message message = NewMessage(MessageType::kAppend, member.replica());
  message.number = ++leader_role().last_append;
  message.previous = {log_.TermAt(previous), previous};
  message.commit = commit_;
  message.commit_log_time = log_.LogTimeAt(commit_);
  size_t bytes = 0;
  if (with_entries == WithEntries::kYes) {
    bytes = TakeEntries(member, &message.entries);
  }
  const Index last = previous + message.entries.size();
  const Duration retry = Fires("raft.append_again_soon")
                             ? Milliseconds(1)
                             : options_->retry_interval;
  member.AppendSent(last, bytes, now_.mono + retry);
  member.CommitSent(std::min(commit_, last));
  Send(std::move(message));
  return bytes;
}

size_t Core::Impl::TakeEntries(const Progress& member,
                               EntryList* entries) const {
  const size_t bytes_max =
      Fires("raft.append_of_one_entry") ? 1 : options_->append_bytes_max;
  if (member.next() > log_.evicted()) {
    return log_.SliceByBytes(member.next() - 1, log_.last().index, bytes_max,
                             entries);
  }
  const EntryList& read = member.catch_up().entries;
  const size_t offset = member.CatchUpOffset();
  return entries->AppendByBytes(read, offset, read.size() - offset, bytes_max);
}

bool Core::Impl::HasEntries(const Progress& member) const {
  return member.next() > log_.evicted() ||
         member.CatchUpOffset() < member.catch_up().entries.size();
}

void Core::Impl::ReadEntries(Progress& member) {
  Progress::CatchUp& catch_up = member.catch_up();
  if (catch_up.read != Progress::CatchUp::Read::kNone) return;
  catch_up.read = Progress::CatchUp::Read::kOutstanding;
  catch_up.after = member.next() - 1;
  catch_up.entries.clear();
  out_->entry_reads.push_back(
      {member.replica(), catch_up.after, log_.evicted()});
}

void Core::Impl::OnEntriesRead(EntriesRead event) {
  Progress* member = leads() ? FindMember(event.to) : nullptr;
  if (member == nullptr) return;
  Progress::CatchUp& catch_up = member->catch_up();
  if (catch_up.read != Progress::CatchUp::Read::kOutstanding ||
      catch_up.after != event.after) {
    return;  // The read belongs to an earlier leadership or transfer.
  }
  if (event.waits) {
    catch_up.read = Progress::CatchUp::Read::kNone;
    return;
  }
  Index next = event.after + 1;
  bool good = !event.entries.empty();
  for (const Entry& entry : event.entries) {
    good &= entry.index == next && entry.term == log_.TermAt(next);
    next = next + 1;
  }
  // The next heartbeat asks again for what could not be read.
  catch_up.read =
      good ? Progress::CatchUp::Read::kNone : Progress::CatchUp::Read::kFailed;
  if (!good) return;
  catch_up.entries = std::move(event.entries);
  leader_role().send_due = true;
}

void Core::Impl::OnEvict(const Evict& event) {
  const Index cut = log_.CutToKeep(event.keep_bytes);
  const Index through = std::min(cut, evictable());
  if (through > log_.evicted()) log_.EvictTo(through);
}

EntryList Core::Impl::ReleaseEntries() {
  released_ = true;
  log_.EvictTo(log_.last().index);
  return log_.TakeRemoved();
}

bool Core::Impl::IsInactive(const Progress& member) const {
  return now_.mono - LastContact(member) >= options_->election_timeout_max;
}

// The last message of the member, or the last pulse of its node. Pulses count
// while the group is quiet, if the member has answered since it became so. They
// do not speak for a fenced replica, whose node works.
MonoTime Core::Impl::LastContact(const Progress& member) const {
  const Leader& leader = leader_role();
  if (member.last_contact() < leader.quiet_from) return member.last_contact();
  return std::max(
      member.last_contact(),
      context_.gate->LastPulse(member.replica(), leader.quiet_from));
}

// ---- The follower's log.

size_t Core::Impl::SizeBehind(const EntryList& entries, size_t known) {
  return entries.TotalsOf(known, entries.size() - known).size_bytes;
}

// Raft paper Figure 2, AppendEntries RPC, receiver implementation.
void Core::Impl::OnAppend(const Message& message) {
  if (!AcceptLeader(message)) return;
  // The log is being replaced; the leader sends again.
  if (installing()) return;
  if (!WellFormed(message)) {
    DropInvalid();
    return;
  }
  Index matched = message.previous.index + message.entries.size();
  const EntryList& entries = message.entries;
  size_t known = 0;  // The log has so many of them.
  if (message.previous.index < commit_) {
    // Committed entries are in the log of every later leader (leader
    // completeness). They match, even where a snapshot has replaced them here.
    known = commit_ - message.previous.index;
    if (entries.size() <= known) {
      AckMatch(message.number, commit_);
      return;
    }
  } else if (!log_.Matches(message.previous)) {
    RejectAppend(message);
    return;
  }
  known = log_.FindConflict(entries, known);
  if (known < entries.size() && !Continues(entries[known])) {
    DropInvalid();
    return;
  }
  if (known == entries.size()) {
    AckMatch(message.number, matched);
  } else if (!MayWrite(SizeBehind(entries, known))) {
    matched = message.previous.index + known;
    RefuseEntries(message, matched);
  } else {
    ReplaceSuffix(entries, known);
    // The reply below waits for the disk.
    if (WantsNoEntries()) AckMatch(message.number, matched);
    Message reply = NewMessage(MessageType::kAppendReply, message.from);
    reply.number = message.number;
    reply.received = matched;
    reply.durable = matched;
    MutableWrite().after.push_back(std::move(reply));
  }
  FollowerCommit(message.commit, matched);
}

// True if a leader of that term can have sent the entries. Those of an unknown
// kind or version are kept; the replica halts before them (levels.cc).
bool Core::Impl::WellFormed(const Message& message) const {
  LogPosition previous = message.previous;
  WallTime log_time = WallTime::Min();
  for (const Entry& entry : message.entries) {
    if (entry.index != previous.index + 1 || entry.term < previous.term ||
        entry.term == Term() || entry.log_time < log_time) {
      return false;
    }
    previous = entry.position();
    log_time = entry.log_time;
  }
  return previous.term <= message.term;
}

// True if neither term nor log time falls from the entry before `entry`.
bool Core::Impl::Continues(const Entry& entry) const {
  const Index previous = entry.index - 1;
  return entry.term >= log_.TermAt(previous) &&
         entry.log_time >= log_.LogTimeAt(previous);
}

// The hint lets the leader skip a whole term of conflicts at once (Raft paper
// 5.3, end).
void Core::Impl::RejectAppend(const Message& message) {
  Message reply = NewMessage(MessageType::kAppendReply, message.from);
  reply.reject = true;
  reply.number = message.number;
  const Index previous = message.previous.index;
  reply.hint = log_.FindConflictByTerm(previous, message.previous.term);
  // Going back by one entry is legal: the leader then asks more often.
  if (previous <= log_.last().index && previous > log_.start().index &&
      Fires("raft.hint_of_one_entry")) {
    reply.hint = {log_.TermAt(previous - 1), previous - 1};
  }
  Send(std::move(reply));
}

// Removes the suffix that conflicts with the entries from offset `from` on,
// then appends them. Matching entries are never removed (Figure 2: "If an
// existing entry conflicts with a new one").
void Core::Impl::ReplaceSuffix(const EntryList& entries, size_t from) {
  const Index first = entries[from].index;
  if (first <= log_.last().index) {
    CHECK_GT(first, commit_);
    const bool reconfigured =
        log_.configuration() != log_.ConfigurationAt(first - 1);
    log_.TruncateFrom(first);
    // Writes in flight hold entries that are removed here.
    ++epoch_;
    durable_ = std::min(durable_, first - 1);
    Emit(Event::Kind::kSuffixTruncated, first);
    if (reconfigured) Emit(Event::Kind::kConfigurationChanged, first);
  }
  WriteFrom(first);
  log_.Append(entries, from);
  for (auto it = entries.At(from); it != entries.end(); ++it) {
    if (it->kind == EntryKind::kConfiguration) {
      Emit(Event::Kind::kConfigurationChanged, it->index);
    }
  }
}

// Says what this replica has, and what of it is durable by now. Entries whose
// write is in flight are acknowledged once more with that write.
void Core::Impl::AckMatch(AppendNumber number, Index matched) {
  Message reply = NewMessage(MessageType::kAppendReply, leader());
  reply.number = number;
  reply.received = matched;
  reply.durable = std::min(matched, durable_);
  Send(std::move(reply));
}

// The commit rule of followers for every type of message (Figure 2:
// "commitIndex = min(leaderCommit, index of last new entry)").
void Core::Impl::FollowerCommit(Index leader_commit, Index matched) {
  const Index index = std::min(leader_commit, matched);
  if (index > commit_ && !installing()) CommitTo(index);
}

// ---- Acknowledgements.

void Core::Impl::OnWriteDone(const WriteDone& event) {
  const WriteToken& token = event.token;
  // Terms and votes only advance, so a newer durable hard state covers the
  // older ones.
  if (token.hard_state.term > durable_hard_state_.term ||
      (token.hard_state.term == durable_hard_state_.term &&
       durable_hard_state_.voted_for == ReplicaId())) {
    durable_hard_state_ = token.hard_state;
  }
  if (token.epoch == epoch_ && token.last.index > durable_) {
    CHECK_LE(token.last.index, log_.last().index);
    CHECK(token.last.index < log_.start().index || log_.Matches(token.last));
    OnDurable(token.last.index);
  }
  if (durable_hard_state_ != hard_state_) return;
  SendHeld();
  if (std::holds_alternative<Candidate>(role_)) {
    CountVote(context_.replica, true);
  } else if (Leader* leader = LeaderOrNull()) {
    leader->commit_due = true;
  }
}

void Core::Impl::OnDurable(Index index) {
  if (Leader* leader = LeaderOrNull()) {
    const Index from = std::max(durable_, log_.start().index);
    if (index > from) leader->unwritten_bytes -= log_.BytesIn(from, index);
    if (!DiskIsBehind(*leader)) leader->give_away_at = MonoTime::Max();
  }
  durable_ = index;
}

void Core::Impl::OnAppendReply(const Message& message) {
  Leader* leader = LeaderOrNull();
  Progress* member = leader == nullptr ? nullptr : FindMember(message.from);
  if (member == nullptr) return;
  member->RecordContact(now_.mono);
  const bool wanted_none = member->wants_no_entries();
  TakeWish(message, *member);
  const AppendNumber next = leader->last_append + 1;
  if (message.number >= next) {
    DropInvalid();
    return;
  }
  if (message.reject) {
    const Index match = member->match();
    const LogPosition agreed =
        log_.FindConflictByTerm(message.hint.index, message.hint.term);
    switch (member->Rejected(message.number, message.hint.index, agreed.index,
                             next)) {
      case Progress::Rejection::kStale:
        return;
      case Progress::Rejection::kWentBack:
        leader->send_due = true;
        return;
      case Progress::Rejection::kLostDurable:
        SendHeartbeat(*member);
        return Emit(Event::Kind::kFollowerLostEntries, match);
    }
    return;
  }
  if (message.received > log_.last().index ||
      message.durable > message.received) {
    DropInvalid();
    return;
  }
  const bool news =
      member->Acknowledged({message.number, message.received, message.durable},
                           next, now_.mono + options_->retry_interval);
  if (member->state() == Progress::State::kSnapshot &&
      member->match() >= log_.start().index) {
    // The entries that the follower lacks are in the log.
    member->BecomeReplicate(next);
  } else if (member->state() == Progress::State::kSnapshot &&
             member->match() >=
                 member->pending_snapshot().snapshot.position.index) {
    StartSnapshot(*member);  // The log was cut again meanwhile.
  }
  if (news) {
    leader->notification_due = true;
    // A match that is committed commits nothing more.
    leader->commit_due |= member->match() > commit_;
  }
  leader->send_due = true;
  // An earlier reply may be lost (RepliesLost).
  if (message.number == AppendNumber() && !wanted_none &&
      member->retry_at() != MonoTime::Max()) {
    Retry(*member);
  }
  if (leader->transfer && leader->transfer->to == member->replica() && news) {
    ContinueLeadershipTransfer();
  }
}

// Only entries of the own term are committed by counting replicas; earlier
// entries are committed with them (Raft paper 5.4.2, Figure 8). The quorum need
// not contain the leader's disk.
void Core::Impl::TryCommit() {
  if (leader_role().hold_until != MonoTime::Min()) return;
  const Index index = QuorumValue<Index>(
      log_.configuration(), Index(0), [this](ReplicaId replica) {
        if (replica == context_.replica) return durable_;
        const Progress* member = FindMember(replica);
        return member == nullptr ? Index(0) : member->match();
      });
  if (index > commit_ && log_.TermAt(index) == hard_state_.term) {
    CommitTo(index);
  }
}

void Core::Impl::CommitTo(Index index) {
  CHECK_GT(index, commit_);
  CHECK_LE(index, log_.last().index);
  const size_t bytes = log_.BytesIn(commit_, index);
  commit_ = index;
  unapplied_bytes_ += bytes;
  Emit(Event::Kind::kCommitAdvanced, index);
  if (Leader* leader = LeaderOrNull()) {
    CHECK_GE(leader->uncommitted_bytes, bytes);
    leader->uncommitted_bytes -= bytes;
  }
}

void Core::Impl::ReactToCommit() {
  if (commit_ == reacted_commit_) return;
  reacted_commit_ = commit_;
  if (Leader* leader = LeaderOrNull()) {
    leader->notification_due = true;
    StartRound();
  }
}

// ---- Heartbeats, commit notifications, retries.

void Core::Impl::SendHeartbeat(Progress& member) {
  Message message = NewMessage(MessageType::kHeartbeat, member.replica());
  message.commit = std::min(commit_, member.match());
  message.read_round = leader_role().read_round;
  if (quiet()) message.quiet_for = options_->quiet_interval;
  message.lost_entries = member.lost_durable();
  message.log_time = PresentLogTime();
  if (CanServeReads() && log_.configuration().lease_length > Duration()) {
    message.sent = now_.mono;
  }
  member.CommitSent(message.commit);
  Send(std::move(message));
}

// Heartbeats are at multiples of the interval. All groups that a node leads
// therefore send them in one turn, and the host sends one message to each peer.
MonoTime Core::Impl::NextHeartbeat() const {
  const int64_t interval = options_->heartbeat_interval.ns();
  return MonoTime(0) + Nanoseconds((now_.mono.ns() / interval + 1) * interval);
}

void Core::Impl::BroadcastHeartbeats() {
  Leader& leader = leader_role();
  const bool idle = IsIdle();
  Wake();
  if (idle) leader.quiet_from = now_.mono;
  leader.heartbeat_at = NextHeartbeat();
  if (idle) {  // Leaves time for the replies.
    leader.heartbeat_at = leader.heartbeat_at + options_->heartbeat_interval;
  }
  for (Progress& member : leader.members) {
    SendHeartbeat(member);
    if (member.catch_up().read == Progress::CatchUp::Read::kFailed) {
      member.catch_up().read = Progress::CatchUp::Read::kNone;
      leader.send_due = true;
    }
  }
}

// Everything that a later heartbeat could carry has arrived. A member without
// contact does not count: its new link or its election timeout wakes the leader
// when it is back.
bool Core::Impl::IsIdle() const {
  const Leader& leader = leader_role();
  const Index last = log_.last().index;
  if (context_.gate == nullptr ||
      options_->quiet_interval <= options_->heartbeat_interval * 2 ||
      leader.transfer || applied_ != last || durable_ != last ||
      !CanServeReads() || !log_.configuration().outgoing_voters.empty() ||
      now_.mono - QuorumContact() > options_->election_timeout_min ||
      !context_.gate->MayBeQuiet() || Fires("raft.not_quiet")) {
    return false;
  }
  for (const Progress& member : leader.members) {
    if (IsInactive(member)) continue;
    if (member.state() != Progress::State::kReplicate ||
        member.match() != last || member.wants_no_entries() ||
        member.known_level() == Level() ||
        now_.mono - LastContact(member) > options_->election_timeout_min) {
      return false;
    }
  }
  return true;
}

void Core::Impl::Wake() {
  Leader* leader = LeaderOrNull();
  if (leader == nullptr || !quiet()) return;
  for (Progress& member : leader->members) {
    member.RecordContact(LastContact(member));
  }
  leader->quiet_from = MonoTime::Max();
  leader->heartbeat_at = NextHeartbeat();
}

// The quiet lasts if every member has answered the heartbeat that began it.
bool Core::Impl::StaysQuiet() {
  Leader& leader = leader_role();
  if (!quiet()) return false;
  const MonoTime end = leader.quiet_from + options_->quiet_interval;
  if (now_.mono >= end) return false;
  for (const Progress& member : leader.members) {
    if (member.last_contact() < leader.quiet_from && !IsInactive(member)) {
      return false;
    }
  }
  leader.heartbeat_at = end;
  return true;
}

void Core::Impl::OnHeartbeat(const Message& message) {
  if (message.quiet_for < Duration() || message.quiet_for > kQuietMax) {
    return DropInvalid();
  }
  if (!AcceptLeader(message)) return;
  known_log_time_ = std::max(known_log_time_, message.log_time);
  // It is true for ever, also if the message is old: no other replica has this
  // id.
  if (message.lost_entries) return Emit(Event::Kind::kLostEntries);
  if (message.quiet_for > Duration() && context_.gate != nullptr) {
    Follower& follower = std::get<Follower>(role_);
    follower.quiet_from = now_.mono;
    follower.quiet_until = now_.mono + message.quiet_for;
  }
  if (message.commit > log_.last().index && !installing()) {
    DropInvalid();  // It names an entry that was never acknowledged here.
  } else {
    FollowerCommit(message.commit, message.commit);
  }
  Message reply = NewMessage(MessageType::kHeartbeatReply, message.from);
  reply.read_round = message.read_round;
  if (!ClockIsWrong()) reply.sent = message.sent;
  reply.log_time = message.log_time;
  reply.known_level = context_.known_level;
  Send(std::move(reply));
}

void Core::Impl::OnHeartbeatReply(const Message& message) {
  Leader* leader = LeaderOrNull();
  Progress* member = leader == nullptr ? nullptr : FindMember(message.from);
  if (member == nullptr) return;
  if (message.read_round > leader->read_round || message.sent > now_.mono ||
      message.log_time > known_log_time_) {
    DropInvalid();
    return;
  }
  member->RecordContact(now_.mono);
  member->RecordAnswer(message.sent, message.log_time);
  TakeWish(message, *member);
  member->ConfirmReadRound(message.read_round);
  member->RecordKnownLevel(message.known_level);
  ConfirmRound();
}

// A reply is overdue. A kAppend without entries asks what the follower has.
void Core::Impl::Retry(Progress& member) {
  if (member.state() == Progress::State::kSnapshot) return RetryChunk(member);
  member.set_retry_at(MonoTime::Max());
  if (member.next() - 1 < log_.start().index) return StartSnapshot(member);
  SendAppend(member, WithEntries::kNo);
}

// The link took no entries for a while, or they were lost with an older link.
void Core::Impl::OnRoomToSend(const RoomToSend& event) {
  Progress* member = leads() ? FindMember(event.to) : nullptr;
  if (member == nullptr) return;
  // The other node may have started again, and its disk may have lost what was
  // acknowledged. So an idle group asks, too.
  if (event.link_is_new) Wake();
  if (member->state() == Progress::State::kSnapshot) {
    event.link_is_new ? RetryChunk(*member) : ReadChunk(*member);
  } else if (event.link_is_new && member->lost_durable()) {
    SendHeartbeat(*member);
  } else if (event.link_is_new) {
    Retry(*member);
  }
  leader_role().send_due = true;
}

// A leader that awaits a reply asks again then, rather than at its retry.
void Core::Impl::OnRepliesLost(const RepliesLost& event) {
  if (std::holds_alternative<Follower>(role_) && leader() == event.leader &&
      event.leader != ReplicaId() && MayReplyUnasked()) {
    AckMatch(AppendNumber(), commit_);
  }
}

// A leader may append noops at any time. As a point of unlikely behaviour, one
// that is cut off does, so that its log has many entries that never commit.
void Core::Impl::AppendNoops() {
  constexpr size_t kNoops = 8;
  Leader& leader = leader_role();
  const size_t bytes = kNoops * Entry().size_bytes();
  if (QuorumContact() + options_->heartbeat_interval * 2 > now_.mono ||
      leader.transfer ||
      leader.uncommitted_bytes + bytes > options_->uncommitted_bytes_max ||
      !Fires("raft.noops_of_a_lonely_leader")) {
    return;
  }
  for (size_t i = 0; i < kNoops; ++i) AppendOwn(EntryKind::kNoop, Buffer());
}

void Core::Impl::LeaderTimeout() {
  if (now_.mono >= leader_role().quorum_check_at) CheckQuorum();
  Leader* leader = LeaderOrNull();
  if (leader == nullptr) return;
  if (leader->transfer && now_.mono >= leader->transfer->deadline) {
    leader->transfer.reset();
    Emit(Event::Kind::kTransferAbandoned);
  }
  if (now_.mono >= leader->heartbeat_at && !StaysQuiet()) {
    BroadcastHeartbeats();
    ContinueLeadershipTransfer();
    AppendNoops();
  }
  EndHold();
  TakeLaterReads();
  ExpireReads();
  if (now_.mono >= leader->ask_others_at) AskOtherVoters();
  leader->send_due |= std::exchange(leader->send_backlog, false);
  if (now_.mono >= leader->notification_at) SendCommitNotifications();
  if (now_.mono >= leader->give_away_at) GiveAwayLeadership();
  for (Progress& member : leader->members) {
    if (now_.mono >= member.retry_at()) Retry(member);
  }
}

// The next append carries the commit index to a follower. This schedules a
// heartbeat for the case that no append follows soon.
void Core::Impl::ScheduleCommitNotification() {
  Leader& leader = leader_role();
  if (!std::exchange(leader.notification_due, false) ||
      leader.notification_at != MonoTime::Max() ||
      // The next heartbeat carries the commit index, too.
      Fires("raft.no_commit_notification")) {
    return;
  }
  for (const Progress& member : leader.members) {
    if (member.commit_sent() < std::min(commit_, member.match())) {
      leader.notification_at = now_.mono + options_->commit_notification_delay;
      leader.notification_commit = commit_;
      return;
    }
  }
}

void Core::Impl::SendCommitNotifications() {
  Leader& leader = leader_role();
  leader.notification_at = MonoTime::Max();
  leader.notification_due = true;
  if (IsIdle()) return BroadcastHeartbeats();
  for (Progress& member : leader.members) {
    if (member.commit_sent() <
        std::min(leader.notification_commit, member.match())) {
      SendHeartbeat(member);
    }
  }
}

}  // namespace quorate::raft
