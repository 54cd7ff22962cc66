// A dialogue with a server of fixed replies.
#include "sim/protocol/dialogue.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sim/testing/parrot.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Duration kTimeout = Seconds(2);
constexpr Duration kPause = Milliseconds(100);

// Asks once in each round, and notes what happens.
class Asker final : Dialogue {
 public:
  Asker(env::Env& env, std::string server, bool http,
        std::vector<std::string>* notes)
      : Dialogue(env), server_(std::move(server)), http_(http), notes_(*notes) {
    BeginAfter(kPause);
  }
  using Dialogue::Stop;

 private:
  void OnBegin() override {
    notes_.push_back("begins");
    SetTimeout(kTimeout);
    Open(server_, http_ ? Protocol::kHttp : Protocol::kResp, "first");
  }
  void OnOpen() override { Send("second"); }
  void OnReply(ClientReply reply) override {
    notes_.push_back(reply.ToString());
    if (reply.text == "last") Close();
  }
  void OnAnswer(const HttpAnswer& answer) override {
    notes_.push_back(absl::StrCat(answer.status, " ", answer.body));
  }
  void OnOver(const absl::Status& why) override {
    notes_.push_back(std::string(why.message()));
    BeginAfter(Seconds(60));
  }

  const std::string server_;
  const bool http_;
  std::vector<std::string>& notes_;
};

struct DialogueRun {
  std::string server = "n1:7001";
  std::string answer;
  bool http = false;
  bool stops = false;  // The client, after a second.
};

// The notes of the first five seconds.
std::vector<std::string> NotesOf(const DialogueRun& run) {
  World world({.seed = 1});
  world.Start(world.AddMachine({.name = "n1"}), [&](env::Env& env) {
    return std::make_shared<Parrot>(
        env, "n1:7001", [&run](std::string_view bytes) {
          return bytes == "firstsecond" ? run.answer : "";
        });
  });
  std::vector<std::string> notes;
  Asker* asker = nullptr;
  world.Start(world.AddMachine({.client = true}), [&](env::Env& env) {
    auto made = std::make_shared<Asker>(env, run.server, run.http, &notes);
    asker = made.get();
    return made;
  });
  world.RunFor(Seconds(1));
  if (run.stops) asker->Stop();
  world.RunFor(run.stops ? Seconds(120) : Seconds(4));
  return notes;
}

TEST(Dialogue, RepliesThenSilence_Timeout) {
  EXPECT_THAT(NotesOf({.answer = "+one\r\n:2\r\n+hal"}),
              ElementsAre("begins", "one", "(integer) 2", "no answer"));
}

TEST(Dialogue, ClosedInAReply_NothingMoreIsRead) {
  EXPECT_THAT(NotesOf({.answer = "+last\r\n+more\r\n"}),
              ElementsAre("begins", "last"));
}

TEST(Dialogue, NoReply_Over) {
  EXPECT_THAT(NotesOf({.answer = "+one\r\nHTTP/1.1 200 OK\r\n"}),
              ElementsAre("begins", "one", "bytes that are no reply"));
}

TEST(Dialogue, HttpAnswers_EachIsReported) {
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
  EXPECT_THAT(
      NotesOf({.answer = answer + answer + answer.substr(0, 39), .http = true}),
      ElementsAre("begins", "200 ab", "200 ab", "no answer"));
}

TEST(Dialogue, NothingListens_Over) {
  EXPECT_THAT(NotesOf({.server = "n1:7002"}),
              ElementsAre("begins", "connect to n1:7002: connection refused"));
}

TEST(Dialogue, Stopped_OverAndNoOtherRound) {
  EXPECT_THAT(NotesOf({.answer = "+one\r\n", .stops = true}),
              ElementsAre("begins", "one", "no answer"));
}

}  // namespace
}  // namespace quorate::sim
