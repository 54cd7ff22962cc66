// The contract of env/disk.h, as far as a process can observe it. Crashes of
// the machine are tested with the simulator.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/contract/fixture.h"

namespace quorate::contract {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DiskContract);

using env::Disk;
using env::File;
using env::Pending;
using OpenMode = env::Disk::OpenMode;

// ---- Shorthands

template <typename Issue>
absl::Status DiskContract::Await(Issue&& issue) {
  std::optional<absl::Status> result;
  Pending pending = issue([&result](absl::Status s) { result = std::move(s); });
  if (!RunUntil([&] { return result.has_value(); })) {
    return absl::DeadlineExceededError("the operation never ended");
  }
  return *result;
}

absl::StatusOr<std::unique_ptr<File>> DiskContract::Open(
    const std::string& name, OpenMode mode, env::FileUse use) {
  absl::StatusOr<std::unique_ptr<File>> result =
      absl::DeadlineExceededError("the operation never ended");
  bool done = false;
  Pending pending = env().disk.Open(name, mode, use, [&](auto opened) {
    result = std::move(opened);
    done = true;
  });
  EXPECT_TRUE(RunUntil([&] { return done; }));
  return result;
}

std::unique_ptr<File> DiskContract::MustOpen(const std::string& name) {
  auto opened = Open(name, OpenMode::kCreateIfAbsent);
  EXPECT_TRUE(opened.ok()) << opened.status();
  return opened.ok() ? *std::move(opened) : nullptr;
}

absl::Status DiskContract::Write(File* file, uint64_t offset,
                                 const std::string& bytes,
                                 env::Durability durability) {
  return Await([&](File::Done done) {
    // The caller may destroy the buffer and the span when the call has
    // returned.
    const Buffer piece = Buffer::Copy(bytes);
    return file->Write(offset, absl::MakeConstSpan(&piece, 1), durability,
                       std::move(done));
  });
}

absl::StatusOr<std::string> DiskContract::Read(File* file, uint64_t offset,
                                               size_t size) {
  std::string bytes;
  const absl::Status status = Await([&](File::Done done) {
    return file->Read(offset, size,
                      [&bytes, done = std::move(done)](auto read) mutable {
                        if (read.ok()) bytes = std::string(read->view());
                        done(read.status());
                      });
  });
  if (!status.ok()) return status;
  return bytes;
}

absl::Status DiskContract::Sync(File* file) {
  return Await([&](File::Done done) { return file->Sync(std::move(done)); });
}

uint64_t DiskContract::Size(File* file) {
  uint64_t size = ~uint64_t{0};
  EXPECT_TRUE(Await([&](File::Done done) {
                return file->Size(
                    [&size, done = std::move(done)](auto found) mutable {
                      if (found.ok()) size = *found;
                      done(found.status());
                    });
              }).ok());
  return size;
}

absl::Status DiskContract::Remove(const std::string& name) {
  return Await([&](File::Done done) {
    return env().disk.Remove(name, std::move(done));
  });
}

absl::Status DiskContract::Rename(const std::string& from,
                                  const std::string& to) {
  return Await([&](File::Done done) {
    return env().disk.Rename(from, to, std::move(done));
  });
}

absl::Status DiskContract::SyncDirectory() {
  return Await([&](File::Done done) {
    return env().disk.SyncDirectory(std::move(done));
  });
}

absl::Status DiskContract::Lock(env::Env& env, const std::string& name) {
  return Await(
      [&](File::Done done) { return env.disk.Lock(name, std::move(done)); });
}

uint64_t DiskContract::Ask(Pending (env::Disk::*question)(File::SizeDone)) {
  uint64_t answer = 0;
  EXPECT_TRUE(Await([&](File::Done done) {
                return (env().disk.*question)(
                    [&answer, done = std::move(done)](auto bytes) mutable {
                      if (bytes.ok()) answer = *bytes;
                      done(bytes.status());
                    });
              }).ok());
  return answer;
}

std::vector<std::string> DiskContract::List() {
  std::vector<std::string> names;
  EXPECT_TRUE(Await([&](File::Done done) {
                return env().disk.List(
                    [&names, done = std::move(done)](auto list) mutable {
                      if (list.ok()) names = *std::move(list);
                      done(list.status());
                    });
              }).ok());
  return names;
}

// ---- Files

TEST_P(DiskContract, Open_MissingFile_IsNotFoundUnlessItMayBeCreated) {
  EXPECT_EQ(Open("f", OpenMode::kExisting).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_TRUE(Open("f", OpenMode::kCreateIfAbsent).ok());
  EXPECT_TRUE(Open("f", OpenMode::kExisting).ok());
  EXPECT_TRUE(Open("f", OpenMode::kCreateIfAbsent).ok());
}

TEST_P(DiskContract, Open_CreateOfAnExistingFile_AlreadyExists) {
  EXPECT_TRUE(Open("f", OpenMode::kCreate).ok());
  EXPECT_EQ(Open("f", OpenMode::kCreate).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_P(DiskContract, Callbacks_NeverRunInsideTheCall) {
  auto file = MustOpen("f");
  ASSERT_NE(file, nullptr);
  bool inside = true;
  int called = 0;
  int called_inside = 0;
  const auto note = [&] {
    ++called;
    if (inside) ++called_inside;
  };
  const Buffer piece = Buffer::Copy("x");
  std::vector<Pending> pending;
  pending.push_back(file->Write(0, absl::MakeConstSpan(&piece, 1), kLater,
                                [&](absl::Status) { note(); }));
  pending.push_back(file->Read(0, 1, [&](auto) { note(); }));
  pending.push_back(file->Sync([&](absl::Status) { note(); }));
  pending.push_back(file->Size([&](auto) { note(); }));
  pending.push_back(env().disk.List([&](auto) { note(); }));
  pending.push_back(env().disk.SyncDirectory([&](absl::Status) { note(); }));
  pending.push_back(
      env().disk.Open("f", OpenMode::kExisting, [&](auto) { note(); }));
  inside = false;
  ASSERT_TRUE(RunUntil([&] { return called == 7; }));
  EXPECT_EQ(called_inside, 0);
}

TEST_P(DiskContract, Write_Pieces_LandOneAfterAnother) {
  auto file = MustOpen("f");
  const Buffer pieces[] = {Buffer::Copy("hello "), Buffer(),
                           Buffer::Copy("wor"), Buffer::Copy("ld")};
  bool done = false;
  Pending pending = file->Write(3, pieces, kLater, [&](absl::Status status) {
    EXPECT_TRUE(status.ok()) << status;
    done = true;
  });
  ASSERT_TRUE(RunUntil([&] { return done; }));
  EXPECT_EQ(*Read(file.get(), 3, 100), "hello world");
}

TEST_P(DiskContract, Write_BeyondTheEnd_LeavesZeros) {
  auto file = MustOpen("f");
  ASSERT_TRUE(Write(file.get(), 0, "ab", kLater).ok());
  ASSERT_TRUE(Write(file.get(), 5000, "cd", kDurable).ok());
  EXPECT_EQ(Size(file.get()), 5002u);
  EXPECT_EQ(*Read(file.get(), 0, 6000), "ab" + std::string(4998, '\0') + "cd");
}

TEST_P(DiskContract, Write_OverOlderBytes_ReplacesJustThose) {
  auto file = MustOpen("f");
  ASSERT_TRUE(Write(file.get(), 0, "0123456789", kLater).ok());
  ASSERT_TRUE(Write(file.get(), 3, "abc", kDurable).ok());
  EXPECT_EQ(*Read(file.get(), 0, 100), "012abc6789");
  EXPECT_EQ(Size(file.get()), 10u);
}

TEST_P(DiskContract, Read_AtTheEnd_IsShort) {
  auto file = MustOpen("f");
  ASSERT_TRUE(Write(file.get(), 0, "0123456789", kLater).ok());
  EXPECT_EQ(*Read(file.get(), 6, 100), "6789");
  EXPECT_EQ(*Read(file.get(), 10, 100), "");
  EXPECT_EQ(*Read(file.get(), 999, 100), "");
  EXPECT_EQ(*Read(file.get(), 2, 3), "234");
}

TEST_P(DiskContract, LargestOperation_RoundTrips) {
  auto file = MustOpen("f");
  std::string bytes(env::kDiskOperationBytesMax, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(i * 31 >> 3);
  }
  ASSERT_TRUE(Write(file.get(), 77, bytes, kDurable).ok());
  const auto read = Read(file.get(), 77, bytes.size());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(*read == bytes);
  const auto rest = Read(file.get(), 77, env::kDiskReadBytesMax);
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_TRUE(*rest == bytes);
}

TEST_P(DiskContract, TwoHandles_SeeOneFile) {
  auto a = MustOpen("f");
  auto b = MustOpen("f");
  ASSERT_TRUE(Write(a.get(), 0, "from a", kLater).ok());
  EXPECT_EQ(*Read(b.get(), 0, 100), "from a");
  EXPECT_EQ(Size(b.get()), 6u);
}

TEST_P(DiskContract, EverythingWritten_IsReadByTheNextProcess) {
  auto file = MustOpen("f");
  ASSERT_TRUE(Write(file.get(), 0, "plain ", kLater).ok());
  ASSERT_TRUE(Write(file.get(), 6, "durable ", kDurable).ok());
  ASSERT_TRUE(Sync(file.get()).ok());
  ASSERT_TRUE(Write(file.get(), 14, "unsynced", kLater).ok());
  file.reset();
  fixture().Restart(0);
  file = MustOpen("f");
  EXPECT_EQ(*Read(file.get(), 0, 100), "plain durable unsynced");
}

TEST_P(DiskContract, CancelledWrite_StillHappensSilently) {
  auto file = MustOpen("f");
  bool called = false;
  {
    const Buffer piece = Buffer::Copy("written");
    Pending pending = file->Write(0, absl::MakeConstSpan(&piece, 1), kDurable,
                                  [&](absl::Status) { called = true; });
  }
  ASSERT_TRUE(RunUntil([&] { return Size(file.get()) == 7; }));
  EXPECT_EQ(*Read(file.get(), 0, 100), "written");
  Settle();
  EXPECT_FALSE(called);
}

TEST_P(DiskContract, DestroyedFile_CallsNothingAndKeepsItsBytes) {
  auto file = MustOpen("f");
  ASSERT_TRUE(Write(file.get(), 0, "old", kDurable).ok());
  bool called = false;
  const Buffer piece = Buffer::Copy("new");
  Pending write = file->Write(0, absl::MakeConstSpan(&piece, 1), kDurable,
                              [&](absl::Status) { called = true; });
  Pending read = file->Read(0, 3, [&](auto) { called = true; });
  file.reset();
  Settle();
  EXPECT_FALSE(called);
  file = MustOpen("f");
  EXPECT_EQ(*Read(file.get(), 0, 100), "new");
}

TEST_P(DiskContract, CallbackMayDestroyItsFile) {
  auto file = MustOpen("f");
  bool called = false;
  Pending pending = file->Sync([&](absl::Status) {
    file.reset();
    called = true;
  });
  ASSERT_TRUE(RunUntil([&] { return called; }));
  EXPECT_EQ(file, nullptr);
}

TEST_P(DiskContract, ManyWritesInFlight_AllLand) {
  auto file = MustOpen("f");
  std::vector<Pending> pending;
  int done = 0;
  for (int i = 0; i < 200; ++i) {
    const Buffer piece = Buffer::Copy(std::string(10, 'a' + i % 26));
    pending.push_back(file->Write(i * 10, absl::MakeConstSpan(&piece, 1),
                                  i % 3 == 0 ? kDurable : kLater,
                                  [&done](absl::Status status) {
                                    if (status.ok()) ++done;
                                  }));
  }
  ASSERT_TRUE(RunUntil([&] { return done == 200; }));
  const auto read = Read(file.get(), 0, 10000);
  ASSERT_EQ(read->size(), 2000u);
  for (int i = 0; i < 2000; ++i) ASSERT_EQ((*read)[i], 'a' + i / 10 % 26);
}

TEST_P(DiskContract, FileOpenedForTheLog_IsWrittenThereAndReadElsewhere) {
  auto opened = Open("f", OpenMode::kCreate, env::FileUse::kLog);
  ASSERT_TRUE(opened.ok()) << opened.status();
  const std::unique_ptr<File> log = *std::move(opened);
  ASSERT_TRUE(Write(log.get(), 0, "durable", kDurable).ok());
  ASSERT_TRUE(Write(log.get(), 7, " later", kLater).ok());
  ASSERT_TRUE(Sync(log.get()).ok());
  EXPECT_EQ(*Read(log.get(), 0, 100), "durable later");
  auto reader = MustOpen("f");
  EXPECT_EQ(*Read(reader.get(), 0, 100), "durable later");
}

// ---- The directory

TEST_P(DiskContract, FreeBytesAndSizeBytes_AreTheRoomOfADisk) {
  const uint64_t free = Ask(&env::Disk::FreeBytes);
  const uint64_t size = Ask(&env::Disk::SizeBytes);
  EXPECT_GT(free, uint64_t{1} << 20);
  EXPECT_GE(size, free);
  EXPECT_LT(size, uint64_t{1} << 60);
}

TEST_P(DiskContract, List_IsSortedAndComplete) {
  for (const char* name : {"b", "a.2", "z_1", "a-1", "0"}) {
    ASSERT_NE(MustOpen(name), nullptr);
  }
  EXPECT_EQ(List(), (std::vector<std::string>{"0", "a-1", "a.2", "b", "z_1"}));
}

TEST_P(DiskContract, Remove_RemovesTheNameButNotTheOpenFile) {
  auto file = MustOpen("f");
  ASSERT_TRUE(Write(file.get(), 0, "still here", kLater).ok());
  ASSERT_TRUE(Remove("f").ok());
  EXPECT_TRUE(List().empty());
  EXPECT_EQ(Open("f", OpenMode::kExisting).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(*Read(file.get(), 0, 100), "still here");
  EXPECT_EQ(Remove("f").code(), absl::StatusCode::kNotFound);
}

TEST_P(DiskContract, Rename_ReplacesTheTarget) {
  auto from = MustOpen("from");
  ASSERT_TRUE(Write(from.get(), 0, "new", kLater).ok());
  auto to = MustOpen("to");
  ASSERT_TRUE(Write(to.get(), 0, "older", kLater).ok());
  to.reset();
  ASSERT_TRUE(Rename("from", "to").ok());
  EXPECT_EQ(List(), std::vector<std::string>{"to"});
  auto reopened = MustOpen("to");
  EXPECT_EQ(*Read(reopened.get(), 0, 100), "new");
  EXPECT_EQ(Rename("from", "to").code(), absl::StatusCode::kNotFound);
}

TEST_P(DiskContract, SyncDirectory_KeepsNamesForTheNextProcess) {
  ASSERT_NE(MustOpen("a"), nullptr);
  ASSERT_NE(MustOpen("b"), nullptr);
  ASSERT_TRUE(Rename("b", "c").ok());
  ASSERT_TRUE(SyncDirectory().ok());
  fixture().Restart(0);
  EXPECT_EQ(List(), (std::vector<std::string>{"a", "c"}));
}

TEST_P(DiskContract, Lock_KeepsAnotherProcessOutUntilItsHolderEnds) {
  ASSERT_TRUE(Lock(env(), "lock").ok());
  env::Env& other = fixture().SharingDirectoryOf(0);
  EXPECT_EQ(Lock(other, "lock").code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Lock(other, "another").ok());
  fixture().Restart(0);
  EXPECT_TRUE(Lock(other, "lock").ok());
  EXPECT_EQ(Lock(env(), "lock").code(), absl::StatusCode::kUnavailable);
}

}  // namespace quorate::contract
