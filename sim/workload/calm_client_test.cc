// The client that asks every node in the calm, against a server with fixed
// replies. It does not ask the client library here.
#include "sim/workload/calm_client.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sim/testing/parrot.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string RightAnswer(std::string_view request) {
  const auto has = [&](std::string_view word) {
    return request.find(word) != std::string_view::npos;
  };
  if (has("HTTP/1.1") && has("DELETE")) {
    return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  }
  if (has("HTTP/1.1")) {
    return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
  }
  if (has("MGET")) return "*2\r\n$-1\r\n$-1\r\n";
  return has("DEL") ? ":0\r\n" : "$-1\r\n";
}

// The violations of one round at a node that answers in this way. An empty
// answer is none.
std::vector<std::string> RunCalm(const Parrot::Answer& answer,
                                 Duration bound = Milliseconds(500)) {
  World world({.seed = 1});
  world.Start(world.AddMachine({.name = "n1"}), [answer](env::Env& env) {
    return std::make_shared<
        std::pair<std::unique_ptr<Parrot>, std::unique_ptr<Parrot>>>(
        std::make_unique<Parrot>(env, "n1:7001", answer),
        std::make_unique<Parrot>(env, "n1:8001", answer));
  });
  CalmClient* client = nullptr;
  world.Start(world.AddMachine({.client = true}), [&](env::Env& env) {
    auto made = std::make_shared<CalmClient>(
        env,
        CalmClientOptions{.nodes = {{.resp = "n1:7001", .http = "n1:8001"}},
                          .keys = {"calm1", "calm2"},
                          .bound = bound,
                          .length = Seconds(3)},
        [&](std::string what) { world.Violate(std::move(what)); });
    client = made.get();
    return made;
  });
  world.RunFor(Seconds(60));
  EXPECT_TRUE(client->done()) << client->Describe();
  return {world.violations().begin(), world.violations().end()};
}

TEST(CalmClient, EveryAnswerRightAndInTime_NoViolation) {
  EXPECT_THAT(RunCalm(RightAnswer), IsEmpty());
}

TEST(CalmClient, HttpUnavailable_Violation) {
  const auto violations = RunCalm([](std::string_view request) {
    if (request.starts_with("GET")) {
      return std::string(
          "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    }
    return RightAnswer(request);
  });
  EXPECT_THAT(violations,
              ElementsAre(HasSubstr("GET calm1 at n1:8001 over HTTP: 503")));
}

TEST(CalmClient, CommandRefused_Violation) {
  const auto violations = RunCalm([](std::string_view request) {
    return request.find("MGET") != std::string_view::npos
               ? "-CLUSTERDOWN no leader\r\n"
               : RightAnswer(request);
  });
  EXPECT_THAT(violations,
              ElementsAre(HasSubstr("MGET calm1 calm1 at n1:7001")));
}

TEST(CalmClient, ValueOfAKeyThatDoesNotExist_Violation) {
  const auto violations = RunCalm([](std::string_view request) {
    const std::string right = RightAnswer(request);
    return right == "$-1\r\n" ? "$1\r\nx\r\n" : right;
  });
  EXPECT_THAT(violations, SizeIs(1));
}

TEST(CalmClient, AnswersTooLate_Violations) {
  EXPECT_THAT(RunCalm(RightAnswer, Duration(1)),
              Contains(HasSubstr("ms though no fault was left; at most")));
}

TEST(CalmClient, NoAnswer_Violation) {
  const auto violations =
      RunCalm([](std::string_view) { return std::string(); });
  EXPECT_THAT(violations,
              Contains(HasSubstr("GET calm1 at n1:7001: no answer")));
}

}  // namespace
}  // namespace quorate::sim
