// Simulates AdderServer with its clients:
// server_simulation_main swarm --seeds 1..100
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "adder_model.h"
#include "adder_server.h"
#include "env/parse_integer.h"
#include "sim/harness/server_subject.h"
#include "sim/tools/subject_main.h"

namespace {

using quorate::Outcome;
using quorate::lincheck::History;
using quorate::lincheck::Value;

class AdderServerTest final : public quorate::sim::ServerTest {
 public:
  Server Start(quorate::env::Env& env, const Node& node, Done started,
               Done stopped) override {
    auto server = std::make_shared<AdderServer>(
        env, node.host, node.client_address, std::move(stopped));
    server->Start(std::move(started));
    return {server, &server->host(), &server->members()};
  }

  Request Draw(uint32_t client, const quorate::Random& random,
               History&) override {
    if (random.Below(3, "sums", client, 0) == 0) {
      return {.bytes = "sum\n",
              .operation = {.function = AdderModel::kSum},
              .repeatable = true};
    }
    // The numbers are so large that hardly two are equal.
    const uint64_t number =
        random.Below(uint64_t{1} << 40, "number", client, 0);
    const std::string text = std::to_string(number);
    return {.bytes = "add " + text + "\n",
            .operation = {.function = AdderModel::kAdd,
                          .argument = Value::Integer(number)},
            .entry = text};
  }

  std::optional<Reply> ReadReply(const Request&, std::string_view bytes,
                                 History& values) override {
    if (!bytes.ends_with('\n')) return std::nullopt;
    if (bytes.starts_with("not ")) return Reply{Outcome::kNotExecuted};
    if (bytes.starts_with("unknown")) return Reply{Outcome::kUnknown};
    int64_t sum = 0;
    if (bytes.starts_with("ok ") &&
        quorate::ParseInteger(bytes.substr(3, bytes.size() - 4), &sum)) {
      return Reply{Outcome::kDone, Value::Integer(sum)};
    }
    // The model refuses any other reply.
    return Reply{Outcome::kDone, values.String(bytes)};
  }

  const quorate::lincheck::Model& model() const override { return model_; }

  std::string Check(Moment, absl::Span<const Running> servers) override {
    for (const Running& server : servers) {
      // Null: the node has no replica now.
      const auto* state = server.host->state_machine(quorate::GroupId(1));
      if (state != nullptr && state->Describe().size() > 20) {
        return "sum: it has more than 20 digits";
      }
    }
    return "";
  }

 private:
  const quorate::lincheck::ModelOf<AdderModel> model_;
};

}  // namespace

int main(int argc, char** argv) {
  return quorate::sim::SubjectMain(argc, argv, [](quorate::sim::World& world) {
    return std::make_unique<quorate::sim::ServerSubject>(
        &world, std::make_unique<AdderServerTest>(),
        quorate::sim::ServerSubjectOptions{.members = {3, 4}});
  });
}
