// Clients of a server of lines in a simulated world.
#include "raft/service/line_server.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/check.h"
#include "gtest/gtest.h"
#include "sim/world/world.h"

namespace quorate::raft {
namespace {

constexpr char kAddress[] = "n1:7000";

// Sends bytes, and keeps what comes back.
class Client final : public env::Connection::Observer {
 public:
  Client(env::Env& env, std::string sent, bool reads)
      : sent_(std::move(sent)), reads_(reads) {
    connecting_ = env.streams.Connect(kAddress, [this](auto connection) {
      CHECK(connection.ok());
      connection_ = *std::move(connection);
      connection_->SetObserver(this);
      connection_->Write(Buffer::Copy(sent_));
      if (!reads_) connection_->PauseReads();
    });
  }
  void Read() { connection_->ResumeReads(); }
  bool closed() const { return closed_; }
  const std::string& received() const { return received_; }

 private:
  void OnBytes(std::string_view bytes) override { received_.append(bytes); }
  void OnEnd() override { closed_ = true; }
  void OnClosed(absl::Status) override { closed_ = true; }
  void OnDrained() override {}

  const std::string sent_;
  const bool reads_;
  bool closed_ = false;
  std::string received_;
  env::Pending connecting_;
  std::unique_ptr<env::Connection> connection_;
};

class LineServerTest : public testing::Test {
 protected:
  // Starts the server. It answers a line with the line and as many bytes, at
  // once or when Answer is called.
  void Serve(size_t answer_bytes, bool at_once = true) {
    world_.Start(world_.AddMachine({.name = "n1"}), [=, this](env::Env& env) {
      auto server = std::make_shared<LineServer>(
          [=, this](const std::string& line, LineServer::Reply reply) {
            ++handled_;
            auto answer = [=, reply = std::move(reply)]() mutable {
              reply(line + std::string(answer_bytes, '.'));
            };
            if (at_once) {
              answer();
            } else {
              waiting_.push_back(std::move(answer));
            }
          });
      CHECK(server->Listen(env, kAddress).ok());
      return server;
    });
    world_.RunFor(Milliseconds(1));
  }
  Client* Connect(const std::string& sent, bool reads = true) {
    Client* client = nullptr;
    world_.Start(world_.AddMachine({.client = true}), [&](env::Env& env) {
      auto made = std::make_shared<Client>(env, sent, reads);
      client = made.get();
      return made;
    });
    world_.RunFor(Seconds(1));
    return client;
  }

  sim::World world_{{.seed = 1}};
  size_t handled_ = 0;
  std::vector<absl::AnyInvocable<void()>> waiting_;
};

TEST_F(LineServerTest, RequestsOfAClient_AreAnsweredInTheirOrder) {
  Serve(1, /*at_once=*/false);
  const Client* const client = Connect("a\nb\nc");
  ASSERT_EQ(waiting_.size(), 1u);
  std::exchange(waiting_, {})[0]();
  world_.RunFor(Seconds(1));
  ASSERT_EQ(waiting_.size(), 1u);
  std::exchange(waiting_, {})[0]();
  world_.RunFor(Seconds(1));
  EXPECT_EQ(client->received(), "a.\nb.\n");
  EXPECT_EQ(handled_, 2u) << "the third line is not complete";
}

TEST_F(LineServerTest, ManyShortLinesAtOnce_TakeNoDeepStack) {
  constexpr size_t kLines = 200'000;
  Serve(0);
  const Client* const client = Connect(std::string(kLines, '\n'));
  world_.RunFor(Seconds(60));
  EXPECT_EQ(client->received().size(), kLines);
}

TEST_F(LineServerTest, ClientThatTakesNoReplies_IsNotServedOn) {
  constexpr size_t kLines = 50'000;
  std::string lines;
  for (size_t i = 0; i < kLines; ++i) lines += "x\n";
  Serve(1'000);
  Client* const client = Connect(lines, /*reads=*/false);
  EXPECT_LT(handled_, kLines / 2);
  client->Read();
  world_.RunFor(Seconds(60));
  EXPECT_EQ(handled_, kLines);
  EXPECT_EQ(client->received().size(), kLines * 1'002);
}

TEST_F(LineServerTest, LongLine_ClosesItsClient) {
  Serve(0);
  EXPECT_TRUE(Connect(std::string(16'385, 'x') + "\nshort\n")->closed());
  EXPECT_EQ(handled_, 0u);
}

TEST_F(LineServerTest, LineWithoutAnEnd_ClosesItsClient) {
  Serve(0);
  EXPECT_TRUE(Connect(std::string(100'000, 'x'))->closed());
  EXPECT_EQ(handled_, 0u);
}

}  // namespace
}  // namespace quorate::raft
