// examples/outside/adder_server.h: Adder as a server of one node. It uses
// env:: only, so it runs over sockets and disks as well as in the simulator.
//
//   add N   ->  ok SUM
//   sum     ->  ok SUM     linearizable, on every node
//   any     ->  no         not executed: send it again, to any node
//   any     ->  unknown    perhaps executed
//
// Commands about the members of the group: raft/service/members.h.
#ifndef QUORATE_EXAMPLES_OUTSIDE_ADDER_SERVER_H_
#define QUORATE_EXAMPLES_OUTSIDE_ADDER_SERVER_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "adder.h"
#include "env/env.h"
#include "raft/host/host.h"
#include "raft/service/line_server.h"
#include "raft/service/members.h"

class AdderServer final : public quorate::raft::HostObserver {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // `host` has one group, 1. `stopped` is called when the disk failed.
  AdderServer(quorate::env::Env& env, quorate::raft::HostOptions host,
              std::string client_address, Done stopped)
      : env_(env),
        client_address_(std::move(client_address)),
        stopped_(std::move(stopped)),
        clients_([this](const std::string& line, Reply reply) {
          Handle(line, std::move(reply));
        }),
        host_(
            env, WithAdmission(host),
            [](quorate::GroupId, const quorate::raft::Configuration&) {
              return std::make_unique<Adder>();
            },
            this),
        members_(host_, kGroup, host.peers) {}

  void Start(Done started) {
    host_.Start([this, started = std::move(started)](absl::Status s) mutable {
      if (s.ok()) s = clients_.Listen(env_, client_address_);
      started(std::move(s));
    });
  }
  const quorate::raft::Host& host() const { return host_; }
  quorate::raft::Members& members() { return members_; }

 private:
  using Reply = quorate::raft::LineServer::Reply;
  static constexpr quorate::GroupId kGroup{1};

  // New nodes come with HostOptions::join.
  quorate::raft::HostOptions WithAdmission(quorate::raft::HostOptions host) {
    host.admit = [this](const quorate::raft::JoinRequest& request) {
      return members_.Admit(request);
    };
    return host;
  }

  // The state machine refuses a command by a result that is no number.
  static std::string AnswerOf(std::string_view result) {
    uint64_t sum = 0;
    const bool added = quorate::ParseInteger(result, &sum);
    return (added ? "ok " : "not executed: ") + std::string(result);
  }

  void Handle(const std::string& line, Reply reply) {
    if (line == "sum") return Sum(std::move(reply));
    if (line.starts_with("add ")) return Add(line.substr(4), std::move(reply));
    if (!members_.Handle(line, reply)) reply("not executed: no such request");
  }

  void Add(const std::string& number, Reply reply) {
    host_.Propose(kGroup, quorate::Buffer::Copy(number),
                  [reply = std::move(reply)](
                      const quorate::raft::ProposeResult& result) mutable {
                    const std::string why(result.status.message());
                    switch (result.outcome) {
                      case quorate::Outcome::kDone:
                        return reply(AnswerOf(result.result.view()));
                      case quorate::Outcome::kNotExecuted:
                        return reply("not executed: " + why);
                      case quorate::Outcome::kUnknown:
                        return reply("unknown: " + why);
                    }
                  });
  }

  void Sum(Reply reply) {
    host_.Read(kGroup, [this, reply = std::move(reply)](
                           const absl::Status& current) mutable {
      if (!current.ok()) {
        return reply("not executed: " + std::string(current.message()));
      }
      const auto* adder =
          static_cast<const Adder*>(host_.state_machine(kGroup));
      reply("ok " + std::string(adder->Save().view()));
    });
  }

  void OnStopped(const absl::Status& why) override { stopped_(why); }

  quorate::env::Env& env_;
  const std::string client_address_;
  Done stopped_;
  quorate::raft::LineServer clients_;
  // Destroyed before the clients, which its callbacks use.
  quorate::raft::Host host_;
  quorate::raft::Members members_;
};

#endif  // QUORATE_EXAMPLES_OUTSIDE_ADDER_SERVER_H_
