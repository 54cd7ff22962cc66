#include "tests/processes/balanced_clients.h"

#include <unistd.h>

#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/event_loop/clock.h"
#include "net/tools/http_request.h"

namespace quorate::tests {
namespace {

constexpr Duration kAnswersWithin = Seconds(30);
constexpr int kKeys = 8;
constexpr int kDeleted = 3;
constexpr int kRoundsOfAConnection = 20;
// Further errors would only fill the log of a failed test.
constexpr size_t kErrorsMax = 200;

std::string Shown(const kv::RespValue& value) {
  if (value.is_nil()) return "nil";
  if (value.kind == kv::RespValue::Kind::kInteger) {
    return absl::StrCat(value.integer);
  }
  std::string text = value.text;
  for (const kv::RespValue& element : value.elements) {
    absl::StrAppend(&text, " ", Shown(element));
  }
  return text;
}

}  // namespace

class BalancedClients::RespLoad {
 public:
  RespLoad(BalancedClients& all, Client& self, int number, bool lasting)
      : all_(all), self_(self), number_(number), lasting_(lasting) {}

  void Run() {
    int rounds = 0;
    uint64_t connection_round = 0;
    while (!all_.stopping_ && all_.wrong().empty()) {
      if (connection_round != all_.connection_round_ ||
          (!lasting_ && rounds % kRoundsOfAConnection == 0)) {
        connection_round = all_.connection_round_;
        client_.reset();
      }
      if (client_ == nullptr && !Connect()) continue;
      ++rounds;
      if (Round(absl::StrCat("v", rounds))) {
        ++self_.rounds;
      } else {
        ++generation_;
      }
    }
  }

 private:
  bool Connect() {
    node_.clear();
    const MonoTime begun = net::Clock::ReadMono();
    auto client = net::RespClient::Connect(all_.options_.resp, kAnswersWithin);
    if (!client.ok()) {
      all_.Report({number_, begun, "", false, client.status().ToString()});
      usleep(10'000);
      return false;
    }
    client_ = *std::move(client);
    kv::RespValue info;
    if (!Call({"INFO", "server"}, &info)) return false;
    constexpr std::string_view kPort = "\ntcp_port:";
    const size_t begin = info.text.find(kPort) + kPort.size();
    node_ = info.text.substr(begin, info.text.find('\r', begin) - begin);
    const std::lock_guard<std::mutex> lock(all_.mutex_);
    self_.node = node_;
    return true;
  }

  // False: the command has no answer, or an error.
  bool Call(const std::vector<std::string_view>& command,
            kv::RespValue* value) {
    const MonoTime begun = net::Clock::ReadMono();
    auto reply = client_->Call(command);
    if (!reply.ok()) {
      all_.Report({number_, begun, node_, true, reply.status().ToString()});
      client_.reset();
      return false;
    }
    if (reply->is_error()) {
      all_.Report({number_, begun, node_, false, reply->text});
      return false;
    }
    *value = *std::move(reply);
    return true;
  }

  // False: no answer or a wrong one.
  bool Expect(const std::vector<std::string>& command,
              const std::string& expected) {
    kv::RespValue value;
    if (!Call({command.begin(), command.end()}, &value)) return false;
    if (Shown(value) == expected) return true;
    all_.ReportWrong(absl::StrCat(command[0], " ", command[1], "…: expected ",
                                  expected, ", found ", Shown(value)));
    return false;
  }

  // MSET, MGET, DEL of some keys, MGET, SET and GET.
  bool Round(const std::string& value) {
    std::vector<std::string> write = {"MSET"};
    std::vector<std::string> read = {"MGET"};
    std::vector<std::string> remove = {"DEL"};
    std::string all;
    std::string rest;
    for (int i = 0; i < kKeys; ++i) {
      const std::string key =
          absl::StrCat("key-", number_, "-", generation_, "-", i);
      write.insert(write.end(), {key, value});
      read.push_back(key);
      absl::StrAppend(&all, " ", value);
      if (i < kDeleted) remove.push_back(key);
      absl::StrAppend(&rest, " ", i < kDeleted ? "nil" : value);
    }
    return Expect(write, "OK") && Expect(read, all) &&
           Expect(remove, absl::StrCat(kDeleted)) && Expect(read, rest) &&
           Expect({"SET", read[1], value}, "OK") &&
           Expect({"GET", read[1]}, value);
  }

  BalancedClients& all_;
  Client& self_;
  const int number_;
  const bool lasting_;
  int generation_ = 0;
  std::unique_ptr<net::RespClient> client_;
  std::string node_;
};

class BalancedClients::HttpLoad {
 public:
  HttpLoad(BalancedClients& all, Client& self, int number)
      : all_(all), self_(self), number_(number) {}

  void Run() {
    for (int i = 0; !all_.stopping_ && all_.wrong().empty(); ++i) {
      const std::string value = absl::StrCat("v", i);
      const std::string target =
          absl::StrCat("/v1/kv/http-", number_, "-", generation_, "-", i % 20);
      std::string body;
      if (!Send("PUT", target, value, &body) ||
          !Send("GET", target, "", &body)) {
        ++generation_;
        continue;
      }
      if (body != value) {
        all_.ReportWrong(absl::StrCat("GET ", target, ": expected ", value,
                                      ", found ", body));
      }
      ++self_.rounds;
    }
  }

 private:
  bool Send(std::string_view method, const std::string& target,
            const std::string& body, std::string* answer) {
    const MonoTime begun = net::Clock::ReadMono();
    auto sent =
        net::SendHttp(all_.options_.http, method, target, body, kAnswersWithin);
    if (sent.ok() && sent->status == 200) {
      *answer = std::move(sent->body);
      return true;
    }
    all_.Report({number_, begun, "", false,
                 sent.ok() ? absl::StrCat(sent->status, " ", sent->body)
                           : sent.status().ToString()});
    return false;
  }

  BalancedClients& all_;
  Client& self_;
  const int number_;
  int generation_ = 0;
};

BalancedClients::BalancedClients(const BalancedClientsOptions& options)
    : options_(options) {
  const int resp_clients = options.lasting + options.changing;
  for (int i = 0; i < resp_clients + options.http_clients; ++i) {
    clients_.push_back(std::make_unique<Client>());
    Client& client = *clients_.back();
    if (i < resp_clients) {
      threads_.emplace_back([this, &client, i] {
        RespLoad(*this, client, i, i < options_.lasting).Run();
      });
    } else {
      threads_.emplace_back(
          [this, &client, i] { HttpLoad(*this, client, i).Run(); });
    }
  }
}

BalancedClients::~BalancedClients() { Stop(); }

void BalancedClients::Stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool BalancedClients::AwaitRounds(uint64_t rounds) {
  const MonoTime end = net::Clock::ReadMono() + Seconds(60);
  for (const auto& client : clients_) {
    const uint64_t wanted = client->rounds + rounds;
    while (client->rounds < wanted) {
      if (!wrong().empty() || net::Clock::ReadMono() > end) return false;
      usleep(5'000);
    }
  }
  return true;
}

std::map<std::string, int> BalancedClients::ClientsOfNodes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::map<std::string, int> nodes;
  for (const auto& client : clients_) {
    if (!client->node.empty()) ++nodes[client->node];
  }
  return nodes;
}

std::vector<ClientError> BalancedClients::TakeErrors() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(errors_, {});
}

std::string BalancedClients::wrong() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return wrong_;
}

void BalancedClients::Report(ClientError error) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (errors_.size() < kErrorsMax) errors_.push_back(std::move(error));
}

void BalancedClients::ReportWrong(const std::string& text) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (wrong_.empty()) wrong_ = text;
}

}  // namespace quorate::tests
