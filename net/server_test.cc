// A whole node on real sockets and files. Clients on the same loop request more
// bytes than any buffer holds. The invariants of the client tables are checked
// after every turn.
#include "node/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "net/disk/posix_file.h"
#include "net/real_env.h"
#include "net/testing/testing.h"
#include "node/config/config.h"

namespace quorate::net {
namespace {

class StreamClient final : public env::Connection::Observer {
 public:
  StreamClient(env::Env& env, const std::string& address) {
    connecting_ = env.streams.Connect(address, [this](auto connection) {
      ASSERT_TRUE(connection.ok()) << connection.status();
      connection_ = *std::move(connection);
      connection_->SetObserver(this);
    });
  }
  bool connected() const { return connection_ != nullptr; }
  bool closed() const { return closed_; }
  size_t received_bytes() const { return received_bytes_; }
  // The last bytes received, at most some dozens.
  const std::string& tail() const { return tail_; }
  env::Connection& stream() { return *connection_; }
  void Send(std::string_view bytes) { connection_->Write(Buffer::Copy(bytes)); }

 private:
  void OnBytes(std::string_view bytes) override {
    received_bytes_ += bytes.size();
    tail_.append(
        bytes.substr(bytes.size() - std::min<size_t>(bytes.size(), 64)));
    if (tail_.size() > 64) tail_.erase(0, tail_.size() - 64);
  }
  void OnEnd() override { closed_ = true; }
  void OnClosed(absl::Status) override { closed_ = true; }
  void OnDrained() override {}

  env::Pending connecting_;
  std::unique_ptr<env::Connection> connection_;
  size_t received_bytes_ = 0;
  std::string tail_;
  bool closed_ = false;
};

std::string Request(const std::vector<std::string>& words) {
  std::string text = absl::StrCat("*", words.size(), "\r\n");
  for (const std::string& word : words) {
    absl::StrAppend(&text, "$", word.size(), "\r\n", word, "\r\n");
  }
  return text;
}

std::string Repeat(const std::string& request, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += request;
  return all;
}

size_t BulkBytes(size_t value) {
  return absl::StrCat("$", value, "\r\n").size() + value + 2;
}

class RealServer : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = absl::StrCat(
        testing::TempDir(), "/server_test.",
        testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(directory_);
    auto real = RealEnv::Create({.data_directory = directory_});
    ASSERT_TRUE(real.ok()) << real.status();
    real_ = *std::move(real);
    node::Config config;
    config.cluster = ClusterId(7);
    config.node = NodeId(1);
    config.bootstrap = true;
    config.data_dir = directory_;
    node::NodeConfig row;
    row.id = NodeId(1);
    row.resp = "127.0.0.1:1";
    row.http = "127.0.0.1:2";
    row.peer = "127.0.0.1:3";
    config.nodes = {row};
    config.listen.resp = "127.0.0.1:0";
    config.listen.resp_cluster = "127.0.0.1:0";
    config.listen.http = "127.0.0.1:0";
    config.listen.peer = "127.0.0.1:0";
    config.limits.output_total_bytes = 32 << 20;
    const absl::Status complete = node::CompleteConfig(&config, {});
    ASSERT_TRUE(complete.ok()) << complete;
    server_ = node::MakeServer(real_->env(), config);
    bool started = false;
    server_->Start([&](absl::Status status) {
      ASSERT_TRUE(status.ok()) << status;
      started = true;
    });
    RunUntil([&] { return started; });
  }
  void TearDown() override {
    server_.reset();
    real_.reset();
    std::filesystem::remove_all(directory_);
  }

  void RunUntil(const std::function<bool()>& done) {
    net::RunUntil(real_->loop(), [&] {
      server_->CheckInvariants();
      return done();
    });
  }
  void RunTurns(int turns) {
    for (int i = 0; i < turns; ++i) {
      real_->loop().RunTurn(Milliseconds(2));
      server_->CheckInvariants();
    }
  }
  std::unique_ptr<StreamClient> Connect(const std::string& address) {
    auto client = std::make_unique<StreamClient>(real_->env(), address);
    RunUntil([&] { return client->connected(); });
    return client;
  }
  std::unique_ptr<StreamClient> ConnectResp() {
    return Connect(server_->resp_address());
  }
  void AwaitBytes(StreamClient& client, size_t size) {
    RunUntil(
        [&] { return client.received_bytes() >= size || client.closed(); });
    EXPECT_EQ(client.received_bytes(), size);
  }
  void SetBig(StreamClient& client, size_t bytes) {
    const size_t before = client.received_bytes();
    client.Send(Request({"SET", "big", std::string(bytes, 'x')}));
    AwaitBytes(client, before + 5);
  }

  std::string directory_;
  std::unique_ptr<RealEnv> real_;
  std::unique_ptr<node::Server> server_;
};

TEST_F(RealServer,
       RepliesOfOneTurnBeyondOneMiB_AllArriveAndTheConnectionStays) {
  auto client = ConnectResp();
  SetBig(*client, 1'100);
  size_t expected = client->received_bytes();
  for (int round = 0; round < 3; ++round) {
    client->Send(Repeat(Request({"GET", "big"}), 2'000) + "PING\r\n");
    expected += 2'000 * BulkBytes(1'100) + 7;
    AwaitBytes(*client, expected);
    EXPECT_TRUE(client->tail().ends_with("+PONG\r\n"));
  }
}

TEST_F(RealServer, SixLargeMgets_AreAnsweredAndTheConnectionStays) {
  auto client = ConnectResp();
  SetBig(*client, 400'000);
  std::vector<std::string> mget(101, "big");
  mget[0] = "MGET";
  const size_t expected =
      client->received_bytes() + 6 * (6 + 100 * BulkBytes(400'000));
  client->Send(Repeat(Request(mget), 6));
  AwaitBytes(*client, expected);
  EXPECT_FALSE(client->closed());
}

TEST_F(RealServer, SlowReaders_HoldABoundedSumAndDelayNoOtherClient) {
  auto other = ConnectResp();
  SetBig(*other, 400'000);
  std::vector<std::unique_ptr<StreamClient>> slow;
  for (int i = 0; i < 20; ++i) {
    slow.push_back(ConnectResp());
    slow.back()->stream().PauseReads();
    slow.back()->Send(Repeat(Request({"GET", "big"}), 100));
  }
  RunTurns(200);
  // The kernel takes some megabytes of each reply; the rest waits in the
  // server.
  const std::string metrics = server_->MetricsText();
  const size_t at = metrics.find("\nquorate_output_held_bytes ");
  ASSERT_NE(at, std::string::npos);
  const size_t held = std::stoul(metrics.substr(at + 27));
  EXPECT_GT(held, 0u);
  EXPECT_LT(held, (32u << 20) + 20 * (2u << 20));
  const size_t before = other->received_bytes();
  other->Send(Repeat(Request({"GET", "big"}), 50));
  AwaitBytes(*other, before + 50 * BulkBytes(400'000));
  for (auto& client : slow) client->stream().ResumeReads();
  for (auto& client : slow) AwaitBytes(*client, 100 * BulkBytes(400'000));
}

TEST_F(RealServer, ReaderOfAByteAtATime_GetsEverything) {
  auto writer = ConnectResp();
  SetBig(*writer, 400'000);
  const std::string address = server_->resp_address();
  const OwnedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int small = 64 << 10;
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(
      static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  ASSERT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  const std::string requests = Repeat(Request({"GET", "big"}), 10);
  ASSERT_EQ(send(fd.get(), requests.data(), requests.size(), 0),
            static_cast<ssize_t>(requests.size()));
  const size_t expected = 10 * BulkBytes(400'000);
  size_t got = 0;
  std::string bytes(64 << 10, '\0');
  RunUntil([&] {
    // Read the first bytes one by one, then faster, so that the test ends.
    ssize_t size = 0;
    do {
      size = recv(fd.get(), bytes.data(), got < 300 ? 1 : bytes.size(),
                  MSG_DONTWAIT);
      if (size > 0) got += static_cast<size_t>(size);
    } while (size > 1);
    return got >= expected || size == 0;
  });
  EXPECT_EQ(got, expected);
}

TEST_F(RealServer, PeerThatDisconnectsWhileRepliesWait_ReleasesTheConnection) {
  auto client = ConnectResp();
  SetBig(*client, 400'000);
  {
    auto gone = ConnectResp();
    gone->stream().PauseReads();
    gone->Send(Repeat(Request({"GET", "big"}), 500));
    RunTurns(100);
  }
  RunUntil([&] { return server_->open_connections() == 1; });
}

TEST_F(RealServer, PipelinedHttpReads_AllArrive) {
  auto writer = ConnectResp();
  SetBig(*writer, 400'000);
  auto client = Connect(server_->http_address());
  client->Send(Repeat("GET /v1/kv/big HTTP/1.1\r\nHost: a\r\n\r\n", 300) +
               "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  RunUntil([&] { return client->closed(); });
  EXPECT_GT(client->received_bytes(), 300u * 400'000);
  EXPECT_TRUE(client->tail().ends_with("ok\n"));
}

}  // namespace
}  // namespace quorate::net
