#include "node/testing/test_cluster.h"

#include <memory>
#include <optional>
#include <utility>

#include "env/check.h"
#include "env/parse_integer.h"
#include "node/base/text.h"
#include "sim/harness/program_env.h"

namespace quorate::node {
namespace {

Config MakeConfig(const TestCluster::Options& options, uint32_t id) {
  Config config;
  config.cluster = ClusterId(42);
  config.node = NodeId(id);
  config.data_dir = "unused";
  config.bootstrap = true;
  config.listen.allow_non_loopback = true;
  config.listen.admin = Concat("n", id, ":8101");
  const uint32_t count = options.nodes + options.read_only_nodes;
  for (uint32_t n = 1; n <= count; ++n) {
    config.nodes.push_back({.id = NodeId(n),
                            .resp = Concat("n", n, ":7001"),
                            .http = Concat("n", n, ":8001"),
                            .peer = Concat("n", n, ":9001"),
                            .read_only = n > options.nodes});
  }
  if (options.adjust != nullptr) options.adjust(config);
  const absl::Status status =
      CompleteConfig(&config, {options.groups, options.replicas});
  CHECK(status.ok()) << Message(status);
  return config;
}

// A server with its environment.
struct Program {
  Program(env::Env& machine, const std::optional<raft::TransportOptions>& peers,
          size_t node, const Config& config)
      : env(machine, peers, machine.random.Fork("test.peer_streams", node)),
        server(MakeServer(env.env(), config)) {}

  sim::ProgramEnv env;
  const std::unique_ptr<Server> server;
};

}  // namespace

TestClient::TestClient(sim::World& world, env::Env& env,
                       const std::string& address)
    : world_(world), env_(env) {
  connecting_ = env_.streams.Connect(
      address,
      [this](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
        if (!connection.ok()) {
          closed_ = true;
          return;
        }
        connection_ = *std::move(connection);
        connection_->SetObserver(this);
      });
  world_.RunUntilTrue([this] { return connection_ != nullptr || closed_; },
                      Seconds(1));
}

void TestClient::Send(std::string_view bytes) {
  CHECK(connection_ != nullptr);
  connection_->Write(Buffer::Copy(bytes));
}

void TestClient::End() { connection_->End(); }

TestCluster::TestCluster(const Options& options)
    : peer_streams_(options.peer_streams),
      world_({.seed = options.seed,
              .streams = {.buffer_bytes = options.stream_buffer_bytes}}) {
  const uint32_t count = options.nodes + options.read_only_nodes;
  servers_.resize(count);
  starts_.resize(count);
  for (uint32_t n = 0; n < count; ++n) {
    configs_.push_back(MakeConfig(options, n + 1));
    machines_.push_back(world_.AddMachine({.name = Concat("n", n + 1)}));
  }
  clients_ = world_.AddMachine({.name = "clients", .client = true});
  world_.Start(clients_, nullptr);
  for (size_t n = 0; n < count; ++n) Start(n);
  world_.SetStepHook([this](sim::MachineId machine) {
    for (size_t n = 0; n < machines_.size(); ++n) {
      if (machines_[n] == machine && servers_[n] != nullptr) {
        servers_[n]->CheckInvariants();
      }
    }
  });
}

TestCluster::~TestCluster() = default;

void TestCluster::Start(size_t node) {
  world_.Start(machines_[node], [this, node](env::Env& env) {
    auto program = std::make_shared<Program>(
        env,
        peer_streams_ ? std::optional(raft::TransportOptions()) : std::nullopt,
        node, configs_[node]);
    Server* const server = program->server.get();
    servers_[node] = server;
    starts_[node] = absl::UnknownError("not started yet");
    server->Start([this, node](absl::Status status) {
      CHECK(status.ok() || starts_may_fail_) << Message(status);
      // Clients may send requests in this turn.
      if (status.ok()) (void)servers_[node]->MetricsText();
      starts_[node] = std::move(status);
    });
    return program;
  });
}

void TestCluster::Crash(size_t node, sim::CrashKind kind) {
  servers_[node] = nullptr;
  world_.Crash(machines_[node], kind);
}

void TestCluster::Restart(size_t node) { world_.Restart(machines_[node]); }

void TestCluster::RestartDamaged(size_t node) {
  Restart(node);
  CHECK(world_.RunUntilTrue([&] { return starts_[node].ok(); }, Seconds(10)));
  world_.StallDisk(machines_[node], world_.now() + Seconds(3'600));
  world_.RunFor(Seconds(5));
}

absl::Status TestCluster::RestartWith(size_t node, const Config& config) {
  starts_may_fail_ = true;
  if (servers_[node] != nullptr) Crash(node);
  configs_[node] = config;
  starts_[node] = absl::UnknownError("not started yet");
  Restart(node);
  CHECK(world_.RunUntilTrue([&] { return !absl::IsUnknown(starts_[node]); },
                            Seconds(10)));
  return starts_[node];
}

TestCluster::Files TestCluster::FilesOf(size_t node) const {
  Files files;
  for (const std::string& name : world_.DiskFiles(machines_[node])) {
    files.emplace_back(name, world_.ReadDiskFile(machines_[node], name));
  }
  return files;
}

size_t TestCluster::BeginNew(const Config& config, const Files& files) {
  starts_may_fail_ = true;
  const size_t node = servers_.size();
  configs_.push_back(config);
  servers_.push_back(nullptr);
  starts_.push_back(absl::UnknownError("not started yet"));
  machines_.push_back(world_.AddMachine({.name = Concat("n", node + 1)}));
  for (const auto& [name, bytes] : files) {
    world_.PutDiskFile(machines_[node], name, bytes);
  }
  Start(node);
  return node;
}

absl::Status TestCluster::StartNew(const Config& config, const Files& files) {
  const size_t node = BeginNew(config, files);
  CHECK(world_.RunUntilTrue([&] { return !absl::IsUnknown(starts_[node]); },
                            Seconds(20)));
  return starts_[node];
}

size_t TestCluster::LeaderOf(GroupId group) const {
  for (size_t n = 0; n < servers_.size(); ++n) {
    if (servers_[n] == nullptr) continue;
    const raft::Host& host = std::as_const(*servers_[n]).host();
    const raft::Core* core = host.core(group);
    if (core != nullptr && core->role() == raft::RoleKind::kLeader &&
        core->CanServeReads() && host.group_status(group).ok()) {
      return n;
    }
  }
  return servers_.size();
}

bool TestCluster::AwaitLeaders() {
  return world_.RunUntilTrue(
      [this] {
        for (const ShardConfig& shard : configs_[0].shards) {
          const size_t leader = LeaderOf(shard.group);
          if (leader == size()) return false;
          for (Server* server : servers_) {
            if (server == nullptr) continue;
            if (server->resp_address().empty()) return false;
            const raft::Host& host = std::as_const(*server).host();
            if (host.core(shard.group) != nullptr &&
                host.leader(shard.group) != configs_[leader].node) {
              return false;
            }
          }
        }
        return true;
      },
      Seconds(10));
}

std::unique_ptr<TestClient> TestCluster::ConnectResp(size_t node) {
  return std::make_unique<TestClient>(world_, world_.env(clients_),
                                      configs_[node].listen.resp);
}

std::unique_ptr<TestClient> TestCluster::ConnectRespCluster(size_t node) {
  return std::make_unique<TestClient>(world_, world_.env(clients_),
                                      configs_[node].listen.resp_cluster);
}

std::unique_ptr<TestClient> TestCluster::ConnectHttp(size_t node) {
  return std::make_unique<TestClient>(world_, world_.env(clients_),
                                      configs_[node].listen.http);
}

std::string TestCluster::Call(TestClient& client, std::string_view bytes,
                              size_t replies) {
  client.Send(bytes);
  world_.RunUntilTrue(
      [&] {
        if (client.closed()) return true;
        std::string_view rest = client.received();
        for (size_t i = 0; i < replies; ++i) {
          const size_t size = ReplySize(rest);
          if (size == 0) return false;
          rest.remove_prefix(size);
        }
        return true;
      },
      Seconds(1));
  return client.Take();
}

std::string TestCluster::Command(TestClient& client,
                                 std::vector<std::string_view> words) {
  return Call(client, EncodeRequest(words));
}

std::unique_ptr<TestClient> TestCluster::ConnectAdmin(size_t node) {
  return std::make_unique<TestClient>(world_, clients_env(),
                                      configs_[node].listen.admin);
}

int64_t TestCluster::Metric(size_t node, std::string_view sample) {
  const std::string page = server(node).MetricsText();
  const size_t at = page.find(Concat("\n", sample, " "));
  if (at == std::string::npos) return -1;
  return std::stoll(page.substr(at + sample.size() + 2));
}

std::string TestCluster::CallHttp(TestClient& client, std::string_view bytes) {
  client.Send(bytes);
  world_.RunUntilTrue(
      [&] {
        const std::string& text = client.received();
        const size_t end = text.find("\r\n\r\n");
        if (client.closed()) return true;
        if (end == std::string::npos) return false;
        const size_t at = text.find("Content-Length: ");
        if (at == std::string::npos) return true;
        size_t length = 0;
        const size_t begin = at + 16;
        ParseInteger(std::string_view(text).substr(
                         begin, text.find('\r', begin) - begin),
                     &length);
        return text.size() >= end + 4 + length;
      },
      Seconds(1));
  return client.Take();
}

std::string EncodeRequest(const std::vector<std::string_view>& words) {
  std::string text = Concat("*", words.size(), "\r\n");
  for (const std::string_view word : words) {
    Append(&text, "$", word.size(), "\r\n", word, "\r\n");
  }
  return text;
}

size_t ReplySize(std::string_view bytes) {
  const size_t line = bytes.find("\r\n");
  if (line == std::string_view::npos) return 0;
  int64_t number = 0;
  ParseInteger(bytes.substr(1, line - 1), &number);
  size_t elements = 0;
  switch (bytes[0]) {
    case '$':
    case '=':
      if (number < 0) return line + 2;
      return bytes.size() >= line + 4 + static_cast<size_t>(number)
                 ? line + 4 + static_cast<size_t>(number)
                 : 0;
    case '*':
    case '~':
    case '>':
      elements = number < 0 ? 0 : static_cast<size_t>(number);
      break;
    case '%':
      elements = static_cast<size_t>(number) * 2;
      break;
    default:
      return line + 2;
  }
  size_t size = line + 2;
  for (size_t i = 0; i < elements; ++i) {
    if (size >= bytes.size()) return 0;
    const size_t element = ReplySize(bytes.substr(size));
    if (element == 0) return 0;
    size += element;
  }
  return size;
}

}  // namespace quorate::node
