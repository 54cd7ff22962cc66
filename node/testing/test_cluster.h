// node/testing/test_cluster.h: servers on machines of a simulated world, and
// clients that exchange bytes with them, for tests.
//
// Testonly. Each server's CheckInvariants() runs after each of its turns. The
// servers are those of production, because node/ depends on env/ only.
#ifndef QUORATE_NODE_TESTING_TEST_CLUSTER_H_
#define QUORATE_NODE_TESTING_TEST_CLUSTER_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/env.h"
#include "node/config/config.h"
#include "node/server.h"
#include "sim/world/world.h"

namespace quorate::node {

// One byte stream from the clients' machine to a server.
class TestClient final : public env::Connection::Observer {
 public:
  TestClient(sim::World& world, env::Env& env, const std::string& address);

  void Send(std::string_view bytes);
  // Ends the client's side of the stream.
  void End();
  void Close() { connection_.reset(); }
  void PauseReads() { connection_->PauseReads(); }
  void ResumeReads() { connection_->ResumeReads(); }

  // All bytes received since the last Take.
  const std::string& received() const { return received_; }
  std::string Take() { return std::exchange(received_, {}); }
  bool connected() const { return connection_ != nullptr; }
  bool closed() const { return closed_; }

 private:
  void OnBytes(std::string_view bytes) override { received_ += bytes; }
  void OnEnd() override { closed_ = true; }
  void OnClosed(absl::Status) override { closed_ = true; }
  void OnDrained() override {}

  sim::World& world_;
  env::Env& env_;
  env::Pending connecting_;
  std::unique_ptr<env::Connection> connection_;
  std::string received_;
  bool closed_ = false;
};

class TestCluster {
 public:
  struct Options {
    uint32_t nodes = 1;
    uint32_t read_only_nodes = 0;
    uint32_t groups = 1;
    // Voters of each group; 0: every node that votes.
    uint32_t replicas = 0;
    uint64_t seed = 1;
    // Size of a stream's buffer, which fills if its reader does not read.
    size_t stream_buffer_bytes = 64 << 10;
    // Nodes send to each other over byte streams, as in production. Without
    // them no node joins.
    bool peer_streams = false;
    // Changes each node's configuration before it is completed.
    void (*adjust)(Config&) = nullptr;
  };
  TestCluster() : TestCluster(Options()) {}
  explicit TestCluster(const Options& options);
  ~TestCluster();

  sim::World& world() { return world_; }
  // The environment of the machine on which clients run.
  env::Env& clients_env() { return world_.env(clients_); }
  Server& server(size_t node) { return *servers_[node]; }
  sim::MachineId machine(size_t node) const { return machines_[node]; }
  const Config& config(size_t node) const { return configs_[node]; }
  size_t size() const { return servers_.size(); }

  // Runs until every group has a leader that serves requests. False if that
  // takes over ten seconds.
  bool AwaitLeaders();
  // The position of the node that leads `group`, or size().
  size_t LeaderOf(GroupId group) const;

  // Connects as a plain client, and as a cluster client.
  std::unique_ptr<TestClient> ConnectResp(size_t node);
  std::unique_ptr<TestClient> ConnectRespCluster(size_t node);
  std::unique_ptr<TestClient> ConnectHttp(size_t node);
  std::unique_ptr<TestClient> ConnectAdmin(size_t node);
  // Sends bytes and returns the bytes received in the next second, or until
  // `replies` complete RESP replies have arrived.
  std::string Call(TestClient& client, std::string_view bytes,
                   size_t replies = 1);
  // Calls the server with one RESP request of these words.
  std::string Command(TestClient& client, std::vector<std::string_view> words);
  std::string CallHttp(TestClient& client, std::string_view bytes);
  // The value of a sample of /metrics, "name" or "name{labels}"; -1: there is
  // none.
  int64_t Metric(size_t node, std::string_view sample);

  // Names and contents of the files of a node's disk.
  using Files = std::vector<std::pair<std::string, std::string>>;
  Files FilesOf(size_t node) const;

  void Crash(size_t node, sim::CrashKind kind = sim::CrashKind::kProcess);
  void Restart(size_t node);
  // Starts the node, which is down, and on whose disk a replica is damaged. The
  // disk hangs from then on, so that no new replica replaces it.
  void RestartDamaged(size_t node);
  // Crashes the node if it runs, and starts it with `config`. Returns the
  // status that Start reported.
  absl::Status RestartWith(size_t node, const Config& config);
  // Starts a server on a new machine, which has the next position and the name
  // "n" with it, counted from 1. Its disk has the files. Returns the status
  // that Start reported.
  absl::Status StartNew(const Config& config, const Files& files = {});
  // Like StartNew, and does not wait for the start. Returns the position.
  size_t BeginNew(const Config& config, const Files& files = {});
  // The status that Start reported. kUnknown: it has not reported yet.
  const absl::Status& started(size_t node) const { return starts_[node]; }

 private:
  void Start(size_t node);

  const bool peer_streams_;
  sim::World world_;
  std::vector<Config> configs_;
  std::vector<sim::MachineId> machines_;
  std::vector<Server*> servers_;
  std::vector<absl::Status> starts_;  // kUnknown until Start has reported.
  bool starts_may_fail_ = false;      // Set by RestartWith.
  sim::MachineId clients_;
};

// "*2\r\n$3\r\nGET\r\n…".
std::string EncodeRequest(const std::vector<std::string_view>& words);
// The length of the first complete reply in `bytes`; 0 if there is none.
size_t ReplySize(std::string_view bytes);

}  // namespace quorate::node

#endif  // QUORATE_NODE_TESTING_TEST_CLUSTER_H_
