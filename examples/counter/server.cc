#include "examples/counter/server.h"

#include <algorithm>
#include <utility>

#include "env/parse_integer.h"
#include "examples/counter/counter.h"

namespace quorate::examples {
namespace {

constexpr GroupId kGroup(1);
constexpr size_t kLineBytesMax = 16 << 10;  // A configuration in hex.
constexpr size_t kSessionsMax = 1000;
constexpr std::string_view kAdd = "add ";

std::vector<env::PeerAddress> PeersOf(const CounterServer::Options& options) {
  std::vector<env::PeerAddress> peers = options.nodes;
  std::erase_if(peers, [&](const env::PeerAddress& peer) {
    return peer.node == options.node;
  });
  return peers;
}

raft::HostOptions HostOptionsOf(const CounterServer::Options& options) {
  raft::HostOptions host;
  host.cluster = options.cluster;
  host.node = options.node;
  host.peers = PeersOf(options);
  host.bootstrap = options.bootstrap;
  // Once there is a cluster, the list of nodes says where they are, no more.
  host.accept_plan = [](const raft::BootstrapPlan&) {
    return absl::OkStatus();
  };
  raft::GroupPlan group = {.group = kGroup};
  for (const env::PeerAddress& peer : options.nodes) {
    group.voters.push_back(peer.node);
    if (peer.node == options.node) host.listen_address = peer.address;
  }
  if (options.join) {
    host.join.emplace();
    for (const env::PeerAddress& peer : host.peers) {
      host.join->seeds.push_back(peer.address);
    }
  }
  std::sort(group.voters.begin(), group.voters.end());
  host.plan.groups.push_back(std::move(group));
  return host;
}

// The state machine refuses a command by a result that is no number.
std::string AnswerOf(std::string_view result) {
  int64_t sum = 0;
  return (ParseInteger(result, &sum) ? "ok " : "not executed: ") +
         std::string(result);
}

}  // namespace

// One client. It collects lines, and pauses reads while a request is executed.
class CounterServer::Session final : public env::Connection::Observer {
 public:
  Session(CounterServer& server, uint64_t id,
          std::unique_ptr<env::Connection> connection)
      : server_(server), id_(id), connection_(std::move(connection)) {
    connection_->SetObserver(this);
  }

  void Reply(const std::string& line) {
    connection_->Write(Buffer::Copy(line + "\n"));
    busy_ = false;
    connection_->ResumeReads();
    TakeLines();
  }

 private:
  void OnBytes(std::string_view bytes) override {
    text_.append(bytes);
    TakeLines();
  }
  // Not called while a request is executed, since reads are paused then.
  void OnEnd() override {
    ended_ = true;
    connection_->End();
  }
  void OnClosed(absl::Status) override { server_.sessions_.erase(id_); }
  void OnDrained() override {
    if (ended_) server_.sessions_.erase(id_);
  }

  // Passes the next complete line to the server. The reply to it calls this
  // function again for the next line.
  void TakeLines() {
    if (busy_) return;
    const size_t end = text_.find('\n');
    if (end == std::string::npos) {
      if (text_.size() > kLineBytesMax) server_.sessions_.erase(id_);
      return;
    }
    const std::string line = text_.substr(0, end);
    text_.erase(0, end + 1);
    busy_ = true;
    connection_->PauseReads();
    server_.Handle(id_, line);
  }

  CounterServer& server_;
  const uint64_t id_;
  const std::unique_ptr<env::Connection> connection_;
  std::string text_;
  bool busy_ = false;
  bool ended_ = false;
};

CounterServer::CounterServer(env::Env& env, const Options& options,
                             Done stopped)
    : env_(env),
      client_address_(options.client_address),
      stopped_(std::move(stopped)),
      host_(
          env,
          [&] {
            raft::HostOptions host = HostOptionsOf(options);
            host.admit = [this](const raft::JoinRequest& request) {
              return members_.Admit(request);
            };
            return host;
          }(),
          [](GroupId, const raft::Configuration&) {
            return std::make_unique<Counter>();
          },
          this),
      members_(host_, kGroup, PeersOf(options)) {}

CounterServer::~CounterServer() = default;

void CounterServer::Start(Done started) {
  host_.Start([this,
               started = std::move(started)](absl::Status status) mutable {
    if (!status.ok()) return started(status);
    auto listener = env_.streams.Listen(
        client_address_, [this](std::unique_ptr<env::Connection> connection) {
          if (sessions_.size() >= kSessionsMax) return;
          const uint64_t id = next_session_++;
          sessions_[id] =
              std::make_unique<Session>(*this, id, std::move(connection));
        });
    if (listener.ok()) listener_ = *std::move(listener);
    started(listener.status());
  });
}

void CounterServer::Handle(uint64_t id, std::string_view line) {
  if (line.starts_with(kAdd)) {
    Add(id, line.substr(kAdd.size()));
  } else if (line == "sum") {
    Sum(id);
  } else if (!members_.Handle(line, [this, id](const std::string& reply) {
               Reply(id, reply);
             })) {
    Reply(id, "not executed: requests are 'add N' and 'sum'");
  }
}

void CounterServer::Add(uint64_t id, std::string_view number) {
  int64_t delta = 0;
  // A command that cannot be applied is refused before it is replicated.
  if (!ParseInteger(number, &delta)) {
    return Reply(id, "not executed: a number is expected");
  }
  host_.Propose(kGroup, Buffer::Copy(number),
                [this, id](const raft::ProposeResult& result) {
                  const std::string why(result.status.message());
                  switch (result.outcome) {
                    case Outcome::kDone:
                      return Reply(id, AnswerOf(result.result.view()));
                    case Outcome::kNotExecuted:
                      return Reply(id, "not executed: " + why + LeaderHint());
                    case Outcome::kUnknown:
                      return Reply(id, "unknown: " + why);
                  }
                });
}

void CounterServer::Sum(uint64_t id) {
  host_.Read(kGroup, [this, id](absl::Status status) {
    if (!status.ok()) {
      return Reply(id, "not executed: " + std::string(status.message()));
    }
    const auto* counter =
        static_cast<const Counter*>(host_.state_machine(kGroup));
    Reply(id, "ok " + std::to_string(counter->sum()));
  });
}

void CounterServer::Reply(uint64_t id, const std::string& line) {
  const auto session = sessions_.find(id);
  if (session != sessions_.end()) session->second->Reply(line);
}

std::string CounterServer::LeaderHint() const {
  const NodeId leader = host_.leader(kGroup);
  if (leader == NodeId()) return "";
  return "; node " + std::to_string(leader.value()) + " leads";
}

}  // namespace quorate::examples
