// Progress, with a follower behind a link that loses messages.
#include "raft/core/progress.h"

#include <algorithm>
#include <deque>
#include <map>
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

// A leader with a log of `last` entries, and a follower behind a link. The link
// keeps the order of messages, and loses some of them in lossy runs. Entry i of
// the follower differs from the leader's if i > agreed.
class Pair {
 public:
  explicit Pair(uint64_t agreed, uint64_t follower_last)
      : agreed_(agreed),
        follower_last_(follower_last),
        durable_(follower_last),
        progress_(ReplicaId(2), Index(last_ + 1), AppendNumber(1),
                  MonoTime(0)) {}

  const Progress& progress() const { return progress_; }
  uint64_t last() const { return last_; }
  // How often the leader sent an entry, for the one that it sent most often.
  int sent_most_often() const {
    int most = 0;
    for (const auto& [index, times] : sent_) most = std::max(most, times);
    return most;
  }
  uint64_t appends() const { return number_; }
  uint64_t rejections() const { return rejections_; }

  void Propose() { ++last_; }
  void SendAll() {
    while (progress_.CanAppend(kLimits) &&
           (progress_.state() == Progress::State::kProbe ||
            progress_.next() <= Index(last_))) {
      Send(progress_.inflights().Full(kLimits) ? 0 : 2);
    }
  }
  // The leader's timer fires.
  void Retry() {
    if (progress_.retry_at() == MonoTime::Max()) return;
    progress_.set_retry_at(MonoTime::Max());
    Send(0);
  }
  void DeliverAppend() {
    if (appends_.empty()) return;
    const Append append = appends_.front();
    appends_.pop_front();
    if (append.previous > std::min(agreed_, follower_last_)) {
      const uint64_t hint = std::min(append.previous - 1, follower_last_);
      replies_.push_back(
          {.number = append.number, .hint = hint, .reject = true});
      return;
    }
    if (append.last > agreed_) {
      agreed_ = append.last;
      follower_last_ = append.last;
      durable_ = std::min(durable_, append.previous);
      writing_.push_back(append);
    } else {
      Accept(append);
    }
  }
  void DeliverReply() {
    if (replies_.empty()) return;
    const Reply reply = replies_.front();
    replies_.pop_front();
    if (!reply.reject) {
      progress_.Acknowledged({AppendNumber(reply.number), Index(reply.received),
                              Index(reply.durable)},
                             AppendNumber(number_ + 1), MonoTime(1));
      return;
    }
    ++rejections_;
    RC_ASSERT(progress_.Rejected(AppendNumber(reply.number), Index(reply.hint),
                                 Index(reply.hint),
                                 AppendNumber(number_ + 1)) !=
              Progress::Rejection::kLostDurable);
  }
  // The follower's disk has written everything.
  void Write() {
    durable_ = follower_last_;
    for (const Append& append : writing_) Accept(append);
    writing_.clear();
  }
  void LoseAppend() {
    if (!appends_.empty()) appends_.pop_front();
  }
  void LoseReply() {
    if (!replies_.empty()) replies_.pop_front();
  }
  void RestartFollower() {
    follower_last_ = durable_;
    agreed_ = std::min(agreed_, durable_);
    writing_.clear();
  }
  void Check() const {
    RC_ASSERT(progress_.match() <= Index(std::min(agreed_, durable_)));
    RC_ASSERT(progress_.match() < progress_.next());
    RC_ASSERT(progress_.next() <= Index(last_ + 1));
    RC_ASSERT(progress_.inflights().bytes() < kLimits.bytes + 2 * kEntryBytes);
    const bool awaits = progress_.state() == Progress::State::kProbe ||
                        !progress_.inflights().empty();
    if (!progress_.CanAppend(kLimits)) RC_ASSERT(awaits);
    // A probe that may be sent is sent at once.
    const bool waits = progress_.state() == Progress::State::kProbe
                           ? !progress_.CanAppend(kLimits)
                           : !progress_.inflights().empty();
    RC_ASSERT((progress_.retry_at() != MonoTime::Max()) == waits);
  }

 private:
  static constexpr size_t kEntryBytes = 30;
  struct Append {
    uint64_t number = 0;
    uint64_t previous = 0;
    uint64_t last = 0;
  };
  struct Reply {
    uint64_t number = 0;
    uint64_t received = 0;
    uint64_t durable = 0;
    uint64_t hint = 0;
    bool reject = false;
  };

  void Send(uint64_t entries_max) {
    const uint64_t previous = (progress_.next() - 1).value();
    const uint64_t last = std::min(previous + entries_max, last_);
    for (uint64_t index = previous + 1; index <= last; ++index) ++sent_[index];
    progress_.AppendSent(Index(last), (last - previous) * kEntryBytes,
                         MonoTime(1));
    appends_.push_back({++number_, previous, last});
  }
  void Accept(const Append& append) {
    replies_.push_back({.number = append.number,
                        .received = append.last,
                        .durable = std::min(append.last, durable_)});
  }

  uint64_t last_ = 5;
  uint64_t number_ = 0;
  uint64_t rejections_ = 0;
  uint64_t agreed_;
  uint64_t follower_last_;
  uint64_t durable_;
  Progress progress_;
  std::deque<Append> appends_;
  std::deque<Reply> replies_;
  std::vector<Append> writing_;
  std::map<uint64_t, int> sent_;
};

Pair DrawPair() {
  const auto agreed = *rc::gen::inRange<uint64_t>(0, 6);
  return Pair(agreed, agreed + *rc::gen::inRange<uint64_t>(0, 4));
}

// Ends with everything on the follower's disk.
void Settle(Pair* pair) {
  for (int round = 0; round < 100; ++round) {
    pair->SendAll();
    pair->Retry();
    for (int i = 0; i < 20; ++i) pair->DeliverAppend();
    pair->Write();
    for (int i = 0; i < 20; ++i) pair->DeliverReply();
    pair->Check();
  }
  RC_ASSERT(pair->progress().match() == Index(pair->last()));
  RC_ASSERT(pair->progress().state() == Progress::State::kReplicate);
  RC_ASSERT(pair->progress().inflights().empty());
}

using Action = void (Pair::*)();

void DoRandomActions(Pair* pair, const std::vector<Action>& actions) {
  const int steps = *rc::gen::inRange(1, 80);
  for (int step = 0; step < steps; ++step) {
    const Action action = *rc::gen::elementOf(actions);
    (pair->*action)();
    pair->Check();
  }
}

RC_GTEST_PROP(ProgressTest, LossesAndRestarts_EverythingArrives, ()) {
  Pair pair = DrawPair();
  DoRandomActions(
      &pair, {&Pair::Propose, &Pair::SendAll, &Pair::SendAll, &Pair::Retry,
              &Pair::DeliverAppend, &Pair::DeliverReply, &Pair::Write,
              &Pair::LoseAppend, &Pair::LoseReply, &Pair::RestartFollower});
  Settle(&pair);
}

// A slow disk and overdue replies are no evidence of loss.
RC_GTEST_PROP(ProgressTest, NothingLost_EachEntryIsSentOnce, ()) {
  Pair pair(5, 5);
  DoRandomActions(&pair,
                  {&Pair::Propose, &Pair::Propose, &Pair::SendAll, &Pair::Retry,
                   &Pair::DeliverAppend, &Pair::DeliverReply, &Pair::Write});
  Settle(&pair);
  RC_ASSERT(pair.rejections() == 0u);
  RC_ASSERT(pair.sent_most_often() <= 1);
}

// In kReplicate, with entries through 9 durable and 10 to 12 sent as number 2.
Progress Replicating() {
  Progress progress(ReplicaId(2), Index(10), AppendNumber(1), MonoTime(0));
  progress.AppendSent(Index(9), 0, MonoTime(1));
  progress.Acknowledged({AppendNumber(1), Index(9), Index(9)}, AppendNumber(2),
                        MonoTime(1));
  progress.AppendSent(Index(12), 10, MonoTime(1));
  return progress;
}

TEST(ProgressTest, Rejected_BeforeTheMatchWasKnown_GoesBackToTheMatch) {
  Progress progress = Replicating();
  progress.Acknowledged({AppendNumber(2), Index(12), Index(12)},
                        AppendNumber(4), MonoTime(1));
  EXPECT_EQ(
      progress.Rejected(AppendNumber(3), Index(4), Index(4), AppendNumber(4)),
      Progress::Rejection::kWentBack);
  EXPECT_EQ(progress.next(), Index(13));
}

TEST(ProgressTest, Rejected_BelowTheMatchAfterItWasKnown_WasLost) {
  Progress progress = Replicating();
  EXPECT_EQ(
      progress.Rejected(AppendNumber(2), Index(8), Index(8), AppendNumber(3)),
      Progress::Rejection::kLostDurable);
  EXPECT_EQ(progress.match(), Index(0));
  EXPECT_TRUE(progress.inflights().empty());
  EXPECT_EQ(progress.retry_at(), MonoTime::Max());
}

TEST(ProgressTest, Rejected_DuringASnapshotBelowTheMatch_WasLostAndEndsIt) {
  Progress progress = Replicating();
  progress.BecomeSnapshot(SnapshotAt(20), AppendNumber(3));
  EXPECT_EQ(
      progress.Rejected(AppendNumber(2), Index(8), Index(8), AppendNumber(3)),
      Progress::Rejection::kLostDurable);
  EXPECT_EQ(progress.state(), Progress::State::kProbe);
  EXPECT_FALSE(progress.CanAppend(kLimits));
}

TEST(ProgressTest, Rejected_SeveralOfOneLoss_GoesBackOnce) {
  Progress progress = Replicating();
  progress.AppendSent(Index(14), 10, MonoTime(1));
  progress.AppendSent(Index(16), 10, MonoTime(1));
  EXPECT_EQ(
      progress.Rejected(AppendNumber(3), Index(10), Index(10), AppendNumber(5)),
      Progress::Rejection::kWentBack);
  EXPECT_EQ(progress.next(), Index(11));
  EXPECT_EQ(progress.state(), Progress::State::kProbe);
  progress.AppendSent(Index(16), 20, MonoTime(1));
  EXPECT_EQ(
      progress.Rejected(AppendNumber(4), Index(10), Index(10), AppendNumber(6)),
      Progress::Rejection::kStale);
  EXPECT_EQ(progress.next(), Index(17));
}

TEST(ProgressTest, Acknowledged_BeforeGoingBack_IsNoAnswerToTheProbe) {
  Progress progress = Replicating();
  progress.Rejected(AppendNumber(2), Index(10), Index(10), AppendNumber(3));
  progress.AppendSent(Index(12), 10, MonoTime(1));
  EXPECT_TRUE(progress.Acknowledged({AppendNumber(2), Index(12), Index(10)},
                                    AppendNumber(4), MonoTime(1)));
  EXPECT_EQ(progress.match(), Index(10));
  EXPECT_EQ(progress.state(), Progress::State::kProbe);
  progress.Acknowledged({AppendNumber(3), Index(12), Index(10)},
                        AppendNumber(4), MonoTime(1));
  EXPECT_EQ(progress.state(), Progress::State::kReplicate);
}

TEST(ProgressTest, BecomeSnapshot_AnyState_ForgetsWhatBelongedToTheOldOne) {
  Progress progress = Replicating();
  progress.BecomeSnapshot(SnapshotAt(19), AppendNumber(3));
  progress.pending_snapshot().Accepted(77, 70);
  EXPECT_FALSE(progress.CanAppend(kLimits));
  EXPECT_EQ(progress.inflights().bytes(), 0u);
  progress.BecomeReplicate(AppendNumber(3));
  EXPECT_TRUE(progress.CanAppend(kLimits));
  EXPECT_EQ(progress.next(), Index(10));
  progress.BecomeSnapshot(SnapshotAt(19), AppendNumber(4));
  EXPECT_EQ(progress.pending_snapshot().next, 0u);
  EXPECT_EQ(progress.pending_snapshot().staged, 0u);
}

TEST(ProgressTest, CanAppend_BytesAtTheLimit_WaitsForTheDisk) {
  Progress progress = Replicating();
  EXPECT_TRUE(progress.CanAppend(kLimits));
  progress.AppendSent(Index(13), 90, MonoTime(1));
  EXPECT_FALSE(progress.CanAppend(kLimits));
  progress.Acknowledged({AppendNumber(3), Index(13), Index(9)}, AppendNumber(4),
                        MonoTime(2));
  EXPECT_FALSE(progress.CanAppend(kLimits));
  progress.Acknowledged({AppendNumber(2), Index(12), Index(12)},
                        AppendNumber(4), MonoTime(2));
  EXPECT_TRUE(progress.CanAppend(kLimits));
}

TEST(ProgressTest, CanAppend_MessagesAtTheLimit_WaitsForTheDisk) {
  Progress progress = Replicating();
  for (uint64_t i = 13; i <= 15; ++i) {
    EXPECT_TRUE(progress.CanAppend(kLimits));
    progress.AppendSent(Index(i), 1, MonoTime(1));
  }
  EXPECT_FALSE(progress.CanAppend(kLimits));
}

TEST(ProgressTest, ConfirmRead_OlderBatch_DoesNotFall) {
  Progress progress(ReplicaId(2), Index(1), AppendNumber(1), MonoTime(0));
  progress.ConfirmReadRound(ReadRound(5));
  progress.ConfirmReadRound(ReadRound(3));
  EXPECT_EQ(progress.read_round(), ReadRound(5));
}

}  // namespace
}  // namespace quorate::raft
