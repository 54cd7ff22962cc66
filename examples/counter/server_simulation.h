// examples/counter/server_simulation.h: what the simulator needs to test the
// counter's server as a whole: how it starts, what clients ask, and the model.
#ifndef QUORATE_EXAMPLES_COUNTER_SERVER_SIMULATION_H_
#define QUORATE_EXAMPLES_COUNTER_SERVER_SIMULATION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/parse_integer.h"
#include "examples/counter/model.h"
#include "examples/counter/server.h"
#include "sim/harness/server_subject.h"

namespace quorate::examples {

// T is CounterServer, or one with a mistake.
template <typename T>
class CounterServerTest final : public sim::ServerTest {
 public:
  Server Start(env::Env& env, const Node& node, Done started,
               Done stopped) override {
    auto server = std::make_shared<T>(env, node.host, node.client_address,
                                      std::move(stopped));
    server->Start(std::move(started));
    return {.program = server,
            .host = &server->host(),
            .members = &server->members()};
  }

  // The numbers are so large that hardly two are equal.
  Request Draw(uint32_t, const Random& random, lincheck::History&) override {
    if (random.Chance({1, 3}, "example.sums", 0, 0)) {
      return {.bytes = "sum\n",
              .operation = {.function = CounterModel::kSum},
              .repeatable = true};
    }
    const auto delta = static_cast<int64_t>(
        1 + random.Below(uint64_t{1} << 40, "example.delta", 0, 0));
    return {.bytes = absl::StrCat("add ", delta, "\n"),
            .operation = {.function = CounterModel::kAdd,
                          .argument = lincheck::Value::Integer(delta)},
            .entry = absl::StrCat(delta)};
  }

  std::optional<Reply> ReadReply(const Request&, std::string_view bytes,
                                 lincheck::History& values) override {
    if (!bytes.ends_with('\n')) return std::nullopt;
    bytes.remove_suffix(1);
    if (bytes.starts_with("not executed: ")) {
      return Reply{.outcome = Outcome::kNotExecuted};
    }
    if (bytes.starts_with("unknown: ")) return Reply{};
    int64_t sum = 0;
    if (bytes.starts_with("ok ") && ParseInteger(bytes.substr(3), &sum)) {
      return Reply{Outcome::kDone, lincheck::Value::Integer(sum)};
    }
    // The model refuses it.
    return Reply{Outcome::kDone, values.String(bytes)};
  }

  const lincheck::Model& model() const override { return model_; }

 private:
  const lincheck::ModelOf<CounterModel> model_;
};

template <typename T = CounterServer>
std::unique_ptr<sim::Subject> SimulatedCounterServer(sim::World& world) {
  return std::make_unique<sim::ServerSubject>(
      &world, std::make_unique<CounterServerTest<T>>(),
      sim::ServerSubjectOptions{.members = {3, 4}});
}

}  // namespace quorate::examples

#endif  // QUORATE_EXAMPLES_COUNTER_SERVER_SIMULATION_H_
