// Progress against a model that keeps every message in flight in a list.
#include "raft/core/progress.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"

namespace quorate::raft {
namespace {

constexpr Inflights::Limits kLimits = {4, 100};

SnapshotDescriptor SnapshotAt(uint64_t index) {
  SnapshotDescriptor snapshot;
  snapshot.position = {Term(1), Index(index)};
  return snapshot;
}

struct Model {
  Progress::State state = Progress::State::kProbe;
  uint64_t match = 0;
  uint64_t next = 1;
  bool probing = false;
  std::vector<std::pair<uint64_t, size_t>> inflight;

  void Become(Progress::State to) {
    state = to;
    probing = false;
    inflight.clear();
  }
  size_t Bytes() const {
    size_t bytes = 0;
    for (const auto& [last, size] : inflight) bytes += size;
    return bytes;
  }
  bool CanAppend() const {
    if (state == Progress::State::kProbe) return !probing;
    if (state == Progress::State::kSnapshot) return false;
    return inflight.size() < kLimits.messages && Bytes() < kLimits.bytes;
  }
  void Acknowledge(uint64_t index) {
    match = std::max(match, index);
    next = std::max(next, match + 1);
    if (state == Progress::State::kProbe) {
      Become(Progress::State::kReplicate);
      next = match + 1;
    }
    std::erase_if(inflight,
                  [this](const auto& sent) { return sent.first <= match; });
  }
};

void Compare(const Progress& progress, const Model& model) {
  RC_ASSERT(progress.state() == model.state);
  RC_ASSERT(progress.match() == Index(model.match));
  RC_ASSERT(progress.next() == Index(model.next));
  RC_ASSERT(progress.match() < progress.next());
  RC_ASSERT(progress.inflights().count() == model.inflight.size());
  RC_ASSERT(progress.inflights().bytes() == model.Bytes());
  RC_ASSERT(progress.CanAppend(kLimits) == model.CanAppend());
  const bool waits = model.probing || !model.inflight.empty();
  RC_ASSERT((progress.retry_at() != MonoTime::Max()) == waits);
}

void Reject(Progress* progress, Model* model) {
  const auto previous = *rc::gen::inRange<uint64_t>(0, model->next + 2);
  const auto hint = *rc::gen::inRange<uint64_t>(0, model->next + 2);
  const bool fresh =
      previous > model->match &&
      ((model->state == Progress::State::kProbe &&
        previous + 1 == model->next) ||
       (model->state == Progress::State::kReplicate && previous < model->next));
  RC_ASSERT(progress->Rejected(Index(previous), Index(hint)) == fresh);
  if (!fresh) return;
  model->Become(Progress::State::kProbe);
  model->next = std::max(model->match + 1, std::min(previous, hint + 1));
}

RC_GTEST_PROP(ProgressTest, AnyHistory_AgreesWithTheModel, ()) {
  Model model;
  model.next = *rc::gen::inRange<uint64_t>(1, 20);
  Progress progress(NodeId(2), Index(model.next), MonoTime(0));
  const int steps = *rc::gen::inRange(1, 60);
  for (int step = 0; step < steps; ++step) {
    const uint64_t old_match = model.match;
    switch (*rc::gen::inRange(0, 8)) {
      case 0:
      case 1:
      case 2: {
        if (!model.CanAppend()) break;
        const auto count = *rc::gen::inRange<uint64_t>(0, 4);
        const auto bytes = *rc::gen::inRange<size_t>(0, 60);
        const uint64_t last = model.next - 1 + count;
        progress.AppendSent(Index(last), bytes, MonoTime(step));
        if (model.state == Progress::State::kProbe) {
          model.probing = true;
        } else if (count > 0) {
          model.inflight.push_back({last, bytes});
          model.next = last + 1;
        }
        break;
      }
      case 3:
      case 4: {
        const auto index = *rc::gen::inRange<uint64_t>(0, model.next);
        const bool news = index > model.match;
        RC_ASSERT(progress.Acknowledged(Index(index), MonoTime(step)) == news);
        model.Acknowledge(index);
        break;
      }
      case 5:
        Reject(&progress, &model);
        break;
      case 6:
        progress.BecomeProbe();
        model.Become(Progress::State::kProbe);
        model.next = model.match + 1;
        break;
      default:
        progress.BecomeSnapshot(SnapshotAt(model.match + 5));
        model.Become(Progress::State::kSnapshot);
        model.next = model.match + 1;
        break;
    }
    Compare(progress, model);
    RC_ASSERT(model.match >= old_match);
  }
}

TEST(ProgressTest, Rejected_StaleAnswer_ChangesNothing) {
  Progress progress(NodeId(2), Index(10), MonoTime(0));
  progress.Acknowledged(Index(9), MonoTime(1));
  progress.AppendSent(Index(12), 10, MonoTime(1));
  EXPECT_FALSE(progress.Rejected(Index(5), Index(4)));
  EXPECT_EQ(progress.next(), Index(13));
  EXPECT_EQ(progress.state(), Progress::State::kReplicate);
}

TEST(ProgressTest, Become_AnyState_ForgetsWhatBelongedToTheOldOne) {
  Progress progress(NodeId(2), Index(1), MonoTime(0));
  progress.Acknowledged(Index(0), MonoTime(1));
  progress.AppendSent(Index(3), 90, MonoTime(1));
  progress.AppendSent(Index(5), 90, MonoTime(1));
  EXPECT_FALSE(progress.CanAppend(kLimits));
  progress.BecomeSnapshot(SnapshotAt(9));
  progress.pending_snapshot().offset = 77;
  progress.BecomeProbe();
  EXPECT_EQ(progress.inflights().bytes(), 0u);
  progress.BecomeReplicate();
  EXPECT_TRUE(progress.CanAppend(kLimits));
  EXPECT_EQ(progress.next(), Index(1));
  progress.BecomeSnapshot(SnapshotAt(9));
  EXPECT_EQ(progress.pending_snapshot().offset, 0u);
}

TEST(ProgressTest, CanAppend_BytesAtTheLimit_WaitsForAnAnswer) {
  Progress progress(NodeId(2), Index(1), MonoTime(0));
  progress.BecomeReplicate();
  progress.AppendSent(Index(1), 99, MonoTime(1));
  EXPECT_TRUE(progress.CanAppend(kLimits));
  progress.AppendSent(Index(2), 1, MonoTime(1));
  EXPECT_FALSE(progress.CanAppend(kLimits));
  progress.Acknowledged(Index(1), MonoTime(2));
  EXPECT_TRUE(progress.CanAppend(kLimits));
}

TEST(ProgressTest, CanAppend_MessagesAtTheLimit_WaitsForAnAnswer) {
  Progress progress(NodeId(2), Index(1), MonoTime(0));
  progress.BecomeReplicate();
  for (uint64_t i = 1; i <= 4; ++i) {
    EXPECT_TRUE(progress.CanAppend(kLimits));
    progress.AppendSent(Index(i), 1, MonoTime(1));
  }
  EXPECT_FALSE(progress.CanAppend(kLimits));
}

TEST(ProgressTest, ConfirmRead_OlderBatch_DoesNotFall) {
  Progress progress(NodeId(2), Index(1), MonoTime(0));
  progress.ConfirmReadRound(ReadRound(5));
  progress.ConfirmReadRound(ReadRound(3));
  EXPECT_EQ(progress.read_round(), ReadRound(5));
}

}  // namespace
}  // namespace quorate::raft
