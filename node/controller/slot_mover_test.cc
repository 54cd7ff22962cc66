// One move between two groups, driven by the leaders of both. Leaders change,
// and steps, answers and news are lost, late or doubled, as drawn.
#include "node/controller/slot_mover.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/move_command.h"
#include "kv/slots/slot.h"
#include "kv/testing/moves_fixture.h"
#include "node/controller/copy_stream.h"
#include "node/controller/move_steps.h"
#include "node/controller/test_controller.h"
#include "rapidcheck/gtest.h"
#include "shardctrl/controller/testing/controller_fixture.h"
#include "sim/world/world.h"

namespace quorate::node {
namespace {

using shardctrl::ClusterState;
using shardctrl::ControllerAnswer;
using Command = shardctrl::ControllerCommand;

constexpr GroupId kFrom{1};
constexpr GroupId kTo{2};
constexpr const char* kTags[] = {"{a}", "{b}", "{c}", "{d}"};
// The last tag stays.
constexpr size_t kMoved = 3;
constexpr Duration kAnswerLost = Milliseconds(700);

class Bench {
 public:
  explicit Bench(uint64_t seed)
      : bits_(seed), world_({.seed = 1}), cluster_(3, 2) {
    cluster_.SettleAll();
    for (Node& node : nodes_) node.state = cluster_.state;
    world_.Start(world_.AddMachine({.name = "n1"}), [&](env::Env& env) {
      env_ = &env;
      bulk_.emplace(env.loop, env::BulkLimits());
      for (size_t i = 0; i < std::size(nodes_); ++i) StartMover(i);
      return std::make_shared<int>(0);
    });
    world_.RunFor(Milliseconds(1));
  }

  // ---- A test sets these.

  // Steps, answers and news are lost, late or doubled.
  bool faults = false;
  bool room = true;
  // Groups take one step after another, each in this time.
  Duration step_time;
  // Answers a step instead of its group.
  std::function<std::optional<kv::MoveAnswer>(const kv::MoveStep&)> instead;

  // ---- Events.

  void Begin() {
    Command::MoveSlots move = {.to = kTo};
    std::vector<uint16_t> slots;
    for (size_t i = 0; i < kMoved; ++i) {
      slots.push_back(kv::HashSlot(kTags[i]).value());
    }
    std::ranges::sort(slots);
    for (const uint16_t slot : slots) {
      move.slots.push_back({Slot(slot), Slot(slot)});
    }
    Tell(std::move(move));
    ASSERT_EQ(cluster_.state.moves.size(), 1u);
  }
  // A move that has begun and finds no room for its pieces.
  void BeginWithoutRoom(Duration time) {
    Write(100, 2'000);
    room = false;
    Begin();
    RunFor(time);
    ASSERT_TRUE(open());
  }
  void Tell(Command::Body body) {
    cluster_.Do(std::move(body));
    Spread();
  }
  void Write(int count, size_t bytes) {
    for (int i = 0; i < count; ++i) {
      const std::string key =
          std::string(kTags[Draw(std::size(kTags))]) + std::to_string(Draw(40));
      kv::TestGroup* const owner = OwnerOf(key);
      if (owner == nullptr) continue;  // Frozen.
      values_[key] = std::string(bytes, 'a' + static_cast<char>(Draw(26)));
      const std::string_view arguments[] = {key, values_[key]};
      kv::BatchBuilder batch;
      batch.Add({.op = kv::Op::kSet,
                 .slot = kv::HashSlot(key),
                 .arguments = arguments});
      owner->Apply(batch.Finish());
    }
  }
  // Another leader of a group, or the same one in a new term, which knows
  // nothing; or a node is started again.
  void ChangeLeaders() {
    if (Draw(3) == 0) return StartMover(Draw(std::size(nodes_)));
    Group& group = groups_[Draw(2)];
    ++group.term;
    group.leader = Draw(std::size(nodes_));
    for (Node& node : nodes_) node.mover->Work();
  }
  void RunFor(Duration time) { world_.RunFor(time); }
  // Nodes look from time to time, as ControllerAgent does.
  void Settle() {
    for (int i = 0; i < 30; ++i) {
      world_.RunFor(Seconds(1));
      for (Node& node : nodes_) node.mover->Work();
    }
  }
  uint64_t Draw(uint64_t below) {
    bits_ = bits_ * 6364136223846793005u + 1442695040888963407u;
    return (bits_ >> 33) % below;
  }

  // ---- Results.

  const ClusterState& state() const { return cluster_.state; }
  bool open() const { return !cluster_.state.moves.empty(); }
  MoveId move() const { return MoveId(1); }
  const shardctrl::MoveProgress& progress() const {
    return open() ? cluster_.state.moves[0].progress
                  : cluster_.state.ended_moves.back().move.progress;
  }
  kv::TestGroup& source() { return groups_[0].group; }
  kv::TestGroup& target() { return groups_[1].group; }
  uint64_t pieces() const { return pieces_; }
  // The most pieces that were under way at a time since room was set.
  uint64_t most_pieces() const { return most_pieces_; }
  // No group takes part any more, and one has all values.
  void ExpectOver(bool moved) {
    ASSERT_FALSE(open()) << progress().problem;
    for (Group& group : groups_) {
      EXPECT_TRUE(group.group.store().moves().empty());
    }
    EXPECT_EQ(source().store().key_count() + target().store().key_count(),
              values_.size());
    for (const auto& [key, value] : values_) {
      const bool leaves = moved && !key.starts_with(kTags[kMoved]);
      EXPECT_EQ(OwnerOf(key), leaves ? &target() : &source()) << key;
      EXPECT_EQ(ValueOf(OwnerOf(key), key), value) << key;
    }
  }

 private:
  struct Node {
    ClusterState state;
    uint64_t life = 0;
    TestController controller;
    std::unique_ptr<SlotMover> mover;
  };
  struct Group {
    kv::TestGroup group;
    size_t leader = 0;  // Of nodes_.
    uint64_t term = 1;
  };

  kv::TestGroup* OwnerOf(std::string_view key) {
    kv::TestGroup* owner = nullptr;
    for (Group& group : groups_) {
      if (!group.group.store().Owns(kv::HashSlot(key))) continue;
      EXPECT_EQ(owner, nullptr) << "both groups own the slot of " << key;
      owner = &group.group;
    }
    return owner;
  }
  static std::string ValueOf(kv::TestGroup* group, std::string_view key) {
    if (group == nullptr) return "no owner";
    const std::string_view arguments[] = {key};
    kv::BatchBuilder batch;
    batch.Add({.op = kv::Op::kGet,
               .slot = kv::HashSlot(key),
               .arguments = arguments});
    const Buffer results = group->Apply(batch.Finish());
    return std::string(kv::ResultReader(results.view()).Next().bytes);
  }

  // True in one of so many cases, while there are faults.
  bool Fault(uint64_t of) { return faults && Draw(of) == 0; }
  void After(Duration time, absl::AnyInvocable<void()> call) {
    world_.At(world_.now() + time, std::move(call));
  }
  Duration Delay() {
    return Milliseconds(static_cast<int64_t>(
        faults && Draw(10) == 0 ? Draw(900) : 1 + Draw(3)));
  }
  // Each node hears of the new state, sooner or later.
  void Spread() {
    for (Node& node : nodes_) {
      if (Fault(4)) continue;
      After(Delay(), [this, &node] {
        node.state = cluster_.state;
        node.mover->Work();
      });
    }
  }

  void StartMover(size_t i) {
    Node& node = nodes_[i];
    ++node.life;
    TestController& controller = node.controller;
    controller.node = NodeId(static_cast<uint32_t>(i) + 1);
    controller.known = [&node]() -> const ClusterState& { return node.state; };
    controller.execute = [this, &node](Command::Body body, auto done) {
      Execute(node, std::move(body), std::move(done));
    };
    controller.refresh = [this, &node](auto done) {
      Later(node, [this, &node, done = std::move(done)]() mutable {
        if (Fault(4)) return done(absl::UnavailableError("away"));
        node.state = cluster_.state;
        done(absl::OkStatus());
      });
    };
    controller.usage = [this, &node](auto done) {
      Later(node, [done = std::move(done)]() mutable { done({}); });
    };
    node.mover = std::make_unique<SlotMover>(
        *env_, *bulk_, controller,
        SlotMover::Groups{
            .hosted =
                [] {
                  return std::vector<GroupId>{kFrom, kTo};
                },
            .led = [this, i](GroupId id) -> const kv::Store* {
              Group& group = GroupOf(id);
              return group.leader == i ? &group.group.store() : nullptr;
            },
            .term = [this](GroupId id) { return raft::Term(GroupOf(id).term); },
            .next_log_time = [](GroupId) { return WallTime::Min(); },
            .send =
                [this, &node](GroupId id, const kv::MoveStep& step,
                              StepDone done) {
                  SendStep(node, GroupOf(id), step, std::move(done));
                },
            .forget_idle = [] {}});
    node.mover->Work();
  }
  Group& GroupOf(GroupId id) { return groups_[id == kFrom ? 0 : 1]; }

  // A call that ends with the process of the node.
  void Later(Node& node, absl::AnyInvocable<void()> call) {
    After(Delay(), [&node, life = node.life, call = std::move(call)]() mutable {
      if (node.life == life) call();
    });
  }

  void Execute(Node& node, Command::Body body,
               ControllerAccess::Answered done) {
    const bool lost = Fault(8), answer_lost = Fault(8);
    After(Delay(), [this, &node, life = node.life, lost, answer_lost,
                    body = std::move(body), done = std::move(done)]() mutable {
      ControllerAnswer answer;
      if (!lost) {
        answer = cluster_.Do(std::move(body));
        Spread();
      }
      if (node.life != life) return;
      if (!lost && !answer_lost) return done(std::move(answer));
      Later(node, [done = std::move(done)]() mutable {
        done(absl::UnavailableError("no answer"));
      });
    });
  }

  void SendStep(Node& node, Group& group, const kv::MoveStep& step,
                StepDone done) {
    const bool stages = std::holds_alternative<kv::StageStep>(step);
    if (stages) {
      ++pieces_;
      most_pieces_ = room ? std::max(most_pieces_, ++pieces_open_) : 0;
      done = [this, done = std::move(done)](const StepAnswer& answer) mutable {
        if (pieces_open_ > 0) --pieces_open_;
        done(answer);
      };
    }
    if (stages && !room) {
      return done({.problem = "no memory", .no_room = true});
    }
    if (Fault(20)) return done({.problem = "busy"});
    if (instead) {
      if (const auto answer = instead(step); answer.has_value()) {
        return Later(node, [answer, done = std::move(done)]() mutable {
          done({.move = answer});
        });
      }
    }
    const auto apply = [this, &group, bytes = kv::EncodeMoveStep(step),
                        most = kv::SlotsMaxOf(step)] {
      const kv::MoveAnswer answer = group.group.StepEncoded(bytes, most);
      for (const char* tag : kTags) OwnerOf(tag);
      return answer;
    };
    const bool lost = Fault(10), answer_lost = Fault(10);
    if (Fault(8)) After(Delay() + Seconds(1), [apply] { apply(); });
    if (lost || answer_lost) {
      if (!lost) After(Delay(), [apply] { apply(); });
      return After(kAnswerLost,
                   [&node, life = node.life, done = std::move(done)]() mutable {
                     if (node.life == life) done({.problem = "no answer"});
                   });
    }
    // Steps to a group keep their order, as in a log.
    sim::SimTime& last = order_[&group];
    last = std::max(last + step_time, world_.now() + Delay());
    world_.At(last, [this, &node, life = node.life, apply,
                     done = std::move(done)]() mutable {
      const kv::MoveAnswer answer = apply();
      if (node.life != life) return;
      Later(node, [answer, done = std::move(done)]() mutable {
        done({.move = answer});
      });
    });
  }

  uint64_t bits_;
  sim::World world_;
  env::Env* env_ = nullptr;
  std::optional<env::BulkPace> bulk_;
  shardctrl::ControlledCluster cluster_;
  Group groups_[2] = {
      {.group = kv::TestGroup(
           kFrom, {{Slot(0), Slot(kHashSlotCount - 1), SlotEpoch(1)}})},
      {.group = kv::TestGroup(kTo, {}), .leader = 1}};
  Node nodes_[3];
  std::map<Group*, sim::SimTime> order_;
  std::map<std::string, std::string> values_;
  uint64_t pieces_ = 0, pieces_open_ = 0, most_pieces_ = 0;
};

TEST(SlotMover, Move_TakesAllValues) {
  Bench bench(1);
  bench.Write(200, 2'000);
  bench.Begin();
  bench.RunFor(Seconds(2));
  bench.ExpectOver(/*moved=*/true);
  EXPECT_EQ(bench.progress().slots_done, kMoved);
  EXPECT_EQ(bench.progress().bytes_done, bench.progress().bytes_total);
}

TEST(SlotMover, Cancel_LeavesAllValuesAtTheSource) {
  Bench bench(2);
  bench.Write(500, 20'000);
  bench.room = false;
  bench.Begin();
  bench.RunFor(Seconds(2));
  ASSERT_TRUE(bench.open());
  EXPECT_EQ(bench.progress().problem, "no memory");
  bench.Tell(Command::CancelMove{bench.move()});
  bench.RunFor(Seconds(2));
  bench.ExpectOver(/*moved=*/false);
}

TEST(SlotMover, NoRoom_WaitsUntilThereIs) {
  Bench bench(3);
  bench.BeginWithoutRoom(Seconds(10));
  // It asks again from time to time, with one piece.
  EXPECT_GE(bench.pieces(), 5u);
  EXPECT_LE(bench.pieces(), 30u);
  bench.room = true;
  bench.RunFor(Seconds(4));
  bench.ExpectOver(/*moved=*/true);
}

TEST(SlotMover, RoomThatIsBack_IsFilledAtFullSpeed) {
  Bench bench(6);
  bench.BeginWithoutRoom(Seconds(3));
  bench.room = true;
  bench.RunFor(Seconds(3));
  bench.ExpectOver(/*moved=*/true);
  EXPECT_GT(bench.most_pieces(), 1u);
}

// The steps of other moves, for which clients wait, come behind them.
TEST(SlotMover, PiecesOfEmptySlots_AreFewWhileStepsAreSlow) {
  Bench bench(7);
  bench.step_time = Milliseconds(30);
  bench.Tell(Command::MoveSlots{.to = kTo, .slots = {{Slot(0), Slot(199)}}});
  bench.RunFor(Seconds(3));
  ASSERT_TRUE(bench.open());
  EXPECT_GT(bench.pieces(), 50u);
  EXPECT_LE(bench.most_pieces(), CopyStream::kPiecesMax);
  bench.RunFor(Seconds(20));
  bench.ExpectOver(/*moved=*/true);
}

TEST(SlotMover, PiecesOfEmptySlots_AreManyWhileStepsAreFast) {
  Bench bench(8);
  bench.Tell(Command::MoveSlots{.to = kTo, .slots = {{Slot(0), Slot(1999)}}});
  bench.RunFor(Seconds(3));
  EXPECT_EQ(bench.most_pieces(), CopyStream::kPiecesMax);
  bench.ExpectOver(/*moved=*/true);
}

TEST(SlotMover, CopiesThatDiffer_GiveTheMoveUp) {
  Bench bench(4);
  bench.Write(100, 200);
  bench.instead =
      [](const kv::MoveStep& step) -> std::optional<kv::MoveAnswer> {
    if (!std::holds_alternative<kv::SealStep>(step)) return std::nullopt;
    return kv::MoveAnswer{.verdict = kv::MoveVerdict::kOtherDigest,
                          .phase = MovePhase::kStaging};
  };
  bench.Begin();
  bench.RunFor(Seconds(3));
  bench.ExpectOver(/*moved=*/false);
  EXPECT_EQ(bench.state().ended_moves.back().move.reason,
            "the copies differ from the slots of the source");
}

TEST(SlotMover, RefusedStep_IsTheProblemOfTheMove) {
  Bench bench(5);
  bench.instead =
      [](const kv::MoveStep& step) -> std::optional<kv::MoveAnswer> {
    if (!std::holds_alternative<kv::TrackStep>(step)) return std::nullopt;
    return kv::MoveAnswer{.verdict = kv::MoveVerdict::kSlotsBusy};
  };
  bench.Begin();
  bench.RunFor(Seconds(3));
  ASSERT_TRUE(bench.open());
  EXPECT_EQ(bench.progress().problem,
            "the source refuses: " +
                std::string(MoveVerdictText(kv::MoveVerdict::kSlotsBusy)));
}

// At no time do two groups own a slot (Bench::OwnerOf), and nothing is lost.
RC_GTEST_PROP(SlotMoverModel, LostLateAndDoubledAnswers_DelayItOnly,
              (uint64_t seed)) {
  Bench bench(seed);
  bench.Write(static_cast<int>(bench.Draw(300)),
              bench.Draw(2) == 0 ? 100 : 3'000);
  bench.faults = true;
  bench.Begin();
  const uint64_t cancel_at = bench.Draw(200);
  const bool paused = bench.Draw(4) == 0;
  for (uint64_t i = 0; i < 100; ++i) {
    bench.RunFor(Milliseconds(static_cast<int64_t>(bench.Draw(60))));
    bench.Write(static_cast<int>(bench.Draw(4)), bench.Draw(500));
    if (bench.Draw(8) == 0) bench.ChangeLeaders();
    bench.room = bench.Draw(6) != 0;
    if (i == cancel_at) bench.Tell(Command::CancelMove{bench.move()});
    if (paused) {
      bench.Tell(Command::PauseMove{bench.move(), bench.Draw(2) == 0});
    }
  }
  bench.faults = false;
  bench.room = true;
  bench.Tell(Command::PauseMove{bench.move(), false});
  bench.Settle();
  const bool moved =
      !bench.open() && bench.state().ended_moves.back().move.decision ==
                           shardctrl::MoveState::kActivated;
  bench.ExpectOver(moved);
  RC_ASSERT(!::testing::Test::HasFailure());
}

TEST(StepAnswer, Refusal_IsAnAnswer) {
  const std::string bytes =
      kv::EncodeMoveAnswer({.verdict = kv::MoveVerdict::kOtherDigest});
  const StepAnswer refused = StepAnswerOf(
      kTo, {.status = kv::ResultStatus::kConditionFailed, .bytes = bytes});
  ASSERT_TRUE(refused.move.has_value());
  EXPECT_EQ(refused.move->verdict, kv::MoveVerdict::kOtherDigest);

  const StepAnswer full =
      StepAnswerOf(kTo, {.status = kv::ResultStatus::kOutOfMemory});
  EXPECT_FALSE(full.move.has_value());
  EXPECT_TRUE(full.no_room);
  const StepAnswer strange =
      StepAnswerOf(kTo, {.status = kv::ResultStatus::kMalformed});
  EXPECT_FALSE(strange.move.has_value());
  EXPECT_FALSE(strange.no_room);
  EXPECT_NE(strange.problem, "");
}

}  // namespace
}  // namespace quorate::node
