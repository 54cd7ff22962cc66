#include "tests/processes/load.h"

#include <unistd.h>

#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/random.h"
#include "kv/client/resp_reply.h"
#include "lincheck/models/kv.h"
#include "net/event_loop/clock.h"
#include "net/tools/resp_client.h"

namespace quorate::tests {

using kv::RespValue;
using lincheck::Kv;

namespace {

constexpr Duration kReplyWithin = Seconds(5);

// A client's record of one command.
struct Record {
  int64_t invoke = 0;
  int64_t ret = lincheck::kNever;
  int key = 0;
  uint8_t function = Kv::kGet;
  std::string value;  // The value of a SET.
  RespValue reply;
};

int64_t NowNs() { return net::Clock::ReadMono().ns(); }

bool StartsWith(const RespValue& reply, std::string_view prefix) {
  return reply.is_error() && reply.text.starts_with(prefix);
}

// True if the reply says that the command had no effect and never will.
bool NotExecuted(const RespValue& reply) {
  for (const char* code :
       {"MOVED ", "CLUSTERDOWN", "TRYAGAIN", "LOADING", "READONLY"}) {
    if (StartsWith(reply, code)) return true;
  }
  return false;
}

}  // namespace

class Load::Client {
 public:
  Client(Load& load, int number)
      : load_(load),
        number_(number),
        random_(Random(load.options_.seed).Fork("client", number)),
        at_(number % load.options_.addresses.size()) {}

  void Run() {
    while (!load_.stopping_) Step();
  }

  const std::vector<Record>& records() const { return records_; }
  std::string complaint() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return complaint_;
  }

 private:
  uint64_t Draw(uint64_t bound, const char* site) {
    return random_.Below(bound, Site(site), 0, draws_++);
  }

  void Step() {
    Record record;
    record.key = static_cast<int>(Draw(load_.options_.keys, "key"));
    const bool write = Draw(2, "write") == 0;
    std::vector<std::string_view> command;
    const std::string key = KeyName(load_.options_, record.key);
    if (IsCounter(record.key)) {
      record.function = write ? Kv::kIncrement : Kv::kGet;
      command = {write ? "INCR" : "GET", key};
    } else if (write) {
      record.function = Kv::kPut;
      record.value = absl::StrCat("c", number_, "-", ++writes_);
      command = {"SET", key, record.value};
    } else {
      command = {"GET", key};
    }
    record.invoke = NowNs();
    while (!load_.stopping_) {
      if (client_ == nullptr && !Connect()) continue;
      absl::StatusOr<RespValue> reply = client_->Call(command);
      if (!reply.ok()) {
        Elsewhere();
        // A read without an answer adds nothing to the history. It may be sent
        // again.
        if (record.function == Kv::kGet) continue;
        records_.push_back(std::move(record));
        return;
      }
      if (NotExecuted(*reply)) {
        Redirect(*reply);
        continue;
      }
      if (StartsWith(*reply, "UNKNOWN")) {
        if (record.function != Kv::kGet) records_.push_back(std::move(record));
        return;
      }
      if (reply->is_error()) {
        const std::lock_guard<std::mutex> lock(mutex_);
        complaint_ =
            absl::StrCat(std::string(command[0]), " ", key, ": ", reply->text);
        return;
      }
      record.ret = NowNs();
      record.reply = *std::move(reply);
      records_.push_back(std::move(record));
      load_.answered_.fetch_add(1);
      return;
    }
  }

  bool Connect() {
    auto client =
        net::RespClient::Connect(load_.options_.addresses[at_], kReplyWithin);
    if (client.ok()) {
      client_ = *std::move(client);
      return true;
    }
    Elsewhere();
    usleep(5'000);
    return false;
  }

  void Elsewhere() {
    client_.reset();
    at_ = (at_ + 1) % load_.options_.addresses.size();
  }

  void Redirect(const RespValue& reply) {
    client_.reset();
    if (StartsWith(reply, "MOVED ")) {
      const std::string to = reply.text.substr(reply.text.rfind(' ') + 1);
      for (size_t i = 0; i < load_.options_.addresses.size(); ++i) {
        if (load_.options_.addresses[i] == to) {
          at_ = i;
          return;
        }
      }
    }
    Elsewhere();
    usleep(2'000);
  }

  static std::string KeyName(const LoadOptions& options, int key) {
    return absl::StrCat(options.prefix, "key-", key);
  }
  static bool IsCounter(int key) { return key % 4 == 3; }

  friend class Load;

  Load& load_;
  const int number_;
  const Random random_;
  size_t at_;
  uint64_t draws_ = 0;
  uint64_t writes_ = 0;
  std::unique_ptr<net::RespClient> client_;
  std::vector<Record> records_;
  mutable std::mutex mutex_;
  std::string complaint_;  // Guarded by mutex_.
};

Load::Load(const LoadOptions& options) : options_(options) {
  for (int i = 0; i < options_.clients; ++i) {
    clients_.push_back(std::make_unique<Client>(*this, i));
  }
  for (const auto& client : clients_) {
    threads_.emplace_back([&client = *client] { client.Run(); });
  }
}

Load::~Load() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
}

std::string Load::complaint() const {
  for (const auto& client : clients_) {
    const std::string complaint = client->complaint();
    if (!complaint.empty()) return complaint;
  }
  return "";
}

lincheck::History Load::Stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  lincheck::History history;
  for (const auto& client : clients_) {
    for (const Record& record : client->records()) {
      lincheck::Operation op;
      op.invoke = record.invoke;
      op.ret = record.ret;
      op.client = static_cast<uint32_t>(client->number_);
      op.partition = history.Partition(Client::KeyName(options_, record.key));
      op.function = record.function;
      if (record.function == Kv::kPut) {
        op.argument = history.String(record.value);
      } else if (record.function == Kv::kIncrement) {
        op.argument = lincheck::Value::Integer(1);
        if (op.known()) {
          op.result = history.Integer(record.reply.integer);
        }
      } else if (record.reply.is_nil()) {
        op.result = lincheck::Value::Nil();
      } else if (Client::IsCounter(record.key)) {
        op.result = history.Integer(std::stoll(record.reply.text));
      } else {
        op.result = history.String(record.reply.text);
      }
      history.Add(op);
    }
  }
  return history;
}

}  // namespace quorate::tests
