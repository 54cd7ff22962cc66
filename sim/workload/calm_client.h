// sim/workload/calm_client.h: a simulated client that asks every node over each
// of its front doors while no fault is left in the world.
//
// It asks one question at a time, each on a connection of its own. It reads and
// deletes keys that do not exist, over RESP, over HTTP and with the store's
// client library. Each answer has a bound, and every error is a violation. Only
// this client uses keys with kCalmKeyPrefix.
#ifndef QUORATE_SIM_WORKLOAD_CALM_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_CALM_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "kv/client/client.h"
#include "sim/protocol/dialogue.h"

namespace quorate::sim {

struct CalmClientOptions {
  // A node that must serve.
  struct Node {
    std::string resp;  // Its address for plain clients.
    std::string http;
    bool writes = true;  // False: its writes are refused with READONLY.
  };
  std::vector<Node> nodes;
  // Addresses for the client library. Empty: it is not asked.
  std::vector<std::string> library_seeds;
  std::vector<std::string> keys;  // One for each group; not empty.
  Duration bound;                 // From a connect to the answer.
  Duration length;                // The questions are spread over this time.
  // The HTTP address of a node that is asked for long pages, which the client
  // does not read. Empty: none.
  std::string unread;
  // Called with the time that each answer took.
  std::function<void(Duration)> answered = [](Duration) {};
};

class CalmClient final : Dialogue {
 public:
  using Violate = absl::AnyInvocable<void(std::string what)>;

  // Begins at once.
  CalmClient(env::Env& env, CalmClientOptions options, Violate violate);

  // One of the keys that only this client uses.
  static std::string KeyOf(uint64_t number);

  bool done() const { return next_ == questions_.size() && !open_; }
  // The open question, for people. Empty: none.
  std::string Describe() const;

 private:
  enum class Door { kResp, kHttp, kLibrary };
  struct Question {
    Door door = Door::kResp;
    std::string address;             // Empty for the library.
    std::vector<std::string> words;  // The command, or the HTTP method and key.
    std::string expected;            // The right answer, in words.
  };

  // Asks, and reads nothing.
  class LateReader final : Dialogue {
   public:
    LateReader(env::Env& env, const std::string& http);

   private:
    void OnOpen() override { connection()->PauseReads(); }
  };

  void AddQuestions();
  void Ask();
  void AskLibrary(const Question& question);
  void OnReply(ClientReply reply) override;
  void OnAnswer(const HttpAnswer& answer) override;
  void OnOver(const absl::Status& why) override;
  // The open question has this answer, or what happened instead.
  void Answer(const std::string& answer);
  void AskLater();

  env::Env& env_;
  const CalmClientOptions options_;
  Violate violate_;
  std::vector<Question> questions_;
  size_t next_ = 0;    // Place of the question that follows the open one.
  bool open_ = false;  // questions_[next_ - 1] has no answer yet.
  MonoTime asked_;
  std::unique_ptr<kv::Client> library_;
  std::unique_ptr<LateReader> late_reader_;
  env::Pending timer_;
  env::Pending closing_;  // At the end of the turn.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_CALM_CLIENT_H_
