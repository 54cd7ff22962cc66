// A node sends no acknowledgement before the disks of a quorum have completed
// its durable write, as traced below the real processes.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/host_port.h"
#include "gtest/gtest.h"
#include "net/tools/resp_client.h"
#include "tests/processes/cluster.h"
#include "tests/processes/sync_trace.h"

namespace quorate::tests {
namespace {

constexpr int kClients = 4;
constexpr int kWrites = 150;

std::string TokenOf(int client, int write) {
  char digits[16];
  std::snprintf(digits, sizeof(digits), "%04d%06d", client, write);
  return digits;
}

std::string ReadText(const std::string& path) {
  std::ifstream in(path);
  return std::string((std::istreambuf_iterator<char>(in)),
                     std::istreambuf_iterator<char>());
}

// Sends SET key token GET repeatedly. Each reply holds the previous token,
// which identifies the acknowledged write to the preloaded library.
void Write(ProcessCluster& cluster, int number,
           std::vector<AcknowledgedWrite>* acknowledged) {
  const std::string key = absl::StrCat("client-", number);
  std::string address = cluster.node(number % cluster.size()).resp;
  std::unique_ptr<net::RespClient> client;
  for (int i = 1; i <= kWrites;) {
    if (client == nullptr) {
      auto connected = net::RespClient::Connect(address, Seconds(10));
      ASSERT_TRUE(connected.ok()) << connected.status();
      client = *std::move(connected);
    }
    const std::string value = "~token-" + TokenOf(number, i);
    const auto reply = client->Call({"SET", key, value, "GET"});
    ASSERT_TRUE(reply.ok()) << reply.status();
    if (reply->is_error() && reply->text.starts_with("MOVED ")) {
      address = reply->text.substr(reply->text.rfind(' ') + 1);
      client.reset();
      continue;
    }
    if (reply->is_error() && reply->text.starts_with("CLUSTERDOWN")) {
      usleep(10'000);
      continue;
    }
    ASSERT_FALSE(reply->is_error()) << reply->text;
    if (i > 1) {
      ASSERT_EQ(reply->text, "~token-" + TokenOf(number, i - 1));
      acknowledged->push_back(
          {.token = TokenOf(number, i), .reply_token = TokenOf(number, i - 1)});
    }
    ++i;
  }
}

TEST(SyncOrder, Acknowledgement_NeverLeavesBeforeAQuorumsDisksHaveTheWrite) {
  const std::string shim = absl::StrCat(
      std::getenv("TEST_SRCDIR"), "/quorate/tests/processes/libsync_shim.so");
  ASSERT_EQ(access(shim.c_str(), R_OK), 0) << shim;
  const std::string traces_at =
      absl::StrCat(std::getenv("TEST_TMPDIR"), "/sync-trace-");
  ProcessCluster cluster(
      {.environment = {{"LD_PRELOAD", shim},
                       {"QUORATE_SYNC_TRACE", traces_at + "%n"}}});
  const absl::Status started = cluster.StartAll();
  ASSERT_TRUE(started.ok()) << started;
  ASSERT_TRUE(cluster.AwaitLeaders(Seconds(60)).ok());
  std::vector<std::vector<AcknowledgedWrite>> acknowledged(kClients);
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] { Write(cluster, i, &acknowledged[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  cluster.StopAll();

  std::vector<SyncTrace> traces;
  std::vector<int> ports;
  for (int i = 0; i < cluster.size(); ++i) {
    traces.push_back(ParseSyncTrace(ReadText(absl::StrCat(traces_at, i + 1))));
    ports.push_back(ParseHostPort(cluster.node(i).resp)->port);
    EXPECT_FALSE(traces.back().synced.empty()) << "node " << i + 1;
  }
  std::vector<AcknowledgedWrite> writes;
  for (const auto& of_client : acknowledged) {
    writes.insert(writes.end(), of_client.begin(), of_client.end());
  }
  ASSERT_EQ(writes.size(), static_cast<size_t>(kClients * (kWrites - 1)));
  const SyncCheck check = CheckSyncs(traces, ports, 2, writes);
  EXPECT_EQ(check.checked, static_cast<int>(writes.size()));
  EXPECT_TRUE(check.early.empty())
      << check.early.size() << " early, the first: " << check.early.front();
}

TEST(CheckSyncs, AckThatLeftEarly_IsReported) {
  const std::vector<std::string> texts = {
      "sync 100 b\nsend 150 7001 a\nsend 90 17001 b\n",
      "sync 160 b\n",
      "sync 140 c\n",
  };
  std::vector<SyncTrace> traces;
  for (const std::string& text : texts) {
    traces.push_back(ParseSyncTrace(text));
  }
  const std::vector<int> ports = {7001, 7002, 7003};
  const std::vector<AcknowledgedWrite> writes = {
      {.token = "b", .reply_token = "a"}};
  SyncCheck check = CheckSyncs(traces, ports, 2, writes);
  EXPECT_EQ(check.checked, 1);
  ASSERT_EQ(check.early.size(), 1u);
  EXPECT_EQ(check.early[0],
            "the acknowledgement of b left when 1 disks had it, not 2");
  // With a slightly faster second disk the acknowledgement is in time.
  traces[1] = ParseSyncTrace("sync 149 b\n");
  check = CheckSyncs(traces, ports, 2, writes);
  EXPECT_TRUE(check.early.empty());
}

TEST(CheckSyncs, AckOutsideTheTrace_IsNotChecked) {
  const std::vector<SyncTrace> traces = {ParseSyncTrace("sync 1 b\n")};
  EXPECT_EQ(CheckSyncs(traces, {7001}, 1, {{.token = "b", .reply_token = "a"}})
                .checked,
            0);
}

}  // namespace
}  // namespace quorate::tests
