// The simulated disk: the effects of crashes and faults.
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "sim/disk/disk_image.h"
#include "sim/testing/test_env.h"

namespace quorate::sim {
namespace {

using env::Disk;
using env::Durability;
using env::File;
using env::Pending;

constexpr auto kLater = Durability::kLater;
constexpr auto kDurable = Durability::kDurable;
constexpr size_t kSector = 512;

// Runs disk operations one at a time.
class Driver {
 public:
  explicit Driver(uint64_t seed = 1) : test_(seed) {}

  std::unique_ptr<File> Open(const std::string& name) {
    std::unique_ptr<File> file;
    Pending p = test_.env().disk.Open(name, Disk::OpenMode::kCreateIfAbsent,
                                      [&](auto opened) {
                                        if (opened.ok()) {
                                          file = *std::move(opened);
                                        }
                                      });
    Run();
    return file;
  }
  // With its name made durable.
  std::unique_ptr<File> OpenDurably(const std::string& name) {
    auto file = Open(name);
    EXPECT_TRUE(SyncDirectory().ok());
    return file;
  }
  Pending Start(File* file, uint64_t offset, const std::string& bytes,
                Durability durability, absl::Status* result) {
    *result = absl::UnknownError("not called");
    const Buffer piece = Buffer::Copy(bytes);
    return file->Write(offset, absl::MakeConstSpan(&piece, 1), durability,
                       [result](absl::Status status) { *result = status; });
  }
  absl::Status Write(File* file, uint64_t offset, const std::string& bytes,
                     Durability durability) {
    absl::Status result;
    Pending p = Start(file, offset, bytes, durability, &result);
    Run();
    return result;
  }
  absl::Status Sync(File* file) {
    absl::Status result = absl::UnknownError("not called");
    Pending p = file->Sync([&](absl::Status status) { result = status; });
    Run();
    return result;
  }
  absl::Status SyncDirectory() {
    absl::Status result = absl::UnknownError("not called");
    Pending p =
        disk().SyncDirectory([&](absl::Status status) { result = status; });
    Run();
    return result;
  }
  absl::Status Rename(const std::string& from, const std::string& to) {
    absl::Status result = absl::UnknownError("not called");
    Pending p =
        disk().Rename(from, to, [&](absl::Status status) { result = status; });
    Run();
    return result;
  }
  absl::Status Remove(const std::string& name) {
    absl::Status result = absl::UnknownError("not called");
    Pending p =
        disk().Remove(name, [&](absl::Status status) { result = status; });
    Run();
    return result;
  }
  // The contents as a program would read them after the crash. "(none)" if
  // there is no file.
  std::string Contents(const std::string& name) {
    const auto files = world().DiskFiles(machine());
    for (const std::string& file : files) {
      if (file == name) return world().ReadDiskFile(machine(), name);
    }
    return "(none)";
  }
  void Run() { EXPECT_TRUE(world().RunUntilIdle()); }
  void Crash(CrashKind kind) { test_.Crash(kind); }
  World& world() { return test_.world(); }
  MachineId machine() { return test_.machine(); }
  Disk& disk() { return test_.env().disk; }

 private:
  TestEnv test_;
};

// Every result of `scenario` over many seeds.
template <typename Scenario>
std::set<std::string> Outcomes(Scenario&& scenario) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Driver d(seed);
    outcomes.insert(scenario(d));
  }
  return outcomes;
}

using Set = std::set<std::string>;

TEST(Disk, PlainWrite_SurvivesAProcessCrash) {
  EXPECT_EQ(Outcomes([](Driver& d) {
              auto file = d.Open("f");
              EXPECT_TRUE(d.Write(file.get(), 0, "abc", kLater).ok());
              file.reset();
              d.Crash(CrashKind::kProcess);
              return d.Contents("f");
            }),
            Set{"abc"});
}

TEST(Disk, PlainWrite_MayOrMayNotSurviveAMachineCrash) {
  EXPECT_EQ(Outcomes([](Driver& d) {
              auto file = d.OpenDurably("f");
              EXPECT_TRUE(d.Write(file.get(), 0, "abc", kLater).ok());
              file.reset();
              d.Crash(CrashKind::kMachine);
              return d.Contents("f");
            }),
            // The size may be durable before the bytes.
            (Set{"", "abc", std::string(3, '\0')}));
}

TEST(Disk, SyncedWrite_SurvivesAMachineCrash) {
  EXPECT_EQ(Outcomes([](Driver& d) {
              auto file = d.OpenDurably("f");
              EXPECT_TRUE(d.Write(file.get(), 0, "abc", kLater).ok());
              EXPECT_TRUE(d.Sync(file.get()).ok());
              file.reset();
              d.Crash(CrashKind::kMachine);
              return d.Contents("f");
            }),
            Set{"abc"});
}

TEST(Disk, DurableWrite_SurvivesAndSaysNothingAboutOthers) {
  EXPECT_EQ(
      Outcomes([](Driver& d) {
        auto file = d.OpenDurably("f");
        EXPECT_TRUE(
            d.Write(file.get(), 0, std::string(512, 'a'), kDurable).ok());
        EXPECT_TRUE(d.Write(file.get(), 0, std::string(512, 'b'), kLater).ok());
        EXPECT_TRUE(
            d.Write(file.get(), 512, std::string(8, 'c'), kDurable).ok());
        file.reset();
        d.Crash(CrashKind::kMachine);
        const std::string found = d.Contents("f");
        return found.substr(0, 1) + found.substr(511, 2);
      }),
      (Set{"aac", "bbc"}));
}

TEST(Disk, OverwrittenSectors_HoldAnyMixOfOldAndNew) {
  const Set outcomes = Outcomes([](Driver& d) {
    auto file = d.OpenDurably("f");
    EXPECT_TRUE(d.Write(file.get(), 0, std::string(1536, 'o'), kDurable).ok());
    EXPECT_TRUE(d.Write(file.get(), 0, std::string(1536, 'n'), kLater).ok());
    file.reset();
    d.Crash(CrashKind::kMachine);
    const std::string found = d.Contents("f");
    EXPECT_EQ(found.size(), 1536u);
    std::string mix;
    for (int sector = 0; sector < 3; ++sector) {
      // A sector is never torn.
      EXPECT_EQ(found.substr(sector * 512, 512),
                std::string(512, found[sector * 512]));
      mix += found[sector * 512];
    }
    return mix;
  });
  EXPECT_EQ(outcomes.size(), 8u);
}

TEST(Disk, SyncIssuedBeforeACompletionWasSeen_DoesNotCoverIt) {
  const Set outcomes = Outcomes([](Driver& d) {
    auto file = d.OpenDurably("f");
    absl::Status written;
    absl::Status synced = absl::UnknownError("not called");
    Pending write = d.Start(file.get(), 0, "abc", kLater, &written);
    Pending sync = file->Sync([&](absl::Status s) { synced = s; });
    d.Run();
    EXPECT_TRUE(written.ok() && synced.ok());
    write.Cancel();
    sync.Cancel();
    file.reset();
    d.Crash(CrashKind::kMachine);
    return d.Contents("f");
  });
  EXPECT_TRUE(outcomes.contains(""));
  EXPECT_TRUE(outcomes.contains("abc"));
}

TEST(Disk, SyncInTheNextProcess_CoversWhatTheLastOneWrote) {
  EXPECT_EQ(Outcomes([](Driver& d) {
              auto file = d.OpenDurably("f");
              EXPECT_TRUE(d.Write(file.get(), 0, "abc", kLater).ok());
              file.reset();
              d.Crash(CrashKind::kProcess);
              file = d.Open("f");
              EXPECT_TRUE(d.Sync(file.get()).ok());
              file.reset();
              d.Crash(CrashKind::kMachine);
              return d.Contents("f");
            }),
            Set{"abc"});
}

TEST(Disk, FileWithoutDirectorySync_MayBeGone) {
  EXPECT_EQ(Outcomes([](Driver& d) {
              auto file = d.Open("f");
              EXPECT_TRUE(d.Write(file.get(), 0, "abc", kDurable).ok());
              file.reset();
              d.Crash(CrashKind::kMachine);
              return d.Contents("f");
            }),
            (Set{"(none)", "abc"}));
}

TEST(Disk, RenameWithoutDirectorySync_IsAllOrNothing) {
  EXPECT_EQ(Outcomes([](Driver& d) {
              auto file = d.OpenDurably("new");
              EXPECT_TRUE(d.Write(file.get(), 0, "n", kDurable).ok());
              file = d.OpenDurably("f");
              EXPECT_TRUE(d.Write(file.get(), 0, "o", kDurable).ok());
              file.reset();
              EXPECT_TRUE(d.Rename("new", "f").ok());
              d.Crash(CrashKind::kMachine);
              return d.Contents("f") + d.Contents("new");
            }),
            (Set{"on", "n(none)"}));
}

TEST(Disk, RenameAfterDirectorySync_IsThere) {
  EXPECT_EQ(Outcomes([](Driver& d) {
              auto file = d.OpenDurably("new");
              EXPECT_TRUE(d.Write(file.get(), 0, "n", kDurable).ok());
              file.reset();
              EXPECT_TRUE(d.Rename("new", "f").ok());
              EXPECT_TRUE(d.SyncDirectory().ok());
              d.Crash(CrashKind::kMachine);
              return d.Contents("f") + d.Contents("new");
            }),
            (Set{"n(none)"}));
}

// The simulator puts a file in the place of one whose name is not durable yet.
TEST(Disk, RenameOfAFileThatWasReplaced_IsThereAfterDirectorySync) {
  EXPECT_EQ(Outcomes([](Driver& d) {
              auto file = d.OpenDurably("old");
              EXPECT_TRUE(d.Write(file.get(), 0, "o", kDurable).ok());
              file.reset();
              EXPECT_TRUE(d.Rename("old", "f").ok());
              d.world().Crash(d.machine(), CrashKind::kProcess);
              d.world().RemoveDiskFile(d.machine(), "f");
              d.world().PutDiskFile(d.machine(), "f", "n");
              d.world().Start(d.machine(), nullptr);
              EXPECT_TRUE(d.Rename("f", "new").ok());
              EXPECT_TRUE(d.SyncDirectory().ok());
              d.Crash(CrashKind::kMachine);
              return d.Contents("f") + d.Contents("new");
            }),
            (Set{"(none)n"}));
}

TEST(Disk, RemovalWithoutDirectorySync_MayComeBack) {
  EXPECT_EQ(Outcomes([](Driver& d) {
              auto file = d.OpenDurably("f");
              EXPECT_TRUE(d.Write(file.get(), 0, "abc", kDurable).ok());
              file.reset();
              EXPECT_TRUE(d.Remove("f").ok());
              d.Crash(CrashKind::kMachine);
              return d.Contents("f");
            }),
            (Set{"(none)", "abc"}));
}

TEST(Disk, DurableWriteInFlight_LandsInWholeInPartOrNot) {
  const Set outcomes = Outcomes([](Driver& d) {
    auto file = d.OpenDurably("f");
    EXPECT_TRUE(d.Write(file.get(), 0, std::string(1024, 'o'), kDurable).ok());
    absl::Status ignored;
    Pending write =
        d.Start(file.get(), 0, std::string(1024, 'n'), kDurable, &ignored);
    d.world().RunFor(Microseconds(50));
    d.Crash(CrashKind::kMachine);
    EXPECT_FALSE(ignored.ok());  // The failure was not reported.
    const std::string found = d.Contents("f");
    return std::string{found[0], found[512]};
  });
  EXPECT_EQ(outcomes, (Set{"oo", "no", "on", "nn"}));
}

TEST(Disk, ProcessCrash_LeavesAWriteInFlightAPrefixOfItself) {
  const Set outcomes = Outcomes([](Driver& d) {
    auto file = d.Open("f");
    EXPECT_TRUE(d.Write(file.get(), 0, std::string(1024, 'o'), kLater).ok());
    absl::Status ignored;
    Pending write =
        d.Start(file.get(), 0, std::string(1024, 'n'), kLater, &ignored);
    d.world().RunFor(Microseconds(5));
    d.Crash(CrashKind::kProcess);
    const std::string found = d.Contents("f");
    return std::string{found[0], found[512]};
  });
  EXPECT_EQ(outcomes, (Set{"oo", "no", "nn"}));
}

TEST(Disk, AfterACrash_OldHandlesAndPendingsDoNothing) {
  Driver d;
  auto file = d.Open("f");
  absl::Status told;
  Pending write = d.Start(file.get(), 0, "abc", kDurable, &told);
  d.Crash(CrashKind::kProcess);
  d.Run();
  EXPECT_EQ(told.code(), absl::StatusCode::kUnknown);
  absl::Status again;
  Pending late = d.Start(file.get(), 0, "xyz", kDurable, &again);
  d.Run();
  EXPECT_EQ(again.code(), absl::StatusCode::kUnknown);
  EXPECT_NE(d.Contents("f"), "xyz");
}

// ---- Faults

TEST(DiskFault, NthOperation_FailsOnceOrForGood) {
  for (bool persistent : {false, true}) {
    Driver d;
    auto file = d.Open("f");
    d.world().FailDiskOperation(d.machine(), World::DiskOperation::kRead, 2,
                                persistent);
    const auto read = [&] {
      absl::Status status;
      Pending p =
          file->Read(0, 1, [&](auto bytes) { status = bytes.status(); });
      d.Run();
      return status.ok();
    };
    EXPECT_TRUE(read());
    EXPECT_TRUE(d.Write(file.get(), 0, "x", kLater).ok());
    EXPECT_FALSE(read());
    EXPECT_EQ(read(), !persistent);
    d.world().HealDisk(d.machine());
    EXPECT_TRUE(read());
    EXPECT_EQ(d.world().faults().count(Fault::kDiskReadError),
              persistent ? 2u : 1u);
  }
}

TEST(DiskFault, FailedSync_MakesNothingDurableNeverAgain) {
  const Set outcomes = Outcomes([](Driver& d) {
    auto file = d.OpenDurably("f");
    EXPECT_TRUE(d.Write(file.get(), 0, "old", kDurable).ok());
    EXPECT_TRUE(d.Write(file.get(), 0, "new", kLater).ok());
    d.world().FailDiskOperation(d.machine(), World::DiskOperation::kSync, 1,
                                false);
    EXPECT_FALSE(d.Sync(file.get()).ok());
    // As in an operating system, the pages are clean now, and this sync has
    // nothing to write.
    EXPECT_TRUE(d.Sync(file.get()).ok());
    EXPECT_TRUE(d.world().violations().empty());
    file.reset();
    d.Crash(CrashKind::kMachine);
    return d.Contents("f");
  });
  EXPECT_EQ(outcomes, (Set{"old", "new"}));
}

TEST(DiskFault, FailedSyncOfADurableWrite_WritesAllDurablyNothing) {
  const Set outcomes = Outcomes([](Driver& d) {
    auto file = d.OpenDurably("f");
    EXPECT_TRUE(d.Write(file.get(), 0, "old", kDurable).ok());
    d.world().FailDiskOperation(d.machine(), World::DiskOperation::kSync, 2,
                                false);
    EXPECT_TRUE(d.Write(file.get(), 0, "mid", kDurable).ok());
    EXPECT_TRUE(d.Write(file.get(), 0, "not", kLater).ok());
    EXPECT_FALSE(d.Write(file.get(), 0, "new", kDurable).ok());
    EXPECT_EQ(d.Contents("f"), "new");
    EXPECT_EQ(d.world().faults().count(Fault::kDiskSyncError), 1u);
    EXPECT_EQ(d.world().faults().count(Fault::kDiskWriteError), 0u);
    file.reset();
    d.Crash(CrashKind::kMachine);
    return d.Contents("f");
  });
  EXPECT_EQ(outcomes, (Set{"mid", "not", "new"}));
}

TEST(DiskFault, FailedWriteback_IsReportedByALaterDurableWrite) {
  const Set outcomes = Outcomes([](Driver& d) {
    auto file = d.OpenDurably("f");
    EXPECT_TRUE(d.Write(file.get(), 0, "old", kDurable).ok());
    d.world().disk_options(d.machine()).writeback_error = {1, 1};
    EXPECT_TRUE(d.Write(file.get(), 0, "new", kLater).ok());
    d.world().disk_options(d.machine()).writeback_error = {};
    const absl::Status status = d.Write(file.get(), 512, "end", kDurable);
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_EQ(d.world().faults().count(Fault::kDiskWritebackError), 1u);
    // Nothing is left to report, and nothing to write.
    EXPECT_TRUE(d.Sync(file.get()).ok());
    EXPECT_TRUE(d.world().violations().empty());
    file.reset();
    d.Crash(CrashKind::kMachine);
    const std::string found = d.Contents("f");
    return found.substr(0, 3) + found.substr(512);
  });
  EXPECT_EQ(outcomes, (Set{"oldend", "newend"}));
}

TEST(DiskFault, FailedWriteback_IsReportedToTheNextProcessButNotAfterAReboot) {
  for (const CrashKind kind : {CrashKind::kProcess, CrashKind::kMachine}) {
    Driver d;
    auto file = d.OpenDurably("f");
    d.world().disk_options(d.machine()).writeback_error = {1, 1};
    EXPECT_TRUE(d.Write(file.get(), 0, "new", kLater).ok());
    d.world().disk_options(d.machine()).writeback_error = {};
    file.reset();
    d.Crash(kind);
    file = d.Open("f");
    EXPECT_EQ(d.Sync(file.get()).ok(), kind == CrashKind::kMachine);
    EXPECT_TRUE(d.Sync(file.get()).ok());
  }
}

TEST(DiskFault, FailedWriteback_IsNotReportedByACopyOfTheDisk) {
  DiskImage image;
  DiskImage::FileRef file;
  image.Create("f", &file);
  file->Write(0, "new", /*durable=*/false);
  file->FailWriteback();
  DiskImage copy;
  copy.CopyFrom(image);
  EXPECT_FALSE(copy.Find("f")->TakeWritebackError());
  EXPECT_TRUE(file->TakeWritebackError());
}

TEST(DiskFault, WritingAfterAFailedSync_IsAViolation) {
  Driver d;
  auto file = d.Open("f");
  d.world().FailDiskOperation(d.machine(), World::DiskOperation::kSync, 1,
                              false);
  EXPECT_FALSE(d.Sync(file.get()).ok());
  EXPECT_TRUE(d.world().violations().empty());
  (void)d.Write(file.get(), 0, "x", kLater);
  ASSERT_EQ(d.world().violations().size(), 1u);
  EXPECT_EQ(d.world().violations()[0],
            "m1 writes to f after a failed sync of it");
}

TEST(DiskFault, TwoSyncsOfAFileAtOnce_AreAViolation) {
  Driver d;
  auto file = d.Open("f");
  auto twin = d.Open("f");
  absl::Status result;
  Pending write = d.Start(file.get(), 0, "x", kDurable, &result);
  EXPECT_TRUE(d.Sync(twin.get()).ok());
  EXPECT_TRUE(d.world().violations().empty());
  write = d.Start(file.get(), 0, "x", kDurable, &result);
  EXPECT_TRUE(d.Sync(file.get()).ok());
  ASSERT_EQ(d.world().violations().size(), 1u);
  EXPECT_EQ(d.world().violations()[0],
            "m1 syncs f twice at once: one could report the error of the "
            "other");
}

TEST(DiskFault, FileOpenedForTheLogWhileOtherWorkWritesIt_IsAViolation) {
  Driver d;
  std::unique_ptr<env::File> log;
  env::Pending pending;
  const auto open_for_log = [&] {
    pending =
        d.disk().Open("f", env::Disk::OpenMode::kExisting, env::FileUse::kLog,
                      [&](absl::StatusOr<std::unique_ptr<env::File>> file) {
                        ASSERT_TRUE(file.ok());
                        log = *std::move(file);
                      });
    d.world().RunUntilIdle();
  };
  auto file = d.Open("f");
  EXPECT_TRUE(d.Write(file.get(), 0, "filled", kLater).ok());
  EXPECT_TRUE(d.Sync(file.get()).ok());
  file.reset();
  open_for_log();
  EXPECT_TRUE(d.Write(log.get(), 0, "record", kDurable).ok());
  log.reset();
  // A file that was opened to be read does not matter.
  auto reader = d.Open("f");
  open_for_log();
  EXPECT_TRUE(d.world().violations().empty());
  log.reset();
  EXPECT_TRUE(d.Write(reader.get(), 0, "filled", kLater).ok());
  open_for_log();
  ASSERT_EQ(d.world().violations().size(), 1u);
  EXPECT_EQ(d.world().violations()[0],
            "m1 opens f for the log while other work writes it");
}

TEST(DiskTime, OneAtATime_UsesDoNotWaitForEachOther) {
  Driver d;
  d.world().disk_options(d.machine()).one_at_a_time = true;
  auto bulk = d.Open("bulk");
  auto other = d.Open("other");
  std::unique_ptr<env::File> log;
  env::Pending pending =
      d.disk().Open("log", env::Disk::OpenMode::kCreate, env::FileUse::kLog,
                    [&](absl::StatusOr<std::unique_ptr<env::File>> file) {
                      log = *std::move(file);
                    });
  d.world().RunUntilIdle();
  d.world().StallDisk(d.machine(), d.world().now() + Seconds(60), "bulk");
  int ended = 0;
  int log_ended = 0;
  env::Pending syncs[] = {
      bulk->Sync([&](absl::Status) { ++ended; }),
      other->Sync([&](absl::Status) { ++ended; }),
      d.disk().SyncDirectory([&](absl::Status) { ++ended; }),
      log->Sync([&](absl::Status) { ++log_ended; })};
  d.world().RunFor(Seconds(59));
  EXPECT_EQ(ended, 0);
  EXPECT_EQ(log_ended, 1);
  d.world().RunUntilIdle();
  EXPECT_EQ(ended, 3);
}

TEST(DiskFault, FullDisk_RefusesWhatGrowsOnly) {
  Driver d;
  auto file = d.Open("f");
  EXPECT_TRUE(d.Write(file.get(), 0, std::string(1000, 'x'), kLater).ok());
  d.world().disk_options(d.machine()).capacity_bytes = 1500;
  EXPECT_EQ(d.Write(file.get(), 1000, std::string(501, 'y'), kDurable).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(d.Write(file.get(), 0, std::string(1500, 'z'), kDurable).ok());
  EXPECT_EQ(d.Contents("f"), std::string(1500, 'z'));
  EXPECT_EQ(d.world().faults().count(Fault::kDiskFull), 1u);
}

TEST(DiskFault, FullDisk_RefusesNewNames) {
  Driver d;
  auto file = d.Open("f");
  EXPECT_TRUE(d.Write(file.get(), 0, std::string(1000, 'x'), kLater).ok());
  d.world().disk_options(d.machine()).capacity_bytes = 1500;
  EXPECT_EQ(d.Open("g"), nullptr);
  EXPECT_EQ(d.Rename("f", "h").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(d.world().faults().count(Fault::kDiskFull), 2u);
  EXPECT_NE(d.Open("f"), nullptr);
  EXPECT_TRUE(d.Remove("f").ok());
}

// A program that asks first and stops has met the fault, too.
TEST(DiskFault, FullDisk_IsMetByWhoAsksForFreeBytes) {
  Driver d;
  auto file = d.Open("f");
  EXPECT_TRUE(d.Write(file.get(), 0, std::string(1000, 'x'), kLater).ok());
  const auto free_bytes = [&] {
    absl::StatusOr<uint64_t> free = absl::UnknownError("no answer");
    Pending asked = d.disk().FreeBytes(
        [&](absl::StatusOr<uint64_t> answer) { free = answer; });
    d.world().RunUntilIdle();
    return free.value_or(0);
  };
  EXPECT_GT(free_bytes(), 1'000'000u);
  EXPECT_EQ(d.world().disk_failures(d.machine()), 0u);
  d.world().disk_options(d.machine()).capacity_bytes = 1500;
  EXPECT_EQ(free_bytes(), 500u);
  EXPECT_EQ(d.world().disk_failures(d.machine()), 1u);
  EXPECT_EQ(d.world().faults().count(Fault::kDiskFull), 1u);
}

TEST(DiskFault, StalledDisk_FinishesWhenTheStallEnds) {
  Driver d;
  auto file = d.Open("f");
  const SimTime until = d.world().now() + Seconds(2);
  d.world().StallDisk(d.machine(), until);
  absl::Status told;
  Pending write = d.Start(file.get(), 0, "x", kDurable, &told);
  d.world().RunUntil(until - Nanoseconds(1));
  EXPECT_FALSE(told.ok());
  d.world().RunFor(Milliseconds(1));
  EXPECT_TRUE(told.ok());
}

TEST(DiskFault, OverwrittenSector_IsInWhatIsReadAndStaysAfterCrashes) {
  Driver d;
  auto file = d.OpenDurably("f");
  EXPECT_TRUE(d.Write(file.get(), 0, std::string(1024, 'a'), kDurable).ok());
  EXPECT_TRUE(d.Write(file.get(), 600, "b", kLater).ok());
  const std::string other(512, 'c');
  EXPECT_TRUE(d.world().OverwriteDisk(d.machine(), "f", 512, other));
  EXPECT_FALSE(d.world().OverwriteDisk(d.machine(), "f", 512, other));
  EXPECT_FALSE(d.world().OverwriteDisk(d.machine(), "f", 600, other));
  EXPECT_FALSE(d.world().OverwriteDisk(d.machine(), "g", 0, other));
  EXPECT_EQ(d.Contents("f"), std::string(512, 'a') + other);
  file.reset();
  d.Crash(CrashKind::kMachine);
  EXPECT_EQ(d.Contents("f"), std::string(512, 'a') + other);
}

TEST(DiskFault, FlippedBit_IsInWhatIsReadAndStaysAfterCrashes) {
  Driver d;
  auto file = d.OpenDurably("f");
  EXPECT_TRUE(d.Write(file.get(), 0, "abc", kDurable).ok());
  EXPECT_TRUE(d.world().FlipDiskBit(d.machine(), "f", 1, 0));
  EXPECT_FALSE(d.world().FlipDiskBit(d.machine(), "f", 3, 0));
  EXPECT_FALSE(d.world().FlipDiskBit(d.machine(), "g", 0, 0));
  EXPECT_EQ(d.Contents("f"), "acc");
  file.reset();
  d.Crash(CrashKind::kMachine);
  EXPECT_EQ(d.Contents("f"), "acc");
}

TEST(DiskFault, Jitter_LetsOperationsOvertakeEachOther) {
  int overtakes = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    WorldOptions options;
    options.seed = seed;
    options.disk.jitter = {1, 2};
    TestEnv test(options);
    std::unique_ptr<File> file;
    Pending open =
        test.env().disk.Open("f", Disk::OpenMode::kCreate,
                             [&](auto opened) { file = *std::move(opened); });
    test.world().RunUntilIdle();
    std::string order;
    Pending a = file->Sync([&](absl::Status) { order += "a"; });
    Pending b = file->Sync([&](absl::Status) { order += "b"; });
    test.world().RunUntilIdle();
    overtakes += order == "ba" ? 1 : 0;
  }
  EXPECT_GT(overtakes, 0);
}

// ---- Against a simple model: the possible contents of each sector.

RC_GTEST_PROP(Disk, AnyUse_LeavesEachSectorOneOfItsVersions, ()) {
  constexpr int kSectors = 6;
  Driver d(*rc::gen::inRange<uint64_t>(1, 1000000));
  auto file = d.OpenDurably("f");
  // Fixed size, so that only contents are in question.
  std::string now(kSectors * kSector, '0');
  RC_ASSERT(d.Write(file.get(), 0, now, kDurable).ok());
  std::vector<std::set<char>> allowed(kSectors, {'0'});
  char next = 'a';
  const int steps = *rc::gen::inRange(1, 30);
  for (int i = 0; i < steps; ++i) {
    const int what = *rc::gen::inRange(0, 10);
    if (what < 6) {
      const int first = *rc::gen::inRange(0, kSectors);
      const int count = *rc::gen::inRange(1, kSectors - first + 1);
      const bool durable = what < 2;
      const std::string bytes(count * kSector, next);
      RC_ASSERT(d.Write(file.get(), first * kSector, bytes,
                        durable ? kDurable : kLater)
                    .ok());
      for (int s = first; s < first + count; ++s) {
        if (durable) allowed[s].clear();
        allowed[s].insert(next);
        now[s * kSector] = next;
      }
      next = next == 'z' ? 'a' : static_cast<char>(next + 1);
    } else if (what < 8) {
      RC_ASSERT(d.Sync(file.get()).ok());
      for (int s = 0; s < kSectors; ++s) {
        allowed[s] = {now[s * kSector]};
      }
    } else {
      file.reset();
      const bool power = what == 9;
      d.Crash(power ? CrashKind::kMachine : CrashKind::kProcess);
      const std::string found = d.Contents("f");
      RC_ASSERT(found.size() == now.size());
      for (int s = 0; s < kSectors; ++s) {
        const char c = found[s * kSector];
        RC_ASSERT(found.substr(s * kSector, kSector) ==
                  std::string(kSector, c));
        if (power) {
          RC_ASSERT(allowed[s].contains(c));
          allowed[s] = {c};
          now[s * kSector] = c;
        } else {
          RC_ASSERT(c == now[s * kSector]);
        }
      }
      file = d.Open("f");
    }
  }
}

}  // namespace
}  // namespace quorate::sim
