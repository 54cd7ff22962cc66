#include "bench/resp_load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::bench {
namespace {

// A RESP server of one map with a thread for each connection. `spoil` may
// change a reply before it is sent.
class Server {
 public:
  using Spoil = std::string (*)(std::string reply);

  explicit Server(Spoil spoil) : spoil_(spoil) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    listen(listener_, 64);
    acceptor_ = std::thread([this] { Accept(); });
  }
  ~Server() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
    close(listener_);
  }

  uint16_t port() const { return port_; }
  size_t keys() {
    std::lock_guard lock(mutex_);
    return map_.size();
  }

 private:
  void Accept() {
    for (int fd; (fd = accept(listener_, nullptr, nullptr)) >= 0;) {
      threads_.emplace_back([this, fd] { Serve(fd); });
    }
  }

  void Serve(int fd) {
    std::string in;
    char bytes[4096];
    for (ssize_t n; (n = recv(fd, bytes, sizeof(bytes), 0)) > 0;) {
      in.append(bytes, static_cast<size_t>(n));
      std::string out;
      while (std::optional<std::vector<std::string>> request = Cut(&in)) {
        out += spoil_(Answer(*request));
      }
      if (send(fd, out.data(), out.size(), MSG_NOSIGNAL) < 0) break;
    }
    close(fd);
  }

  // Removes the first complete request from `in` and returns it.
  static std::optional<std::vector<std::string>> Cut(std::string* in) {
    size_t at = 0;
    const auto number = [&]() -> std::optional<size_t> {
      const size_t end = in->find("\r\n", at);
      if (end == std::string::npos) return std::nullopt;
      const size_t value = std::stoul(in->substr(at + 1, end - at - 1));
      at = end + 2;
      return value;
    };
    const std::optional<size_t> count = number();
    if (!count.has_value()) return std::nullopt;
    std::vector<std::string> arguments;
    for (size_t i = 0; i < *count; ++i) {
      const std::optional<size_t> size = number();
      if (!size.has_value() || in->size() < at + *size + 2) return std::nullopt;
      arguments.push_back(in->substr(at, *size));
      at += *size + 2;
    }
    in->erase(0, at);
    return arguments;
  }

  std::string Answer(const std::vector<std::string>& request) {
    std::lock_guard lock(mutex_);
    if (request[0] == "SET") {
      map_[request[1]] = request[2];
      return "+OK\r\n";
    }
    const auto found = map_.find(request[1]);
    if (found == map_.end()) return "$-1\r\n";
    return "$" + std::to_string(found->second.size()) + "\r\n" + found->second +
           "\r\n";
  }

  const Spoil spoil_;
  int listener_;
  uint16_t port_;
  std::thread acceptor_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::map<std::string, std::string> map_;
};

std::string AsItIs(std::string reply) { return reply; }

Workload Small(Workload::Op op) {
  return {.op = op,
          .value_bytes = 100,
          .connections = 3,
          .pipeline = 4,
          .measure_ns = 50'000'000,
          .keys = 20};
}

TEST(RespLoadTest, Fill_ThenGet_ReadsWhatWasWritten) {
  Server server(AsItIs);
  Workload fill = Small(Workload::Op::kSet);
  fill.fill = true;
  absl::StatusOr<Measurement> filled = RunRespLoad(server.port(), fill);
  ASSERT_TRUE(filled.ok()) << filled.status();
  EXPECT_EQ(filled->replies, 20u);
  EXPECT_EQ(server.keys(), 20u);
  absl::StatusOr<Measurement> got =
      RunRespLoad(server.port(), Small(Workload::Op::kGet));
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_GT(got->latency_ns.count(), 0u);
  EXPECT_GE(got->replies, got->latency_ns.count());
  EXPECT_EQ(got->errors, 0u) << got->first_error;
}

TEST(RespLoadTest, WholeSeconds_HaveAPercentileEach) {
  Server server(AsItIs);
  Workload load = Small(Workload::Op::kSet);
  load.measure_ns = 2'500'000'000;
  absl::StatusOr<Measurement> set = RunRespLoad(server.port(), load);
  ASSERT_TRUE(set.ok()) << set.status();
  ASSERT_EQ(set->p99_of_seconds_ns.size(), 2u);
  EXPECT_GT(set->p99_of_seconds_ns[0], 0u);
  EXPECT_LE(set->p99_of_seconds_ns[1], set->latency_ns.Percentile(10'000));
}

TEST(RespLoadTest, MissingAndErrorReplies_AreCountedAndNamed) {
  Server server(
      [](std::string) -> std::string { return "-CLUSTERDOWN no leader\r\n"; });
  absl::StatusOr<Measurement> set =
      RunRespLoad(server.port(), Small(Workload::Op::kSet));
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_GT(set->errors, 0u);
  EXPECT_EQ(set->replies, 0u);
  EXPECT_EQ(set->first_error, "-CLUSTERDOWN no leader");
}

uint16_t moved_to = 0;

TEST(RespLoadTest, Moved_ReconnectsToTheNamedPort) {
  Server there(AsItIs);
  moved_to = there.port();
  Server here([](std::string) -> std::string {
    return "-MOVED 1 127.0.0.1:" + std::to_string(moved_to) + "\r\n";
  });
  Workload fill = Small(Workload::Op::kSet);
  fill.fill = true;
  absl::StatusOr<Measurement> filled = RunRespLoad(here.port(), fill);
  ASSERT_TRUE(filled.ok()) << filled.status();
  EXPECT_EQ(filled->errors, 0u) << filled->first_error;
  EXPECT_EQ(filled->replies, 20u);
  // The first requests of the three connections.
  EXPECT_EQ(filled->moved, 12u);
  EXPECT_EQ(there.keys(), 20u);
}

TEST(RespLoadTest, OneWrongByteInAValue_IsAnError) {
  Server server([](std::string reply) {
    if (reply.size() > 50) reply[reply.size() - 20] ^= 1;
    return reply;
  });
  ASSERT_TRUE(RunRespLoad(server.port(), Small(Workload::Op::kSet)).ok());
  absl::StatusOr<Measurement> got =
      RunRespLoad(server.port(), Small(Workload::Op::kGet));
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->replies, 0u);
  EXPECT_GT(got->errors, 0u);
}

TEST(RespLoadTest, Nonsense_EndsTheLoad) {
  Server server([](std::string) -> std::string { return "hello\r\n"; });
  EXPECT_EQ(
      RunRespLoad(server.port(), Small(Workload::Op::kSet)).status().code(),
      absl::StatusCode::kDataLoss);
}

TEST(RespLoadTest, NoServer_IsUnavailable) {
  EXPECT_EQ(RunRespLoad(1, Small(Workload::Op::kSet)).status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace quorate::bench
