// Tasks over streams, on each implementation of the environment.
#include <memory>
#include <string>
#include <utility>

#include "env/task/files.h"
#include "env/task/join.h"
#include "env/task/streams.h"
#include "env/task/task.h"
#include "env/task/wait.h"
#include "tests/contract/fixture.h"

namespace quorate::contract {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TaskContract);

namespace {

using env::ByteStream;
using env::Task;

// More than all buffers between two programs can hold.
constexpr size_t kPlenty = 32 << 20;
constexpr size_t kLineMax = 100;

// Ends of a stream: a server on env(0) and a client on env(1). Tasks go first,
// since they use the streams.
struct Ends {
  explicit Ends(Fixture* fixture)
      : address(fixture->FreshAddress()),
        server_tasks(fixture->env(0).loop, fixture->env(0).buggify),
        client_tasks(fixture->env(1).loop, fixture->env(1).buggify) {
    auto listening = env::Acceptor::Listen(fixture->env(0), address);
    EXPECT_TRUE(listening.ok()) << listening.status();
    acceptor = *std::move(listening);
    EXPECT_TRUE(server_tasks.Spawn(Accept()).ok());
    EXPECT_TRUE(client_tasks.Spawn(Connect(fixture->env(1))).ok());
    EXPECT_TRUE(fixture->RunUntil([this] { return server && client; }));
  }
  Task<> Accept() { server = co_await acceptor->Accept(); }
  Task<> Connect(env::Env& env) {
    auto connected = co_await env::Connect(env, address);
    EXPECT_TRUE(connected.ok()) << connected.status();
    if (connected.ok()) client = *std::move(connected);
  }

  const std::string address;
  std::unique_ptr<env::Acceptor> acceptor;
  std::unique_ptr<ByteStream> server;
  std::unique_ptr<ByteStream> client;
  env::Tasks server_tasks;
  env::Tasks client_tasks;
};

}  // namespace

TEST_P(TaskContract, Lines_GoBothWays) {
  Ends ends(&fixture());
  std::string seen;
  const auto serve = [&ends]() -> Task<> {
    while (true) {
      absl::StatusOr<std::string> line =
          co_await ends.server->ReadLine(kLineMax);
      if (!line.ok()) break;
      absl::Status sent =
          co_await ends.server->Write(Buffer::Copy("<" + *line + ">\n"));
      EXPECT_TRUE(sent.ok()) << sent;
    }
    absl::Status ended = co_await ends.server->End();
    EXPECT_TRUE(ended.ok()) << ended;
  };
  const auto ask = [&ends, &seen]() -> Task<> {
    absl::Status sent =
        co_await ends.client->Write(Buffer::Copy("one\ntwo\n\nend"));
    EXPECT_TRUE(sent.ok()) << sent;
    absl::Status ended = co_await ends.client->End();
    EXPECT_TRUE(ended.ok()) << ended;
    while (true) {
      absl::StatusOr<std::string> line =
          co_await ends.client->ReadLine(kLineMax);
      if (!line.ok()) {
        EXPECT_EQ(line.status().code(), absl::StatusCode::kOutOfRange)
            << line.status();
        break;
      }
      seen += *line;
    }
    seen += ".";
  };
  EXPECT_TRUE(ends.server_tasks.Spawn(serve()).ok());
  EXPECT_TRUE(ends.client_tasks.Spawn(ask()).ok());
  EXPECT_TRUE(RunUntil([&] { return seen.ends_with('.'); })) << seen;
  EXPECT_EQ(seen, "<one><two><>.");
}

TEST_P(TaskContract, ManyBytes_ArriveAndAreBounded) {
  Ends ends(&fixture());
  size_t written = 0;
  size_t read = 0;
  bool reads = false;
  bool ended = false;
  env::Signal begin;
  const auto write = [&]() -> Task<> {
    const Buffer piece = Buffer::Copy(std::string(64 << 10, 'x'));
    while (written < kPlenty) {
      absl::Status sent = co_await ends.client->Write(piece);
      EXPECT_TRUE(sent.ok()) << sent;
      if (!sent.ok()) co_return;
      written += piece.size();
    }
    absl::Status sent = co_await ends.client->End();
    EXPECT_TRUE(sent.ok()) << sent;
  };
  const auto receive = [&]() -> Task<> {
    while (!reads) co_await begin.Wait();
    absl::StatusOr<std::string> first =
        co_await ends.server->ReadExactly(1 << 20);
    EXPECT_TRUE(first.ok()) << first.status();
    read = first.ok() ? first->size() : 0;
    while (true) {
      absl::StatusOr<std::string> bytes = co_await ends.server->Read();
      if (!bytes.ok()) break;
      EXPECT_FALSE(bytes->empty());
      read += bytes->size();
    }
    ended = true;
  };
  EXPECT_TRUE(ends.server_tasks.Spawn(receive()).ok());
  EXPECT_TRUE(ends.client_tasks.Spawn(write()).ok());
  Settle();
  Settle();
  // No task reads, so the writer waits.
  EXPECT_LT(written, kPlenty);
  reads = true;
  begin.Notify();
  EXPECT_TRUE(RunUntil([&] { return ended; }));
  EXPECT_EQ(written, read);
}

TEST_P(TaskContract, LongLine_IsRefused) {
  Ends ends(&fixture());
  absl::Status status;
  bool done = false;
  const auto read = [&]() -> Task<> {
    auto line = co_await ends.server->ReadLine(kLineMax);
    EXPECT_EQ(*line, std::string(kLineMax, 'a'));
    line = co_await ends.server->ReadLine(kLineMax);
    status = line.status();
    done = true;
  };
  const auto write = [&]() -> Task<> {
    absl::Status sent = co_await ends.client->Write(
        Buffer::Copy(std::string(kLineMax, 'a') + "\n" +
                     std::string(kLineMax + 1, 'b') + "\n"));
    EXPECT_TRUE(sent.ok()) << sent;
  };
  EXPECT_TRUE(ends.server_tasks.Spawn(read()).ok());
  EXPECT_TRUE(ends.client_tasks.Spawn(write()).ok());
  EXPECT_TRUE(RunUntil([&] { return done; }));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
}

TEST_P(TaskContract, DestroyedStream_EndsThePeersRead) {
  Ends ends(&fixture());
  bool done = false;
  const auto read = [&]() -> Task<> {
    absl::StatusOr<std::string> bytes = co_await ends.server->Read();
    EXPECT_FALSE(bytes.ok());
    done = true;
  };
  EXPECT_TRUE(ends.server_tasks.Spawn(read()).ok());
  Settle();
  EXPECT_FALSE(done);
  ends.client.reset();
  EXPECT_TRUE(RunUntil([&] { return done; }));
}

TEST_P(TaskContract, ReadWithATimeout_CanBeRepeated) {
  Ends ends(&fixture());
  std::string seen;
  const auto read = [&]() -> Task<> {
    auto line = co_await env::WithTimeout(env(0).loop, Milliseconds(1),
                                          ends.server->ReadLine(kLineMax));
    EXPECT_EQ(line.status().code(), absl::StatusCode::kDeadlineExceeded);
    seen = "late";
    line = co_await ends.server->ReadLine(kLineMax);
    EXPECT_TRUE(line.ok()) << line.status();
    if (line.ok()) seen = *line;
  };
  EXPECT_TRUE(ends.server_tasks.Spawn(read()).ok());
  ASSERT_TRUE(RunUntil([&] { return seen == "late"; }));
  const auto write = [&]() -> Task<> {
    absl::Status sent = co_await ends.client->Write(Buffer::Copy("line\n"));
    EXPECT_TRUE(sent.ok()) << sent;
  };
  EXPECT_TRUE(ends.client_tasks.Spawn(write()).ok());
  EXPECT_TRUE(RunUntil([&] { return seen == "line"; }));
}

TEST_P(TaskContract, Files_KeepWhatWasWritten) {
  env::Tasks tasks(env(0).loop, env(0).buggify);
  std::string seen;
  const auto work = [&]() -> Task<> {
    env::Disk& disk = env(0).disk;
    auto file = co_await env::Open(disk, "f", env::Disk::OpenMode::kCreate);
    EXPECT_TRUE(file.ok()) << file.status();
    absl::Status status = co_await env::Write(**file, 0, Buffer::Copy("hello"),
                                              env::Durability::kLater);
    EXPECT_TRUE(status.ok()) << status;
    status = co_await env::Sync(**file);
    EXPECT_TRUE(status.ok()) << status;
    file->reset();
    status = co_await env::Rename(disk, "f", "g");
    EXPECT_TRUE(status.ok()) << status;
    status = co_await env::SyncDirectory(disk);
    EXPECT_TRUE(status.ok()) << status;
    file = co_await env::Open(disk, "f", env::Disk::OpenMode::kExisting);
    EXPECT_EQ(file.status().code(), absl::StatusCode::kNotFound);
    file = co_await env::Open(disk, "g", env::Disk::OpenMode::kExisting);
    EXPECT_TRUE(file.ok()) << file.status();
    auto size = co_await env::Size(**file);
    auto bytes = co_await env::Read(**file, 1, 100);
    EXPECT_TRUE(size.ok() && bytes.ok());
    seen = std::to_string(*size) + std::string(bytes->view());
  };
  EXPECT_TRUE(tasks.Spawn(work()).ok());
  EXPECT_TRUE(RunUntil([&] { return !seen.empty(); }));
  EXPECT_EQ(seen, "5ello");
}

TEST_P(TaskContract, Sleeps_EndInTheirOrder_AndNotTooEarly) {
  env::Tasks tasks(env(0).loop, env(0).buggify);
  std::string order;
  const auto sleep = [&](char name, Duration length) -> Task<> {
    const MonoTime begin = env(0).loop.ReadClock().mono;
    co_await env::SleepFor(env(0).loop, length);
    EXPECT_GE(env(0).loop.ReadClock().mono - begin, length);
    order += name;
  };
  // Far enough apart that no two are due in one turn, in which their order may
  // be another one.
  EXPECT_TRUE(tasks.Spawn(sleep('c', Milliseconds(900))).ok());
  EXPECT_TRUE(tasks.Spawn(sleep('a', Milliseconds(1))).ok());
  EXPECT_TRUE(tasks.Spawn(sleep('b', Milliseconds(450))).ok());
  EXPECT_TRUE(RunUntil([&] { return order.size() == 3; }));
  EXPECT_EQ(order, "abc");
}

TEST_P(TaskContract, ConnectWithoutAListener_IsAnError) {
  env::Tasks tasks(env(0).loop, env(0).buggify);
  bool done = false;
  const auto connect = [&](std::string address) -> Task<> {
    auto connected = co_await env::Connect(env(0), address);
    EXPECT_FALSE(connected.ok());
    done = true;
  };
  EXPECT_TRUE(tasks.Spawn(connect(fixture().FreshAddress())).ok());
  EXPECT_TRUE(RunUntil([&] { return done; }));
}

TEST_P(TaskContract, ProgramOfTasks_EndsInTheMiddle) {
  Ends ends(&fixture());
  auto tasks = std::make_unique<env::Tasks>(env(0).loop, env(0).buggify);
  int rounds = 0;
  const auto work = [&]() -> Task<> {
    auto file = co_await env::Open(env(0).disk, "f",
                                   env::Disk::OpenMode::kCreateIfAbsent);
    EXPECT_TRUE(file.ok()) << file.status();
    while (file.ok()) {
      absl::Status written = co_await env::Write(
          **file, 0, Buffer::Copy("bytes"), env::Durability::kDurable);
      EXPECT_TRUE(written.ok()) << written;
      ++rounds;
    }
  };
  const auto reads = [&]() -> Task<> {
    absl::StatusOr<std::string> bytes = co_await ends.server->Read();
    ADD_FAILURE() << "no bytes were sent";
  };
  EXPECT_TRUE(tasks->Spawn(work()).ok());
  EXPECT_TRUE(tasks->Spawn(reads()).ok());
  ASSERT_TRUE(RunUntil([&] { return rounds >= 3; }));
  tasks.reset();
  const int before = rounds;
  Settle();
  EXPECT_EQ(rounds, before);
}

}  // namespace quorate::contract
