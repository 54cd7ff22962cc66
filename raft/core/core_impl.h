// raft/core/core_impl.h: the state of one replica and the functions that
// implement its rules. Private to raft/core. core.cc dispatches inputs, and
// digest.cc has the digest of the state. The rules are in election.cc (terms,
// votes, leadership transfer), replication.cc (log, commit, heartbeats),
// reads.cc, leases.cc, membership.cc (configurations), limits.cc, levels.cc and
// snapshots.cc.
//
// Three rules hold throughout:
//   - Every message goes through Send. While term and vote are not durable,
//     Send holds the message back until they are.
//   - The term has one setter, and the vote has one.
//   - One Step makes at most one Write. A write without entries waits while the
//     hard state of an earlier one is in flight.
#ifndef QUORATE_RAFT_CORE_CORE_IMPL_H_
#define QUORATE_RAFT_CORE_CORE_IMPL_H_

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "env/boxed.h"
#include "raft/core/core.h"
#include "raft/core/log_view.h"
#include "raft/core/progress.h"
#include "raft/core/role.h"

namespace quorate::raft {

// Terms and indexes stay below these limits. A message with a greater one is
// invalid; accepting it would leave no room for later terms and indexes.
inline constexpr Term kTermMax(uint64_t{1} << 62);
inline constexpr Index kIndexMax(uint64_t{1} << 62);
// Messages that wait until term and vote are durable.
inline constexpr size_t kHeldMessagesMax = 64;
// The snapshot of a replica that has none.
inline constexpr SnapshotDescriptor kNoSnapshot = {};
// No leader is quiet for longer.
inline constexpr Duration kQuietMax = Seconds(3600);

// One class implements all rules, because they share their state. A vote looks
// at the log. An append changes term, role and commit index. A read waits for a
// commit of this term. Each of them adds to the one Output and the one Write of
// the Step. Separate classes for elections, replication and reads would need
// references to all of this state and to each other.
//
// Data with rules of its own has its own class, without access to the rest:
// LogView (entries and configurations), Progress (one follower), Tally and
// ReadRound (majorities). State of one role is in raft/core/role.h and ends
// with the role.
class Core::Impl {
 public:
  Impl(std::shared_ptr<const CoreOptions> options, const CoreContext& context,
       Restored restored, Random random, Now now);

  // Moves out of `input`.
  void Step(Now now, Input& input, Output* output);
  MonoTime ComputeDeadline() const;
  MonoTime DeadlineWithoutBacklog() const;
  void CheckInvariants() const;
  uint64_t Digest(MonoTime now) const;

  RoleKind role() const;
  ReplicaId leader() const;
  bool lags_behind_read() const;
  ReplicaId replica() const { return context_.replica; }
  const HardState& hard_state() const { return hard_state_; }
  const LogView& log() const { return log_; }
  Index commit_index() const { return commit_; }
  Index applied_index() const { return applied_; }
  EntryList ReleaseEntries();
  Index halted_at() const { return halted_at_; }
  bool joining() const { return log_.last().index == Index(); }
  bool held() const { return durable_hard_state_.voted_for == kHeldVote; }
  bool transferring() const {
    return leads() && leader_role().transfer.has_value();
  }
  bool asked_for_no_entries() const {
    const Follower* follower = std::get_if<Follower>(&role_);
    return follower != nullptr && follower->asked_for_none;
  }
  bool installing() const {
    return incoming_snapshot_.has_value() && incoming_snapshot_->installing;
  }
  Index durable_index() const { return durable_; }
  // A halted replica applies no more. A restart reads its log again.
  Index evictable() const {
    return std::min(halted() ? commit_ : applied_, durable_);
  }
  size_t apply_backlog_bytes() const { return halted() ? 0 : unapplied_bytes_; }
  const SnapshotDescriptor& snapshot() const {
    return snapshot_.has_value() ? *snapshot_ : kNoSnapshot;
  }
  WallTime applied_log_time() const { return applied_log_time_; }
  WallTime applied_latest() const { return applied_latest_; }
  // Log time of the leader's next entry.
  WallTime NextLogTime(const Now& now) const;
  void RaiseLogTime(WallTime log_time, const Now& now);
  WallTime read_log_time() const { return read_log_time_; }
  WallTime present_log_time() const { return present_log_time_; }
  bool CanServeReads() const;
  bool quiet() const;
  std::vector<FollowerStatus> followers() const;
  void GetMatches(std::vector<FollowerMatch>* matches) const;
  void GetInFlight(std::vector<FollowerInFlight>* followers) const;

 private:
  // A snapshot that the leader is sending. It survives elections.
  struct IncomingSnapshot {
    SnapshotDescriptor snapshot;
    // The staging file has the bytes before `staged`. Those up to `accepted`
    // are being written.
    uint64_t staged = 0;
    uint64_t accepted = 0;
    AppendNumber number;  // The newest chunk of the leader of `term`.
    Term term;
    bool refused = false;  // A chunk, for lack of room.
    bool installing = false;
  };

  // ---- digest.cc
  void AddLog(CoreDigest* digest) const;
  void AddRole(CoreDigest* digest) const;
  void AddLeader(const Leader& leader, CoreDigest* digest) const;

  // ---- core.cc
  struct InputDispatcher;
  void OnMessage(const Message& message);
  void OnTimer();
  // Adopts the term of `message` if it is newer. True if the message may be
  // dispatched.
  bool AdmitTerm(const Message& message);
  void ReplyToStaleTerm(const Message& message);
  void Dispatch(const Message& message);
  Message NewMessage(MessageType type, ReplicaId to) const;
  void Send(Message message);
  void Hold(Message message);
  void SendHeld();
  Write& MutableWrite();
  void FinishStep();
  void Emit(Event::Kind kind, Index index = Index());
  void DropInvalid() { Emit(Event::Kind::kInvalidMessage); }
  bool Fires(Site point) const {
    return context_.buggify != nullptr && context_.buggify->Fire(point);
  }

  bool leads() const { return std::holds_alternative<Boxed<Leader>>(role_); }
  // Require: leads().
  Leader& leader_role() { return *std::get<Boxed<Leader>>(role_); }
  const Leader& leader_role() const { return *std::get<Boxed<Leader>>(role_); }
  Leader* LeaderOrNull() { return leads() ? &leader_role() : nullptr; }
  const Leader* LeaderOrNull() const {
    return leads() ? &leader_role() : nullptr;
  }

  // ---- election.cc
  void SetTerm(Term term);
  void SetVote(ReplicaId replica);
  void ResetElectionTimer() { SetElectionTimer(now_.mono); }
  // Begins the wait at `from`.
  void SetElectionTimer(MonoTime from);
  MonoTime LeaderContact() const;
  void EndTrustInEndedProcess();
  bool HasRecentLeaderContact() const;
  bool IsNeededInElections() const;
  bool MayCampaign() const;
  bool halted() const { return halted_at_ != Index(); }
  // Perhaps not durably yet.
  bool IsHeld() const { return hard_state_.voted_for == kHeldVote; }
  // The last entry that may be applied.
  Index ApplyEnd() const { return halted() ? halted_at_ - 1 : commit_; }
  void BecomeFollower(Term term, ReplicaId leader);
  void BecomePreCandidate();
  // `order`: the kTimeoutNow of the leader, or null.
  void BecomeCandidate(const Message* order);
  void BecomeLeader();
  void LeaveRole();
  void ElectionTimeout();
  VoteResult Count(Tally& tally, ReplicaId voter, bool granted);
  void CountPreVote(ReplicaId voter, bool granted);
  void CountVote(ReplicaId voter, bool granted);
  // Takes the sender of a message that only leaders send as the leader of this
  // term. False if the message is invalid.
  bool AcceptLeader(const Message& message);
  void OnPreVote(const Message& message);
  void OnPreVoteReply(const Message& message);
  void OnVote(const Message& message);
  void OnVoteReply(const Message& message);
  void OnTimeoutNow(const Message& message);
  void OnTransferRequested(const TransferRequested& event);
  void OnHoldRequested();
  void ContinueLeadershipTransfer();
  void GiveAwayLeadership();
  MonoTime QuorumContact() const;
  void CheckQuorum();

  // ---- replication.cc
  void OnProposals(Proposals proposals);
  // Returns why the proposal is refused, or nothing after it was appended.
  std::optional<Refused::Reason> Append(Proposal proposal);
  void OnWriteDone(const WriteDone& event);
  void OnDurable(Index index);
  LogPosition AppendOwn(EntryKind kind, Buffer payload);
  void AppendToLog(Entry entry);
  // The write of this Step has the entries from `index` on.
  void WriteFrom(Index index);
  bool MayStage(size_t bytes) const {
    return context_.gate == nullptr || context_.gate->MayStage(bytes);
  }
  static size_t SizeBehind(const EntryList& entries, size_t known);
  void OnAppend(const Message& message);
  bool WellFormed(const Message& message) const;
  bool Continues(const Entry& entry) const;
  void RejectAppend(const Message& message);
  void ReplaceSuffix(const EntryList& entries, size_t from);
  void AckMatch(AppendNumber number, Index matched);
  void OnAppendReply(const Message& message);
  // The number of the leader's next kAppend or kSnapshotChunk.
  AppendNumber NextNumber() const { return leader_role().last_append + 1; }
  void OnHeartbeat(const Message& message);
  void OnHeartbeatReply(const Message& message);
  void SendAppends(Progress& member);
  enum class WithEntries : bool { kNo, kYes };
  size_t SendAppend(Progress& member, WithEntries with_entries);
  // Whether the entry at member.next() is in memory.
  bool HasEntries(const Progress& member) const;
  size_t TakeEntries(const Progress& member, EntryList* entries) const;
  void ReadEntries(Progress& member);
  bool IsInactive(const Progress& member) const;
  // Frees entries of the log, or sends those that were read again.
  void OnEvict(const Evict& event);
  void OnEntriesRead(EntriesRead event);
  void SendHeartbeat(Progress& member);
  MonoTime NextHeartbeat() const;
  void BroadcastHeartbeats();
  // The log time that this leader's heartbeats and reads have now.
  WallTime PresentLogTime();
  // Whether this leader may be quiet.
  bool IsIdle() const;
  // Whether the group is quiet and no timer need look at pulses: all are there.
  bool PulsesAreFresh() const;
  // Ends the quiet of the group, if it is quiet.
  void Wake();
  // Whether the time for the next heartbeat may pass without one.
  bool StaysQuiet();
  MonoTime LastContact(const Progress& member) const;
  void Retry(Progress& member);
  bool MaySend(const Progress& member, HostGate::Load load) const {
    return context_.gate == nullptr ||
           context_.gate->MaySend(member.replica(), load);
  }
  void OnRoomToSend(const RoomToSend& event);
  void OnRepliesLost(const RepliesLost& event);
  void AppendNoops();
  void LeaderTimeout();
  // The leader's commit rule. At the end of a step that may have changed it.
  void TryCommit();
  void FollowerCommit(Index leader_commit, Index matched);
  // Nothing but the index changes until ReactToCommit, at the end of the step.
  void CommitTo(Index index);
  void ReactToCommit();
  // Sends appends to each member that may get some, at the end of the step.
  void SendToMembers();
  void ApplyCommitted();
  void ScheduleCommitNotification();
  void SendCommitNotifications();
  Progress* FindMember(ReplicaId replica);
  const Progress* FindMember(ReplicaId replica) const {
    return const_cast<Impl*>(this)->FindMember(replica);
  }

  // ---- limits.cc
  bool LacksRoom(Leader& leader, size_t size_bytes, Refused::Reason* reason);
  bool HasNoRoomFor(Leader& leader, size_t size_bytes, Refused::Reason* reason);
  bool DiskIsBehind(const Leader& leader) const;
  // Whether the disk of this node is behind, whichever group's bytes it has.
  bool MayWrite(size_t bytes) const {
    return context_.gate == nullptr || context_.gate->MayWrite(bytes);
  }
  // Whether all groups of this node may have more to apply.
  bool MayLag() const {
    return context_.gate == nullptr || context_.gate->MayLag();
  }
  // Whether the leader should send no entries now.
  bool WantsNoEntries() const;
  // Rejects an append. The log has its entries up to `matched`.
  void RefuseEntries(const Message& message, Index matched);
  // Says in `reply`, which leaves now, whether this replica wants entries.
  void AddWish(Message* reply);
  // At the end of a step: tells a leader that was asked for none to send some.
  void AskForEntries();
  // False: a reply that the leader did not ask for has to wait.
  bool MayReplyUnasked() const;
  // Notes whether the sender wants entries. It may get some again.
  void TakeWish(const Message& message, Progress& member);

  // ---- membership.cc
  void OnChangeConfiguration(const ChangeConfiguration& change);
  // Every change begins here. Returns why it is refused, or nothing after its
  // entry was appended. Requires: this replica leads.
  std::optional<Refused::Reason> Change(const Configuration& target);
  // Why this leader can make no change now.
  std::optional<Refused::Reason> RefuseAnyChange() const;
  // Why it cannot change the present configuration to `target`.
  std::optional<Refused::Reason> RefuseTarget(const Configuration& target);
  void AppendConfiguration(const Configuration& configuration);
  // Makes the members those of the configuration. New ones are first sent the
  // entry `next`.
  void RefreshMembers(Leader& leader, Index next) const;
  bool HasCaughtUp(ReplicaId replica) const;
  Level KnownLevel(const Configuration& configuration);
  void ContinueChange();
  void LeaveLeadership();

  // ---- levels.cc
  void RaiseLevelIfAnnounced();
  // False: a newer program wrote the entry, so this replica halts before it.
  bool Knows(const Entry& entry) const;
  void HaltBefore(Index index);

  // ---- reads.cc
  void OnReadRequested(const ReadRequested& event);
  void AddRead(PendingRead read);
  void ExpireReads();
  void StartRound();
  void AskQuickVoters();
  void AskOtherVoters();
  void ConfirmRound();
  void FinishRound();
  void ReleaseConfirmedReads();
  void ReplyToRead(const PendingRead& read, bool ok, Index index);
  void FailReads();
  void ForwardRead(const ReadRequested& event);
  void SendReadIndex(ForwardedRead& read);
  void RetryForwardedReads();
  void ReleaseForwardedReads();
  void FailForwardedReads();
  void OnReadIndex(const Message& message);
  void OnReadIndexReply(const Message& message);

  void AnswerRead(const PendingRead& read, Index index);

  // ---- leases.cc
  bool ClockIsWrong() const;
  // The clocks of two replicas differ by this at most after `duration` of one.
  Duration Widened(Duration duration) const;
  void Promise();
  Duration PromiseLeft() const;
  void OnClockDisruption(MonoTime before);
  // Min(): there is none.
  MonoTime LeaseEnd() const;
  // False: there is no lease.
  bool ReadByLease(const PendingRead& read);
  void ReadByLeaseLater(const PendingRead& read);
  void TakeLaterReads();
  // Commits what had to wait.
  void EndHold();

  // ---- snapshots.cc
  void OnSnapshotTaken(SnapshotTaken event);
  void OnChunkRead(ChunkRead event);
  void OnChunkWritten(ChunkWritten event);
  void OnSnapshotInstalled(SnapshotInstalled event);
  void DiscardIncomingSnapshot();
  void StartSnapshot(Progress& member);
  void ReadChunk(Progress& member);
  void SendChunk(Progress& member, Buffer chunk);
  void RetryChunk(Progress& member);
  void OnSnapshotReply(const Message& message);
  void OnSnapshotChunk(const Message& message);
  void AcceptChunk(const SnapshotPart& part);
  bool AlreadyCovered(LogPosition position);
  void ReplyToChunk(const IncomingSnapshot& incoming, bool reject);

  const std::shared_ptr<const CoreOptions> options_;
  const CoreContext context_;
  const Random random_;
  uint64_t campaigns_ = 0;  // Pre-votes that it began in this term.
  uint64_t next_read_id_ = 0;

  HardState hard_state_;
  HardState written_hard_state_;  // The newest in a Write.
  HardState durable_hard_state_;  // The newest in a WriteDone.
  // They wait until hard_state_ is durable. Invariant: all were made in this
  // term, and no two have the same type and receiver.
  std::vector<Message> held_;
  LogView log_;
  Index commit_;
  Index reacted_commit_;   // The commit index after the last Step.
  Index applied_;          // At most ApplyEnd().
  bool released_ = false;  // ReleaseEntries was called.
  Index halted_at_;        // Zero: it is not halted.
  // The times of LogStart at applied_.
  WallTime applied_log_time_;
  WallTime applied_latest_;
  // The newest log time that a leader's heartbeat or read has had, as far as
  // this replica knows since its start; zero: none. Invariant: an entry of that
  // leader's term was committed before.
  WallTime known_log_time_{0};
  // The newest one of a read that a round has confirmed: a majority knows it.
  // On a follower, only of reads whose index it has applied. Otherwise a read
  // that waits here could show a later time than the state it reads ever had.
  // Slots that have frozen since would be sealed with an earlier one.
  // Invariant: at most known_log_time_.
  WallTime read_log_time_{0};
  // That of the leader at the newest read by a lease.
  WallTime present_log_time_{0};
  // More is committed than one Step may apply. Only the timer goes on then.
  bool apply_backlog_ = false;
  size_t unapplied_bytes_ = 0;  // Sum of size_bytes over (applied, commit].
  // Last index on this replica's disk. Truncation lowers it.
  Index durable_;
  // Rises when an index may hold another entry than before.
  uint64_t epoch_ = 1;
  Boxed<SnapshotDescriptor> snapshot_;  // None if it has none.
  Boxed<IncomingSnapshot> incoming_snapshot_;

  Role role_;
  MonoTime election_deadline_;  // Unused by a leader.
  // The longest promise to a leader (leases.cc).
  MonoTime promised_until_ = MonoTime::Min();

  Now now_;           // Time of the current Step.
  Index write_from_;  // First entry that it appended; zero: none.
  // Size of the entries that it appended as the leader.
  size_t proposed_bytes_ = 0;
  Output* out_ = nullptr;  // Output of the current Step.
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_CORE_IMPL_H_
