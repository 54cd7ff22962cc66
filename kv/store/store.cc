#include "kv/store/store.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "env/boxed.h"
#include "env/check.h"
#include "kv/command/command.h"
#include "kv/command/move_command.h"
#include "kv/command/result.h"
#include "kv/slots/keyed_hash.h"
#include "kv/store/evaluate.h"
#include "kv/store/keyspace.h"
#include "kv/store/long_read.h"
#include "kv/store/moves.h"
#include "kv/store/ownership.h"
#include "kv/store/read.h"
#include "kv/store/sessions.h"
#include "kv/store/snapshot.h"
#include "kv/store/work.h"
#include "shardctrl/map.h"

namespace quorate::kv {
namespace {

// Pages freed for each entry, for each command, and at most for one entry. Not
// replicated: they affect memory only.
constexpr size_t kReclaimedPagesPerEntry = 4;
constexpr size_t kReclaimedPagesMax = 64;
// Rows of sessions that are freed in the time of one page.
constexpr size_t kReclaimedRowsPerPage = 16;
// Commands decoded ahead, so that their keys are loaded into the cache while
// earlier commands are evaluated.
constexpr size_t kDecodedAhead = Keyspace::kPrefetchMax;

struct Decoded {
  CommandView command;
  uint32_t position = 0;
  bool well_formed = false;
};

}  // namespace

class Store::Impl {
 public:
  explicit Impl(StoreOptions options)
      : group_(options.group),
        hash_key_(options.hash_key),
        slot_count_(options.slot_count),
        limits_(options.rules),
        known_level_(options.known_level),
        key_reads_(options.key_reads),
        ended_(options.ended),
        pool_(options.pool),
        pages_(options.pages),
        ownership_(options.slot_count, options.owned),
        keyspace_(std::make_unique<Keyspace>(
            options.hash_key, options.slot_count, pool_, pages_.keys)) {}
  ~Impl() {
    if (ended_ == nullptr) return;
    const Counters all = counters();
    ended_->keys_expired += all.keys_expired;
    ended_->duplicates_answered += all.duplicates_answered;
    ended_->snapshots_taken += all.snapshots_taken;
  }

  Buffer Apply(const raft::Entry& entry, bool wants_result);
  void Advance(const raft::Entry& entry);
  std::unique_ptr<raft::SnapshotReader> TakeSnapshot();
  absl::Status Restore(SnapshotParser::State state);
  bool Reclaim(size_t pages_max);

  // Reclaim then frees all of it.
  void DropAll();

  // State that a restore replaced.
  struct Retired {
    std::unique_ptr<Keyspace> keyspace;
    std::unique_ptr<Sessions> sessions;  // Freed first.
    std::unique_ptr<Moves> moves;
  };

  uint64_t Combine(uint64_t contents) const {
    uint64_t digest = HashWord(contents, ownership_.digest());
    digest = HashWord(digest, keyspace_->removals_digest());
    digest = HashWord(digest, static_cast<uint64_t>(log_time_.ns()));
    const uint64_t moves = moves_ == nullptr ? 0 : moves_->digest();
    return moves == 0 ? digest : HashWord(digest, moves);
  }
  Counters counters() const;
  // Requires: there are moves.
  Moves::Tables Tables() const {
    return {.keyspace = *keyspace_,
            .sessions = *sessions_,
            .log_time = log_time_,
            .index = applied_index_};
  }
  uint64_t HiddenKeys(bool expiring) const {
    return moves_ == nullptr ? 0 : moves_->HiddenKeys(*keyspace_, expiring);
  }
  ReadTime TimeOf(const PointTime& point) const {
    return {.log_ms = log_time_.ms(),
            .known_ms = point.known.ms(),
            .due_by_ms = point.present.ms()};
  }
  // See Store::RefusalOfSlots. `arguments` is the command's ArgumentReader or
  // ArgumentList.
  template <typename Command, typename Arguments>
  ResultStatus RefusalOfSlots(const Command& command,
                              Arguments arguments) const;
  template <typename Arguments>
  bool Read(const ReadCommand<Arguments>& command, const PointTime& point,
            ReadDone done) const {
    size_t returned_bytes = 0;
    return EvaluateRead({.keyspace = *keyspace_,
                         .time = TimeOf(point),
                         .returned_bytes = &returned_bytes,
                         .key_reads = key_reads_},
                        command, done);
  }

  const GroupId group_;
  const uint64_t hash_key_;
  const uint32_t slot_count_;
  const Rules limits_;
  const raft::Level known_level_;
  KeyReads* const key_reads_;
  StoreTotals* const ended_;
  // Null while an entry is applied whose results this node does not need.
  KeyReads* key_reads_of_entry_ = nullptr;
  const std::shared_ptr<RecordPool> pool_;
  const PageBounds pages_;
  raft::Index applied_index_;
  WallTime log_time_{0};
  Ownership ownership_;
  std::unique_ptr<Keyspace> keyspace_;
  std::unique_ptr<Sessions> sessions_;  // Null: there was no session yet.
  // Null: there was no move yet. Otherwise sessions_ is not null.
  std::unique_ptr<Moves> moves_;
  // It is freed step by step.
  std::vector<Retired> retired_;
  bool freeing_ = false;   // FreePart was called.
  WorkEstimate estimate_;  // Of one entry; kept for its table.

 private:
  int64_t now_ms() const { return std::max<int64_t>(log_time_.ms(), 0); }
  void AdvanceTo(const raft::Entry& entry);
  // Removes and frees after an entry of `commands` commands.
  void Housekeep(uint32_t commands);
  void Prefetch(absl::Span<const Decoded> chunk) const;
  void Run(const Decoded& one, const Version& version, const Buffer& payload,
           ResultBuilder* results);
  // Why a decoded command may not run here; kOk if it may.
  ResultStatus Refusal(const CommandView& command);
  void Process(const CommandView& command, const Version& version,
               const Buffer& payload, ResultBuilder* results);
  void ProcessStamped(const CommandView& command, const Version& version,
                      const Buffer& payload, ResultBuilder* results);
  void RunMove(const CommandView& command, const Version& version,
               ResultBuilder* results);
  Moves::State MovesState() {
    return {.ownership = ownership_,
            .keyspace = *keyspace_,
            .sessions = sessions(),
            .log_time = log_time_};
  }
  // Makes them if there are none.
  Sessions& sessions() {
    if (sessions_ == nullptr) {
      sessions_ =
          std::make_unique<Sessions>(hash_key_, limits_.sessions, pages_.rows);
    }
    return *sessions_;
  }
  size_t ExpireRows(const CommandView& command);
  size_t ExpireRows(size_t count_max);
  void CountRefusal(ResultStatus status);

  // With the counts of the tables that restores replaced: totals never
  // decrease. None while all are zero.
  Boxed<Counters> counters_;
};

void Store::Impl::AdvanceTo(const raft::Entry& entry) {
  CHECK_GT(entry.index, applied_index_);
  applied_index_ = entry.index;
  log_time_ = std::max(log_time_, entry.log_time);
}

Buffer Store::Impl::Apply(const raft::Entry& entry, bool wants_result) {
  AdvanceTo(entry);
  const Version first{group_, entry.index, 0};
  CommandReader reader(entry.payload.view());
  if (!reader.ok()) {
    ++counters_.Mutable().refused_malformed;
    Housekeep(0);
    return wants_result ? ResultBuilder::Refused(first) : Buffer();
  }
  key_reads_of_entry_ = wants_result ? key_reads_ : nullptr;
  std::optional<ResultBuilder> builder;
  if (wants_result) builder.emplace(first);
  ResultBuilder* const results = builder ? &*builder : nullptr;
  // Most entries have one command.
  absl::InlinedVector<Decoded, 1> decoded(
      std::min<size_t>(reader.count(), kDecodedAhead));
  while (!reader.done()) {
    size_t count = 0;
    for (; count < decoded.size() && !reader.done(); ++count) {
      decoded[count].position = reader.position();
      decoded[count].well_formed = reader.Next(&decoded[count].command);
    }
    const auto chunk = absl::MakeConstSpan(decoded.data(), count);
    Prefetch(chunk);
    for (const Decoded& one : chunk) {
      Version version = first;
      version.position = one.position;
      Run(one, version, entry.payload, results);
    }
  }
  Housekeep(reader.count());
  return builder ? builder->Finish() : Buffer();
}

void Store::Impl::Prefetch(absl::Span<const Decoded> chunk) const {
  // A single command gains nothing from prefetching.
  if (chunk.size() < 2) return;
  std::array<Keyspace::Key, kDecodedAhead> keys;
  size_t count = 0;
  for (const Decoded& one : chunk) {
    ArgumentReader arguments = one.command.arguments;
    if (!one.well_formed || arguments.count() == 0) continue;
    if (one.command.op == Op::kMove) continue;
    if (one.command.slot.value() >= slot_count_) continue;
    const SlotKey first =
        KeyOf(one.command.op, one.command.slot, arguments.Next());
    keys[count++] = keyspace_->MakeKey(first.slot, first.key);
  }
  keyspace_->Prefetch(absl::MakeConstSpan(keys.data(), count));
}

void Store::Impl::Run(const Decoded& one, const Version& version,
                      const Buffer& payload, ResultBuilder* results) {
  ++counters_.Mutable().commands;
  const ResultStatus refusal =
      one.well_formed ? Refusal(one.command) : ResultStatus::kMalformed;
  if (refusal != ResultStatus::kOk) {
    CountRefusal(refusal);
    if (results != nullptr) {
      results->AddNone({.status = refusal, .version = version});
    }
  } else if (one.command.has_session) {
    ProcessStamped(one.command, version, payload, results);
  } else {
    Process(one.command, version, payload, results);
  }
  // The proposer estimated results by the values that it saw. Values may have
  // grown since.
  if (results != nullptr && results->size_bytes() > kEntryResultBytesMax) {
    results->LeaveOutLast();
  }
}

void Store::Impl::Advance(const raft::Entry& entry) {
  AdvanceTo(entry);
  Housekeep(0);
}

ResultStatus Store::Impl::Refusal(const CommandView& command) {
  if (command.op == Op::kExpire) {
    const int64_t count = command.numbers[0];
    return count > 0 && count <= kExpireKeysMax ? ResultStatus::kOk
                                                : ResultStatus::kMalformed;
  }
  // It names its slots itself.
  if (command.op == Op::kMove) return ResultStatus::kOk;
  // The session row lives in the slot of the command, so the group must own
  // that slot as well.
  const ResultStatus refusal = RefusalOfSlots(command, command.arguments);
  return refusal == ResultStatus::kOk && command.has_session &&
                 !ownership_.Owns(command.slot)
             ? ResultStatus::kNotOwner
             : refusal;
}

template <typename Command, typename Arguments>
ResultStatus Store::Impl::RefusalOfSlots(const Command& command,
                                         Arguments arguments) const {
  const auto slots = SlotsOf(command.op, command.numbers);
  if (!slots.has_value()) {
    bool owned = ownership_.Owns(command.slot);
    if (NamesSlots(command.op)) {
      Slot last = command.slot;
      while (owned && arguments.count() > 0) {
        const Slot slot =
            KeyOf(command.op, command.slot, arguments.Next()).slot;
        owned = slot == last || ownership_.Owns(slot);
        last = slot;
      }
    }
    return owned ? ResultStatus::kOk : ResultStatus::kNotOwner;
  }
  const auto [first, last] = *slots;
  if (first < 0 || last < first || last >= int64_t{slot_count_}) {
    return ResultStatus::kMalformed;
  }
  return ownership_.OwnsAll({Slot(static_cast<uint16_t>(first)),
                             Slot(static_cast<uint16_t>(last))})
             ? ResultStatus::kOk
             : ResultStatus::kNotOwner;
}

void Store::Impl::Process(const CommandView& command, const Version& version,
                          const Buffer& payload, ResultBuilder* results) {
  if (command.op == Op::kMove) return RunMove(command, version, results);
  Evaluate({.keyspace = *keyspace_,
            .now_ms = now_ms(),
            .version = version,
            .payload = payload,
            .rows_expired = ExpireRows(command),
            .key_reads = key_reads_of_entry_},
           command, results);
}

void Store::Impl::RunMove(const CommandView& command, const Version& version,
                          ResultBuilder* results) {
  ArgumentReader arguments = command.arguments;
  const std::optional<MoveStep> step = DecodeMoveStep(arguments.Next());
  if (!step.has_value()) {
    CountRefusal(ResultStatus::kMalformed);
    if (results == nullptr) return;
    return results->AddNone(
        {.status = ResultStatus::kMalformed, .version = version});
  }
  const Moves::State state = MovesState();
  if (moves_ == nullptr) {
    moves_ = std::make_unique<Moves>(group_, hash_key_, slot_count_,
                                     limits_.sessions);
    moves_->Attach(state);
  }
  const MoveAnswer answer = moves_->Apply(*step, state);
  if (results == nullptr) return;
  results->AddBytes(
      {.status = IsRefusal(answer.verdict) ? ResultStatus::kConditionFailed
                                           : ResultStatus::kOk,
       .wrote = answer.verdict == MoveVerdict::kDone,
       .version = version},
      EncodeMoveAnswer(answer));
}

size_t Store::Impl::ExpireRows(const CommandView& command) {
  if (command.op != Op::kExpire) return 0;
  return ExpireRows(static_cast<size_t>(command.numbers[0]));
}

size_t Store::Impl::ExpireRows(size_t count_max) {
  if (sessions_ == nullptr) return 0;
  const size_t expired = sessions_->Expire(now_ms(), count_max);
  if (expired > 0) counters_.Mutable().sessions_expired += expired;
  return expired;
}

void Store::Impl::ProcessStamped(const CommandView& command,
                                 const Version& version, const Buffer& payload,
                                 ResultBuilder* results) {
  const uint64_t request_hash = RequestHash(hash_key_, command);
  const Sessions::Decision decision =
      sessions().Check(command.slot, command.session, request_hash, now_ms());
  switch (decision.verdict) {
    case Sessions::Decision::Verdict::kRefused:
      CountRefusal(decision.refusal);
      if (results != nullptr) {
        results->AddNone({.status = decision.refusal, .version = version});
      }
      return;
    case Sessions::Decision::Verdict::kDuplicate:
      ++counters_.Mutable().duplicates_answered;
      if (results != nullptr) {
        results->AddEncoded({.status = decision.result.status,
                             .kind = decision.result.kind,
                             .wrote = decision.result.wrote,
                             .duplicate = true,
                             .version = decision.result.version,
                             .bytes = decision.result.payload.view()});
      }
      return;
    case Sessions::Decision::Verdict::kRun:
      break;
  }
  // Results are replicated state: they are built even if no client waits for
  // them.
  std::optional<ResultBuilder> kept;
  ResultBuilder* const builder =
      results != nullptr ? results : &kept.emplace(version);
  Process(command, version, payload, builder);
  sessions().StoreResult(command.slot, command.session, request_hash,
                         builder->last(), now_ms());
}

void Store::Impl::CountRefusal(ResultStatus status) {
  switch (status) {
    case ResultStatus::kNotOwner:
      ++counters_.Mutable().refused_not_owner;
      return;
    case ResultStatus::kMalformed:
      ++counters_.Mutable().refused_malformed;
      return;
    case ResultStatus::kSessionExpired:
      ++counters_.Mutable().sessions_expired_refused;
      return;
    case ResultStatus::kSequenceReused:
      ++counters_.Mutable().sequences_reused_refused;
      return;
    default:
      ++counters_.Mutable().sessions_refused_otherwise;
      return;
  }
}

void Store::Impl::Housekeep(uint32_t commands) {
  const size_t expiries = limits_.expiries_per_entry +
                          size_t{limits_.expiries_per_command} * commands;
  // This position differs from every command's.
  const Version by = {group_, applied_index_, commands};
  keyspace_->Expire(now_ms(), expiries, by);
  ExpireRows(expiries);
  Reclaim(std::min(kReclaimedPagesPerEntry + commands, kReclaimedPagesMax));
}

bool Store::Impl::Reclaim(size_t pages_max) {
  const size_t rows_max = pages_max * kReclaimedRowsPerPage;
  bool more = keyspace_->Reclaim(pages_max);
  if (sessions_ != nullptr) more = sessions_->Reclaim(rows_max) || more;
  if (moves_ != nullptr) more = moves_->Reclaim(rows_max) || more;
  if (retired_.empty()) return more;
  Retired& last = retired_.back();
  if (last.sessions != nullptr && last.sessions->Reclaim(rows_max)) return true;
  last.sessions.reset();
  if (last.moves != nullptr && last.moves->Reclaim(rows_max)) return true;
  last.moves.reset();
  if (!last.keyspace->Reclaim(pages_max)) retired_.pop_back();
  return true;
}

std::unique_ptr<raft::SnapshotReader> Store::Impl::TakeSnapshot() {
  ++counters_.Mutable().snapshots_taken;
  return std::make_unique<StoreSnapshotReader>(
      SnapshotHeader{.group = group_,
                     .hash_key = hash_key_,
                     .slot_count = slot_count_,
                     .index = applied_index_,
                     .log_time = log_time_,
                     .slots = ownership_.runs(),
                     .removals = keyspace_->Removals()},
      keyspace_->TakeView(),
      sessions_ == nullptr ? Sessions::View() : sessions_->TakeView(),
      moves_ == nullptr ? Moves::View() : moves_->TakeView());
}

void Store::Impl::DropAll() {
  keyspace_->SetTracking(nullptr);
  keyspace_->DropSlots({Slot(0), Slot(static_cast<uint16_t>(slot_count_ - 1))},
                       Version{});
  if (sessions_ != nullptr) sessions_->DropAll();
  if (moves_ != nullptr) moves_->DropAll();
}

absl::Status Store::Impl::Restore(SnapshotParser::State state) {
  const SnapshotHeader& header = state.header;
  if (header.group != group_ || header.hash_key != hash_key_ ||
      header.slot_count != slot_count_) {
    return absl::InvalidArgumentError(absl::StrCat(
        "kv snapshot: of group ", header.group.value(), " with ",
        header.slot_count, " slots or of another hash key, expected group ",
        group_.value(), " with ", slot_count_));
  }
  counters_ = Boxed(counters());  // Those of the old tables count on.
  DropAll();
  retired_.push_back(
      {std::move(keyspace_), std::move(sessions_), std::move(moves_)});
  keyspace_ = std::move(state.keyspace);
  sessions_ = std::move(state.sessions);
  moves_ = std::move(state.moves);
  ownership_ = Ownership(slot_count_, header.slots);
  if (moves_ != nullptr) moves_->Attach(MovesState());
  applied_index_ = header.index;
  log_time_ = header.log_time;
  ++counters_.Mutable().snapshots_restored;
  return absl::OkStatus();
}

Store::Counters Store::Impl::counters() const {
  Counters all = counters_.has_value() ? *counters_ : Counters();
  if (sessions_ != nullptr) all.sessions_made += sessions_->rows_made();
  all.keys_expired += keyspace_->keys_expired();
  all.pages_copied += keyspace_->page_counters().copied;
  all.pages_split += keyspace_->page_counters().split;
  return all;
}

namespace {

// Parses into a separate state. Commit hands it to the store as a whole.
class Restorer final : public raft::SnapshotWriter {
 public:
  using Swap = std::function<absl::Status(SnapshotParser::State)>;
  Restorer(const SessionRules& rules, std::shared_ptr<RecordPool> pool,
           const PageBounds& pages, Swap swap)
      : swap_(std::move(swap)), parser_(rules, std::move(pool), pages) {}

  absl::Status Add(std::string_view bytes) override {
    return parser_.Add(bytes);
  }
  absl::Status Commit() override {
    SnapshotParser::State state;
    const absl::Status finished = parser_.Finish(&state);
    if (!finished.ok()) return finished;
    return swap_(std::move(state));
  }

 private:
  Swap swap_;
  SnapshotParser parser_;
};

}  // namespace

Store::Store(StoreOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}
Store::~Store() = default;

raft::Level Store::known_level() const { return impl_->known_level_; }

raft::Level Store::LevelOf(const Buffer& payload) const {
  return raft::Level(RulesOf(payload.view()));
}

uint64_t Store::WorkOf(const Buffer& payload) const {
  CommandReader reader(payload.view());
  CommandView command;
  WorkEstimate& estimate = impl_->estimate_;
  estimate.Clear();
  const uint64_t copies = shares_pages() ? WorkEstimate::kPageCopyBytes : 0;
  uint64_t work = 0;
  while (reader.ok() && !reader.done()) {
    const CommandHeader header = reader.NextHeader();
    if (estimate.CopiesNothing(header)) {
      work += kv::WorkOf(header.size_bytes, 0) + copies;
      reader.Skip();
      continue;
    }
    if (!reader.Next(&command)) continue;
    const uint64_t value_bytes = estimate.AddValueBytes(
        command, [this](Slot slot, std::string_view key) {
          return ValueBytes(slot, key);
        });
    work += kv::WorkOf(command.encoded.size(), value_bytes) + copies;
  }
  return std::max<uint64_t>(work, payload.size());
}

Buffer Store::Apply(const raft::Entry& entry, bool wants_result) {
  return impl_->Apply(entry, wants_result);
}

void Store::Advance(const raft::Entry& entry) { impl_->Advance(entry); }

std::unique_ptr<raft::SnapshotReader> Store::TakeSnapshot() {
  return impl_->TakeSnapshot();
}

std::unique_ptr<raft::SnapshotWriter> Store::BeginRestore(
    const raft::SnapshotDescriptor& snapshot) {
  (void)snapshot;  // The bytes contain everything, and are checked.
  return std::make_unique<Restorer>(impl_->limits_.sessions, impl_->pool_,
                                    impl_->pages_,
                                    [this](SnapshotParser::State state) {
                                      return impl_->Restore(std::move(state));
                                    });
}

uint64_t Store::Digest() const {
  const Sessions* const sessions = impl_->sessions_.get();
  return impl_->Combine(impl_->keyspace_->digest() +
                        (sessions == nullptr ? 0 : sessions->digest()));
}

uint64_t Store::RecomputeDigest() const {
  const Sessions* const sessions = impl_->sessions_.get();
  return impl_->Combine(
      impl_->keyspace_->RecomputeDigest() +
      (sessions == nullptr ? 0 : sessions->RecomputeDigest()));
}

raft::Index Store::applied_index() const { return impl_->applied_index_; }
WallTime Store::log_time() const { return impl_->log_time_; }
bool Store::HasSession(Slot slot, ClientId client) const {
  return impl_->sessions_ != nullptr && impl_->sessions_->Has(slot, client);
}

bool Store::Owns(Slot slot) const { return impl_->ownership_.Owns(slot); }

ResultStatus Store::RefusalOfSlots(const CommandSpec& command) const {
  return impl_->RefusalOfSlots(command, ArgumentList(command.arguments));
}
ResultStatus Store::RefusalOfSlots(const CommandView& command) const {
  return impl_->RefusalOfSlots(command, command.arguments);
}

std::vector<SlotRange> Store::owned() const {
  return RangesOf(impl_->ownership_.runs());
}
const std::vector<SlotRun>& Store::slot_runs() const {
  return impl_->ownership_.runs();
}

std::vector<MoveStatus> Store::moves() const {
  return impl_->moves_ == nullptr ? std::vector<MoveStatus>()
                                  : impl_->moves_->Statuses();
}
std::optional<MoveSeal> Store::SealOf(MoveId move) const {
  if (impl_->moves_ == nullptr) return std::nullopt;
  return impl_->moves_->SealOf(move, impl_->Tables());
}
std::unique_ptr<PieceReader> Store::ReadSlot(MoveId move, Slot slot) const {
  if (impl_->moves_ == nullptr) return nullptr;
  return impl_->moves_->ReadSlot(move, slot, impl_->Tables());
}
std::unique_ptr<PieceReader> Store::ReadChanges(MoveId move, ChangeNumber from,
                                                ChangeNumber through,
                                                size_t bytes_max) const {
  if (impl_->moves_ == nullptr) return nullptr;
  return impl_->moves_->ReadChanges(move, from, through, bytes_max,
                                    impl_->Tables());
}

Lookup Store::Get(Slot slot, std::string_view key,
                  const PointTime& point) const {
  const Keyspace& keyspace = *impl_->keyspace_;
  return LookUp(keyspace.FindEvenIfDue(keyspace.MakeKey(slot, key)),
                impl_->TimeOf(point));
}

uint64_t Store::ValueBytes(Slot slot, std::string_view key) const {
  const Keyspace& keyspace = *impl_->keyspace_;
  if (slot.value() >= keyspace.slot_count()) return 0;
  const Record* record = keyspace.FindEvenIfDue(keyspace.MakeKey(slot, key));
  return record == nullptr ? 0 : record->value().size();
}

bool Store::Read(const CommandSpec& command, const PointTime& point,
                 ReadDone done) const {
  return impl_->Read(
      ReadCommand<ArgumentList>{.op = command.op,
                                .slot = command.slot,
                                .numbers = command.numbers,
                                .arguments = ArgumentList(command.arguments)},
      point, done);
}

bool Store::Read(const CommandView& command, const PointTime& point,
                 ReadDone done) const {
  return impl_->Read(
      ReadCommand<ArgumentReader>{.op = command.op,
                                  .slot = command.slot,
                                  .numbers = command.numbers,
                                  .arguments = command.arguments},
      point, done);
}

std::unique_ptr<LongRead> Store::BeginLongRead(
    Op op, Slot slot, std::vector<std::string_view> arguments,
    const PointTime& point) const {
  std::vector<LongRead::Part> parts;
  std::optional<Slot> last;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const SlotKey of = KeyOf(op, slot, arguments[i]);
    arguments[i] = of.key;
    if (last != of.slot) {
      parts.push_back({.view = impl_->keyspace_->TakeView(of.slot)});
      last = of.slot;
    }
    parts.back().end = i + 1;
  }
  return std::make_unique<LongRead>(op, std::move(parts), impl_->TimeOf(point),
                                    std::move(arguments), impl_->key_reads_);
}

void Store::Prefetch(absl::Span<const SlotKey> keys) const {
  static_assert(kPrefetchMax <= Keyspace::kPrefetchMax);
  CHECK_LE(keys.size(), kPrefetchMax);
  std::array<Keyspace::Key, kPrefetchMax> places;
  size_t count = 0;
  for (const SlotKey& one : keys) {
    if (one.slot.value() >= impl_->slot_count_) continue;
    places[count++] = impl_->keyspace_->MakeKey(one.slot, one.key);
  }
  impl_->keyspace_->Prefetch(absl::MakeConstSpan(places.data(), count));
}

uint64_t Store::key_count(const SlotRange& slots) const {
  CHECK_LT(slots.last.value(), impl_->slot_count_);
  return impl_->keyspace_->KeyCount(slots);
}
uint64_t Store::size_bytes(const SlotRange& slots) const {
  CHECK_LT(slots.last.value(), impl_->slot_count_);
  return impl_->keyspace_->SizeBytes(slots);
}
uint64_t Store::key_count() const {
  return impl_->keyspace_->key_count() - impl_->HiddenKeys(/*expiring=*/false);
}
uint64_t Store::expiring_key_count() const {
  return impl_->keyspace_->expiring_key_count() -
         impl_->HiddenKeys(/*expiring=*/true);
}
uint64_t Store::size_bytes() const { return impl_->keyspace_->size_bytes(); }
uint64_t Store::session_count() const {
  return impl_->sessions_ == nullptr ? 0 : impl_->sessions_->row_count();
}
uint64_t Store::memory_bytes() const {
  const Sessions* const sessions = impl_->sessions_.get();
  return impl_->keyspace_->size_bytes() +
         (sessions == nullptr ? 0 : sessions->size_bytes()) +
         (impl_->moves_ == nullptr ? 0 : impl_->moves_->size_bytes());
}

bool Store::Reclaim(size_t pages_max) { return impl_->Reclaim(pages_max); }

bool Store::FreePart() {
  constexpr size_t kPages = 32;
  if (!std::exchange(impl_->freeing_, true)) impl_->DropAll();
  return impl_->Reclaim(kPages);
}

bool Store::reclaimable() const {
  return impl_->keyspace_->reclaimable() || !impl_->retired_.empty() ||
         (impl_->sessions_ != nullptr && impl_->sessions_->reclaimable()) ||
         (impl_->moves_ != nullptr && impl_->moves_->reclaimable());
}

bool Store::shares_pages() const { return impl_->keyspace_->viewed(); }

std::optional<int64_t> Store::first_due_ms() const {
  const auto key = impl_->keyspace_->first_due_ms();
  const auto row = impl_->sessions_ == nullptr
                       ? std::nullopt
                       : impl_->sessions_->first_expiry_ms();
  if (!key.has_value() || !row.has_value()) return key.has_value() ? key : row;
  return std::min(*key, *row);
}

Store::Counters Store::counters() const { return impl_->counters(); }

}  // namespace quorate::kv
