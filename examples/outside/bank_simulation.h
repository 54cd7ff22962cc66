// examples/outside/bank_simulation.h: what the simulator needs to test the
// bank: how a server starts, requests, and the failures that it survives.
#ifndef QUORATE_EXAMPLES_OUTSIDE_BANK_SIMULATION_H_
#define QUORATE_EXAMPLES_OUTSIDE_BANK_SIMULATION_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bank_model.h"
#include "bank_server.h"
#include "sim/harness/server_subject.h"

class BankTest final : public quorate::sim::ServerTest {
 public:
  explicit BankTest(quorate::env::Durability durability)
      : durability_(durability) {}

  Server Start(quorate::env::Env& env, const Node& node, Done started,
               Done stopped) override {
    return {.program = std::make_shared<BankServer>(
                env,
                BankOptions{.node = node.id,
                            .address = node.address,
                            .peers = node.peers,
                            .client_address = node.client_address,
                            .durability = durability_},
                std::move(started), std::move(stopped))};
  }

  Request Draw(uint32_t client, const quorate::Random& random,
               quorate::lincheck::History& values) override {
    const uint64_t a =
        random.Below(BankModel::kAccounts, "bank.account", client, 0);
    const uint64_t b =
        (a + 1 +
         random.Below(BankModel::kAccounts - 1, "bank.other", client, 0)) %
        BankModel::kAccounts;
    std::string argument = absl::StrCat(a, " ", b);
    if (random.Below(2, "bank.shows", client, 0) == 0) {
      return {.bytes = absl::StrCat("show ", argument, "\n"),
              .operation = {.function = BankModel::kShow,
                            .argument = values.String(argument)},
              .repeatable = true};
    }
    absl::StrAppend(&argument, " ",
                    1 + random.Below(100, "bank.amount", client, 0));
    return {.bytes = absl::StrCat("move ", argument, "\n"),
            .operation = {.function = BankModel::kMove,
                          .argument = values.String(argument)}};
  }

  std::optional<Reply> ReadReply(const Request&, std::string_view bytes,
                                 quorate::lincheck::History& values) override {
    if (!bytes.ends_with('\n')) return std::nullopt;
    bytes.remove_suffix(1);
    if (bytes.starts_with("not ")) return Reply{quorate::Outcome::kNotExecuted};
    if (bytes.starts_with("unknown")) return Reply{quorate::Outcome::kUnknown};
    return Reply{quorate::Outcome::kDone, values.String(bytes)};
  }

  const quorate::lincheck::Model& model() const override { return model_; }

 private:
  const quorate::env::Durability durability_;
  const quorate::lincheck::ModelOf<BankModel> model_;
};

// Two-phase commit waits for each node that is down. Any disk may fail: its
// node stops, and starts again.
inline std::unique_ptr<quorate::sim::Subject> SimulatedBank(
    quorate::sim::World& world, quorate::env::Durability durability) {
  return std::make_unique<quorate::sim::ServerSubject>(
      &world, std::make_unique<BankTest>(durability),
      quorate::sim::ServerSubjectOptions{
          .budget = {.nodes_down = 0, .disks_failing = 3}});
}

#endif  // QUORATE_EXAMPLES_OUTSIDE_BANK_SIMULATION_H_
