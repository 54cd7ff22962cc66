// The client with deep pipelines against servers that are wrong in one way.
#include "sim/workload/deep_client.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sim/protocol/reply.h"
#include "sim/testing/parrot.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// The words of one request, and how many came before it on the connection.
// Returns the bytes of the reply.
using Serve = std::function<std::string(const std::vector<ClientReply>& words,
                                        uint64_t before)>;

// Keeps the value that was written last.
class Register {
 public:
  std::string Right(const std::vector<ClientReply>& words) {
    if (words[0].text == "SET") {
      value_ = words[2].text;
      return "+OK\r\n";
    }
    const std::string value =
        absl::StrCat("$", value_.size(), "\r\n", value_, "\r\n");
    if (words[0].text == "GET") return value;
    std::string values = absl::StrCat("*", words.size() - 1, "\r\n");
    for (size_t i = 1; i < words.size(); ++i) values += value;
    return values;
  }

 private:
  std::string value_;
};

// The answers to a connection that begins with its first write. Every request
// is an array of bulk strings, which the parser of replies can read.
Parrot::Answer AnswersOf(Serve serve) {
  struct Talk {
    ReplyParser parser;
    uint64_t requests = 0;
  };
  return [serve, talk = std::make_shared<Talk>()](std::string_view bytes) {
    if (bytes.starts_with("*3\r\n$3\r\nSET")) *talk = {};
    talk->parser.Feed(bytes);
    std::string replies;
    ClientReply request;
    while (talk->parser.Next(&request) == ReplyParser::Result::kReply) {
      replies += serve(request.elements, talk->requests++);
    }
    return replies;
  };
}

struct DeepOutcome {
  bool done = false;
  std::vector<std::string> violations;
};

// The end of two minutes, of which the last round has all but ten seconds.
DeepOutcome RunDeep(const Parrot::Answer& answer, uint64_t seed = 1) {
  World world({.seed = seed});
  world.Start(world.AddMachine({.name = "n1"}), [answer](env::Env& env) {
    return std::make_shared<Parrot>(env, "n1:7001", answer);
  });
  DeepClient* client = nullptr;
  world.Start(world.AddMachine({.client = true}), [&](env::Env& env) {
    auto made = std::make_shared<DeepClient>(
        env, DeepClientOptions{.servers = {"n1:7001"}},
        [&](std::string what) { world.Violate(std::move(what)); });
    client = made.get();
    return made;
  });
  world.RunFor(Seconds(10));
  client->BeginLastRound({"n1:7001"});
  world.RunFor(Seconds(110));
  return {client->last_round_done(),
          {world.violations().begin(), world.violations().end()}};
}

DeepOutcome RunWithServer(Serve serve, uint64_t seed = 1) {
  return RunDeep(AnswersOf(std::move(serve)), seed);
}

TEST(DeepClient, RightReplies_Done) {
  auto store = std::make_shared<Register>();
  const DeepOutcome outcome = RunWithServer(
      [store](const auto& words, uint64_t) { return store->Right(words); });
  EXPECT_TRUE(outcome.done);
  EXPECT_THAT(outcome.violations, IsEmpty());
}

TEST(DeepClient, AnotherValue_Found) {
  auto store = std::make_shared<Register>();
  const DeepOutcome outcome =
      RunWithServer([store](const auto& words, uint64_t before) {
        return before == 7 ? "$3\r\nold\r\n" : store->Right(words);
      });
  EXPECT_THAT(outcome.violations,
              Contains(AllOf(StartsWith("deep client: reply 8 of round"),
                             HasSubstr("not the value written"))));
}

// Not every seed has a round with reads of several values.
TEST(DeepClient, OneValueOfSeveralIsMissing_Found) {
  std::vector<std::string> violations;
  for (uint64_t seed = 1; seed <= 8 && violations.empty(); ++seed) {
    auto store = std::make_shared<Register>();
    const Serve serve = [store](std::vector<ClientReply> words, uint64_t) {
      if (words[0].text == "MGET") words.pop_back();
      return store->Right(words);
    };
    violations = RunWithServer(serve, seed).violations;
  }
  EXPECT_THAT(violations, Contains(HasSubstr("has 11 elements instead of 12")));
}

TEST(DeepClient, BytesOfTwoRepliesMixed_Found) {
  auto store = std::make_shared<Register>();
  const DeepOutcome outcome =
      RunWithServer([store](const auto& words, uint64_t before) {
        return before == 9 ? "$2\r\nx$2\r\ny\r\n" : store->Right(words);
      });
  EXPECT_THAT(outcome.violations,
              Contains("deep client: bytes that are no reply"));
}

TEST(DeepClient, RepliesThatStop_Found) {
  auto store = std::make_shared<Register>();
  const DeepOutcome outcome =
      RunWithServer([store](const auto& words, uint64_t before) {
        return before >= 12 ? "" : store->Right(words);
      });
  EXPECT_FALSE(outcome.done);
  EXPECT_THAT(outcome.violations,
              Contains(AllOf(StartsWith("deep client: n1:7001 stopped after"),
                             HasSubstr("12 of"))));
}

// One reply is left out, so the others come too early.
TEST(DeepClient, ReplyThatIsMissing_Found) {
  auto store = std::make_shared<Register>();
  const DeepOutcome outcome =
      RunWithServer([store](const auto& words, uint64_t before) {
        return before == 5 ? "" : store->Right(words);
      });
  EXPECT_FALSE(outcome.done);
  EXPECT_THAT(outcome.violations,
              Contains(StartsWith("deep client: n1:7001 stopped after")));
}

// The rule of liveness reports a last round that never succeeds.
TEST(DeepClient, ReadsThatAreRefused_NeverDone) {
  auto store = std::make_shared<Register>();
  const DeepOutcome outcome =
      RunWithServer([store](const auto& words, uint64_t before) {
        return before == 3 ? "-TRYAGAIN no leader\r\n" : store->Right(words);
      });
  EXPECT_FALSE(outcome.done);
  EXPECT_THAT(outcome.violations, IsEmpty());
}

}  // namespace
}  // namespace quorate::sim
