#include "raft/host/replica_snapshots.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "raft/host/bounds/log_budget.h"
#include "raft/host/replica.h"
#include "raft/log/read_attempts.h"

namespace quorate::raft {
namespace {
// While a follower catches up, the log keeps entries of up to this many
// snapshot thresholds, or of the size of the snapshot. Otherwise the next
// snapshot would remove the entries that the follower needs behind the one in
// transfer to it. Under constant load one transfer would follow another.
constexpr uint64_t kRetainThresholds = 8;
// The size of the entries that one call evicts, about.
constexpr uint64_t kEvictedBytes = 1 << 20;
// A quiet group keeps about this much of its log in memory. No member needs it:
// each has all entries.
constexpr uint64_t kQuietBytes = 64 << 10;
// Errors of the snapshot store are logged, and a snapshot that cannot be read
// is replaced, at most once in this time.
constexpr Duration kFailurePause = Seconds(10);
// How often a leader looks whether a follower still lacks retained entries.
constexpr Duration kRetainedPause = Seconds(1);
}  // namespace

template <typename F>
auto ReplicaSnapshots::WhileHere(F f) {
  return WhileReplicaIsHere(
      services_.replicas, key_,
      [f = std::move(f)](Replica& here, auto&&... result) mutable {
        f(here.snapshots(), std::forward<decltype(result)>(result)...);
      });
}

void ReplicaSnapshots::Stop() {
  if (reader_ != nullptr) services_.snapshots.Abandon(key_);
  End();
  loader_.reset();
}

// ---- Taking snapshots

bool ReplicaSnapshots::IsDue() {
  const HostOptions& options = services_.options;
  if (reader_ != nullptr || suspended_ || core().installing() ||
      WaitsForRoom() ||
      core().applied_index() == core().snapshot().position.index) {
    return false;
  }
  if (unreadable_ != Index() && core().applied_index() > unreadable_) {
    return true;
  }
  if (cuts_whole_log_) return true;  // It waited for its turn.
  if (options.snapshot_threshold_bytes == 0) return false;
  const uint64_t threshold = SnapshotThreshold(
      options.snapshot_threshold_bytes, options.snapshot_threshold_bytes_max,
      key_.group, core().snapshot(), services_.env.random);
  if (bytes_since_snapshot_ < threshold) {
    cuts_whole_log_ = services_.env.buggify.Fire("raft.host.snapshot_early");
    return cuts_whole_log_;
  }
  return true;
}

bool ReplicaSnapshots::WaitsForRoom() const {
  return not_before_ != MonoTime::Min() &&
         services_.env.loop.ReadClock().mono < not_before_;
}

void ReplicaSnapshots::MaybeBegin() {
  if (owner_.runs() && IsDue()) Begin();
}

void ReplicaSnapshots::End() {
  reader_.reset();
  services_.snapshot_turn.End(key_);
}

void ReplicaSnapshots::Suspend() {
  suspended_ = true;
  GiveUp();
}

void ReplicaSnapshots::Begin() {
  if (suspended_ || !services_.snapshot_turn.Take(key_)) return;
  bytes_before_snapshot_ = std::exchange(bytes_since_snapshot_, 0);
  unreadable_ = Index();
  const Index applied = core().applied_index();
  SnapshotDescriptor descriptor{
      .position = {core().TermAt(applied), applied},
      .log_time = core().applied_log_time(),
      .latest = core().applied_latest(),
      .configuration = core().ConfigurationAt(applied)};
  reader_ = state_machine_.TakeSnapshot();
  services_.snapshots.Begin(
      key_, descriptor,
      WhileHere([](ReplicaSnapshots& here, absl::Status status) {
        here.OnPieceWritten(status);
      }));
}

void ReplicaSnapshots::OnPieceWritten(const absl::Status& status) {
  if (reader_ == nullptr) return;
  if (!status.ok()) return OnFailed(status);
  WritePiece();
}

void ReplicaSnapshots::WritePiece() {
  if (services_.env.buggify.Fire("raft.host.snapshot_given_up")) {
    return OnFailed(absl::AbortedError("it was given up"));
  }
  const bool small = services_.env.buggify.Fire("raft.host.small_piece");
  Buffer piece = reader_->Next(small ? 64 : SnapshotLoader::kPieceBytes);
  if (piece.empty()) {
    services_.snapshots.Finish(
        key_, WhileHere([](ReplicaSnapshots& here,
                           absl::StatusOr<SnapshotDescriptor> snapshot) {
          if (here.reader_ == nullptr) return;
          here.OnWritten(std::move(snapshot));
        }));
    return;
  }
  services_.snapshots.Append(
      key_, std::move(piece),
      WhileHere([](ReplicaSnapshots& here, absl::Status status) {
        here.OnPieceWritten(status);
      }));
}

void ReplicaSnapshots::OnFailed(const absl::Status& status) {
  // The log still has all entries. The next attempt is after as many bytes of
  // entries again, or after a pause if only room is missing.
  if (absl::IsResourceExhausted(status)) {
    bytes_since_snapshot_ += bytes_before_snapshot_;
    not_before_ = services_.env.loop.ReadClock().mono + kFailurePause;
  }
  services_.env.tracer.Log(
      env::Severity::kError,
      absl::StrCat("raft: group ", key_.group.value(),
                   " could not write a snapshot: ", status.ToString()));
  GiveUp();
}

void ReplicaSnapshots::GiveUp() {
  if (reader_ != nullptr) {
    services_.snapshots.Abandon(key_);
    End();
  }
  keeps_little_ = false;
  cuts_whole_log_ = false;
}

void ReplicaSnapshots::OnWritten(absl::StatusOr<SnapshotDescriptor> snapshot) {
  if (!snapshot.ok()) {
    OnFailed(snapshot.status());
    return;
  }
  End();
  services_.env.tracer.Sometimes("raft.snapshot_taken");
  LogSnapshot("took a snapshot", *snapshot);
  const bool whole =
      std::exchange(cuts_whole_log_, false) ||
      services_.env.buggify.Fire("raft.host.no_trailing_entries");
  const Index last = snapshot->position.index;
  const LogCut cut =
      whole ? LogCut{.index = last, .usual = last} : CutBehind(last);
  CutLog(*std::move(snapshot), cut);
  // Entries that were applied meanwhile may make the next one due.
  MaybeBegin();
}

void ReplicaSnapshots::LogSnapshot(std::string_view what,
                                   const SnapshotDescriptor& snapshot) {
  if (!services_.env.tracer.Logs(env::Severity::kInfo)) return;
  services_.env.tracer.Log(
      env::Severity::kInfo,
      absl::StrCat("raft: group ", key_.group.value(), " ", std::string(what),
                   " of ", snapshot.size_bytes, " bytes, through entry ",
                   snapshot.position.index.value()));
}

void ReplicaSnapshots::CutLog(SnapshotDescriptor snapshot, const LogCut& cut) {
  keeps_little_ = false;
  NoteCutOff(cut);
  SetRetained(cut, snapshot.size_bytes);
  owner_.Step(SnapshotTaken{std::move(snapshot), cut.index});
  if (!owner_.runs()) return;
  // The core keeps entries whose write is in flight.
  services_.log.SetLogStart(
      key_, core().boundary(), /*discard_suffix=*/false,
      WhileHere([](ReplicaSnapshots& here, absl::Status status) {
        if (!status.ok()) {
          return here.services_.calls.fail_node(status);
        }
        // The log has forgotten places.
        if (here.owner_.runs()) here.owner_.ReportLogBytes();
      }));
}

void ReplicaSnapshots::SetRetained(const LogCut& cut, uint64_t snapshot_bytes) {
  retained_bytes_ = std::min<uint64_t>(
      core().LogBytesThrough(cut.usual) - core().LogBytesThrough(cut.index),
      snapshot_bytes);
}

void ReplicaSnapshots::NoteCutOff(const LogCut& cut) {
  if (cut.cut_off == NodeId() || cut.has < core().log_start().index) return;
  ++services_.budgets.followers_cut_off;
  services_.env.tracer.Sometimes("raft.follower_cut_off");
  services_.env.tracer.Log(
      env::Severity::kWarning,
      absl::StrCat("raft: group ", key_.group.value(),
                   " removes entries that node ", cut.cut_off.value(),
                   " lacks, from ", (cut.has + 1).value(), " to ",
                   cut.index.value(),
                   ": there are too many of them. That node needs another "
                   "snapshot"));
}

void ReplicaSnapshots::CheckRetained() {
  const MonoTime now = services_.env.loop.ReadClock().mono;
  const bool leads = core().role() == RoleKind::kLeader;
  if (leads && now < check_retained_at_) return;
  check_retained_at_ = now + kRetainedPause;
  const auto none_is_needed = [](const ReplicaSnapshots& here, LogCut* cut) {
    // A snapshot that is being written cuts the log at its end.
    if (!here.owner_.runs() || here.reader_ != nullptr ||
        here.core().installing()) {
      return false;
    }
    *cut = here.CutBehind(here.core().snapshot().position.index);
    return cut->index == cut->usual;
  };
  LogCut cut;
  if (!none_is_needed(*this, &cut)) return;
  services_.callbacks.Add(WhileHere([none_is_needed](ReplicaSnapshots& here) {
    LogCut cut;
    if (none_is_needed(here, &cut)) here.CutLog(here.core().snapshot(), cut);
  }));
}

uint64_t ReplicaSnapshots::ResidentBytesMax() const {
  const uint64_t budgeted =
      services_.budgets.memory.exceeded()
          ? services_.budgets.memory.KeptBytesMax(services_.replicas.size())
          : std::numeric_limits<uint64_t>::max();
  return core().quiet() ? std::min(budgeted, kQuietBytes) : budgeted;
}

bool ReplicaSnapshots::CanEvict() const {
  return core().evictable() > core().evicted() &&
         core().resident_log_bytes() > ResidentBytesMax();
}

void ReplicaSnapshots::Evict() {
  const uint64_t resident = core().resident_log_bytes();
  owner_.Step(raft::Evict{std::max(
      ResidentBytesMax(), resident - std::min(resident, kEvictedBytes))});
}

bool ReplicaSnapshots::ShortenLog() {
  if (!owner_.runs() || services_.options.snapshot_threshold_bytes == 0 ||
      core().installing()) {
    return false;
  }
  keeps_little_ = true;
  if (reader_ == nullptr) {
    const Index newest = core().snapshot().position.index;
    const LogCut cut = CutBehind(newest);
    if (cut.index > core().log_start().index) {
      CutLog(core().snapshot(), cut);
    } else {
      SetRetained(cut, core().snapshot().size_bytes);
      owner_.ReportLogBytes();
    }
    keeps_little_ = services_.budgets.size.exceeded();
    if (!owner_.runs() || !keeps_little_) return false;
    // A snapshot that would free little is not worth its work.
    if (core().applied_index() == newest || WaitsForRoom() ||
        bytes_since_snapshot_ < LittleBytes()) {
      keeps_little_ = false;
      return false;
    }
    Begin();
  }
  return reader_ != nullptr;
}

// The places of the entries that are kept count, too.
uint64_t ReplicaSnapshots::LittleBytes() const {
  const uint64_t kept =
      services_.budgets.size.KeptBytesMax(services_.replicas.size());
  const uint64_t entries = core().log_bytes();
  const uint64_t all = entries + owner_.places_bytes();
  if (all == 0) return kept;
  return static_cast<uint64_t>(static_cast<unsigned __int128>(kept) * entries /
                               all);
}

ReplicaSnapshots::LogCut ReplicaSnapshots::CutBehind(
    Index snapshot_index) const {
  uint64_t trailing = services_.options.snapshot_trailing_bytes;
  uint64_t retained_max =
      services_.options.snapshot_threshold_bytes * kRetainThresholds;
  if (keeps_little_) {
    retained_max = LittleBytes();
    trailing = std::min(trailing, retained_max);
  }
  // These entries are sent in less time than another snapshot.
  retained_max = std::max(retained_max, core().snapshot().size_bytes);
  // The last entry that each follower has, or gets with the snapshot that is in
  // transfer to it.
  LogCut cut{.has = snapshot_index};
  for (const Core::FollowerStatus& follower : core().followers()) {
    Index has = snapshot_index;
    if (follower.snapshot != LogPosition()) {
      has = follower.snapshot.index;
    } else if (follower.active && follower.state == "replicate") {
      has = follower.match;
    }
    if (has >= cut.has) continue;
    cut.has = has;
    cut.cut_off = follower.node;
  }
  cut.index = cut.usual = core().CutBefore(snapshot_index, trailing);
  if (cut.has < cut.usual) {
    cut.index = std::min(
        cut.usual,
        std::max(cut.has, core().CutBefore(snapshot_index, retained_max)));
  }
  if (cut.has >= cut.index) cut.cut_off = NodeId();
  return cut;
}

// A snapshot takes the place of entries that cannot be read. Followers that
// lack them get the snapshot. Without it they would never catch up, so it is
// taken even if no others are.
void ReplicaSnapshots::OnEntriesUnreadable(Index after,
                                           const absl::Status& why) {
  if (!owner_.runs() || core().installing() ||
      core().log_start().index > after || core().applied_index() <= after) {
    return;
  }
  const SnapshotDescriptor& snapshot = core().snapshot();
  if (snapshot.position.index > after) {
    CutLog(snapshot, {.index = snapshot.position.index,
                      .usual = snapshot.position.index});
  } else if (reader_ == nullptr && !cuts_whole_log_) {
    cuts_whole_log_ = true;
    Begin();
  } else {
    return;
  }
  services_.env.tracer.Sometimes("raft.unreadable_entries_cut");
  services_.env.tracer.Log(
      env::Severity::kError,
      absl::StrCat("raft: group ", key_.group.value(),
                   " cuts entries off its log, because it cannot read them: ",
                   why.ToString()));
}

// ---- Sending and receiving

void ReplicaSnapshots::Handle(const Output& output) {
  // The snapshot store answers in later turns, so nothing here steps the core
  // again.
  for (const SnapshotWork& work : output.snapshots) {
    switch (work.kind) {
      case SnapshotWork::Kind::kRead:
        ReadChunk(work);
        break;
      case SnapshotWork::Kind::kWrite:
        WriteChunk(work);
        break;
      case SnapshotWork::Kind::kInstall:
        Install(work.snapshot);
        break;
      case SnapshotWork::Kind::kDiscard:
        services_.snapshots.DiscardReceived(key_);
        break;
    }
  }
  if (!output.snapshots.empty() || kept_ != LogPosition()) {
    KeepInTransfer();
  }
}

// Of several transfers the oldest one would be lost first. Those whose snapshot
// is gone begin again with their next chunk. They must not let others lose
// theirs, or under load each transfer may begin again for ever.
void ReplicaSnapshots::KeepInTransfer() {
  LogPosition oldest;
  for (const Core::FollowerStatus& follower : core().followers()) {
    const LogPosition snapshot = follower.snapshot;
    if (snapshot != LogPosition() &&
        (oldest == LogPosition() || snapshot.index < oldest.index) &&
        services_.snapshots.Has(key_, snapshot)) {
      oldest = snapshot;
    }
  }
  if (oldest == std::exchange(kept_, oldest)) return;
  services_.snapshots.Keep(key_, oldest);
}

void ReplicaSnapshots::ReadChunk(const SnapshotWork& work) {
  const bool small = services_.env.buggify.Fire("raft.host.small_chunk");
  const size_t size = small ? 64 : services_.options.core.snapshot_chunk_bytes;
  services_.rooms.follower_reads.Add(
      env::BulkKind::kSnapshotSend, key_.replica, work.to, size,
      WhileHere([work, size](ReplicaSnapshots& here, Quota::Share held) {
        if (here.owner_.runs())
          here.BeginChunkRead(work, size, std::move(held));
      }));
}

void ReplicaSnapshots::BeginChunkRead(const SnapshotWork& work, size_t size,
                                      Quota::Share held) {
  services_.snapshots.Read(
      key_, work.snapshot.position, work.offset, size,
      [&reads = services_.rooms.follower_reads, held = std::move(held),
       done = WhileHere(
           [to = work.to, snapshot = work.snapshot, offset = work.offset](
               ReplicaSnapshots& here, absl::StatusOr<Buffer> bytes) {
             ChunkRead answer{.to = to, .snapshot = snapshot, .offset = offset};
             if (bytes.ok()) {
               if (here.failures_.has_value()) {
                 here.failures_->chunk_reads.Forget(to);
               }
               answer.chunk = *std::move(bytes);
             } else if (absl::IsNotFound(bytes.status()) ||
                        !here.failures_.Mutable().chunk_reads.MayRepeat(
                            here.services_.env.tracer, here.key_.group, to,
                            bytes.status())) {
               answer.gone = true;
               here.OnUnreadable(snapshot.position.index, bytes.status());
             }
             here.owner_.Step(std::move(answer));
           })](absl::StatusOr<Buffer> bytes) mutable {
        held.End();
        reads.BeginWaiting();
        done(std::move(bytes));
      });
}

// A snapshot that a newer one replaced may be gone. The newest one should be
// there: the state machine is intact, so another snapshot takes its place. A
// noop makes sure that it has another index.
void ReplicaSnapshots::OnUnreadable(Index snapshot, const absl::Status& why) {
  const MonoTime now = services_.env.loop.ReadClock().mono;
  const bool is_applied = core().applied_index() > snapshot;
  if (!owner_.runs() || snapshot != core().snapshot().position.index ||
      (snapshot == unreadable_ && is_applied) || now < replace_at_) {
    return;
  }
  unreadable_ = snapshot;
  replace_at_ = now + kFailurePause;
  services_.env.tracer.Log(
      env::Severity::kError,
      absl::StrCat("raft: group ", key_.group.value(),
                   " takes another snapshot, because it cannot read the one "
                   "at index ",
                   snapshot.value(), ": ", why.ToString()));
  if (is_applied) return MaybeBegin();
  services_.callbacks.Add(
      WhileHere([](ReplicaSnapshots& here) { here.owner_.ProposeNoop(); }));
}

void ReplicaSnapshots::WriteChunk(const SnapshotWork& work) {
  const uint64_t end = work.offset + work.chunk.size();
  // A chunk that waits for the disk must not hold a whole envelope.
  const Buffer chunk = work.chunk.block_size() > 2 * work.chunk.size()
                           ? Buffer::Copy(work.chunk.view())
                           : work.chunk;
  // The answer names the bytes that the leader sends next.
  if (services_.env.buggify.Fire("raft.host.chunk_not_kept")) {
    services_.callbacks.Add(WhileHere(
        [answer = ChunkWritten{work.snapshot, 0, end}](ReplicaSnapshots& here) {
          here.AnswerChunk(answer, /*late=*/false);
        }));
    return;
  }
  services_.snapshots.Receive(
      key_, work.snapshot, work.offset, chunk,
      [held = Quota::Share(services_.rooms.staged, chunk.size()),
       done = WhileHere(
           [snapshot = work.snapshot, end](ReplicaSnapshots& here,
                                           absl::StatusOr<uint64_t> received) {
             here.OnChunkWritten(snapshot, end, received);
           })](absl::StatusOr<uint64_t> received) mutable {
        held.End();
        done(std::move(received));
      });
}

void ReplicaSnapshots::OnChunkWritten(
    const SnapshotDescriptor& snapshot, uint64_t end,
    const absl::StatusOr<uint64_t>& received) {
  if (received.ok()) {
    return AnswerChunk(
        {snapshot, *received, end},
        services_.env.buggify.Fire("raft.host.chunk_written_late"));
  }
  LogStoreFailure(absl::StrCat(
      "group ", key_.group.value(),
      " could not store a snapshot chunk: ", received.status().ToString()));
  // The leader starts again at once, so the answer waits for a while.
  AnswerChunk({snapshot, 0, end}, /*late=*/true);
}

void ReplicaSnapshots::LogStoreFailure(const std::string& what) {
  const MonoTime now = services_.env.loop.ReadClock().mono;
  if (now < log_failure_at_) return;
  log_failure_at_ = now + kFailurePause;
  services_.env.tracer.Log(env::Severity::kError, absl::StrCat("raft: ", what));
}

// Answers keep their order: one that waits is replaced by the next one, which
// names the bytes that are there by then. It stands for the chunks of both. The
// core waits for the answer to the last chunk, which may be the earlier one.
void ReplicaSnapshots::AnswerChunk(ChunkWritten answer, bool late) {
  if (failures_.has_value() && failures_->late_chunk.has_value()) {
    ChunkWritten& waiting = *failures_->late_chunk;
    if (waiting.snapshot == answer.snapshot) {
      answer.end = std::max(answer.end, waiting.end);
    }
    waiting = std::move(answer);
    return;
  }
  if (!late) return owner_.Step(std::move(answer));
  Failures& failures = failures_.Mutable();
  failures.late_chunk = std::move(answer);
  failures.late_answer = services_.env.loop.At(
      services_.env.loop.ReadClock().mono +
          services_.options.core.election_timeout_max,
      [this] {
        ChunkWritten waiting = *std::move(failures_->late_chunk);
        failures_->late_chunk.reset();
        owner_.Step(std::move(waiting));
      });
}

// Two phases: first the file and the log start become durable, then the
// state machine is replaced. After a crash between the phases, the next start
// loads the newest snapshot.
void ReplicaSnapshots::Install(const SnapshotDescriptor& snapshot) {
  services_.env.tracer.Sometimes("raft.snapshot_install_begun");
  // The installed one replaces the log, so it takes the place of one that waits
  // for its turn, too.
  GiveUp();
  services_.snapshots.FinishReceive(
      key_, snapshot,
      WhileHere([snapshot](ReplicaSnapshots& here, absl::Status status) {
        if (!status.ok()) {
          here.FinishInstall(snapshot, std::move(status));
          return;
        }
        here.OnInstallDurable(snapshot);
      }));
}

void ReplicaSnapshots::OnInstallDurable(const SnapshotDescriptor& snapshot) {
  if (!owner_.runs()) return;
  services_.log.SetLogStart(
      key_, snapshot.log_start(), /*discard_suffix=*/true,
      WhileHere([snapshot](ReplicaSnapshots& here, absl::Status status) {
        if (!status.ok())
          return here.services_.calls.fail_node(std::move(status));
        here.LoadInstalled(snapshot);
      }));
}

void ReplicaSnapshots::LoadInstalled(const SnapshotDescriptor& snapshot) {
  if (!owner_.runs()) return;
  loader_ = std::make_unique<SnapshotLoader>(
      services_.env.loop, &services_.snapshots, &services_.rooms.loads, key_,
      snapshot, &state_machine_, [this, snapshot](absl::Status loaded) {
        FinishInstall(snapshot, std::move(loaded));
      });
  if (!services_.env.buggify.Fire("raft.host.snapshot_loaded_late")) {
    return loader_->Start();
  }
  failures_.Mutable().late_install =
      services_.env.loop.At(services_.env.loop.ReadClock().mono +
                                services_.options.core.election_timeout_max * 2,
                            [this] {
                              if (loader_ != nullptr) loader_->Start();
                            });
}

void ReplicaSnapshots::FinishInstall(const SnapshotDescriptor& snapshot,
                                     absl::Status status) {
  if (!owner_.runs()) return;
  const bool cut_the_log = loader_ != nullptr;
  loader_.reset();
  if (!status.ok()) {
    const std::string why =
        absl::StrCat("group ", key_.group.value(),
                     " could not install the snapshot at index ",
                     snapshot.position.index.value(), ": ", status.ToString());
    // The log on disk already begins after the snapshot, so this replica cannot
    // go on without it.
    const bool may_pass = ReadAttempts::MayPass(status);
    if (cut_the_log && !may_pass) {
      const bool newer = absl::IsFailedPrecondition(status);
      return owner_.Fence(newer ? absl::FailedPreconditionError(why)
                                : absl::DataLossError(why));
    }
    LogStoreFailure(why);
    // The leader starts again at once, so the answer waits for a while.
    failures_.Mutable().late_install =
        services_.env.loop.At(services_.env.loop.ReadClock().mono +
                                  services_.options.core.election_timeout_max,
                              [this, snapshot, cut_the_log] {
                                if (cut_the_log) return LoadInstalled(snapshot);
                                owner_.Step(SnapshotInstalled{snapshot, false});
                              });
    return;
  }
  bytes_since_snapshot_ = retained_bytes_ = 0;
  services_.env.tracer.Sometimes("raft.snapshot_installed");
  LogSnapshot("installed a snapshot of its leader", snapshot);
  owner_.OnRestored(snapshot);
  owner_.Step(SnapshotInstalled{snapshot, true});
}

}  // namespace quorate::raft
