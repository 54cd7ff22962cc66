#include "raft/host/replica.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "raft/core/configuration.h"

namespace quorate::raft {
namespace {

// A place of entries in memory (Log::places) counts as so many bytes of
// entries. So the places of many groups with small entries take a tenth of the
// budget.
constexpr uint64_t kPlaceBytes = 1024;

// A proposal found no room, which is rare.
void MarkRefusal(Refused::Reason reason, env::Tracer& tracer) {
  switch (reason) {
    case Refused::Reason::kTooMuchUncommitted:
      return tracer.Sometimes("raft.too_much_uncommitted");
    case Refused::Reason::kTooMuchUnapplied:
      return tracer.Sometimes("raft.too_much_unapplied");
    case Refused::Reason::kTooMuchUnwritten:
      return tracer.Sometimes("raft.too_much_unwritten");
    case Refused::Reason::kTransferInProgress:
      return tracer.Sometimes("raft.refused_during_a_transfer");
    default:
      return;
  }
}

}  // namespace

Replica::Replica(const ReplicaServices& services, GroupKey key,
                 Restored restored, std::unique_ptr<StateMachine> state_machine)
    : services_(services),
      key_(key),
      state_machine_(std::move(state_machine)),
      lines_(services.env.tracer, key),
      digests_(services.options.digest_interval,
               services.options.core.heartbeat_interval * 8) {
  const CoreContext context = {.replica = key.replica,
                               .group = key.group,
                               .known_level = state_machine_->known_level(),
                               .buggify = &services.env.buggify,
                               .gate = this};
  core_.emplace(services.core_options, context, std::move(restored),
                services.env.random, services.env.loop.ReadClock());
  core_deadline_ = core_->deadline();
  level_ = core_->configuration().level;
  lines_.SetMembers(*core_);
  if (core_->commit_index() > core_->applied_index()) {
    services_.env.tracer.Sometimes("raft.commit_known_at_start");
  }
  ReportLogBytes();
  if (core_->halted_at() != Index()) OnHalted(core_->halted_at());
}

// ---- Entry points

void Replica::OnMessage(NodeId from, StoreIncarnation store,
                        Message&& message) {
  if (!status_.ok() || !SenderIsMember(message.from, from, store)) return;
  // Any message may be lost.
  if (services_.env.buggify.Fire("raft.host.message_dropped")) return;
  if (message.no_entries) {
    services_.env.tracer.Sometimes("raft.follower_wants_no_entries");
  }
  TakeStateDigest(message);
  // Without a second move: a message is large.
  Step(Input(std::in_place_type<MessageReceived>, std::move(message)));
}

template <typename F>
void Replica::AfterStep(ProposeDone done, F f) {
  services_.callbacks.Add([services = services_, key = key_,
                           done = std::move(done), f = std::move(f)]() mutable {
    Replica* const here = services.replicas.Find(key);
    if (here != nullptr) return f(*here, std::move(done));
    services.callbacks.AddForNextTurn([done = std::move(done)]() mutable {
      done({.outcome = Outcome::kNotExecuted,
            .status = absl::NotFoundError("the replica was dropped")});
    });
  });
}

void Replica::Propose(EntryKind kind, Buffer payload, ProposeDone done) {
  if (stepping_) {
    return AfterStep(std::move(done),
                     [kind, payload = std::move(payload)](
                         Replica& here, ProposeDone done) mutable {
                       here.Propose(kind, std::move(payload), std::move(done));
                     });
  }
  const absl::Status refusal = CheckProposal(kind, payload);
  if (!refusal.ok()) {
    CompleteProposal(std::move(done),
                     {.outcome = Outcome::kNotExecuted, .status = refusal});
    return;
  }
  Callers& callers = callers_.Mutable();
  callers.turn_proposal_bytes += payload.size();
  callers.turn_proposals.all.push_back(
      {callers.turn_proposals_dones.size(), kind, std::move(payload)});
  callers.turn_proposals_dones.push_back(std::move(done));
  if (callers.turn_proposal_bytes >= services_.options.core.append_bytes_max ||
      services_.env.buggify.Fire("raft.host.proposals_not_gathered")) {
    callers.flush_proposals.Cancel();
    FlushProposals();
    return;
  }
  if (callers.turn_proposals_dones.size() == 1) {
    callers.flush_proposals =
        services_.env.loop.Defer([this] { FlushProposals(); });
  }
}

void Replica::FlushProposals() {
  callers_->turn_proposal_bytes = 0;
  StepProposals(std::exchange(callers_->turn_proposals, {}));
}

void Replica::StepProposals(Input&& input) {
  Step(std::move(input));
  for (const ProposeDone& done : callers_->turn_proposals_dones) {
    CHECK(!done) << "the core neither accepted nor refused a proposal";
  }
  callers_->turn_proposals_dones.clear();
}

// Proposals of this turn come first, because they were made first.
void Replica::ChangeConfiguration(Index base, Configuration target,
                                  ProposeDone done) {
  if (stepping_) {
    return AfterStep(
        std::move(done), [base, target = std::move(target)](
                             Replica& here, ProposeDone done) mutable {
          here.ChangeConfiguration(base, std::move(target), std::move(done));
        });
  }
  Callers& callers = callers_.Mutable();
  callers.flush_proposals.Cancel();
  if (!callers.turn_proposals_dones.empty()) FlushProposals();
  if (!status().ok()) {
    return CompleteProposal(std::move(done), {.outcome = Outcome::kNotExecuted,
                                              .status = status()});
  }
  callers.turn_proposals_dones.push_back(std::move(done));
  StepProposals(raft::ChangeConfiguration{
      .tag = 0, .base = base, .target = std::move(target)});
}

absl::Status Replica::CheckProposal(EntryKind kind,
                                    const Buffer& payload) const {
  if (!status().ok()) return status();
  if (payload.size() > kEntryPayloadBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a payload of ", payload.size(), " bytes exceeds the limit of ",
        kEntryPayloadBytesMax, " bytes for one entry"));
  }
  const Level level = core_->configuration().level;
  if (kind == EntryKind::kCommands &&
      state_machine_->LevelOf(payload) > level) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the commands need level ", state_machine_->LevelOf(payload).value(),
        ", but group ", key_.group.value(), " is at level ", level.value(),
        " until all its members run the newer program"));
  }
  return absl::OkStatus();
}

void Replica::Read(ReadDone done, ReadPointOptions options) {
  if (!status().ok()) {
    services_.callbacks.AddForNextTurn(
        [done = std::move(done), status = status()]() mutable {
          done(status);
        });
    return;
  }
  Callers& callers = callers_.Mutable();
  callers.turn_reads.push_back(std::move(done));
  callers.turn_shows_log_time |= options.shows_log_time;
  if (!stepping_ &&
      services_.env.buggify.Fire("raft.host.reads_not_gathered")) {
    callers.flush_reads.Cancel();
    FlushReads();
    return;
  }
  if (callers.turn_reads.size() == 1) {
    callers.flush_reads = services_.env.loop.Defer([this] { FlushReads(); });
  }
}

void Replica::FlushReads() {
  Callers& callers = *callers_;
  const uint64_t tag = callers.next_tag++;
  callers.reads_in_core.emplace(tag, std::move(callers.turn_reads));
  callers.turn_reads.clear();
  callers.flushing_reads = tag;
  Step(ReadRequested{tag, std::exchange(callers.turn_shows_log_time, false)});
  callers.flushing_reads = 0;
}

void Replica::TransferLeadership(ReplicaId to) {
  if (stepping_) {
    services_.callbacks.Add(
        WhileHere([to](Replica& here) { here.TransferLeadership(to); }));
    return;
  }
  if (!status_.ok() || core_->role() != RoleKind::kLeader) return;
  Step(TransferRequested{to});
}

void Replica::Hold() {
  if (stepping_) {
    services_.callbacks.Add(WhileHere([](Replica& here) { here.Hold(); }));
    return;
  }
  if (!status_.ok() || core_->voted_for() == kHeldVote) return;
  services_.env.tracer.Sometimes("raft.replica_held");
  services_.env.tracer.Log(
      env::Severity::kWarning,
      absl::StrCat("raft: group ", key_.group.value(),
                   " is being recovered from another node: the replica here "
                   "is held, and takes no part any more"));
  Step(HoldRequested());
}

void Replica::OnRoomToSend(NodeId to, bool link_is_new) {
  if (core_->role() != RoleKind::kLeader) return;
  for (const ReplicaId member : MemberReplicas(core_->configuration())) {
    if (member != key_.replica && NodeOf(member) == to) {
      Step(RoomToSend{member, link_is_new});
    }
  }
}

void Replica::OnReplyLinkOpened(NodeId to) {
  const ReplicaId leader = core_->leader();
  if (core_->role() != RoleKind::kFollower || leader == ReplicaId() ||
      NodeOf(leader) != to) {
    return;
  }
  Step(RepliesLost{leader});
}

void Replica::OnRoomForEntries() {
  if (!core_->asked_for_no_entries()) return;
  services_.env.tracer.Sometimes("raft.node_has_room_again");
  Step(RoomForEntries());
}

bool Replica::MaySend(ReplicaId to, Load load) {
  return services_.send_room.MaySend(
      key_.group, NodeOf(to),
      load == Load::kChunk ? env::Lane::kBulk : env::Lane::kRequests);
}

bool Replica::MayHold(NodeRoom& room, uint64_t bytes, std::string_view mark) {
  if (room.Admit(bytes)) return true;
  services_.env.tracer.Sometimes(mark);
  return false;
}

NodeId Replica::NodeOf(ReplicaId replica) const {
  const Member* member = FindMember(core_->configuration(), replica);
  if (member != nullptr) return member->node;
  return replica == unnamed_sender_.first ? unnamed_sender_.second : NodeId();
}

// A message to a replica whose node is not known is lost.
void Replica::Send(const Message& message) {
  const NodeId to = NodeOf(message.to);
  if (to != NodeId()) services_.outbox.Add(to, key_.group, message);
}

void Replica::OnTimer() {
  if (!status_.ok()) return;
  const MonoTime now = services_.env.loop.ReadClock().mono;
  if (now >= proposals_deadline_) ExpireProposals();
  if (now >= core_deadline_) Step(TimerFired());
}

bool Replica::ReliesOnPulsesOf(NodeId node) const {
  return std::find(reported_pulses_.begin(), reported_pulses_.end(), node) !=
         reported_pulses_.end();
}

void Replica::OnPulsesChanged() {
  if (status_.ok()) Step(TimerFired());
}

MonoTime Replica::deadline() const {
  if (!status_.ok()) return MonoTime::Max();
  return std::min(core_deadline_, proposals_deadline_);
}

MonoTime Replica::deadline_without_backlog() const {
  if (!status_.ok()) return MonoTime::Max();
  return std::min(core_->deadline_without_backlog(), proposals_deadline_);
}

void Replica::Stop(const absl::Status& why) {
  if (!status_.ok()) return;
  status_ = why;
  if (callers_.has_value()) EndCallers(why);
  snapshots_.Stop();
  in_flight_.clear();
  ReportQuiet();
}

void Replica::EndCallers(const absl::Status& why) {
  Callers& callers = *callers_;
  for (auto& [position, done] : callers.proposals) {
    CompleteProposal(std::move(done),
                     {.outcome = Outcome::kUnknown, .status = why});
  }
  callers.proposals.clear();
  callers.flush_proposals.Cancel();
  for (ProposeDone& done : callers.turn_proposals_dones) {
    CompleteProposal(std::move(done),
                     {.outcome = Outcome::kNotExecuted, .status = why});
  }
  callers.turn_proposals = {};
  callers.turn_proposals_dones.clear();
  callers.flush_reads.Cancel();
  CompleteReads(std::move(callers.turn_reads), why, /*at_once=*/true);
  callers.turn_reads.clear();
  for (auto& [tag, reads] : callers.reads_in_core) {
    CompleteReads(std::move(reads), why, /*at_once=*/true);
  }
  callers.reads_in_core.clear();
}

void Replica::Leave(const absl::Status& why) {
  CHECK(!stepping_ && !reporting_fence_)
      << "group " << key_.group
      << " is dropped by Apply or the observer: drop it in a later turn "
         "(env::Loop::Defer)";
  Stop(why);
  GiveBackLog();
}

// Others have the whole budget then. The entries are freed over several turns.
void Replica::GiveBackLog() {
  services_.removed.Add(core_->ReleaseEntries());
  shares_ = LogShares(services_);
}

// ---- Stepping

void Replica::Step(Input&& input) {
  if (!status_.ok()) return;
  // Outputs are handled in the order of their steps.
  CHECK(!stepping_) << "group " << key_.group << ": a step within a step";
  stepping_ = true;
  const MonoTime deadline_before = deadline();
  OutputPool::Lease lease(&services_.memory.outputs);
  Output& output = *lease;
  core_->Step(services_.env.loop.ReadClock(), std::move(input), &output);
  core_deadline_ = output.deadline;
  ReportLogBytes();
  ReportInFlight();
  ReportQuiet();
  services_.observer.OnStep(key_.group, *core_, output);
  HandleProposals(output);
  HandleWrite(output);
  HandleMessages(output);
  HandleApply(output);
  HandleReads(output);
  HandleEntryReads(output);
  snapshots_.Handle(output);
  HandleEvents(output);
  services_.removed.Add(std::move(output.removed));
  stepping_ = false;
  if (std::exchange(lost_entries_, false)) return FenceForLostEntries();
  if (snapshots_.retained_bytes() > 0) snapshots_.CheckRetained();
  // A timer that fires too early is set again.
  if (deadline() < deadline_before)
    services_.calls.earlier_deadline(key_.group);
}

void Replica::HandleEntryReads(const Output& output) {
  for (const EntryRead& read : output.entry_reads) {
    services_.env.tracer.Sometimes("raft.entries_read_again");
    services_.rooms.follower_reads.Add(
        env::BulkKind::kCatchUp, key_.replica, read.to,
        services_.log.BytesToRead(key_, read.after),
        WhileHere([to = read.to, after = read.after](Replica& here,
                                                     Quota::Share held) {
          if (!here.status_.ok()) return;
          // Others may have used the room on the link meanwhile.
          if (!here.stepping_ && !here.MaySend(to, Load::kEntries)) {
            return here.Step(
                EntriesRead{.to = to, .after = after, .waits = true});
          }
          here.BeginEntryRead(to, after, std::move(held));
        }));
  }
}

void Replica::BeginEntryRead(ReplicaId to, Index after, Quota::Share held) {
  services_.log.Read(
      key_, after,
      [&reads = services_.rooms.follower_reads, held = std::move(held),
       done = WhileHere(
           [to, after](Replica& here, absl::StatusOr<EntryList> entries) {
             here.OnEntriesRead(to, after, std::move(entries));
           })](absl::StatusOr<EntryList> entries) mutable {
        done(std::move(entries));
        held.End();
        reads.BeginWaiting();
      });
}

void Replica::OnEntriesRead(ReplicaId to, Index after,
                            absl::StatusOr<EntryList> entries) {
  if (entries.ok() && !AgreeWithLog(*entries)) {
    entries = absl::DataLossError(absl::StrCat("the entries behind index ",
                                               after.value(),
                                               " are not those of the log"));
  }
  EntriesRead answer{.to = to, .after = after};
  if (entries.ok()) {
    if (failed_reads_.has_value()) failed_reads_->Forget(to);
    answer.entries = *std::move(entries);
  } else if (!absl::IsNotFound(entries.status()) &&
             !failed_reads_.Mutable().MayRepeat(
                 services_.env.tracer, key_.group, to, entries.status())) {
    snapshots_.OnEntriesUnreadable(after, entries.status());
  }
  Step(std::move(answer));
}

// A leader never replaces entries of its log. Those that were compacted during
// the read are not compared. Behind the last entry, the term is zero.
bool Replica::AgreeWithLog(const EntryList& entries) const {
  if (core_->role() != RoleKind::kLeader) return true;
  for (const Entry& entry : entries) {
    if (entry.index > core_->log_start().index &&
        entry.term != core_->TermAt(entry.index)) {
      return false;
    }
  }
  return true;
}

void Replica::ReportLogBytes() {
  LogShares& mine = shares_;
  mine.memory.Resize(core_->resident_log_bytes());
  if (snapshots_.CanEvict()) services_.budgets.memory.Ask();
  // A snapshot that is installed replaces most of them.
  mine.unapplied.Resize(core_->installing() ? 0 : core_->apply_backlog_bytes());
  const uint64_t log_bytes = core_->log_bytes();
  mine.retained.Resize(std::min(snapshots_.retained_bytes(), log_bytes));
  mine.places.Resize(services_.log.places(key_) * kPlaceBytes);
  // No snapshot can shorten the log of a halted replica.
  const uint64_t others = log_bytes - mine.retained.bytes();
  mine.halted.Resize(core_->halted_at() == Index() ? 0 : others);
  mine.size.Resize(others - mine.halted.bytes() + mine.places.bytes());
}

// Nearly every step changes nothing, so it compares first.
void Replica::ReportInFlight() {
  if (core_->role() != RoleKind::kLeader && in_flight_.empty()) return;
  std::vector<Core::FollowerInFlight>& now = services_.memory.in_flight;
  core_->GetInFlight(&now);
  for (size_t i = 0; i < now.size(); ++i) {
    const bool is_new = i == in_flight_.size();
    if (is_new) in_flight_.emplace_back();
    InFlight& reported = in_flight_[i];
    if (is_new || reported.node != now[i].node) {
      reported.node = now[i].node;
      reported.bytes = Quota::Share(services_.send_room.WindowOf(now[i].node));
    }
    reported.bytes.Resize(now[i].bytes);
  }
  in_flight_.resize(now.size());
}

// The members do not change while a leader is quiet.
void Replica::ReportQuiet() {
  const bool quiet = status_.ok() && core_->quiet();
  const ReplicaId leader = quiet ? core_->leader() : ReplicaId();
  if (std::exchange(reported_quiet_, leader) == leader) return;
  for (const NodeId node : reported_pulses_) services_.pulses.Remove(node);
  reported_pulses_.clear();
  if (leader == ReplicaId()) return;
  const bool leads = leader == key_.replica;
  ForEachMember(core_->configuration(), [&](const Member& member) {
    const bool partner =
        leads ? member.replica != leader : member.replica == leader;
    if (!partner) return;
    services_.pulses.Add(member.node);
    reported_pulses_.push_back(member.node);
  });
  services_.calls.pulses_needed();
}

bool Replica::MayBeQuiet() {
  return digests_.Settled(services_.env.loop.ReadClock().mono);
}

void Replica::HandleProposals(const Output& output) {
  for (const Proposed& proposed : output.proposed) {
    callers_->proposals.emplace(
        std::make_pair(proposed.position.index, proposed.position.term),
        TakeProposalDone(proposed.tag));
  }
  for (const Refused& refused : output.refused) {
    MarkRefusal(refused.reason, services_.env.tracer);
    ProposeResult result{.outcome = Outcome::kNotExecuted,
                         .status = RefusalStatus(refused.reason)};
    CompleteProposal(TakeProposalDone(refused.tag), std::move(result));
  }
}

ProposeDone Replica::TakeProposalDone(uint64_t tag) {
  std::vector<ProposeDone>& dones = callers_->turn_proposals_dones;
  CHECK_LT(tag, dones.size());
  CHECK(dones[tag]) << "one proposal was answered twice";
  return std::exchange(dones[tag], nullptr);
}

void Replica::HandleWrite(Output& output) {
  if (!output.write.has_value()) return;
  Write& write = *output.write;
  services_.log.Append(
      key_, write.hard_state_changed ? &write.hard_state : nullptr,
      write.commit, write.entries,
      [held = Quota::Share(services_.rooms.unwritten,
                           write.entries.totals().size_bytes),
       done = WhileHere([token = write.token, after = std::move(write.after)](
                            Replica& here, absl::Status status) mutable {
         here.OnWritten(token, std::move(after), std::move(status));
       })](absl::Status status) mutable {
        held.End();
        done(std::move(status));
      });
}

void Replica::OnWritten(WriteToken token, std::vector<Message> after,
                        absl::Status status) {
  if (!status.ok()) {
    services_.calls.fail_node(std::move(status));
    return;
  }
  if (!status_.ok()) return;
  for (const Message& message : after) Send(message);
  services_.observer.OnWritten(key_.group, token);
  Step(WriteDone{token});
}

void Replica::HandleMessages(Output& output) {
  for (Message& message : output.heartbeats) {
    if (message.read_round != ReadRound()) {
      services_.env.tracer.Sometimes("window.read_round");
    }
    AddStateDigest(&message);
    Send(message);
  }
  for (const Message& message : output.messages) Send(message);
}

void Replica::HandleApply(const Output& output) {
  if (output.apply.empty()) return;
  services_.apply_work.Add(output.apply_work);
  for (const Entry& entry : output.apply) ApplyEntry(entry);
  snapshots_.MaybeBegin();
}

void Replica::ApplyEntry(const Entry& entry) {
  snapshots_.OnApplied(entry.size_bytes());
  ProposeDone waiting;
  while (has_proposals() &&
         callers_->proposals.begin()->first.first <= entry.index) {
    auto it = callers_->proposals.begin();
    ProposeDone done = std::move(it->second);
    const auto [index, term] = it->first;
    callers_->proposals.erase(it);
    if (index == entry.index && term == entry.term) {
      waiting = std::move(done);
      continue;
    }
    // Another entry was committed at this index, so the proposed one never is.
    CHECK_EQ(index, entry.index);
    CompleteProposal(std::move(done),
                     {.outcome = Outcome::kNotExecuted,
                      .status = absl::AbortedError(
                          "another leader's entry replaced the proposed one")});
  }
  Buffer result;
  if (entry.kind == EntryKind::kCommands) {
    result = state_machine_->Apply(entry, static_cast<bool>(waiting));
  } else {
    state_machine_->Advance(entry);
  }
  if (digests_.Wants(entry.index)) {
    digests_.Keep(entry.index, state_machine_->Digest());
  }
  services_.observer.OnApplied(key_.group, entry);
  if (waiting) {
    CompleteProposal(std::move(waiting), {.outcome = Outcome::kDone,
                                          .status = absl::OkStatus(),
                                          .position = entry.position(),
                                          .log_time = entry.log_time,
                                          .result = std::move(result)});
  }
}

// The outcome of proposals that the snapshot covers is not known here. The
// observer must learn of the snapshot before later entries are applied.
void Replica::OnRestored(const SnapshotDescriptor& snapshot) {
  while (has_proposals() &&
         callers_->proposals.begin()->first.first <= snapshot.position.index) {
    auto it = callers_->proposals.begin();
    CompleteProposal(std::move(it->second),
                     {.outcome = Outcome::kUnknown,
                      .status = absl::UnknownError(
                          "a snapshot covers the entry's position")});
    callers_->proposals.erase(it);
  }
  services_.observer.OnRestored(key_.group, snapshot);
}

void Replica::CompleteProposal(ProposeDone done, ProposeResult result) {
  const bool refused = result.outcome == Outcome::kNotExecuted;
  env::Callback complete = [done = std::move(done),
                            result = std::move(result)]() mutable {
    done(result);
  };
  if (refused) {
    services_.callbacks.AddForNextTurn(std::move(complete));
  } else {
    services_.callbacks.Add(std::move(complete));
  }
}

void Replica::ExpireProposals() {
  proposals_deadline_ = MonoTime::Max();
  const bool leads = core_->role() == RoleKind::kLeader;
  auto& proposals = callers_->proposals;
  for (auto it = proposals.begin(); it != proposals.end();) {
    if (leads && it->first.second == core_->term()) {
      ++it;
      continue;
    }
    CompleteProposal(
        std::move(it->second),
        {.outcome = Outcome::kUnknown,
         .status = absl::UnknownError(
             "the leader changed before the command was confirmed")});
    it = proposals.erase(it);
  }
}

void Replica::HandleReads(const Output& output) {
  for (const ReadReady& ready : output.reads) {
    Callers& callers = *callers_;
    auto it = callers.reads_in_core.find(ready.tag);
    if (it == callers.reads_in_core.end()) continue;
    CompleteReads(std::move(it->second),
                  ready.ok
                      ? absl::OkStatus()
                      : absl::UnavailableError("no leader confirmed the read"),
                  ready.tag == callers.flushing_reads);
    callers.reads_in_core.erase(it);
  }
}

// Reads that end within the call that asked for them, and refusals, are
// answered in the next turn. A caller that reads again at once would keep the
// loop otherwise. An earlier caller may drop the replica.
void Replica::CompleteReads(std::vector<ReadDone> reads,
                            const absl::Status& status, bool at_once) {
  for (ReadDone& done : reads) {
    env::Callback complete = [&replicas = services_.replicas, key = key_,
                              status, done = std::move(done)]() mutable {
      const bool dropped = status.ok() && replicas.Find(key) == nullptr;
      done(dropped ? absl::NotFoundError("the replica was dropped")
                   : std::move(status));
    };
    if (at_once || !status.ok()) {
      services_.callbacks.AddForNextTurn(std::move(complete));
    } else {
      services_.callbacks.Add(std::move(complete));
    }
  }
}

void Replica::HandleEvents(const Output& output) {
  for (const Event& event : output.events) {
    switch (event.kind) {
      case Event::Kind::kRoleChanged:
        if (event.role == RoleKind::kLeader) {
          services_.env.tracer.Sometimes("window.leadership_begun");
        }
        if (event.role != RoleKind::kLeader && has_proposals() &&
            proposals_deadline_ == MonoTime::Max()) {
          const bool at_once =
              services_.env.buggify.Fire("raft.host.proposals_expire_at_once");
          proposals_deadline_ =
              services_.env.loop.ReadClock().mono +
              (at_once ? Duration()
                       : services_.options.core.election_timeout_max);
        }
        break;
      case Event::Kind::kConfigurationChanged:
        services_.env.tracer.Sometimes("window.configuration_changed");
        if (core_->configuration().level > level_) {
          services_.env.tracer.Sometimes("raft.level_raised");
        }
        level_ = core_->configuration().level;
        break;
      case Event::Kind::kSuffixTruncated:
        services_.env.tracer.Sometimes("raft.conflicting_suffix_truncated");
        break;
      case Event::Kind::kGivesLeadershipAway:
        services_.env.tracer.Sometimes("raft.gave_leadership_away");
        break;
      case Event::Kind::kStepDownNoQuorum:
        services_.env.tracer.Sometimes("raft.leader_without_a_quorum");
        break;
      case Event::Kind::kTransferAbandoned:
        services_.env.tracer.Sometimes("raft.transfer_abandoned");
        break;
      case Event::Kind::kFollowerLostEntries:
        LogLostEntries(event.index);
        break;
      case Event::Kind::kLostEntries:
        lost_entries_ = true;
        break;
      case Event::Kind::kHalted:
        OnHalted(event.index);
        break;
      default:
        break;
    }
    lines_.OnEvent(*core_, event);
    services_.observer.OnEvent(key_.group, event);
  }
}

void Replica::OnHalted(Index index) {
  halted_ = absl::FailedPreconditionError(absl::StrCat(
      "group ", key_.group.value(), ": from entry ", index.value(),
      " on, the log is of a newer program than this one. The replica votes and "
      "keeps its log, but applies no more: ",
      services_.options.halted_advice));
  services_.env.tracer.Log(env::Severity::kError,
                           absl::StrCat("raft: ", halted_.message()));
}

// ---- Members and their stores

bool Replica::RefusesStore(NodeId node, StoreIncarnation store) const {
  bool on_node = false;
  bool in_store = false;
  ForEachMember(core_->configuration(), [&](const Member& member) {
    on_node |= member.node == node;
    in_store |= member.node == node && member.store == store;
  });
  return on_node && !in_store;
}

// True for a sender that the configuration does not name: the configuration
// that names it may not have arrived yet.
bool Replica::SenderIsMember(ReplicaId sender, NodeId from,
                             StoreIncarnation store) {
  const Member* member = FindMember(core_->configuration(), sender);
  if (member == nullptr) {
    unnamed_sender_ = {sender, from};
    return true;
  }
  if (member->node == from && member->store == store) return true;
  if (!std::exchange(refusal_logged_, true)) {
    services_.env.tracer.Log(
        env::Severity::kError,
        absl::StrCat("raft: group ", key_.group.value(), " refuses node ",
                     from.value(),
                     ": its data directory is not the one that belongs to "
                     "the group. Only that very directory can bring the "
                     "node back"));
  }
  return false;
}

}  // namespace quorate::raft
