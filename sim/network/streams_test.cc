// Faults of byte streams that only the simulated world has: partitions,
// half-open ends, resets in the middle of a reply, lost tails.
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

using env::Connection;
using env::Pending;

class End : public Connection::Observer {
 public:
  void OnBytes(std::string_view bytes) override {
    got.append(bytes);
    ++reads;
  }
  void OnEnd() override { ended = true; }
  void OnClosed(absl::Status reason) override { closed = reason; }
  void OnDrained() override {}
  void Take(std::unique_ptr<Connection> taken) {
    connection = std::move(taken);
    connection->SetObserver(this);
  }
  void Say(const std::string& bytes) { connection->Write(Buffer::Copy(bytes)); }

  std::unique_ptr<Connection> connection;
  std::string got;
  int reads = 0;
  bool ended = false;
  absl::Status closed;
};

// A client on machine 1, a server on machine 2.
class Connected {
 public:
  explicit Connected(const WorldOptions& options = {}) : world(options) {
    client_machine = world.AddMachine();
    server_machine = world.AddMachine();
    world.Start(client_machine, nullptr);
    world.Start(server_machine, nullptr);
    listener =
        *world.env(server_machine).streams.Listen("s:1", [this](auto accepted) {
          server.Take(std::move(accepted));
        });
    connecting = world.env(client_machine)
                     .streams.Connect("s:1", [this](auto connected) {
                       status = connected.status();
                       if (connected.ok()) client.Take(*std::move(connected));
                     });
  }
  bool Up() {
    return world.RunUntilTrue(
        [this] { return client.connection && server.connection; });
  }

  World world;
  MachineId client_machine;
  MachineId server_machine;
  End client;
  End server;
  absl::Status status;
  std::unique_ptr<env::Listener> listener;
  Pending connecting;
};

TEST(Streams, SplitReads_ArriveInPiecesAndWhole) {
  WorldOptions options;
  options.streams.split = {1, 2};
  options.streams.jitter = {1, 2};
  Connected c(options);
  ASSERT_TRUE(c.Up());
  std::string said;
  for (int i = 0; i < 100; ++i) {
    const std::string bytes = "request number " + std::to_string(i) + ";";
    said += bytes;
    c.client.Say(bytes);
    c.world.RunFor(Milliseconds(1));
  }
  c.world.RunFor(Seconds(1));
  EXPECT_EQ(c.server.got, said);
  EXPECT_GT(c.server.reads, 120);
  EXPECT_GT(c.world.faults().count(Fault::kStreamSplit), 20u);
}

TEST(Streams, Reset_CutsAReplyAndIsReportedToBothEnds) {
  std::set<size_t> lengths;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    WorldOptions options;
    options.seed = seed;
    options.streams.reset = {1, 2};
    Connected c(options);
    ASSERT_TRUE(c.Up());
    const std::string reply = "0123456789";
    c.server.Say(reply);
    c.world.RunFor(Seconds(1));
    EXPECT_EQ(c.client.got, reply.substr(0, c.client.got.size()));
    if (c.client.closed.ok()) {
      EXPECT_EQ(c.client.got, reply);
      continue;
    }
    lengths.insert(c.client.got.size());
    EXPECT_FALSE(c.server.closed.ok());
  }
  EXPECT_GT(lengths.size(), 5u);
  EXPECT_TRUE(lengths.contains(0));
}

TEST(Streams, LostTail_LeavesAPrefix) {
  std::set<size_t> lengths;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    WorldOptions options;
    options.seed = seed;
    options.streams.lost_tail = {1, 2};
    Connected c(options);
    ASSERT_TRUE(c.Up());
    const std::string reply = "0123456789";
    c.server.Say(reply);
    c.server.connection.reset();
    c.world.RunFor(Seconds(1));
    EXPECT_EQ(c.client.got, reply.substr(0, c.client.got.size()));
    EXPECT_TRUE(c.client.ended || !c.client.closed.ok());
    if (c.client.ended) {
      EXPECT_EQ(c.client.got, reply);
    }
    lengths.insert(c.client.got.size());
  }
  EXPECT_GT(lengths.size(), 5u);
}

TEST(Streams, Partition_DelaysBytesUntilItHeals) {
  Connected c;
  ASSERT_TRUE(c.Up());
  c.world.BlockLink(c.client_machine, c.server_machine);
  c.client.Say("patience");
  c.world.RunFor(Seconds(5));
  EXPECT_EQ(c.server.got, "");
  c.world.UnblockLink(c.client_machine, c.server_machine);
  c.world.RunFor(Seconds(2));
  EXPECT_EQ(c.server.got, "patience");
  EXPECT_TRUE(c.client.closed.ok());
}

TEST(Streams, LongPartition_TimesTheSenderOutAndLeavesTheOtherHalfOpen) {
  Connected c;
  ASSERT_TRUE(c.Up());
  c.world.BlockLink(c.client_machine, c.server_machine);
  c.client.Say("nobody hears");
  c.world.RunFor(Seconds(30));
  EXPECT_FALSE(c.client.closed.ok());
  EXPECT_TRUE(c.server.closed.ok());
  EXPECT_FALSE(c.server.ended);
}

TEST(Streams, ProcessCrash_EndsTheStreamsOfItsPeers) {
  Connected c;
  ASSERT_TRUE(c.Up());
  c.world.Crash(c.server_machine, CrashKind::kProcess);
  c.world.RunFor(Seconds(1));
  EXPECT_TRUE(c.client.ended || !c.client.closed.ok());
}

TEST(Streams, MachineCrash_LeavesTheClientHalfOpenUntilItWrites) {
  Connected c;
  ASSERT_TRUE(c.Up());
  c.world.Crash(c.server_machine, CrashKind::kMachine);
  EXPECT_EQ(c.world.faults().count(Fault::kStreamHalfOpen), 1u);
  c.world.RunFor(Seconds(60));
  EXPECT_FALSE(c.client.ended);
  EXPECT_TRUE(c.client.closed.ok());
  // The machine does not reply while it is down. Once it runs again it does not
  // know the stream.
  c.client.Say("hello?");
  c.world.RunFor(Seconds(3));
  EXPECT_TRUE(c.client.closed.ok());
  c.world.Start(c.server_machine, nullptr);
  c.world.RunFor(Seconds(2));
  EXPECT_FALSE(c.client.closed.ok());
}

TEST(Streams, ReplyWrittenInTheTurnOfTheCrash_IsCutOffWithIt) {
  Connected c;
  ASSERT_TRUE(c.Up());
  Pending turn = c.world.env(c.server_machine).loop.Defer([&] {
    c.server.Say("never sent");
    c.world.Crash(c.server_machine, CrashKind::kProcess);
  });
  c.world.RunFor(Seconds(1));
  EXPECT_EQ(c.client.got, "");
  EXPECT_TRUE(c.client.ended || !c.client.closed.ok());
}

TEST(Streams, ConnectToAMachineThatLostPower_TimesOut) {
  Connected c;
  ASSERT_TRUE(c.Up());
  c.world.Crash(c.server_machine, CrashKind::kMachine);
  absl::Status status;
  const SimTime begun = c.world.now();
  Pending connecting =
      c.world.env(c.client_machine).streams.Connect("s:1", [&](auto connected) {
        status = connected.status();
        c.world.StopRunning();
      });
  c.world.RunFor(Seconds(60));
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(c.world.now() - begun, c.world.stream_options().connect_timeout);
}

TEST(Streams, ConnectToAProcessThatDied_IsRefusedAtOnce) {
  Connected c;
  ASSERT_TRUE(c.Up());
  c.world.Crash(c.server_machine, CrashKind::kProcess);
  absl::Status status;
  Pending connecting =
      c.world.env(c.client_machine).streams.Connect("s:1", [&](auto connected) {
        status = connected.status();
      });
  c.world.RunFor(Milliseconds(1));
  EXPECT_NE(status.ToString().find("refused"), std::string::npos) << status;
}

TEST(Streams, ConnectFaults_RefuseOrHang) {
  int refused = 0;
  int timed_out = 0;
  int connected = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    WorldOptions options;
    options.seed = seed;
    options.streams.refuse = {1, 3};
    options.streams.hang = {1, 3};
    Connected c(options);
    c.world.RunFor(Seconds(10));
    const std::string status = c.status.ToString();
    refused += status.find("refused") != std::string::npos ? 1 : 0;
    timed_out += status.find("timed out") != std::string::npos ? 1 : 0;
    connected += c.client.connection != nullptr ? 1 : 0;
  }
  EXPECT_GT(refused, 5);
  EXPECT_GT(timed_out, 5);
  EXPECT_GT(connected, 5);
  EXPECT_EQ(refused + timed_out + connected, 60);
}

TEST(Streams, RecordsOfConnectsAndEnds_HaveWords) {
  WorldOptions options;
  options.keep_trace = true;
  Connected c(options);
  ASSERT_TRUE(c.Up());
  c.world.ResetStreams(c.server_machine);
  c.world.RunFor(Milliseconds(1));
  std::set<std::string> words;
  for (const TraceRecord& record : c.world.trace()) {
    words.insert(absl::StrCat(std::string(TraceKindName(record.kind)), " ",
                              record.detail));
  }
  for (const char* expected :
       {"connect to s:1: connected", "connect from m1:20001: accepted",
        "stream_event from s:1: connection reset"}) {
    EXPECT_TRUE(words.contains(expected)) << expected;
  }
}

TEST(Streams, ResetStreams_IsReportedToBothEnds) {
  Connected c;
  ASSERT_TRUE(c.Up());
  c.world.ResetStreams(c.server_machine);
  c.world.RunFor(Milliseconds(1));
  EXPECT_FALSE(c.client.closed.ok());
  EXPECT_FALSE(c.server.closed.ok());
}

}  // namespace
}  // namespace quorate::sim
