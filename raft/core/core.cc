#include "raft/core/core.h"

#include <algorithm>
#include <utility>

#include "env/check.h"
#include "raft/core/configuration.h"
#include "raft/core/core_impl.h"

namespace quorate::raft {

std::string_view RoleName(RoleKind role) {
  switch (role) {
    case RoleKind::kFollower:
      return "follower";
    case RoleKind::kPreCandidate:
      return "pre-candidate";
    case RoleKind::kCandidate:
      return "candidate";
    case RoleKind::kLeader:
      return "leader";
  }
  return "invalid";
}

void Output::Clear() {
  heartbeats.clear();
  messages.clear();
  write.reset();
  apply.clear();
  apply_work = 0;
  proposed.clear();
  refused.clear();
  reads.clear();
  lease_reads.clear();
  entry_reads.clear();
  snapshots.clear();
  events.clear();
  removed.clear();
  deadline = MonoTime::Max();
}

Core::Impl::Impl(std::shared_ptr<const CoreOptions> options,
                 const CoreContext& context, Restored restored, Random random,
                 Now now)
    : options_(std::move(options)),
      context_(context),
      random_(random),
      hard_state_(restored.hard_state),
      written_hard_state_(restored.hard_state),
      durable_hard_state_(restored.hard_state),
      log_(restored.log_start, restored.snapshot.position.index,
           restored.snapshot.configuration),
      commit_(restored.snapshot.position.index),
      applied_(commit_),
      halted_at_(
          KnowsLevels(restored.snapshot.configuration, context.known_level)
              ? Index()
              : commit_ + 1),
      applied_log_time_(restored.snapshot.log_time),
      applied_latest_(restored.snapshot.latest),
      now_(now) {
  if (restored.snapshot != kNoSnapshot) {
    snapshot_ = Boxed(std::move(restored.snapshot));
  }
  CHECK_NE(context_.replica, ReplicaId());
  CHECK_GT(options_->election_timeout_min, options_->heartbeat_interval);
  CHECK_GE(options_->election_timeout_max, options_->election_timeout_min);
  log_.Adopt(restored.entries);
  CHECK_GE(hard_state_.term, log_.last().term);
  CHECK(log_.Matches(snapshot().position));
  durable_ = log_.last().index;
  commit_ = std::max(commit_, std::min(restored.commit, durable_));
  reacted_commit_ = commit_;
  unapplied_bytes_ = log_.BytesIn(applied_, commit_);
  apply_backlog_ = applied_ < ApplyEnd();
  // Replies to read requests from before a restart must not match new requests.
  // The source of randomness differs from one start to the next.
  next_read_id_ = random_.Bits("raft.read_id", context_.replica.value(),
                               context_.group.value());
  ResetElectionTimer();
  // It may have promised before it ended.
  Promise();
}

// Calls the handler of an input.
struct Core::Impl::InputDispatcher {
  Impl& core;

  void operator()(MessageReceived& e) { core.OnMessage(e.message); }
  void operator()(Proposals& e) { core.OnProposals(std::move(e)); }
  void operator()(ReadRequested& e) { core.OnReadRequested(e); }
  void operator()(TimerFired&) { core.OnTimer(); }
  void operator()(WriteDone& e) { core.OnWriteDone(e); }
  void operator()(SnapshotTaken& e) { core.OnSnapshotTaken(std::move(e)); }
  void operator()(Evict& e) { core.OnEvict(e); }
  void operator()(EntriesRead& e) { core.OnEntriesRead(std::move(e)); }
  void operator()(ChunkRead& e) { core.OnChunkRead(std::move(e)); }
  void operator()(ChunkWritten& e) { core.OnChunkWritten(std::move(e)); }
  void operator()(SnapshotInstalled& e) {
    core.OnSnapshotInstalled(std::move(e));
  }
  void operator()(TransferRequested& e) { core.OnTransferRequested(e); }
  void operator()(ChangeConfiguration& e) { core.OnChangeConfiguration(e); }
  void operator()(RoomToSend& e) { core.OnRoomToSend(e); }
  void operator()(RepliesLost& e) { core.OnRepliesLost(e); }
  void operator()(RoomForEntries&) {}  // The end of the step asks the gate.
  void operator()(HoldRequested&) { core.OnHoldRequested(); }
};

void Core::Impl::Step(Now now, Input& input, Output* output) {
  CHECK_GE(now.mono, now_.mono);
  output->Clear();
  const Now before = std::exchange(now_, now);
  out_ = output;
  if (now.disruptions != before.disruptions) OnClockDisruption(before.mono);
  std::visit(InputDispatcher{*this}, input);
  FinishStep();
  out_ = nullptr;
}

void Core::Impl::OnMessage(const Message& message) {
  if (IsHeld()) return;
  if (message.to != context_.replica || message.from == context_.replica ||
      message.from == ReplicaId() || message.term == Term() ||
      message.term > kTermMax) {
    DropInvalid();
    return;
  }
  if (AdmitTerm(message)) Dispatch(message);
}

void Core::Impl::OnTimer() {
  apply_backlog_ = false;
  if (leads()) {
    LeaderTimeout();
    return;
  }
  RetryForwardedReads();
  EndTrustInEndedProcess();
  if (now_.mono >= election_deadline_) ElectionTimeout();
}

// Raft paper 5.1, Figure 2 "Rules for Servers".
bool Core::Impl::AdmitTerm(const Message& message) {
  // A pre-vote carries a term that has not begun yet (thesis 9.6).
  if (message.type == MessageType::kPreVote) return true;
  if (message.type == MessageType::kPreVoteReply && !message.reject) {
    return true;
  }
  if (message.term > hard_state_.term) {
    // A server with recent leader contact neither grants the vote nor moves to
    // the candidate's term (thesis 4.2.3). Exceptions: the leader requested the
    // election (`forced`), or the candidate is the leader itself.
    if (message.type == MessageType::kVote && !message.forced &&
        HasRecentLeaderContact() && message.from != leader()) {
      Wake();
      return false;
    }
    BecomeFollower(message.term, ReplicaId());
    return true;
  }
  if (message.term < hard_state_.term) {
    ReplyToStaleTerm(message);
    // A voter of an older term may still reject a pre-vote.
    return message.type == MessageType::kPreVoteReply;
  }
  return true;
}

// A sender with an older term that waits for a reply must learn the present
// term.
void Core::Impl::ReplyToStaleTerm(const Message& message) {
  MessageType type;
  switch (message.type) {
    case MessageType::kAppend:
    case MessageType::kHeartbeat:
    case MessageType::kSnapshotChunk:
      type = MessageType::kAppendReply;
      break;
    case MessageType::kVote:
      type = MessageType::kVoteReply;
      break;
    case MessageType::kReadIndex:
      type = MessageType::kReadIndexReply;
      break;
    default:
      return;  // A reply to a request of an older term.
  }
  Message reply = NewMessage(type, message.from);
  reply.reject = true;
  reply.read_id = message.read_id;
  Send(std::move(reply));
}

void Core::Impl::Dispatch(const Message& message) {
  switch (message.type) {
    case MessageType::kPreVote:
      return OnPreVote(message);
    case MessageType::kPreVoteReply:
      return OnPreVoteReply(message);
    case MessageType::kVote:
      return OnVote(message);
    case MessageType::kVoteReply:
      return OnVoteReply(message);
    case MessageType::kAppend:
      return OnAppend(message);
    case MessageType::kAppendReply:
      return OnAppendReply(message);
    case MessageType::kHeartbeat:
      return OnHeartbeat(message);
    case MessageType::kHeartbeatReply:
      return OnHeartbeatReply(message);
    case MessageType::kSnapshotChunk:
      return OnSnapshotChunk(message);
    case MessageType::kSnapshotReply:
      return OnSnapshotReply(message);
    case MessageType::kReadIndex:
      return OnReadIndex(message);
    case MessageType::kReadIndexReply:
      return OnReadIndexReply(message);
    case MessageType::kTimeoutNow:
      return OnTimeoutNow(message);
  }
  DropInvalid();
}

Message Core::Impl::NewMessage(MessageType type, ReplicaId to) const {
  Message message;
  message.type = type;
  message.from = context_.replica;
  message.to = to;
  message.term = hard_state_.term;
  return message;
}

// Figure 2: persistent state is on stable storage before a message of its term
// leaves. Usually it is durable already and the message leaves at once.
void Core::Impl::Send(Message message) {
  if (IsHeld()) return;
  if (hard_state_ != durable_hard_state_) return Hold(std::move(message));
  if (message.type == MessageType::kAppendReply ||
      message.type == MessageType::kHeartbeatReply) {
    AddWish(&message);
  }
  if (message.type == MessageType::kHeartbeat ||
      message.type == MessageType::kHeartbeatReply) {
    out_->heartbeats.push_back(std::move(message));
  } else {
    out_->messages.push_back(std::move(message));
  }
}

// A slow disk may keep it waiting through any number of messages. Only the
// newest of a type to a replica is worth sending then, and any may be lost.
void Core::Impl::Hold(Message message) {
  for (Message& held : held_) {
    if (held.type == message.type && held.to == message.to) {
      held = std::move(message);
      return;
    }
  }
  if (held_.size() < kHeldMessagesMax) held_.push_back(std::move(message));
}

void Core::Impl::SendHeld() {
  for (Message& message : std::exchange(held_, {})) Send(std::move(message));
}

Write& Core::Impl::MutableWrite() {
  if (!out_->write.has_value()) out_->write.emplace();
  return *out_->write;
}

void Core::Impl::FinishStep() {
  // The log has caught up in another way, so no leader will send the rest.
  if (incoming_snapshot_.has_value() && !installing() &&
      incoming_snapshot_->snapshot.position.index <= commit_) {
    DiscardIncomingSnapshot();
  }
  if (Leader* leader = LeaderOrNull()) {
    if (std::exchange(leader->commit_due, false)) TryCommit();
  }
  ReactToCommit();
  ContinueChange();
  RaiseLevelIfAnnounced();
  ApplyCommitted();
  if (halted() && !std::holds_alternative<Follower>(role_)) {
    BecomeFollower(hard_state_.term, ReplicaId());
  }
  if (leads()) {
    SendToMembers();
    ScheduleCommitNotification();
  }
  AskForEntries();
  if (hard_state_ != written_hard_state_ &&
      written_hard_state_ == durable_hard_state_) {
    MutableWrite();
  }
  if (out_->write.has_value()) {
    Write& write = *out_->write;
    write.hard_state_changed = hard_state_ != written_hard_state_;
    write.hard_state = hard_state_;
    write.commit = commit_;
    write.token.epoch = epoch_;
    write.token.hard_state = hard_state_;
    if (write_from_ != Index()) {
      write.token.last = log_.last();
      write.entries = log_.Slice(write_from_ - 1, log_.last().index);
      write_from_ = Index();
    }
    proposed_bytes_ = 0;
    written_hard_state_ = hard_state_;
  }
  out_->removed = log_.TakeRemoved();
  out_->deadline = ComputeDeadline();
}

void Core::Impl::Emit(Event::Kind kind, Index index) {
  Event event;
  event.kind = kind;
  event.term = hard_state_.term;
  event.role = role();
  event.leader = leader();
  event.index = index;
  out_->events.push_back(event);
}

MonoTime Core::Impl::ComputeDeadline() const {
  // Not while installing.
  return apply_backlog_ ? now_.mono : DeadlineWithoutBacklog();
}

MonoTime Core::Impl::DeadlineWithoutBacklog() const {
  if (const Leader* leader = LeaderOrNull()) {
    const MonoTime held = leader->hold_until == MonoTime::Min()
                              ? MonoTime::Max()
                              : leader->hold_until;
    if (leader->members.empty() && leader->round_reads.empty() &&
        leader->waiting_reads.empty() && leader->later_reads.empty()) {
      return held;
    }
    if (leader->send_backlog || !leader->later_reads.empty()) return now_.mono;
    MonoTime at = std::min({leader->heartbeat_at, leader->notification_at,
                            leader->give_away_at, leader->ask_others_at, held});
    if (!PulsesAreFresh()) at = std::min(at, leader->quorum_check_at);
    if (leader->transfer) at = std::min(at, leader->transfer->deadline);
    for (const auto* reads : {&leader->round_reads, &leader->waiting_reads}) {
      if (!reads->empty()) at = std::min(at, reads->front().expires_at);
    }
    for (const Progress& member : leader->members) {
      at = std::min(at, member.retry_at());
    }
    return at;
  }
  MonoTime at = IsNeededInElections() ? election_deadline_ : MonoTime::Max();
  if (const Follower* follower = std::get_if<Follower>(&role_)) {
    if (at != MonoTime::Max() && PulsesAreFresh()) {
      at = std::max(at, follower->quiet_until + options_->election_timeout_min);
    }
    for (const ForwardedRead& read : follower->reads) {
      at = std::min({at, read.retry_at, read.expires_at});
    }
  }
  return at;
}

RoleKind Core::Impl::role() const {
  return static_cast<RoleKind>(role_.index());
}

bool Core::Impl::lags_behind_read() const {
  const auto* follower = std::get_if<Follower>(&role_);
  return follower != nullptr &&
         std::any_of(follower->reads.begin(), follower->reads.end(),
                     [](const ForwardedRead& read) { return read.answered; });
}

ReplicaId Core::Impl::leader() const {
  if (const Follower* follower = std::get_if<Follower>(&role_)) {
    return follower->leader;
  }
  return leads() ? context_.replica : ReplicaId();
}

bool Core::Impl::quiet() const {
  if (const Leader* leader = LeaderOrNull()) {
    return leader->quiet_from != MonoTime::Max();
  }
  const Follower* follower = std::get_if<Follower>(&role_);
  return follower != nullptr && follower->quiet_from != MonoTime::Max() &&
         now_.mono < follower->quiet_until;
}

bool Core::Impl::PulsesAreFresh() const {
  if (!quiet()) return false;
  const auto fresh = [this](ReplicaId replica, MonoTime since) {
    const MonoTime pulse = context_.gate->LastPulse(replica, since);
    return pulse != MonoTime::Min() &&
           now_.mono - pulse < options_->election_timeout_min;
  };
  if (const Follower* follower = std::get_if<Follower>(&role_)) {
    return fresh(follower->leader, follower->quiet_from);
  }
  const Leader& leader = leader_role();
  return std::all_of(leader.members.begin(), leader.members.end(),
                     [&](const Progress& member) {
                       return fresh(member.replica(), leader.quiet_from);
                     });
}

std::vector<Core::FollowerStatus> Core::Impl::followers() const {
  std::vector<FollowerStatus> statuses;
  if (const Leader* leader = LeaderOrNull()) {
    statuses.reserve(leader->members.size());
    for (const Progress& member : leader->members) {
      statuses.push_back(
          {member.replica(), NodeOf(log_.configuration(), member.replica()),
           member.match(), member.next(), ProgressStateName(member.state()),
           !IsInactive(member), member.wants_no_entries(),
           HasCaughtUp(member.replica()), LogPosition(), 0, 0});
      if (member.state() == Progress::State::kSnapshot &&
          now_.mono - LastContact(member) <
              options_->snapshot_transfer_timeout) {
        const auto& pending = member.pending_snapshot();
        statuses.back().snapshot = pending.snapshot.position;
        statuses.back().snapshot_staged = pending.staged;
        statuses.back().snapshot_bytes = pending.snapshot.size_bytes;
      }
    }
  }
  return statuses;
}

void Core::Impl::GetInFlight(std::vector<FollowerInFlight>* followers) const {
  followers->clear();
  const Leader* leader = LeaderOrNull();
  if (leader == nullptr) return;
  for (const Progress& member : leader->members) {
    const size_t bytes = member.inflights().bytes();
    followers->push_back({NodeOf(log_.configuration(), member.replica()),
                          IsInactive(member) ? 0 : bytes});
  }
}

void Core::Impl::GetMatches(std::vector<FollowerMatch>* matches) const {
  matches->clear();
  const Leader* const leader = LeaderOrNull();
  if (leader == nullptr) return;
  for (const Progress& member : leader->members) {
    matches->push_back({member.replica(), member.match()});
  }
}

void Core::Impl::CheckInvariants() const {
  const LogPosition last = log_.last();
  CHECK(held_.empty() || hard_state_ != durable_hard_state_);
  CHECK_LE(held_.size(), kHeldMessagesMax);
  CHECK_LE(log_.start().index, log_.evicted());
  if (!released_) {
    CHECK_LE(log_.evicted(), halted() ? commit_ : applied_);
    CHECK_LE(log_.evicted(), std::max(durable_, log_.start().index));
  }
  CHECK_LE(applied_, commit_);
  CHECK_LE(read_log_time_, known_log_time_);
  CHECK_EQ(apply_backlog_, applied_ < ApplyEnd() && !installing());
  CHECK_EQ(unapplied_bytes_ == 0, applied_ == commit_);
  CHECK_LE(commit_, last.index);
  CHECK_LE(durable_, last.index);
  CHECK_LE(last.term, hard_state_.term);
  CHECK_LE(durable_hard_state_.term, hard_state_.term);
  CHECK_LE(log_.start().index, snapshot().position.index);
  CHECK_LE(snapshot().position.index, applied_);
  if (incoming_snapshot_.has_value()) {
    CHECK_LE(incoming_snapshot_->staged, incoming_snapshot_->accepted);
    CHECK_LE(incoming_snapshot_->accepted,
             incoming_snapshot_->snapshot.size_bytes);
  }
  if (const Leader* leader = LeaderOrNull()) {
    // A leader first appends an entry of its own term, and no other replica
    // appends to its log.
    CHECK_EQ(last.term, hard_state_.term);
    CHECK_EQ(hard_state_.voted_for, context_.replica);
    CHECK(!installing());
    for (const Progress& member : leader->members) {
      CHECK_LT(member.match(), member.next());
      CHECK_LE(member.match(), last.index);
      CHECK_LE(member.next(), last.index + 1);
      if (member.state() != Progress::State::kSnapshot) continue;
      const Progress::PendingSnapshot& transfer = member.pending_snapshot();
      CHECK_LE(transfer.staged, transfer.next);
      CHECK_LE(transfer.next, transfer.snapshot.size_bytes);
    }
    CHECK(!leader->round_reads.empty() || leader->waiting_reads.empty() ||
          !CanServeReads());
    CHECK((leader->uncommitted_bytes == 0) == (commit_ == last.index));
    CHECK(!quiet() || (commit_ == last.index && !leader->transfer));
    CHECK((leader->unwritten_bytes == 0) == (durable_ == last.index));
  }
}

// ---- Core

Core::Core(std::shared_ptr<const CoreOptions> options,
           const CoreContext& context, Restored restored, Random random,
           Now now)
    : impl_(std::make_unique<Impl>(std::move(options), context,
                                   std::move(restored), random, now)) {}
Core::~Core() = default;
Core::Core(const Core& other) : impl_(std::make_unique<Impl>(*other.impl_)) {}

void Core::Step(Now now, Input&& input, Output* output) {
  impl_->Step(now, input, output);
}
MonoTime Core::deadline() const { return impl_->ComputeDeadline(); }
MonoTime Core::deadline_without_backlog() const {
  return impl_->DeadlineWithoutBacklog();
}
RoleKind Core::role() const { return impl_->role(); }
Term Core::term() const { return impl_->hard_state().term; }
ReplicaId Core::replica() const { return impl_->replica(); }
ReplicaId Core::voted_for() const { return impl_->hard_state().voted_for; }
ReplicaId Core::leader() const { return impl_->leader(); }
bool Core::lags_behind_read() const { return impl_->lags_behind_read(); }
Index Core::commit_index() const { return impl_->commit_index(); }
Index Core::applied_index() const { return impl_->applied_index(); }
Index Core::halted_at() const { return impl_->halted_at(); }
bool Core::joining() const { return impl_->joining(); }
bool Core::held() const { return impl_->held(); }
bool Core::installing() const { return impl_->installing(); }
bool Core::quiet() const { return impl_->quiet(); }
LogPosition Core::last() const { return impl_->log().last(); }
LogPosition Core::log_start() const { return impl_->log().start(); }
const LogStart& Core::boundary() const { return impl_->log().log_start(); }
Term Core::TermAt(Index index) const { return impl_->log().TermAt(index); }
const Entry& Core::EntryAt(Index index) const { return impl_->log().At(index); }
const Configuration& Core::configuration() const {
  return impl_->log().configuration();
}
Index Core::configuration_index() const {
  return impl_->log().configuration_index();
}
const Configuration& Core::ConfigurationAt(Index index) const {
  return impl_->log().ConfigurationAt(index);
}
Index Core::evicted() const { return impl_->log().evicted(); }
Index Core::evictable() const { return impl_->evictable(); }
EntryList Core::ReleaseEntries() { return impl_->ReleaseEntries(); }
size_t Core::log_bytes() const { return impl_->log().size_bytes(); }
size_t Core::resident_log_bytes() const {
  return impl_->log().resident_bytes();
}
size_t Core::apply_backlog_bytes() const {
  return impl_->apply_backlog_bytes();
}
bool Core::transferring() const { return impl_->transferring(); }
bool Core::asked_for_no_entries() const {
  return impl_->asked_for_no_entries();
}
size_t Core::UnappliedBytes(Index through, size_t enough) const {
  const LogView& log = impl_->log();
  const Index after = std::max(applied_index(), log.evicted());
  return after < through ? log.BytesIn(after, through, enough) : 0;
}
Index Core::CutBefore(Index through, size_t bytes) const {
  return impl_->log().CutBefore(through, bytes);
}
size_t Core::LogBytesThrough(Index index) const {
  return impl_->log().BytesThrough(index);
}
Index Core::durable_index() const { return impl_->durable_index(); }
const SnapshotDescriptor& Core::snapshot() const { return impl_->snapshot(); }
bool Core::CanServeReads() const { return impl_->CanServeReads(); }
WallTime Core::applied_log_time() const { return impl_->applied_log_time(); }
WallTime Core::applied_latest() const { return impl_->applied_latest(); }
WallTime Core::read_log_time() const { return impl_->read_log_time(); }

WallTime Core::present_log_time() const {
  return std::max(impl_->read_log_time(), impl_->present_log_time());
}

void Core::RaiseLogTime(WallTime log_time, const Now& now) {
  impl_->RaiseLogTime(log_time, now);
}

WallTime Core::NextLogTime(const Now& now) const {
  CHECK(role() == RoleKind::kLeader) << RoleName(role());
  return impl_->NextLogTime(now);
}
std::vector<Core::FollowerStatus> Core::followers() const {
  return impl_->followers();
}
void Core::GetInFlight(std::vector<FollowerInFlight>* followers) const {
  impl_->GetInFlight(followers);
}
void Core::GetMatches(std::vector<FollowerMatch>* matches) const {
  impl_->GetMatches(matches);
}
uint64_t Core::Digest(MonoTime now) const { return impl_->Digest(now); }
void Core::CheckInvariants() const { impl_->CheckInvariants(); }

}  // namespace quorate::raft
