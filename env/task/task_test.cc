// Tasks on a simulated machine: their order, their ends, and what a destroyed
// one leaves behind.
#include "env/task/task.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/buffer.h"
#include "env/env.h"
#include "env/task/files.h"
#include "env/task/join.h"
#include "env/task/streams.h"
#include "env/task/wait.h"
#include "gtest/gtest.h"
#include "sim/testing/test_env.h"
#include "sim/world/world.h"

namespace quorate::env {
namespace {

// Sets a flag when it is destroyed.
class Flag {
 public:
  explicit Flag(bool* flag) : flag_(flag) {}
  Flag(Flag&& other) noexcept : flag_(std::exchange(other.flag_, nullptr)) {}
  ~Flag() {
    if (flag_ != nullptr) *flag_ = true;
  }

 private:
  bool* flag_;
};

class TaskTest : public ::testing::Test {
 protected:
  TaskTest() { tasks_ = MakeTasks(); }

  std::unique_ptr<Tasks> MakeTasks() {
    return std::make_unique<Tasks>(env().loop, env().buggify);
  }
  Env& env() { return test_.env(); }
  Loop& loop() { return env().loop; }
  // Spawns the task and runs the world until nothing is left to do.
  void Run(Task<> task) {
    absl::Status spawned;
    test_.InTurn([&] { spawned = tasks_->Spawn(std::move(task)); });
    EXPECT_TRUE(spawned.ok()) << spawned;
  }
  void Note(const std::string& what) { notes_.push_back(what); }
  std::string Notes() { return absl::StrJoin(std::exchange(notes_, {}), " "); }

  Task<> NoteLater(std::string what, Duration wait) {
    if (wait > Duration(0)) co_await SleepFor(loop(), wait);
    Note(what);
  }
  Task<int> Number(int number, Duration wait) {
    co_await SleepFor(loop(), wait);
    Note(absl::StrCat(number));
    co_return number;
  }
  Task<absl::StatusOr<int>> NumberOrError(int number, Duration wait) {
    const int result = co_await Number(number, wait);
    if (result < 0) co_return absl::OutOfRangeError("negative");
    co_return result;
  }

  sim::TestEnv test_;
  std::vector<std::string> notes_;
  std::unique_ptr<Tasks> tasks_;
};

// A file of the test outlives each task.
class FilesTest : public TaskTest {
 protected:
  Task<> Open() {
    auto opened =
        co_await env::Open(env().disk, "f", Disk::OpenMode::kCreateIfAbsent);
    EXPECT_TRUE(opened.ok()) << opened.status();
    file_ = *std::move(opened);
  }
  std::unique_ptr<File> file_;
};

TEST_F(TaskTest, SpawnedTask_BeginsLaterInTheTurn) {
  test_.InTurn([&] {
    EXPECT_TRUE(tasks_->Spawn(NoteLater("task", Duration(0))).ok());
    EXPECT_EQ(tasks_->size(), 1u);
    Note("turn");
  });
  EXPECT_EQ(Notes(), "turn task");
  EXPECT_EQ(tasks_->size(), 0u);
}

TEST_F(TaskTest, ReadyTasks_RunInTheirOrder) {
  test_.InTurn([&] {
    for (const char* name : {"a", "b", "c", "d"}) {
      EXPECT_TRUE(tasks_->Spawn(NoteLater(name, Milliseconds(3))).ok());
    }
    EXPECT_TRUE(tasks_->Spawn(NoteLater("first", Milliseconds(2))).ok());
  });
  EXPECT_EQ(Notes(), "first a b c d");
}

// The simulator may choose each order, and a tape repeats it.
TEST(TaskOrderTest, Simulator_ChoosesTheOrderOfReadyTasks) {
  const auto run = [](uint64_t seed, const sim::Tape* replay, sim::Tape* tape) {
    sim::WorldOptions options{.seed = seed, .replay = replay, .record = true};
    if (replay == nullptr) options.buggify = {.active = {1, 1}, .fire = {1, 2}};
    sim::TestEnv test(options);
    std::string order;
    Tasks tasks(test.env().loop, test.env().buggify);
    const auto note = [&order](char name) -> Task<> {
      order += name;
      co_return;
    };
    test.InTurn([&] {
      for (const char name : {'a', 'b', 'c'}) {
        EXPECT_TRUE(tasks.Spawn(note(name)).ok());
      }
    });
    *tape = test.world().tape();
    return order;
  };
  std::set<std::string> orders;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    sim::Tape tape, again;
    const std::string order = run(seed, nullptr, &tape);
    orders.insert(order);
    EXPECT_EQ(order, run(seed, &tape, &again));
    if (order == "abc") continue;
    tape.choices.clear();
    EXPECT_EQ(run(seed, &tape, &again), "abc");
  }
  EXPECT_EQ(orders.size(), 6u) << absl::StrJoin(orders, " ");
}

TEST_F(TaskTest, AwaitedTask_ReturnsItsResult) {
  const auto sum = [this]() -> Task<> {
    const int a = co_await Number(1, Milliseconds(2));
    const int b = co_await Number(2, Milliseconds(1));
    Note(absl::StrCat("sum ", a + b));
  };
  Run(sum());
  EXPECT_EQ(Notes(), "1 2 sum 3");
}

TEST_F(TaskTest, AwaitedTask_ReturnsItsError) {
  const auto both = [this]() -> Task<> {
    absl::StatusOr<int> good = co_await NumberOrError(1, Milliseconds(1));
    EXPECT_EQ(*good, 1);
    absl::StatusOr<int> bad = co_await NumberOrError(-1, Milliseconds(1));
    EXPECT_EQ(bad.status().code(), absl::StatusCode::kOutOfRange);
    Note("end");
  };
  Run(both());
  EXPECT_EQ(Notes(), "1 -1 end");
}

// The stack does not grow with tasks that end without waiting.
TEST_F(TaskTest, ManyAwaitedTasks_NeedNoStack) {
  const auto none = []() -> Task<int> { co_return 1; };
  const auto loop = [this, &none]() -> Task<> {
    int sum = 0;
    for (int i = 0; i < 300'000; ++i) sum += co_await none();
    Note(absl::StrCat(sum));
  };
  Run(loop());
  EXPECT_EQ(Notes(), "300000");
}

TEST_F(TaskTest, DeepTasks_NeedNoStack) {
  std::function<Task<int>(int)> depth = [&](int more) -> Task<int> {
    if (more == 0) co_return 0;
    const int below = co_await depth(more - 1);
    co_return below + 1;
  };
  const auto run = [this, &depth]() -> Task<> {
    const int reached = co_await depth(20'000);
    Note(absl::StrCat(reached));
  };
  Run(run());
  EXPECT_EQ(Notes(), "20000");
}

TEST_F(TaskTest, Signal_ContinuesAllThatWait) {
  Signal signal;
  int value = 0;
  const auto wait = [&](std::string name) -> Task<> {
    while (value < 2) co_await signal.Wait();
    Note(name);
  };
  const auto raise = [&]() -> Task<> {
    for (value = 0; value < 2;) {
      co_await SleepFor(loop(), Milliseconds(1));
      Note(absl::StrCat("value ", ++value));
      signal.Notify();
    }
  };
  test_.InTurn([&] {
    EXPECT_TRUE(tasks_->Spawn(wait("a")).ok());
    EXPECT_TRUE(tasks_->Spawn(wait("b")).ok());
    EXPECT_TRUE(tasks_->Spawn(raise()).ok());
  });
  EXPECT_EQ(Notes(), "value 1 value 2 a b");
}

TEST_F(TaskTest, All_ReturnsTheResultsInTheOrderOfTheTasks) {
  const auto run = [this]() -> Task<> {
    std::vector<Task<int>> numbers;
    for (const int n : {3, 1, 2}) numbers.push_back(Number(n, Milliseconds(n)));
    const std::vector<int> results = co_await All(std::move(numbers));
    Note("all " + absl::StrJoin(results, ","));
    const std::vector<int> none = co_await All(std::vector<Task<int>>());
    EXPECT_TRUE(none.empty());
  };
  Run(run());
  EXPECT_EQ(Notes(), "1 2 3 all 3,1,2");
}

TEST_F(TaskTest, WithTimeout_ReturnsAResultThatIsInTime) {
  const auto run = [this]() -> Task<> {
    absl::StatusOr<int> result = co_await WithTimeout(
        loop(), Milliseconds(5), NumberOrError(4, Milliseconds(4)));
    EXPECT_EQ(*result, 4);
  };
  Run(run());
  EXPECT_EQ(tasks_->size(), 0u);
}

TEST_F(TaskTest, WithTimeout_DestroysALateTask) {
  bool destroyed = false;
  const auto late = [&](Flag) -> Task<absl::Status> {
    co_await SleepFor(loop(), Milliseconds(6));
    Note("never");
    co_return absl::OkStatus();
  };
  const auto run = [&]() -> Task<> {
    absl::Status status =
        co_await WithTimeout(loop(), Milliseconds(5), late(Flag(&destroyed)));
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_EQ(status.message(), "not done after 5 ms");
    EXPECT_TRUE(destroyed);
    co_await SleepFor(loop(), Milliseconds(10));
  };
  Run(run());
  EXPECT_EQ(Notes(), "");
}

TEST_F(TaskTest, DestroyedTasks_AreNotContinued) {
  std::vector<std::unique_ptr<bool>> destroyed;
  Signal signal;
  const auto flag = [&destroyed] {
    destroyed.push_back(std::make_unique<bool>(false));
    return Flag(destroyed.back().get());
  };
  const auto sleeps = [&](Flag) -> Task<int> {
    co_return co_await Number(1, Milliseconds(10));
  };
  const auto waits = [&](Flag) -> Task<> {
    co_await signal.Wait();
    Note("never");
  };
  const auto all = [&](Flag) -> Task<> {
    std::vector<Task<int>> tasks;
    tasks.push_back(sleeps(flag()));
    tasks.push_back(sleeps(flag()));
    co_await All(std::move(tasks));
    Note("never");
  };
  const auto notifies = [&]() -> Task<> {
    co_await SleepFor(loop(), Milliseconds(1));
    signal.Notify();
  };
  EXPECT_TRUE(tasks_->Spawn(waits(flag())).ok());
  EXPECT_TRUE(tasks_->Spawn(all(flag())).ok());
  EXPECT_TRUE(tasks_->Spawn(notifies()).ok());
  test_.world().RunFor(Microseconds(500));
  // A task that is destroyed before it began.
  EXPECT_TRUE(tasks_->Spawn(waits(flag())).ok());
  tasks_.reset();
  test_.world().RunUntilIdle();
  EXPECT_EQ(Notes(), "");
  ASSERT_EQ(destroyed.size(), 5u);
  for (const auto& was : destroyed) EXPECT_TRUE(*was);
}

// The task is ready, and destroyed before it continues.
TEST_F(TaskTest, ReadyTask_Destroyed_IsNotContinued) {
  Signal signal;
  const auto waits = [&]() -> Task<> {
    co_await signal.Wait();
    Note("never");
  };
  test_.InTurn([&] { EXPECT_TRUE(tasks_->Spawn(waits()).ok()); });
  Pending end = loop().At(loop().ReadClock().mono, [&] {
    signal.Notify();
    tasks_.reset();
  });
  test_.world().RunUntilIdle();
  EXPECT_EQ(Notes(), "");
}

Task<> Nothing() { co_return; }

// Spawns a task when it is destroyed.
struct LateSpawner {
  ~LateSpawner() { *status = tasks->Spawn(Nothing()); }
  Tasks* const tasks;
  absl::Status* const status;
};

TEST_F(TaskTest, DestructorOfATask_CannotSpawn) {
  absl::Status status;
  const auto waits = [&]() -> Task<> {
    const LateSpawner spawner{tasks_.get(), &status};
    co_await SleepFor(loop(), Seconds(1));
  };
  EXPECT_TRUE(tasks_->Spawn(waits()).ok());
  test_.world().RunFor(Milliseconds(1));
  tasks_.reset();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
}

TEST_F(TaskTest, TooManyTasks_AreRefused) {
  test_.InTurn([&] {
    for (size_t i = 0; i < Tasks::kTasksMax; ++i) {
      ASSERT_TRUE(tasks_->Spawn(NoteLater("x", Milliseconds(1))).ok());
    }
    bool destroyed = false;
    const auto takes = [](Flag) -> Task<> { co_return; };
    EXPECT_EQ(tasks_->Spawn(takes(Flag(&destroyed))).code(),
              absl::StatusCode::kResourceExhausted);
    EXPECT_TRUE(destroyed);
  });
  EXPECT_EQ(notes_.size(), Tasks::kTasksMax);
  EXPECT_EQ(tasks_->size(), 0u);
}

// Two tasks that wake each other do not keep the turn from ending.
TEST_F(TaskTest, EndlessTasks_LetOtherInputsIn) {
  Signal signal;
  bool end = false;
  uint64_t steps = 0;
  const auto play = [&]() -> Task<> {
    while (!end) {
      ++steps;
      signal.Notify();
      co_await signal.Wait();
    }
    signal.Notify();
  };
  EXPECT_TRUE(tasks_->Spawn(play()).ok());
  EXPECT_TRUE(tasks_->Spawn(play()).ok());
  Pending timer = loop().At(loop().ReadClock().mono + Microseconds(50),
                            [&end] { end = true; });
  test_.world().RunUntilIdle();
  EXPECT_TRUE(end);
  EXPECT_GE(steps, Tasks::kStepsPerTurnMax);
  EXPECT_EQ(tasks_->size(), 0u);
}

using TaskDeathTest = TaskTest;
TEST_F(TaskDeathTest, TaskThatDestroysItsProgram_FailsACheck) {
  const auto destroys = [this]() -> Task<> {
    tasks_.reset();
    co_return;
  };
  EXPECT_DEATH(Run(destroys()), "a task destroys its own program");
}

TEST_F(FilesTest, Files_AreWrittenReadAndRenamed) {
  const auto run = [this]() -> Task<> {
    co_await Open();
    absl::Status status =
        co_await Write(*file_, 0, Buffer::Copy("hello"), Durability::kLater);
    EXPECT_TRUE(status.ok()) << status;
    status = co_await Sync(*file_);
    EXPECT_TRUE(status.ok()) << status;
    auto size = co_await Size(*file_);
    EXPECT_EQ(*size, 5u);
    auto bytes = co_await Read(*file_, 1, 100);
    EXPECT_EQ(bytes->view(), "ello");
    file_.reset();
    status = co_await Rename(env().disk, "f", "g");
    EXPECT_TRUE(status.ok()) << status;
    status = co_await SyncDirectory(env().disk);
    EXPECT_TRUE(status.ok()) << status;
    auto names = co_await List(env().disk);
    EXPECT_EQ(absl::StrJoin(*names, " "), "g");
    status = co_await Remove(env().disk, "f");
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    status = co_await Lock(env().disk, "lock");
    EXPECT_TRUE(status.ok()) << status;
    Note("end");
  };
  Run(run());
  EXPECT_EQ(Notes(), "end");
}

TEST_F(FilesTest, FailedSync_IsAResult) {
  Run(Open());
  test_.world().FailDiskOperation(test_.machine(),
                                  sim::World::DiskOperation::kSync, 1, false);
  const auto run = [this]() -> Task<> {
    absl::Status status = co_await Sync(*file_);
    Note(status.ok() ? "ok" : "error");
  };
  Run(run());
  EXPECT_EQ(Notes(), "error");
}

TEST_F(FilesTest, DestroyedDuringAWrite_IsNotContinued) {
  Run(Open());
  const auto run = [this]() -> Task<> {
    absl::Status status =
        co_await Write(*file_, 0, Buffer::Copy("hello"), Durability::kDurable);
    Note("never");
  };
  EXPECT_TRUE(tasks_->Spawn(run()).ok());
  test_.world().RunFor(Microseconds(50));
  tasks_.reset();
  test_.world().RunUntilIdle();
  EXPECT_EQ(Notes(), "");
}

// Whenever a machine dies, each task is destroyed and none continues.
TEST(TaskCrashTest, ProgramOfTasks_DiesAtAnyCall) {
  struct Program {
    explicit Program(Env& program_env)
        : env(program_env), tasks(env.loop, env.buggify) {
      EXPECT_TRUE(tasks.Spawn(Work()).ok());
    }
    Task<absl::Status> Append(File& file, uint64_t at) {
      absl::Status status =
          co_await Write(file, at, Buffer::Copy("record"), Durability::kLater);
      if (!status.ok()) co_return status;
      co_return co_await Sync(file);
    }
    Task<> Work() {
      auto opened = co_await Open(env.disk, "f", Disk::OpenMode::kCreate);
      if (!opened.ok()) co_return;
      for (uint64_t i = 0;; ++i) {
        absl::Status status = co_await WithTimeout(env.loop, Milliseconds(1),
                                                   Append(**opened, i * 6));
        if (!status.ok()) co_return;
        co_await SleepFor(env.loop, Microseconds(10));
      }
    }
    Env& env;
    Tasks tasks;
  };
  for (uint64_t calls = 1; calls <= 40; ++calls) {
    for (const auto kind :
         {sim::CrashKind::kProcess, sim::CrashKind::kMachine}) {
      sim::World world(sim::WorldOptions{.seed = calls});
      const sim::MachineId machine = world.AddMachine();
      world.Start(machine,
                  [](Env& env) { return std::make_shared<Program>(env); });
      world.CrashAfterCalls(machine, calls, kind);
      world.RunFor(Milliseconds(100));
      EXPECT_FALSE(world.running(machine)) << calls;
    }
  }
}

}  // namespace
}  // namespace quorate::env
