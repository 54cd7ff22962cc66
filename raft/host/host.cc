#include "raft/host/host.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "env/changed_env.h"
#include "env/check.h"
#include "raft/core/configuration.h"
#include "raft/host/admission.h"
#include "raft/host/host_impl.h"
#include "raft/host/options_check.h"
#include "raft/host/service.h"
#include "raft/log/read_attempts.h"

namespace quorate::raft {
namespace {

// Bytes of entries that one turn evicts, about.
constexpr uint64_t kTurnEvictedBytesMax = 8 << 20;

std::vector<NodeId> PeersOf(const HostOptions& options) {
  std::vector<NodeId> nodes;
  for (const env::PeerAddress& peer : options.peers) nodes.push_back(peer.node);
  return nodes;
}

}  // namespace

// ---- Starting and stopping

Host::Impl::Impl(env::Env& env, HostOptions options, MakeStateMachine make,
                 Observer* observer)
    : env_(env),
      disk_(env.disk,
            [this] { callbacks_.Add([this] { Fail(disk_.status()); }); }),
      disk_env_(env::WithDisk(env, disk_)),
      options_(std::move(options)),
      core_options_(std::make_shared<const CoreOptions>(options_.core)),
      make_(std::move(make)),
      observer_(observer != nullptr ? *observer : silent_),
      founding_(env, options_.cluster, options_.node, PeersOf(options_),
                options_.founding_level, options_.founding_lease_length),
      outbox_(env, options_.cluster, options_.node),
      send_room_(env.transport, options_.peer_window_bytes,
                 [this](NodeId to) { OfferRoomLater(to); }),
      apply_work_(env.loop, options_.turn_apply_work_max),
      callbacks_(env.loop),
      removed_(env.loop),
      dropped_states_(env.loop),
      calls_{.fail_node = [this](absl::Status why) { Fail(std::move(why)); },
             .pulses_needed =
                 [this] {
                   pulses_.Schedule(env_.loop.ReadClock().mono);
                   SetAlarm();
                 },
             .earlier_deadline = [this](GroupId id) { UpdateTimer(id); }},
      pulses_(options_.core.heartbeat_interval,
              options_.core.election_timeout_min),
      budgets_{.memory = LogBudget(options_.log_memory_bytes_max,
                                   [this] { EvictLater(); }),
               .size = LogBudget(options_.log_bytes_max,
                                 [this] { ShortenLogsLater(); }),
               .retained = LogBudget(/*bytes_max=*/0, nullptr),
               .places = LogBudget(/*bytes_max=*/0, nullptr),
               .halted = LogBudget(options_.log_bytes_max / 4, [] {})},
      bulk_pace_(env.loop, options_.bulk),
      rooms_{
          .unwritten = NodeRoom(options_.unwritten_bytes_max,
                                [this] { OfferRoomForEntriesLater(); }),
          .unapplied = NodeRoom(options_.unapplied_bytes_max,
                                [this] { OfferRoomForEntriesLater(); }),
          .staged = NodeRoom(options_.snapshot_transfer_bytes_max),
          .follower_reads = ReadRoom(env.loop, &bulk_pace_,
                                     options_.snapshot_transfer_bytes_max),
          .loads = ReadRoom(env.loop, &bulk_pace_, SnapshotLoader::kRoomBytes)},
      snapshot_turn_([this] { NextSnapshotLater(); }),
      alarm_(env.loop, [this] { OnAlarm(); }) {}

Host::Impl::~Impl() {
  if (serving_) env_.transport.Stop();
}

void Host::Impl::Start(Started started) {
  started_ = std::move(started);
  if (absl::Status wrong = CheckOptions(options_); !wrong.ok()) {
    return callbacks_.AddForNextTurn(
        [this, wrong = std::move(wrong)] { OnOpened(wrong); });
  }
  startup_ = std::make_unique<Startup>(
      disk_env_, options_, make_, founding_,
      [this](const StoreIdentity& store, const BootstrapPlan& plan) {
        return ServeUnfounded(store, plan);
      },
      [this](absl::StatusOr<OpenedStore> opened) {
        OnOpened(std::move(opened));
      });
  startup_->Begin();
}

absl::Status Host::Impl::ServeUnfounded(const StoreIdentity& store,
                                        const BootstrapPlan& plan) {
  if (!disk_.status().ok()) return disk_.status();
  founded_now_ = true;
  identity_ = {.cluster = store.cluster,
               .node = options_.node,
               .incarnation = store.store,
               .bootstrap_checksum = PlanChecksum(plan)};
  const absl::Status status = env_.transport.Start(
      identity_, options_.listen_address, options_.peers, this);
  serving_ = status.ok();
  return status;
}

absl::Status Host::Impl::Serve(const OpenedStore& opened) {
  if (!disk_.status().ok()) return disk_.status();
  CHECK(!starts_.tags.empty());
  identity_ = {.cluster = opened.identity.cluster,
               .node = options_.node,
               .incarnation = opened.identity.store,
               .start = {.number = starts_.number, .tag = starts_.tags.back()},
               .earlier = std::make_shared<const std::vector<uint32_t>>(
                   starts_.tags.begin(), starts_.tags.end() - 1),
               .bootstrap_checksum = opened.record.plan_checksum(),
               .founding_checksum = opened.record.founding_checksum()};
  if (serving_) {
    env_.transport.SetIdentity(identity_);
    return absl::OkStatus();
  }
  const absl::Status status = env_.transport.Start(
      identity_, options_.listen_address, WithSeenStarts(options_.peers), this);
  serving_ = status.ok();
  return status;
}

void Host::Impl::ListenToLog() {
  log_->OnUnreadable([this](GroupKey key, Index last, const absl::Status& why) {
    Replica* const owner = replica(key.group);
    if (owner == nullptr || owner->key() != key) return;
    owner->snapshots().OnEntriesUnreadable(last - 1, why);
  });
  log_->OnPlacesFreed([this](GroupKey key) {
    Replica* const owner = replicas_.Find(key);
    if (owner != nullptr) owner->OnPlacesFreed();
  });
}

void Host::Impl::OnOpened(absl::StatusOr<OpenedStore> opened) {
  Started started = std::move(started_);
  if (!opened.ok()) {
    status_ = opened.status();
    if (std::exchange(serving_, false)) env_.transport.Stop();
    started(status_);
    return;
  }
  log_ = std::move(opened->log);
  snapshots_ = std::move(opened->snapshots);
  snapshots_->OnLackOfRoom([this] { return log_->GiveBackUnused(); });
  snapshots_->SetPace(bulk_pace_, [this] { return budgets_.size.Haste(); });
  log_->OnDurableWrite([this](Duration took, uint64_t bytes) {
    bulk_pace_.OnLogWrite(took, bytes);
  });
  ListenToLog();
  options_.cluster = opened->identity.cluster;
  for (const auto& [node, seen] : starts_.seen) {
    opened->starts.seen[node] = seen;
  }
  opened->starts.gave_way = starts_.gave_way;
  starts_ = std::move(opened->starts);
  if (!opened->record.joined()) founding_.Answer(opened->record);
  founded_level_ = opened->record.level;
  hash_key_ = opened->record.hash_key;
  MakeServices();
  founded_ = std::move(opened->founded);
  ForgetPlan();
  for (const GroupKey& key : opened->prepared) {
    creations_[key.group] = {.key = key, .prepared = true};
  }
  for (OpenedGroup& group : opened->groups) {
    if (!group.failure.ok()) {
      Impl::Failed& failed = failed_[group.key.group];
      failed.replicas.push_back(group.key.replica);
      failed.why = group.failure;
      continue;
    }
    AddReplica(group.key, std::move(group.restored),
               std::move(group.state_machine));
  }
  status_ = Serve(*opened);
  if (starts_changed_ && !starts_file_.has_value()) WriteStarts();
  if (status_.ok()) {
    for (const auto& [id, replica] : replicas_) UpdateTimer(id);
  } else {
    for (const auto& [id, replica] : replicas_) replica->Stop(status_);
  }
  started(status_);
}

void Host::Impl::MakeServices() {
  services_.emplace(ReplicaServices{.env = env_,
                                    .options = options_,
                                    .core_options = core_options_,
                                    .observer = observer_,
                                    .calls = calls_,
                                    .replicas = replicas_,
                                    .log = *log_,
                                    .budgets = budgets_,
                                    .removed = removed_,
                                    .snapshots = *snapshots_,
                                    .snapshot_turn = snapshot_turn_,
                                    .rooms = rooms_,
                                    .outbox = outbox_,
                                    .send_room = send_room_,
                                    .pulses = pulses_,
                                    .clock_rates = clock_rates_,
                                    .callbacks = callbacks_,
                                    .apply_work = apply_work_,
                                    .memory = step_memory_});
}

void Host::Impl::ForgetPlan() {
  options_.plan = {};
  options_.accept_plan = nullptr;
}

void Host::Impl::AddReplica(GroupKey key, Restored restored,
                            std::unique_ptr<StateMachine> state_machine) {
  replicas_.Add(std::make_unique<Replica>(*services_, key, std::move(restored),
                                          std::move(state_machine)));
  observer_.OnRecovered(key.group, replica(key.group)->core());
}

void Host::Impl::Fail(absl::Status why) {
  if (!status_.ok()) return;
  StopForGood(absl::UnavailableError(absl::StrCat(
      "the node stopped because its disk failed: ", why.ToString())));
}

void Host::Impl::GiveWay(const std::string& story) {
  if (!status_.ok()) return;
  StopForGood(absl::FailedPreconditionError(absl::StrCat(
      "the node stopped because another program takes its place: ", story)));
}

void Host::Impl::StopForGood(absl::Status why) {
  status_ = std::move(why);
  env_.tracer.Log(env::Severity::kError, std::string(status_.message()));
  StopReplicas();
  observer_.OnStopped(status_);
}

void Host::Impl::StopReplicas() {
  for (const auto& [id, replica] : replicas_) replica->Stop(status_);
  outbox_.Stop();
}

// ---- Messages

void Host::Impl::OnMessage(NodeId from, StoreIncarnation incarnation,
                           Buffer bytes) {
  if (IsFor(Service::kFounding, bytes.view())) {
    founding_.OnMessage(from, incarnation, bytes);
  } else if (IsFor(Service::kNodes, bytes.view())) {
    if (receiver_ != nullptr) {
      receiver_->OnMessage(from, incarnation, std::move(bytes));
    }
  } else if (status_.ok()) {
    OnReplicaMessages(from, incarnation, std::move(bytes));
  }
}

// Every store of the cluster can answer: the record of one that joins has no
// part of the plan.
Buffer Host::Impl::OnAdmissionRequest(NodeId from, StoreIncarnation incarnation,
                                      const Buffer& request) {
  BootstrapRecord record{.joined_checksum = identity_.bootstrap_checksum,
                         .level = founded_level_,
                         .hash_key = hash_key_};
  return AnswerAdmission(options_, from, incarnation, request,
                         status_.ok() ? &record : nullptr);
}

void Host::Impl::OnReplicaMessages(NodeId from, StoreIncarnation incarnation,
                                   Buffer bytes) {
  absl::StatusOr<Envelope> envelope = DecodeEnvelope(
      {.cluster = options_.cluster, .from = from, .to = options_.node}, bytes);
  const absl::Status& wrong =
      envelope.ok() ? envelope->damage : envelope.status();
  if (!wrong.ok()) {
    env_.tracer.Sometimes("raft.bad_envelope");
    if (!std::exchange(bad_envelope_logged_, true)) {
      env_.tracer.Log(env::Severity::kWarning,
                      absl::StrCat("raft: dropped an invalid message of node ",
                                   from.value(), ": ", wrong.ToString()));
    }
  }
  if (!envelope.ok()) return;
  const Now now = env_.loop.ReadClock();
  clock_rates_.Heard(from, envelope->stamp.process, envelope->stamp.sent, now);
  if (pulses_.Heard(from, envelope->stamp.process, now.mono)) {
    WakeQuietPartners(from);
  }
  for (GroupMessage& message : envelope->messages) {
    Replica* target = replica(message.group);
    if (target == nullptr || target->key().replica != message.message.to) {
      continue;
    }
    target->OnMessage(from, incarnation, std::move(message.message));
  }
}

void Host::Impl::OnLaneHasRoom(NodeId to, env::Lane lane) {
  if (receiver_ != nullptr) receiver_->OnLaneHasRoom(to, lane);
  if (lane != env::Lane::kControl) OfferRoom(to);
}

void Host::Impl::OfferRoom(NodeId to) {
  if (!status_.ok()) return;
  for (const GroupId id : send_room_.TakeWaiting(to)) {
    Replica* const waiting = replica(id);
    if (waiting != nullptr) waiting->OnRoomToSend(to, /*link_is_new=*/false);
  }
}

void Host::Impl::OfferRoomLater(NodeId to) {
  offers_[to] = env_.loop.Defer([this, to] { OfferRoom(to); });
}

// Seldom: half of a node's bound was written or applied since the last time.
void Host::Impl::OfferRoomForEntriesLater() {
  room_for_entries_ = env_.loop.Defer([this] { OfferRoomForEntries(); });
}

void Host::Impl::OfferRoomForEntries() {
  if (!status_.ok()) return;
  for (const auto& [id, replica] : replicas_) replica->OnRoomForEntries();
}

void Host::Impl::OnLaneClosed(NodeId to, env::Lane lane) {
  if (receiver_ != nullptr) receiver_->OnLaneClosed(to, lane);
}

void Host::Impl::OnLaneOpened(NodeId to, env::Lane lane) {
  heard_peers_ = true;
  if (receiver_ != nullptr) receiver_->OnLaneOpened(to, lane);
  // Chunks that were lost are found by the next retry.
  if (lane == env::Lane::kBulk) OfferRoom(to);
  if (!status_.ok() || lane == env::Lane::kBulk) return;
  const bool replies = lane == env::Lane::kControl;
  if (!replies) send_room_.TakeWaiting(to);
  for (const auto& [id, replica] : replicas_) {
    if (replies) {
      replica->OnReplyLinkOpened(to);
    } else {
      replica->OnRoomToSend(to, /*link_is_new=*/true);
    }
  }
}

// ---- Time

void Host::Impl::UpdateTimer(GroupId id) {
  if (QueueDeadline(id)) SetAlarm();
}

bool Host::Impl::QueueDeadline(GroupId id) {
  const MonoTime deadline = replica(id)->deadline();
  auto [it, fresh] = queued_deadline_.try_emplace(id, MonoTime::Max());
  if (!fresh && it->second <= deadline) return false;
  if (it->second != MonoTime::Max()) deadlines_.erase({it->second, id});
  it->second = deadline;
  if (deadline != MonoTime::Max()) deadlines_.insert({deadline, id});
  return true;
}

void Host::Impl::SetAlarm() {
  const MonoTime pulse = std::min(pulses_.next_at(), pulses_.look_at());
  alarm_.SetFor(
      deadlines_.empty() ? pulse : std::min(pulse, deadlines_.begin()->first));
}

void Host::Impl::OnAlarm() {
  const MonoTime now = env_.loop.ReadClock().mono;
  due_.clear();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    due_.push_back(deadlines_.begin()->second);
    queued_deadline_.erase(due_.back());
    deadlines_.erase(deadlines_.begin());
  }
  for (GroupId id : due_) {
    Replica* due = replica(id);
    if (due == nullptr) continue;
    // Without room to apply entries, those that want nothing else wait. They
    // are the first of the next turn.
    const MonoTime deadline = apply_work_.exhausted()
                                  ? due->deadline_without_backlog()
                                  : due->deadline();
    if (deadline <= now) due->OnTimer();
    QueueDeadline(id);
  }
  for (const NodeId node : pulses_.TakeLate(now)) WakeQuietPartners(node);
  SendPulses();
  SetAlarm();
}

void Host::Impl::WakeQuietPartners(NodeId node) {
  for (const auto& [id, replica] : replicas_) {
    if (replica->ReliesOnPulsesOf(node)) replica->OnPulsesChanged();
  }
}

void Host::Impl::SendPulses() {
  pulses_.SendDue(
      env_.loop.ReadClock().mono,
      [this](NodeId node) { return outbox_.LastSent(node); },
      [this](NodeId node) { outbox_.AddPulse(node); });
}

// ---- Budgets of the logs

void Host::Impl::EvictLater() {
  if (std::exchange(evict_pending_, true)) return;
  evict_ = env_.loop.Defer([this] { Evict(); });
}

// The oldest entries of the group that has most in memory leave first. A turn
// evicts a bounded number.
void Host::Impl::Evict() {
  evict_pending_ = false;
  if (!status_.ok()) return;
  std::vector<std::pair<uint64_t, GroupId>> by_bytes;
  by_bytes.reserve(replicas_.size());
  for (const auto& [id, replica] : replicas_) {
    if (!replica->snapshots().CanEvict()) continue;
    by_bytes.emplace_back(replica->core().resident_log_bytes(), id);
  }
  std::make_heap(by_bytes.begin(), by_bytes.end());
  uint64_t evicted = 0;
  while (!by_bytes.empty()) {
    if (evicted >= kTurnEvictedBytesMax) {
      evict_pending_ = true;
      evict_ = env_.loop.At(env_.loop.ReadClock().mono, [this] { Evict(); });
      return;
    }
    std::pop_heap(by_bytes.begin(), by_bytes.end());
    auto& [bytes, id] = by_bytes.back();
    Replica* const largest = replica(id);
    // The entries of others may have been the excess.
    if (largest->snapshots().CanEvict()) largest->snapshots().Evict();
    const uint64_t left = largest->core().resident_log_bytes();
    if (left >= bytes) {
      by_bytes.pop_back();
      continue;
    }
    env_.tracer.Sometimes("raft.entries_evicted");
    evicted += bytes - left;
    bytes = left;
    std::push_heap(by_bytes.begin(), by_bytes.end());
  }
  if (budgets_.memory.exceeded()) budgets_.memory.Postpone();
}

void Host::Impl::ShortenLogsLater() {
  if (std::exchange(shorten_pending_, true)) return;
  shorten_ = env_.loop.Defer([this] {
    shorten_pending_ = false;
    ShortenLogs();
  });
}

void Host::Impl::WarnOfLongLogs() {
  const uint64_t bytes = budgets_.size.bytes();
  const uint64_t twice = 2 * options_.log_bytes_max;
  if (bytes < twice) long_logs_warned_bytes_ = 0;
  if (bytes < std::max(twice, 2 * long_logs_warned_bytes_)) return;
  long_logs_warned_bytes_ = bytes;
  env_.tracer.Log(
      env::Severity::kWarning,
      absl::StrCat("raft: the logs of all groups have ", bytes,
                   " bytes of entries, and of their places in memory, beside "
                   "those that followers lack. The limit is ",
                   options_.log_bytes_max,
                   ": snapshots are written more slowly than entries come, and "
                   "a start reads them all"));
}

// While a snapshot is written, entries that it will remove are still counted.
void Host::Impl::ShortenLogs() {
  if (!status_.ok() || !budgets_.size.exceeded()) return;
  WarnOfLongLogs();
  if (snapshot_turn_.taken()) return;
  std::vector<std::pair<uint64_t, GroupId>> by_bytes;
  by_bytes.reserve(replicas_.size());
  for (const auto& [id, replica] : replicas_) {
    by_bytes.emplace_back(replica->budgeted_log_bytes(), id);
  }
  std::make_heap(by_bytes.begin(), by_bytes.end());
  while (!by_bytes.empty() && budgets_.size.exceeded()) {
    std::pop_heap(by_bytes.begin(), by_bytes.end());
    Replica* const largest = replica(by_bytes.back().second);
    by_bytes.pop_back();
    snapshot_turn_.Call(largest->key());
    if (largest->snapshots().ShortenLog()) {
      env_.tracer.Sometimes("raft.log_shortened");
      return;
    }
  }
  if (budgets_.size.exceeded()) budgets_.size.Postpone();
}

void Host::Impl::NextSnapshotLater() {
  next_snapshot_ = env_.loop.Defer([this] { NextSnapshot(); });
}

void Host::Impl::NextSnapshot() {
  ShortenLogs();
  while (status_.ok() && !snapshot_turn_.taken()) {
    const std::optional<GroupKey> next = snapshot_turn_.CallNext();
    if (!next.has_value()) return;
    Replica* const waiting = replicas_.Find(*next);
    if (waiting != nullptr) waiting->snapshots().MaybeBegin();
  }
}

// ---- Host

Host::Host(env::Env& env, HostOptions options, MakeStateMachine make,
           Observer* observer)
    : impl_(std::make_unique<Impl>(env, std::move(options), std::move(make),
                                   observer)) {}
Host::~Host() = default;

absl::Status Host::SetPeers(std::vector<env::PeerAddress> peers) {
  absl::btree_set<NodeId> nodes;
  for (const env::PeerAddress& peer : peers) {
    if (peer.node == impl_->options_.node) {
      return absl::InvalidArgumentError(absl::StrCat(
          "node ", peer.node.value(),
          " is this node, which is no peer of itself: leave it out"));
    }
    if (!nodes.insert(peer.node).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("node ", peer.node.value(), " is named twice"));
    }
  }
  impl_->env_.transport.SetPeers(impl_->WithSeenStarts(std::move(peers)));
  return absl::OkStatus();
}
void Host::SetReceiver(env::Transport::Receiver* receiver) {
  CHECK(impl_->receiver_ == nullptr);
  impl_->receiver_ = receiver;
}

void Host::Start(Started started) { impl_->Start(std::move(started)); }

void Host::Stop(Log::Done stopped) {
  if (impl_->log_ == nullptr || !impl_->status_.ok()) {
    return impl_->Answer(std::move(stopped), impl_->status_);
  }
  impl_->status_ = absl::UnavailableError("the node is stopping");
  impl_->StopReplicas();
  impl_->log_->Witness(std::move(stopped));
}

void Host::Propose(GroupId group, Buffer payload, ProposeDone done) {
  Replica* target = impl_->replica(group);
  if (target == nullptr) {
    return impl_->Answer(std::move(done),
                         ProposeResult{.outcome = Outcome::kNotExecuted,
                                       .status = group_status(group)});
  }
  target->Propose(EntryKind::kCommands, std::move(payload), std::move(done));
}

void Host::RaiseLogTime(GroupId group, WallTime log_time) {
  Replica* const target = impl_->replica(group);
  if (target != nullptr) target->RaiseLogTime(log_time);
}

void Host::ChangeConfiguration(GroupId group, Index base, Configuration target,
                               ProposeDone done) {
  Replica* replica = impl_->replica(group);
  if (replica == nullptr) {
    return impl_->Answer(std::move(done),
                         ProposeResult{.outcome = Outcome::kNotExecuted,
                                       .status = group_status(group)});
  }
  replica->ChangeConfiguration(base, std::move(target), std::move(done));
}

void Host::Read(GroupId group, ReadDone done, ReadPointOptions options) {
  Replica* target = impl_->replica(group);
  if (target == nullptr) {
    return impl_->Answer(std::move(done), group_status(group));
  }
  target->Read(std::move(done), options);
}

void Host::PrepareReplica(GroupId group, Prepared done) {
  impl_->PrepareReplica(group, std::move(done));
}

void Host::FoundReplica(GroupId group, Configuration first,
                        absl::AnyInvocable<void(absl::Status)> done) {
  impl_->FoundReplica(group, std::move(first), std::move(done));
}

std::map<GroupId, ReplicaId> Host::prepared() const {
  std::map<GroupId, ReplicaId> prepared;
  for (const auto& [group, creation] : impl_->creations_) {
    if (creation.prepared) prepared[group] = creation.key.replica;
  }
  return prepared;
}

void Host::DropReplica(GroupId group,
                       absl::AnyInvocable<void(absl::Status)> done) {
  impl_->DropReplica(group, std::move(done));
}
void Host::RecoverReplica(GroupId group, ReplicaId old, RecoverOptions options,
                          absl::AnyInvocable<void(absl::Status)> done) {
  impl_->RecoverReplica({group, old}, options, std::move(done));
}

void Host::HoldReplica(GroupId group, ReplicaId old) {
  Replica* const target = impl_->replicas_.Find(GroupKey{group, old});
  if (target != nullptr) target->Hold();
}

void Host::JoinReplica(GroupId group, ReplicaId replica, Configuration known,
                       absl::AnyInvocable<void(absl::Status)> done) {
  impl_->JoinReplica({group, replica}, std::move(known), std::move(done));
}

void Host::TransferLeadership(GroupId group, ReplicaId to) {
  Replica* target = impl_->replica(group);
  if (target != nullptr) target->TransferLeadership(to);
}

const Core* Host::core(GroupId group) const {
  const Replica* target = impl_->replica(group);
  return target == nullptr ? nullptr : &target->core();
}

NodeId Host::leader(GroupId group) const {
  const Core* replica = core(group);
  if (replica == nullptr) return NodeId();
  return NodeOf(replica->configuration(), replica->leader());
}

StateMachine* Host::state_machine(GroupId group) {
  Replica* target = impl_->replica(group);
  return target == nullptr ? nullptr : target->state_machine();
}

const StateMachine* Host::state_machine(GroupId group) const {
  const Replica* target = impl_->replica(group);
  return target == nullptr ? nullptr : target->state_machine();
}

MonoTime Host::deadline(GroupId group) const {
  const Replica* const replica = impl_->replica(group);
  return replica == nullptr ? MonoTime::Max() : replica->deadline();
}

std::vector<GroupId> Host::groups() const {
  std::vector<GroupId> ids;
  for (const auto& [id, replica] : impl_->replicas_) ids.push_back(id);
  return ids;
}

std::map<GroupId, std::vector<ReplicaId>> Host::failed() const {
  std::map<GroupId, std::vector<ReplicaId>> failed;
  for (const auto& [id, one] : impl_->failed_) failed[id] = one.replicas;
  return failed;
}

absl::Status Host::group_status(GroupId group) const {
  if (const Replica* target = impl_->replica(group)) return target->status();
  auto failed = impl_->failed_.find(group);
  if (failed != impl_->failed_.end()) return failed->second.why;
  if (!impl_->status_.ok()) return impl_->status_;
  return absl::NotFoundError(
      absl::StrCat("this node holds no replica of group ", group.value()));
}

Host::Condition Host::condition(GroupId group) const {
  if (const Replica* target = impl_->replica(group)) return target->condition();
  const auto failed = impl_->failed_.find(group);
  if (failed != impl_->failed_.end()) {
    const absl::Status& why = failed->second.why;
    if (absl::IsFailedPrecondition(why)) return Condition::kHalted;
    return ReadAttempts::MayPass(why) ? Condition::kStopped
                                      : Condition::kFenced;
  }
  return impl_->status_.ok() ? Condition::kNotHeld : Condition::kStopped;
}

absl::Status Host::status() const { return impl_->status_; }

env::BulkPace& Host::bulk_pace() { return impl_->bulk_pace_; }
const env::BulkPace& Host::bulk_pace() const { return impl_->bulk_pace_; }

Host::Stats Host::stats() const {
  Stats stats = {.log_memory_bytes = impl_->budgets_.memory.bytes(),
                 .log_bytes = impl_->budgets_.size.bytes() +
                              impl_->budgets_.retained.bytes() +
                              impl_->budgets_.halted.bytes() -
                              impl_->budgets_.places.bytes(),
                 .log_retained_bytes = impl_->budgets_.retained.bytes(),
                 .followers_cut_off = impl_->budgets_.followers_cut_off,
                 .unwritten_bytes = impl_->rooms_.unwritten.bytes(),
                 .unapplied_bytes = impl_->rooms_.unapplied.bytes(),
                 .staged_bytes = impl_->rooms_.staged.bytes(),
                 .follower_read_bytes = impl_->rooms_.follower_reads.bytes(),
                 .entries_to_free = impl_->removed_.waiting(),
                 .longest_apply_work = impl_->apply_work_.longest()};
  if (impl_->log_ != nullptr) stats.log = impl_->log_->counters();
  if (impl_->snapshots_ != nullptr) {
    stats.snapshots_without_room = impl_->snapshots_->refused_for_room();
    stats.kept_snapshots = impl_->snapshots_->kept();
  }
  return stats;
}

std::vector<Host::ClosedRoom> Host::closed_rooms() const {
  std::vector<ClosedRoom> closed;
  const auto add = [&closed](std::string_view name, const NodeRoom& room) {
    if (room.refused_bytes() == 0) return;
    closed.push_back(
        {name, NodeId(), room.bytes(), room.bytes_max(), room.refused_bytes()});
  };
  add("entries that the log has not written", impl_->rooms_.unwritten);
  add("entries that are not applied", impl_->rooms_.unapplied);
  add("chunks that are not written", impl_->rooms_.staged);
  impl_->send_room_.ForEachClosed([&](NodeId to, uint64_t bytes) {
    closed.push_back({"entries under way to a peer", to, bytes,
                      impl_->send_room_.window_bytes(), 0});
  });
  return closed;
}
uint64_t Host::sent_bytes(NodeId to) const {
  return impl_->outbox_.SentBytes(to);
}

std::optional<int64_t> Host::ClockAheadOf(NodeId node) const {
  return impl_->clock_rates_.AheadOf(node);
}

bool Host::clock_differs() const {
  return impl_->clock_rates_.MostDiffer(kLeaseDriftPpm / 2);
}

Level Host::founded_level() const { return impl_->founded_level_; }
uint64_t Host::hash_key() const { return impl_->hash_key_; }

const env::TransportIdentity& Host::identity() const {
  return impl_->identity_;
}

bool Host::RefusesStore(GroupId group, NodeId node,
                        StoreIncarnation store) const {
  const Replica* target = impl_->replica(group);
  return target != nullptr && target->status().ok() &&
         target->RefusesStore(node, store);
}

}  // namespace quorate::raft
