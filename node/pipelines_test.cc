// Pipelines of all kinds of requests, while every site of env::Buggify fires,
// clients read slowly and keys expire. Each request is answered, and nothing
// stays behind in the nodes.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "env/random.h"
#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

constexpr size_t kClients = 8;
constexpr int kPieces = 12;

void LongReadsInPieces(Config& config) {
  config.bounds.output_buffer_bytes = 64 << 10;
  config.bounds.read_piece_keys = 4;
  config.bounds.read_piece_bytes = 4'000;
  config.bounds.turn_work = 500;
}

void FullQueues(Config& config) {
  LongReadsInPieces(config);
  config.limits.output_total_bytes = 100 << 10;
  config.bounds.pipeline = 16;
  config.bounds.held_requests = 40;
  config.bounds.held_bytes = 20 << 10;
  config.bounds.batch_commands = 5;
  config.bounds.entries_in_flight = 3;
  config.bounds.first_window_bytes = 2'000;
  config.bounds.turn_reply_bytes = 10'000;
  config.bounds.turn_total_bytes = 20'000;
  config.bounds.fresh_reply_bytes = 1'000;
}

size_t CountOf(std::string_view part, std::string_view text) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

class PipelinesTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  struct Client {
    std::unique_ptr<TestClient> connection;
    bool http = false;
    size_t http_requests = 0;

    bool answered() const {
      const std::string& all = connection->received();
      return http ? CountOf("HTTP/1.1 ", all) == http_requests
                  : all.ends_with("\r\n+PONG\r\n");
    }
  };

  PipelinesTest()
      : cluster_(
            {.nodes = 3,
             .read_only_nodes = GetParam() % 3 == 0 ? 1u : 0u,
             .groups = 1 + static_cast<uint32_t>(GetParam() % 3),
             .seed = GetParam(),
             .stream_buffer_bytes = GetParam() % 2 == 0 ? 6'000u : 64'000u,
             .adjust = GetParam() % 5 < 2 ? FullQueues : LongReadsInPieces}) {}

  uint64_t Draw(uint64_t bound) {
    return random_.Below(bound, "pipelines", 0, draws_++);
  }

  // One request, or those of a transaction.
  std::string DrawRequests() {
    const std::string key = Concat(Draw(2) == 0 ? "{t}" : "", "k", Draw(6));
    const std::string value(Draw(4) == 0 ? Draw(9'000) : Draw(20), 'v');
    switch (Draw(16)) {
      case 0:
      case 1:
        return EncodeRequest({"SET", key, value, "PX", Concat(1 + Draw(200))});
      case 2:
        return EncodeRequest({"SET", key, value});
      case 3:
        return EncodeRequest({"APPEND", key, value});
      case 4:
        return EncodeRequest({"SET", key, value, "GET"});
      case 5:
        return EncodeRequest({"DEL", "{t}k1", "{t}k2"});
      case 6:
      case 7:
        return EncodeRequest({"MGET", "{t}k0", "{t}k1", "{t}k2", "{t}k3",
                              "{t}k4", "{t}k5", "{t}k1"});
      case 8:
        return EncodeRequest({"MULTI"}) + EncodeRequest({"GET", "{t}k1"}) +
               EncodeRequest({"SET", "{t}k2", value}) + EncodeRequest({"EXEC"});
      case 9:
        return EncodeRequest(
            {"EXISTS", "{t}k0", "{t}k1", "{t}k2", "{t}k3", "{t}k4", "{t}k5"});
      case 10:
        return EncodeRequest({Draw(2) == 0 ? "DBSIZE" : "RANDOMKEY"});
      case 11:
        // Later reads are, or are not, answered from the state of this node.
        return EncodeRequest({Draw(2) == 0 ? "READONLY" : "READWRITE"});
      default:
        return EncodeRequest({"GET", key});
    }
  }

  std::string DrawHttpRequest() {
    const std::string end = Concat("/v1/kv/k", Draw(6), " HTTP/1.1\r\nHost: h");
    const std::string value(Draw(9'000), 'v');
    switch (Draw(4)) {
      case 0:
        return Concat("PUT ", end, "\r\nContent-Length: ", value.size(),
                      "\r\n\r\n", value);
      case 1:
        return Concat("DELETE ", end, "\r\n\r\n");
      default:
        return Concat("GET ", end, "\r\n\r\n");
    }
  }

  Client Connect(size_t number) {
    const size_t node = number % cluster_.size();
    if (number % 4 == 3) {
      return {.connection = cluster_.ConnectHttp(node), .http = true};
    }
    Client client;
    if (number % 4 == 2) {
      client.connection = cluster_.ConnectRespCluster(node);
      client.connection->Send(EncodeRequest({"READONLY"}));
    } else {
      client.connection = cluster_.ConnectResp(node);
    }
    return client;
  }

  void SendSome(Client& client) {
    std::string requests;
    for (uint64_t n = Draw(30); n > 0; --n) {
      requests += client.http ? DrawHttpRequest() : DrawRequests();
      ++client.http_requests;
    }
    client.connection->Send(requests);
    if (Draw(4) == 0) {
      client.connection->PauseReads();
    } else {
      client.connection->ResumeReads();
    }
  }

  bool has_open_work() {
    for (size_t node = 0; node < cluster_.size(); ++node) {
      const Server& server = cluster_.server(node);
      const ResourceUse use = server.resources();
      // Node 4 asks the others for the state of the controller all the time.
      if (cluster_.size() > 3
              ? use.reply_bytes + use.request_bytes + use.waiting_requests +
                        use.entries_in_flight >
                    0
              : server.HasOpenWork()) {
        return true;
      }
    }
    return false;
  }

  Random random_{GetParam()};
  uint64_t draws_ = 0;
  TestCluster cluster_;
};

TEST_P(PipelinesTest, EveryRequest_IsAnsweredAndNothingStaysBehind) {
  ASSERT_TRUE(cluster_.AwaitLeaders());
  std::vector<Client> clients;
  for (size_t i = 0; i < kClients; ++i) clients.push_back(Connect(i));
  cluster_.world().RunFor(Milliseconds(100));
  cluster_.world().buggify_options() = {.active = {1, 1}, .fire = {1, 20}};
  for (int piece = 0; piece < kPieces; ++piece) {
    for (Client& client : clients) SendSome(client);
    cluster_.world().RunFor(Microseconds(static_cast<int64_t>(Draw(4'000))));
  }
  for (Client& client : clients) {
    if (!client.http) client.connection->Send(EncodeRequest({"PING"}));
    client.connection->ResumeReads();
  }
  const auto answered = [](const Client& client) { return client.answered(); };
  EXPECT_TRUE(cluster_.world().RunUntilTrue(
      [&] { return std::ranges::all_of(clients, answered); }, Seconds(30)));
  for (size_t i = 0; i < clients.size(); ++i) {
    EXPECT_TRUE(clients[i].answered()) << "client " << i;
    EXPECT_FALSE(clients[i].connection->closed()) << "client " << i;
  }
  EXPECT_TRUE(cluster_.world().RunUntilTrue([&] { return !has_open_work(); },
                                            Seconds(10)));
}

INSTANTIATE_TEST_SUITE_P(Seeds, PipelinesTest,
                         ::testing::Range<uint64_t>(1, 201));

}  // namespace
}  // namespace quorate::node
