// examples/outside/adder_server.h: Adder as a server of one node. It uses
// env:: only, so it runs over sockets and disks as well as in the simulator.
//
//   add N   ->  ok SUM
//   sum     ->  ok SUM     linearizable, on every node
//   any     ->  no         not executed: send it again, to any node
//   any     ->  unknown    perhaps executed
#ifndef QUORATE_EXAMPLES_OUTSIDE_ADDER_SERVER_H_
#define QUORATE_EXAMPLES_OUTSIDE_ADDER_SERVER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "adder.h"
#include "env/env.h"
#include "raft/host/host.h"

class AdderServer final : public quorate::raft::HostObserver {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // `host` has one group, 1. `stopped` is called when the disk failed.
  AdderServer(quorate::env::Env& env, quorate::raft::HostOptions host,
              std::string client_address, Done stopped)
      : env_(env),
        client_address_(std::move(client_address)),
        stopped_(std::move(stopped)),
        host_(
            env, std::move(host),
            [](quorate::GroupId, const quorate::raft::Configuration&) {
              return std::make_unique<Adder>();
            },
            this) {}

  void Start(Done started) {
    host_.Start([this, started = std::move(started)](absl::Status s) mutable {
      if (s.ok()) s = Listen();
      started(std::move(s));
    });
  }
  const quorate::raft::Host& host() const { return host_; }

 private:
  static constexpr quorate::GroupId kGroup{1};
  static constexpr size_t kLineBytesMax = 100;

  // A client. It sends one request after the other.
  struct Client final : quorate::env::Connection::Observer {
    void OnBytes(std::string_view bytes) override {
      text.append(bytes);
      if (!text.ends_with('\n')) {
        if (text.size() > kLineBytesMax) server->clients_.erase(id);
        return;
      }
      text.pop_back();
      server->Handle(id, std::exchange(text, ""));
    }
    void OnEnd() override { server->clients_.erase(id); }
    void OnClosed(absl::Status) override { server->clients_.erase(id); }
    void OnDrained() override {}

    AdderServer* server = nullptr;
    uint64_t id = 0;
    std::unique_ptr<quorate::env::Connection> connection;
    std::string text;
  };

  absl::Status Listen() {
    auto listener = env_.streams.Listen(
        client_address_,
        [this](std::unique_ptr<quorate::env::Connection> connection) {
          const uint64_t id = ++last_client_;
          Client& client = clients_[id];
          client.server = this;
          client.id = id;
          client.connection = std::move(connection);
          client.connection->SetObserver(&client);
        });
    if (listener.ok()) listener_ = *std::move(listener);
    return listener.status();
  }

  void Handle(uint64_t id, const std::string& line) {
    if (line == "sum") return Sum(id);
    if (!line.starts_with("add ")) return Reply(id, "no");
    host_.Propose(
        kGroup, quorate::Buffer::Copy(line.substr(4)),
        [this, id](const quorate::raft::ProposeResult& result) {
          if (result.outcome == quorate::Outcome::kDone) {
            return Reply(id, "ok " + std::string(result.result.view()));
          }
          const bool refused = result.outcome == quorate::Outcome::kNotExecuted;
          Reply(id, refused ? "no" : "unknown");
        });
  }

  void Sum(uint64_t id) {
    host_.Read(kGroup, [this, id](const absl::Status& current) {
      if (!current.ok()) return Reply(id, "no");
      const auto* adder =
          static_cast<const Adder*>(host_.state_machine(kGroup));
      Reply(id, "ok " + std::string(adder->Save().view()));
    });
  }

  // The client may be gone.
  void Reply(uint64_t id, const std::string& line) {
    const auto client = clients_.find(id);
    if (client == clients_.end()) return;
    client->second.connection->Write(quorate::Buffer::Copy(line + "\n"));
  }

  void OnStopped(const absl::Status& why) override { stopped_(why); }

  quorate::env::Env& env_;
  const std::string client_address_;
  Done stopped_;
  uint64_t last_client_ = 0;
  std::map<uint64_t, Client> clients_;
  std::unique_ptr<quorate::env::Listener> listener_;
  // Destroyed first: its callbacks use the members above.
  quorate::raft::Host host_;
};

#endif  // QUORATE_EXAMPLES_OUTSIDE_ADDER_SERVER_H_
