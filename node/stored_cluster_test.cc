// Stored clusters: the data directories of the three nodes of a cluster, one
// cluster for each change of a stored format. Every later program starts from
// them.
//
//   bazel run //node:stored_cluster_test -- --write NAME
//
// writes the cluster of this program to node/testdata/stored/NAME. Add one with
// each change of a stored format, to kClusters too. Never replace one: a
// directory of that program exists somewhere.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "env/parse_integer.h"
#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

constexpr const char* kClusters[] = {"version_1"};
std::string write_name;  // NOLINT: the argument of --write.

constexpr int kKeys = 60;
constexpr std::string_view kExpiring = "expires-in-2100";
constexpr std::string_view kExpiresAt = "4102444800000";
constexpr std::string_view kLost = "an acknowledged value of a lost write";

std::vector<std::string> Split(const std::string& text, char delimiter) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, delimiter);) {
    parts.push_back(part);
  }
  return parts;
}

std::string Key(int i) { return Concat("key-", i); }
std::string Value(int i) {
  return Concat("value-", i, "-", std::string(150, 'a' + i % 26));
}

void Small(Config& config) {
  config.host.snapshot_threshold_bytes = 4096;
  config.host.snapshot_trailing_bytes = 512;
  config.host.log.segment_bytes = 1 << 20;
  config.host.log.preallocation_bytes_max = 4096;
  config.host.log.ballast_bytes = 0;
}

// ---- Text of a directory

// Lines of 32 bytes with their offsets. Zeros are left out.
constexpr size_t kLineBytes = 32;

std::string TextOf(sim::World& world, sim::MachineId machine) {
  std::string text;
  for (const std::string& name : world.DiskFiles(machine)) {
    const std::string bytes = world.ReadDiskFile(machine, name);
    Append(&text, "file ", name, " ", bytes.size(), "\n");
    for (size_t at = 0; at < bytes.size(); at += kLineBytes) {
      const std::string_view line =
          std::string_view(bytes).substr(at, kLineBytes);
      if (line.find_first_not_of('\0') == std::string_view::npos) continue;
      Append(&text, at, " ", absl::BytesToHexString(std::string(line)), "\n");
    }
  }
  return text;
}

void PutDirectory(sim::World& world, sim::MachineId machine,
                  const std::string& text) {
  for (const std::string& name : world.DiskFiles(machine)) {
    world.RemoveDiskFile(machine, name);
  }
  std::string name;
  std::string bytes;
  const auto put = [&] {
    if (!name.empty()) world.PutDiskFile(machine, name, bytes);
  };
  for (const std::string& line : Split(text, '\n')) {
    const std::vector<std::string> words = Split(line, ' ');
    uint64_t number = 0;
    if (words.size() == 3 && words[0] == "file") {
      put();
      ASSERT_TRUE(ParseInteger(words[2], &number)) << line;
      name = words[1];
      bytes = std::string(number, '\0');
    } else if (!line.empty()) {
      ASSERT_EQ(words.size(), 2u) << line;
      ASSERT_TRUE(ParseInteger(words[0], &number)) << line;
      const std::string part = absl::HexStringToBytes(words[1]);
      bytes.replace(number, part.size(), part);
    }
  }
  put();
}

std::string PathOf(const std::string& name, size_t node) {
  return Concat("node/testdata/stored/", name, "/node-", node + 1, ".txt");
}

// ---- The keys and sessions

// Writes everything, and then damages the last write of node 3. Its replica of
// that group is fenced, given up, and filled again.
void Fill(TestCluster& cluster, std::string* session) {
  auto client = cluster.ConnectResp(0);
  for (int i = 0; i < kKeys; ++i) {
    ASSERT_EQ(cluster.Command(*client, {"SET", Key(i), Value(i)}), "+OK\r\n");
  }
  ASSERT_EQ(cluster.Command(*client, {"DEL", Key(3)}), ":1\r\n");
  ASSERT_EQ(
      cluster.Command(*client, {"SET", kExpiring, "x", "PXAT", kExpiresAt}),
      "+OK\r\n");
  const std::string token = cluster.Command(*client, {"QUORATE.SESSION"});
  const std::vector<std::string> lines = Split(token, '\n');
  ASSERT_EQ(lines.size(), 2u) << token;
  *session = lines[1].substr(0, lines[1].size() - 1);
  ASSERT_EQ(cluster.Command(
                *client, {"QUORATE.DO", *session, "1", "1", "INCR", "counter"}),
            ":1\r\n");
  ASSERT_EQ(cluster.Command(*client, {"SET", "lost", kLost}), "+OK\r\n");
  cluster.world().RunFor(Milliseconds(50));
  const sim::MachineId machine = cluster.machine(2);
  cluster.Crash(2, sim::CrashKind::kMachine);
  bool damaged = false;
  for (const std::string& name : cluster.world().DiskFiles(machine)) {
    const size_t at = cluster.world().ReadDiskFile(machine, name).find(kLost);
    if (!name.starts_with("log-") || at == std::string::npos) continue;
    damaged = cluster.world().FlipDiskBit(machine, name, at, 3);
  }
  ASSERT_TRUE(damaged);
  cluster.Restart(2);
  cluster.world().RunFor(Seconds(10));
  EXPECT_EQ(cluster.Metric(2, "quorate_replica_fenced{group=\"1\"}"), 0);
  EXPECT_EQ(cluster.Metric(2, "quorate_replica_fenced{group=\"2\"}"), 0);
}

void ExpectAll(TestCluster& cluster, const std::string& session) {
  for (size_t node = 0; node < cluster.size(); ++node) {
    SCOPED_TRACE(Concat("through node ", node + 1));
    auto client = cluster.ConnectResp(node);
    const auto bulk = [](std::string_view text) {
      return Concat("$", text.size(), "\r\n", text, "\r\n");
    };
    for (int i = 0; i < kKeys; ++i) {
      EXPECT_EQ(cluster.Command(*client, {"GET", Key(i)}),
                i == 3 ? "$-1\r\n" : bulk(Value(i)));
    }
    EXPECT_EQ(cluster.Command(*client, {"GET", "lost"}), bulk(kLost));
    EXPECT_EQ(cluster.Command(*client, {"PEXPIRETIME", kExpiring}),
              Concat(":", kExpiresAt, "\r\n"));
    EXPECT_EQ(cluster.Command(*client, {"DBSIZE"}),
              Concat(":", kKeys + 2, "\r\n"));
    // The store remembers the result of the first try.
    EXPECT_EQ(cluster.Command(*client, {"QUORATE.DO", session, "1", "1", "INCR",
                                        "counter"}),
              ":1\r\n");
  }
}

TEST(StoredCluster, OfThisProgram_IsRead) {
  TestCluster cluster({.nodes = 3, .groups = 2, .adjust = Small});
  ASSERT_TRUE(cluster.AwaitLeaders());
  std::string session;
  ASSERT_NO_FATAL_FAILURE(Fill(cluster, &session));
  for (size_t n = 0; n < 3; ++n) {
    cluster.Crash(n, sim::CrashKind::kMachine);
    // A snapshot and entries behind it are stored.
    const std::string text = TextOf(cluster.world(), cluster.machine(n));
    EXPECT_TRUE((text.find("file snap-") != std::string::npos)) << n;
    EXPECT_TRUE((text.find("file log-") != std::string::npos)) << n;
    if (write_name.empty()) continue;
    const std::string path = Concat(std::getenv("BUILD_WORKSPACE_DIRECTORY"),
                                    "/", PathOf(write_name, n));
    std::filesystem::create_directories(
        std::filesystem::path(path).parent_path());
    ASSERT_FALSE(std::filesystem::exists(path)) << "never replace one";
    std::ofstream(path) << "session " << session << "\n" << text;
  }
  for (size_t n = 0; n < 3; ++n) cluster.Restart(n);
  ASSERT_TRUE(cluster.AwaitLeaders());
  ExpectAll(cluster, session);
}

class StoredClusters : public ::testing::TestWithParam<const char*> {};

TEST_P(StoredClusters, OfAnEarlierProgram_AreRead) {
  TestCluster cluster({.nodes = 3, .groups = 2, .adjust = Small});
  for (size_t n = 0; n < 3; ++n) cluster.Crash(n);
  std::string session;
  for (size_t n = 0; n < 3; ++n) {
    std::ifstream file(PathOf(GetParam(), n));
    std::string line;
    ASSERT_TRUE(std::getline(file, line)) << PathOf(GetParam(), n);
    ASSERT_TRUE(line.starts_with("session "));
    session = line.substr(8);
    std::ostringstream text;
    text << file.rdbuf();
    ASSERT_NO_FATAL_FAILURE(
        PutDirectory(cluster.world(), cluster.machine(n), text.str()));
  }
  for (size_t n = 0; n < 3; ++n) {
    Config config = cluster.config(n);
    config.bootstrap = false;
    const absl::Status status = cluster.RestartWith(n, config);
    ASSERT_TRUE(status.ok()) << status;
  }
  ASSERT_TRUE(cluster.AwaitLeaders());
  ExpectAll(cluster, session);
  // It goes on, and starts again.
  auto client = cluster.ConnectResp(0);
  EXPECT_EQ(cluster.Command(*client, {"SET", Key(3), "again"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*client, {"DEL", Key(3)}), ":1\r\n");
  for (size_t n = 0; n < 3; ++n) cluster.Crash(n, sim::CrashKind::kMachine);
  for (size_t n = 0; n < 3; ++n) cluster.Restart(n);
  ASSERT_TRUE(cluster.AwaitLeaders());
  ExpectAll(cluster, session);
}

INSTANTIATE_TEST_SUITE_P(All, StoredClusters, ::testing::ValuesIn(kClusters));

}  // namespace
}  // namespace quorate::node

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc == 3 && std::string_view(argv[1]) == "--write") {
    quorate::node::write_name = argv[2];
    ::testing::GTEST_FLAG(filter) = "StoredCluster.*";
  }
  return RUN_ALL_TESTS();
}
