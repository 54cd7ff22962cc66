// The part of Replica that takes, sends and installs snapshots.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "raft/host/bounds/snapshot_threshold.h"
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

// ---- Taking snapshots

bool Replica::SnapshotIsDue() {
  const HostOptions& options = services_.options;
  if (options.snapshot_threshold_bytes == 0 || snapshot_reader_ != nullptr ||
      snapshots_suspended_ || core_->installing() || WaitsForRoom() ||
      core_->applied_index() == core_->snapshot().position.index) {
    return false;
  }
  if (unreadable_snapshot_ != Index() &&
      core_->applied_index() > unreadable_snapshot_) {
    return true;
  }
  if (cuts_whole_log_) return true;  // It waited for its turn.
  const uint64_t threshold = SnapshotThreshold(
      options.snapshot_threshold_bytes, options.snapshot_threshold_bytes_max,
      key_.group, core_->snapshot(), services_.env.random);
  if (bytes_since_snapshot_ < threshold) {
    cuts_whole_log_ = services_.env.buggify.Fire("raft.host.snapshot_early");
    return cuts_whole_log_;
  }
  return true;
}

bool Replica::WaitsForRoom() const {
  return snapshot_not_before_ != MonoTime::Min() &&
         services_.env.loop.ReadClock().mono < snapshot_not_before_;
}

void Replica::MaybeBeginSnapshot() {
  if (status_.ok() && SnapshotIsDue()) BeginSnapshot();
}

void Replica::EndSnapshot() {
  snapshot_reader_.reset();
  services_.snapshot_turn.End(key_);
}

void Replica::SuspendSnapshots() {
  snapshots_suspended_ = true;
  GiveUpSnapshot();
}

void Replica::BeginSnapshot() {
  if (snapshots_suspended_ || !services_.snapshot_turn.Take(key_)) return;
  bytes_before_snapshot_ = std::exchange(bytes_since_snapshot_, 0);
  unreadable_snapshot_ = Index();
  const Index applied = core_->applied_index();
  SnapshotDescriptor descriptor{
      .position = {core_->TermAt(applied), applied},
      .log_time = core_->applied_log_time(),
      .latest = core_->applied_latest(),
      .configuration = core_->ConfigurationAt(applied)};
  snapshot_reader_ = state_machine_->TakeSnapshot();
  services_.snapshots.Begin(key_, descriptor,
                            WhileHere([](Replica& here, absl::Status status) {
                              here.OnPieceWritten(status);
                            }));
}

void Replica::OnPieceWritten(const absl::Status& status) {
  if (snapshot_reader_ == nullptr) return;
  if (!status.ok()) return OnSnapshotFailed(status);
  WriteSnapshotPiece();
}

void Replica::WriteSnapshotPiece() {
  if (services_.env.buggify.Fire("raft.host.snapshot_given_up")) {
    return OnSnapshotFailed(absl::AbortedError("it was given up"));
  }
  const bool small = services_.env.buggify.Fire("raft.host.small_piece");
  Buffer piece =
      snapshot_reader_->Next(small ? 64 : SnapshotLoader::kPieceBytes);
  if (piece.empty()) {
    services_.snapshots.Finish(
        key_, WhileHere([](Replica& here,
                           absl::StatusOr<SnapshotDescriptor> snapshot) {
          if (here.snapshot_reader_ == nullptr) return;
          here.OnSnapshotWritten(std::move(snapshot));
        }));
    return;
  }
  services_.snapshots.Append(key_, std::move(piece),
                             WhileHere([](Replica& here, absl::Status status) {
                               here.OnPieceWritten(status);
                             }));
}

void Replica::OnSnapshotFailed(const absl::Status& status) {
  // The log still has all entries. The next attempt is after as many bytes of
  // entries again, or after a pause if only room is missing.
  if (absl::IsResourceExhausted(status)) {
    bytes_since_snapshot_ += bytes_before_snapshot_;
    snapshot_not_before_ = services_.env.loop.ReadClock().mono + kFailurePause;
  }
  services_.env.tracer.Log(
      env::Severity::kError,
      absl::StrCat("raft: group ", key_.group.value(),
                   " could not write a snapshot: ", status.ToString()));
  GiveUpSnapshot();
}

void Replica::GiveUpSnapshot() {
  if (snapshot_reader_ != nullptr) {
    services_.snapshots.Abandon(key_);
    EndSnapshot();
  }
  keeps_little_ = false;
  cuts_whole_log_ = false;
}

void Replica::OnSnapshotWritten(absl::StatusOr<SnapshotDescriptor> snapshot) {
  if (!snapshot.ok()) {
    OnSnapshotFailed(snapshot.status());
    return;
  }
  EndSnapshot();
  services_.env.tracer.Sometimes("raft.snapshot_taken");
  const bool whole =
      std::exchange(cuts_whole_log_, false) ||
      services_.env.buggify.Fire("raft.host.no_trailing_entries");
  const Index last = snapshot->position.index;
  const LogCut cut =
      whole ? LogCut{.index = last, .usual = last} : CutBehind(last);
  CutLog(*std::move(snapshot), cut);
  // Entries that were applied meanwhile may make the next one due.
  MaybeBeginSnapshot();
}

void Replica::CutLog(SnapshotDescriptor snapshot, const LogCut& cut) {
  keeps_little_ = false;
  NoteCutOff(cut);
  SetRetained(cut, snapshot.size_bytes);
  Step(SnapshotTaken{std::move(snapshot), cut.index});
  if (!status_.ok()) return;
  // The core keeps entries whose write is in flight.
  services_.log.SetLogStart(key_, core_->boundary(), /*discard_suffix=*/false,
                            WhileHere([](Replica& here, absl::Status status) {
                              if (!status.ok()) {
                                return here.services_.fail_node(status);
                              }
                              // The log has forgotten places.
                              if (here.status_.ok()) here.ReportLogBytes();
                            }));
}

void Replica::SetRetained(const LogCut& cut, uint64_t snapshot_bytes) {
  retained_bytes_ = std::min<uint64_t>(
      core_->LogBytesThrough(cut.usual) - core_->LogBytesThrough(cut.index),
      snapshot_bytes);
}

void Replica::NoteCutOff(const LogCut& cut) {
  if (cut.cut_off == NodeId() || cut.has < core_->log_start().index) return;
  ++services_.followers_cut_off;
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

void Replica::CheckRetained() {
  const MonoTime now = services_.env.loop.ReadClock().mono;
  const bool leads = core_->role() == RoleKind::kLeader;
  if (leads && now < check_retained_at_) return;
  check_retained_at_ = now + kRetainedPause;
  const auto none_is_needed = [](const Replica& here, LogCut* cut) {
    // A snapshot that is being written cuts the log at its end.
    if (!here.status_.ok() || here.snapshot_reader_ != nullptr ||
        here.core_->installing()) {
      return false;
    }
    *cut = here.CutBehind(here.core_->snapshot().position.index);
    return cut->index == cut->usual;
  };
  LogCut cut;
  if (!none_is_needed(*this, &cut)) return;
  services_.callbacks.Add(WhileHere([none_is_needed](Replica& here) {
    LogCut cut;
    if (none_is_needed(here, &cut)) here.CutLog(here.core_->snapshot(), cut);
  }));
}

uint64_t Replica::ResidentBytesMax() const {
  const uint64_t budgeted =
      services_.log_memory.exceeded()
          ? services_.log_memory.KeptBytesMax(services_.replicas.size())
          : std::numeric_limits<uint64_t>::max();
  return core_->quiet() ? std::min(budgeted, kQuietBytes) : budgeted;
}

bool Replica::CanEvict() const {
  return core_->evictable() > core_->evicted() &&
         core_->resident_log_bytes() > ResidentBytesMax();
}

void Replica::Evict() {
  const uint64_t resident = core_->resident_log_bytes();
  Step(raft::Evict{std::max(ResidentBytesMax(),
                            resident - std::min(resident, kEvictedBytes))});
}

bool Replica::ShortenLog() {
  if (!status_.ok() || services_.options.snapshot_threshold_bytes == 0 ||
      core_->installing()) {
    return false;
  }
  keeps_little_ = true;
  if (snapshot_reader_ == nullptr) {
    const Index newest = core_->snapshot().position.index;
    const LogCut cut = CutBehind(newest);
    if (cut.index > core_->log_start().index) {
      CutLog(core_->snapshot(), cut);
    } else {
      SetRetained(cut, core_->snapshot().size_bytes);
      ReportLogBytes();
    }
    keeps_little_ = services_.log_size.exceeded();
    if (!status_.ok() || !keeps_little_) return false;
    // A snapshot that would free little is not worth its work.
    if (core_->applied_index() == newest || WaitsForRoom() ||
        bytes_since_snapshot_ < LittleBytes()) {
      keeps_little_ = false;
      return false;
    }
    BeginSnapshot();
  }
  return snapshot_reader_ != nullptr;
}

// The places of the entries that are kept count, too.
uint64_t Replica::LittleBytes() const {
  const uint64_t kept =
      services_.log_size.KeptBytesMax(services_.replicas.size());
  const uint64_t entries = core_->log_bytes();
  const uint64_t all = entries + shares_.places.bytes();
  if (all == 0) return kept;
  return static_cast<uint64_t>(static_cast<unsigned __int128>(kept) * entries /
                               all);
}

Replica::LogCut Replica::CutBehind(Index snapshot_index) const {
  uint64_t trailing = services_.options.snapshot_trailing_bytes;
  uint64_t retained_max =
      services_.options.snapshot_threshold_bytes * kRetainThresholds;
  if (keeps_little_) {
    retained_max = LittleBytes();
    trailing = std::min(trailing, retained_max);
  }
  // These entries are sent in less time than another snapshot.
  retained_max = std::max(retained_max, core_->snapshot().size_bytes);
  // The last entry that each follower has, or gets with the snapshot that is in
  // transfer to it.
  LogCut cut{.has = snapshot_index};
  for (const Core::FollowerStatus& follower : core_->followers()) {
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
  cut.index = cut.usual = core_->CutBefore(snapshot_index, trailing);
  if (cut.has < cut.usual) {
    cut.index = std::min(
        cut.usual,
        std::max(cut.has, core_->CutBefore(snapshot_index, retained_max)));
  }
  if (cut.has >= cut.index) cut.cut_off = NodeId();
  return cut;
}

// A snapshot takes the place of entries that cannot be read. Followers that
// lack them get the snapshot.
void Replica::OnEntriesUnreadable(Index after, const absl::Status& why) {
  if (!status_.ok() || core_->installing() ||
      core_->log_start().index > after || core_->applied_index() <= after ||
      services_.options.snapshot_threshold_bytes == 0) {
    return;
  }
  const SnapshotDescriptor& snapshot = core_->snapshot();
  if (snapshot.position.index > after) {
    CutLog(snapshot, {.index = snapshot.position.index,
                      .usual = snapshot.position.index});
  } else if (snapshot_reader_ == nullptr && !cuts_whole_log_) {
    cuts_whole_log_ = true;
    BeginSnapshot();
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

void Replica::HandleSnapshots(const Output& output) {
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
  if (!output.snapshots.empty() || kept_snapshot_ != LogPosition()) {
    KeepSnapshotInTransfer();
  }
}

// Of several transfers the oldest one would be lost first.
void Replica::KeepSnapshotInTransfer() {
  LogPosition oldest;
  for (const Core::FollowerStatus& follower : core_->followers()) {
    const LogPosition snapshot = follower.snapshot;
    if (snapshot != LogPosition() &&
        (oldest == LogPosition() || snapshot.index < oldest.index)) {
      oldest = snapshot;
    }
  }
  if (oldest == std::exchange(kept_snapshot_, oldest)) return;
  services_.snapshots.Keep(key_, oldest);
}

void Replica::ReadChunk(const SnapshotWork& work) {
  const bool small = services_.env.buggify.Fire("raft.host.small_chunk");
  const size_t size = small ? 64 : services_.options.core.snapshot_chunk_bytes;
  services_.follower_reads.Add(
      key_.replica, work.to, size,
      WhileHere([work, size](Replica& here, Quota::Share held) {
        if (here.status_.ok()) here.BeginChunkRead(work, size, std::move(held));
      }));
}

void Replica::BeginChunkRead(const SnapshotWork& work, size_t size,
                             Quota::Share held) {
  services_.snapshots.Read(
      key_, work.snapshot.position, work.offset, size,
      [&reads = services_.follower_reads, held = std::move(held),
       done = WhileHere([to = work.to, snapshot = work.snapshot,
                         offset = work.offset](Replica& here,
                                               absl::StatusOr<Buffer> bytes) {
         ChunkRead answer{.to = to, .snapshot = snapshot, .offset = offset};
         if (bytes.ok()) {
           if (here.failures_.has_value()) {
             here.failures_->chunk_reads.erase(to);
           }
           answer.chunk = *std::move(bytes);
         } else if (absl::IsNotFound(bytes.status()) ||
                    !here.MayReadAgain(&here.failures_.Mutable().chunk_reads,
                                       to, bytes.status())) {
           answer.gone = true;
           here.OnUnreadable(snapshot.position.index, bytes.status());
         }
         here.Step(std::move(answer));
       })](absl::StatusOr<Buffer> bytes) mutable {
        held.End();
        reads.BeginWaiting();
        done(std::move(bytes));
      });
}

// A snapshot that a newer one replaced may be gone. The newest one should be
// there: the state machine is intact, so another snapshot takes its place. A
// noop makes sure that it has another index.
void Replica::OnUnreadable(Index snapshot, const absl::Status& why) {
  const MonoTime now = services_.env.loop.ReadClock().mono;
  const bool is_applied = core_->applied_index() > snapshot;
  if (!status_.ok() || snapshot != core_->snapshot().position.index ||
      (snapshot == unreadable_snapshot_ && is_applied) ||
      now < replace_snapshot_at_) {
    return;
  }
  unreadable_snapshot_ = snapshot;
  replace_snapshot_at_ = now + kFailurePause;
  services_.env.tracer.Log(
      env::Severity::kError,
      absl::StrCat("raft: group ", key_.group.value(),
                   " takes another snapshot, because it cannot read the one "
                   "at index ",
                   snapshot.value(), ": ", why.ToString()));
  if (is_applied) return MaybeBeginSnapshot();
  services_.callbacks.Add(WhileHere([](Replica& here) {
    here.Propose(EntryKind::kNoop, Buffer(), [](const ProposeResult&) {});
  }));
}

void Replica::WriteChunk(const SnapshotWork& work) {
  const uint64_t end = work.offset + work.chunk.size();
  // A chunk that waits for the disk must not hold a whole envelope.
  const Buffer chunk = work.chunk.block_size() > 2 * work.chunk.size()
                           ? Buffer::Copy(work.chunk.view())
                           : work.chunk;
  // The answer names the bytes that the leader sends next.
  if (services_.env.buggify.Fire("raft.host.chunk_not_kept")) {
    services_.callbacks.Add(WhileHere(
        [answer = ChunkWritten{work.snapshot, 0, end}](Replica& here) {
          here.AnswerChunk(answer, /*late=*/false);
        }));
    return;
  }
  services_.snapshots.Receive(
      key_, work.snapshot, work.offset, chunk,
      [held = Quota::Share(services_.staged, chunk.size()),
       done = WhileHere([snapshot = work.snapshot, end](
                            Replica& here, absl::StatusOr<uint64_t> received) {
         here.OnChunkWritten(snapshot, end, received);
       })](absl::StatusOr<uint64_t> received) mutable {
        held.End();
        done(std::move(received));
      });
}

void Replica::OnChunkWritten(const SnapshotDescriptor& snapshot, uint64_t end,
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

void Replica::LogStoreFailure(const std::string& what) {
  const MonoTime now = services_.env.loop.ReadClock().mono;
  if (now < log_failure_at_) return;
  log_failure_at_ = now + kFailurePause;
  services_.env.tracer.Log(env::Severity::kError, absl::StrCat("raft: ", what));
}

// Answers keep their order: one that waits is replaced by the next one, which
// names the bytes that are there by then. It stands for the chunks of both. The
// core waits for the answer to the last chunk, which may be the earlier one.
void Replica::AnswerChunk(ChunkWritten answer, bool late) {
  if (failures_.has_value() && failures_->late_chunk.has_value()) {
    ChunkWritten& waiting = *failures_->late_chunk;
    if (waiting.snapshot == answer.snapshot) {
      answer.end = std::max(answer.end, waiting.end);
    }
    waiting = std::move(answer);
    return;
  }
  if (!late) return Step(std::move(answer));
  Failures& failures = failures_.Mutable();
  failures.late_chunk = std::move(answer);
  failures.late_answer = services_.env.loop.At(
      services_.env.loop.ReadClock().mono +
          services_.options.core.election_timeout_max,
      [this] {
        ChunkWritten waiting = *std::move(failures_->late_chunk);
        failures_->late_chunk.reset();
        Step(std::move(waiting));
      });
}

// Two phases: first the file and the log start become durable, then the
// state machine is replaced. After a crash between the phases, the next start
// loads the newest snapshot.
void Replica::Install(const SnapshotDescriptor& snapshot) {
  services_.env.tracer.Sometimes("raft.snapshot_install_begun");
  // The installed one replaces the log, so it takes the place of one that waits
  // for its turn, too.
  GiveUpSnapshot();
  services_.snapshots.FinishReceive(
      key_, snapshot, WhileHere([snapshot](Replica& here, absl::Status status) {
        if (!status.ok()) {
          here.FinishInstall(snapshot, std::move(status));
          return;
        }
        here.OnInstallDurable(snapshot);
      }));
}

void Replica::OnInstallDurable(const SnapshotDescriptor& snapshot) {
  if (!status_.ok()) return;
  services_.log.SetLogStart(
      key_, snapshot.log_start(), /*discard_suffix=*/true,
      WhileHere([snapshot](Replica& here, absl::Status status) {
        if (!status.ok()) return here.services_.fail_node(std::move(status));
        here.LoadInstalled(snapshot);
      }));
}

void Replica::LoadInstalled(const SnapshotDescriptor& snapshot) {
  if (!status_.ok()) return;
  loader_ = std::make_unique<SnapshotLoader>(
      services_.env.loop, &services_.snapshots, &services_.loads, key_,
      snapshot, state_machine_.get(), [this, snapshot](absl::Status loaded) {
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

void Replica::FinishInstall(const SnapshotDescriptor& snapshot,
                            absl::Status status) {
  if (!status_.ok()) return;
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
      return Fence(newer ? absl::FailedPreconditionError(why)
                         : absl::DataLossError(why));
    }
    LogStoreFailure(why);
    // The leader starts again at once, so the answer waits for a while.
    failures_.Mutable().late_install =
        services_.env.loop.At(services_.env.loop.ReadClock().mono +
                                  services_.options.core.election_timeout_max,
                              [this, snapshot, cut_the_log] {
                                if (cut_the_log) return LoadInstalled(snapshot);
                                Step(SnapshotInstalled{snapshot, false});
                              });
    return;
  }
  bytes_since_snapshot_ = retained_bytes_ = 0;
  services_.env.tracer.Sometimes("raft.snapshot_installed");
  // The outcome of proposals that the snapshot covers is not known here.
  while (has_proposals() &&
         callers_->proposals.begin()->first.first <= snapshot.position.index) {
    auto it = callers_->proposals.begin();
    CompleteProposal(std::move(it->second),
                     {.outcome = Outcome::kUnknown,
                      .status = absl::UnknownError(
                          "a snapshot covers the entry's position")});
    callers_->proposals.erase(it);
  }
  // The observer must learn of the snapshot before later entries are applied.
  services_.observer.OnRestored(key_.group, snapshot);
  Step(SnapshotInstalled{snapshot, true});
}

}  // namespace quorate::raft
