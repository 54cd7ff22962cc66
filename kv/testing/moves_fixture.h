// kv/testing/moves_fixture.h: groups between which tests move slots, and a
// driver of one move that knows only the states of both groups.
#ifndef QUORATE_KV_TESTING_MOVES_FIXTURE_H_
#define QUORATE_KV_TESTING_MOVES_FIXTURE_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/move_command.h"
#include "kv/command/result.h"
#include "kv/moves/copy_reader.h"
#include "kv/moves/next_step.h"
#include "kv/store/store.h"

namespace quorate::kv {

// A group of two replicas: each entry is applied to both, and their digests are
// compared.
class TestGroup {
 public:
  static constexpr uint64_t kMovesHashKey = 0x1234;

  TestGroup(GroupId id, std::vector<SlotRun> owned)
      : options_{.group = id, .hash_key = kMovesHashKey, .owned = owned},
        store_(std::make_unique<Store>(options_)),
        other_(std::make_unique<Store>(options_)) {}

  GroupId id() const { return options_.group; }
  Store& store() { return *store_; }
  void SetTime(int64_t ms) {
    log_time_ = std::max(log_time_, WallTime(ms * 1'000'000));
  }

  // Applies an entry and returns its results.
  Buffer Apply(Buffer payload) {
    raft::Entry entry;
    entry.term = raft::Term(1);
    entry.index = ++index_;
    entry.kind = raft::EntryKind::kCommands;
    entry.log_time = log_time_;
    entry.payload = std::move(payload);
    const Buffer results = store_->Apply(entry, /*wants_result=*/true);
    other_->Apply(entry, /*wants_result=*/false);
    if (restoring_ != nullptr) since_.push_back(entry);
    EXPECT_EQ(store_->Digest(), other_->Digest());
    EXPECT_EQ(store_->Digest(), store_->RecomputeDigest());
    EXPECT_EQ(store_->memory_bytes(), other_->memory_bytes());
    return results;
  }
  MoveAnswer Step(const MoveStep& step) {
    return StepEncoded(EncodeMoveStep(step), SlotsMaxOf(step));
  }
  MoveAnswer StepEncoded(const std::string& step, uint32_t slots_max = 0) {
    const std::string_view arguments[] = {step};
    BatchBuilder batch;
    batch.Add({.op = Op::kMove,
               .numbers = {int64_t{slots_max}, 0},
               .arguments = arguments});
    const Buffer results = Apply(batch.Finish());
    ResultReader reader(results.view());
    const ResultView result = reader.Next();
    const std::optional<MoveAnswer> answer = DecodeMoveAnswer(result.bytes);
    EXPECT_TRUE(answer.has_value());
    if (!answer.has_value()) return {};
    EXPECT_EQ(result.status, IsRefusal(answer->verdict)
                                 ? ResultStatus::kConditionFailed
                                 : ResultStatus::kOk);
    return *answer;
  }
  // kNone if the group does not know the move.
  MoveAnswer StateOf(MoveId move) { return StatusOf(move).at; }
  MoveStatus StatusOf(MoveId move) { return kv::StatusOf(*store_, move); }

  // A crash: a replica starts from a snapshot of the other one, and takes the
  // entries since then. Between the calls further entries may be applied.
  void BeginRestart() {
    if (restoring_ != nullptr) return;
    restoring_ = std::make_unique<Store>(options_);
    reader_ = store_->TakeSnapshot();
  }
  void EndRestart(size_t piece_bytes) {
    if (restoring_ == nullptr) return;
    const auto writer = restoring_->BeginRestore({});
    while (true) {
      const Buffer piece = reader_->Next(piece_bytes);
      if (piece.empty()) break;
      const absl::Status added = writer->Add(piece.view());
      ASSERT_TRUE(added.ok()) << added;
    }
    const absl::Status committed = writer->Commit();
    ASSERT_TRUE(committed.ok()) << committed;
    for (const raft::Entry& entry : since_) {
      restoring_->Apply(entry, /*wants_result=*/false);
    }
    since_.clear();
    reader_.reset();
    EXPECT_EQ(restoring_->Digest(), store_->Digest());
    EXPECT_EQ(restoring_->RecomputeDigest(), store_->Digest());
    EXPECT_EQ(restoring_->memory_bytes(), store_->memory_bytes());
    EXPECT_EQ(restoring_->key_count(), store_->key_count());
    other_ = std::move(store_);
    store_ = std::move(restoring_);
  }
  void Restart() {
    BeginRestart();
    EndRestart(1 << 16);
  }

 private:
  StoreOptions options_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Store> other_;
  std::unique_ptr<Store> restoring_;
  std::unique_ptr<raft::SnapshotReader> reader_;
  std::vector<raft::Entry> since_;
  raft::Index index_{10};
  WallTime log_time_{1'000'000'000};
};

// The decision of the controller.
enum class MoveDecision : uint8_t { kMove, kActivate, kAbort };

// Drives one move by its next step. Its reader is all that it remembers, and a
// leader may lose it at any time.
class MoveDriver {
 public:
  struct Options {
    size_t piece_bytes = kPieceBytesMax;
    size_t changes_bytes = kPieceBytesMax;
    uint32_t slots_max = 100;
    // The source freezes once so few changes are left.
    uint64_t freeze_at = 0;
  };

  MoveDriver(MovePlan plan, TestGroup* source, TestGroup* target,
             Options options)
      : plan_(std::move(plan)),
        source_(source),
        target_(target),
        options_(options) {}

  const MovePlan& plan() const { return plan_; }
  void ForgetReader() { reader_.reset(); }
  bool sealed() {
    return target_->StateOf(plan_.id).phase == MovePhase::kSealed;
  }

  // The next step of each side: for the source, or for the destination.
  // Nullopt: the decision of the controller is missing, or all is done.
  struct Next {
    MoveStep step;
    bool for_source = false;
  };
  std::optional<Next> NextStep(MoveDecision decision) {
    const MoveStatus source = source_->StatusOf(plan_.id);
    const MoveAnswer target = target_->StateOf(plan_.id);
    if (decision != MoveDecision::kMove) {
      reader_.reset();
      const bool activated = decision == MoveDecision::kActivate;
      const auto of_target = End(activated, false, target.phase, false);
      return of_target.has_value()
                 ? of_target
                 : End(activated, true, source.at.phase, true);
    }
    const bool piece_left = target.phase == MovePhase::kStaging &&
                            source.at.phase != MovePhase::kNone &&
                            Reader(target.place).Open(source_->store(), source);
    const MoveAction action = kv::NextStep(
        {.source = source.at.phase,
         .changes = source.at.changes,
         .destination = target.phase,
         .piece_left = piece_left,
         .sent = target.place.changes},
        [&] {
          return source.at.changes - target.place.changes <= options_.freeze_at;
        });
    switch (action) {
      case MoveAction::kPrepare:
        return Next{PrepareStep{plan_}};
      case MoveAction::kTrack:
        return Next{TrackStep{plan_, target.place.changes}, true};
      case MoveAction::kStage:
        return Next{StageStep{plan_.id, NextPiece(target.place)}};
      case MoveAction::kFreeze:
        return Next{FreezeStep{plan_.id}, true};
      case MoveAction::kSeal:
        return Next{SealStep{plan_.id, *source_->store().SealOf(plan_.id)}};
      case MoveAction::kDecide:
        return std::nullopt;
      default:
        ADD_FAILURE() << "no step of an open move";
        return std::nullopt;
    }
  }

 private:
  std::optional<Next> End(bool activated, bool is_source, MovePhase phase,
                          bool destination_ended) {
    switch (kv::NextStep({.activated = activated,
                          .is_source = is_source,
                          .phase = phase,
                          .destination_ended = destination_ended})) {
      case MoveAction::kActivate:
        return Next{ActivateStep{plan_}};
      case MoveAction::kRelease:
        return Next{ReleaseStep{plan_, options_.slots_max}, true};
      case MoveAction::kAbort:
        return Next{AbortStep{plan_, options_.slots_max}, is_source};
      default:
        return std::nullopt;
    }
  }
  // One whose next piece begins at `place`.
  CopyReader& Reader(const StagePlace& place) {
    if (!reader_.has_value() || place != reader_place_) {
      reader_.emplace(plan_, place, options_.changes_bytes);
      reader_place_ = place;
    }
    return *reader_;
  }
  SlotPiece NextPiece(const StagePlace& place) {
    const SlotPiece piece = reader_->Next(options_.piece_bytes);
    reader_place_ = {.slots = place.slots, .changes = place.changes};
    if (!piece.ends) {
      reader_place_.stream = piece.stream;
      reader_place_.offset = piece.offset + piece.bytes.size();
    } else if (piece.stream.changes) {
      reader_place_.changes = piece.stream.to;
    } else {
      ++reader_place_.slots;
    }
    return piece;
  }

  MovePlan plan_;
  TestGroup* source_;
  TestGroup* target_;
  Options options_;
  std::optional<CopyReader> reader_;
  StagePlace reader_place_;  // That of its next piece.
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_TESTING_MOVES_FIXTURE_H_
