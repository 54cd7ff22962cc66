#include "sim/testing/fake_server.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"

namespace quorate::sim {
namespace {

std::string Bulk(std::string_view bytes) {
  return absl::StrCat("$", bytes.size(), "\r\n", std::string(bytes), "\r\n");
}
std::string Integer(int64_t n) { return absl::StrCat(":", n, "\r\n"); }
const char kOk[] = "+OK\r\n";
const char kNil[] = "$-1\r\n";

}  // namespace

class FakeServer::Session final : public env::Connection::Observer {
 public:
  Session(FakeServer* server, std::unique_ptr<env::Connection> connection)
      : server_(server), connection_(std::move(connection)) {
    connection_->SetObserver(this);
  }

  void OnBytes(std::string_view bytes) override {
    parser_.Feed(bytes);
    std::string replies;
    // A request is an array of bulk strings, which the parser of replies can
    // read.
    ClientReply request;
    while (parser_.Next(&request) == ReplyParser::Result::kReply) {
      Words words;
      for (const ClientReply& word : request.elements)
        words.push_back(word.text);
      if (deaf_ || (server_->mistake_ == ServerMistake::kNeverAnswers &&
                    server_->Errs())) {
        deaf_ = true;
        continue;
      }
      replies += Handle(words);
    }
    if (!replies.empty()) connection_->Write(Buffer::Copy(replies));
  }
  void OnEnd() override { Close(); }
  void OnClosed(absl::Status) override { Close(); }
  void OnDrained() override {}

 private:
  std::string Handle(const Words& words) {
    if (words[0] == "MULTI") {
      in_transaction_ = true;
      return kOk;
    }
    if (words[0] == "WATCH") {
      for (size_t i = 1; i < words.size(); ++i) {
        watched_[words[i]] = server_->values_[words[i]];
      }
      return kOk;
    }
    if (words[0] == "EXEC") {
      in_transaction_ = false;
      bool changed = false;
      for (const auto& [key, value] : std::exchange(watched_, {})) {
        changed |= server_->values_[key] != value;
      }
      if (changed) {
        queued_.clear();
        return "*-1\r\n";
      }
      std::string reply = absl::StrCat("*", queued_.size(), "\r\n");
      for (const Words& queued : std::exchange(queued_, {})) {
        reply += server_->Execute(queued);
      }
      return reply;
    }
    if (in_transaction_) {
      queued_.push_back(words);
      return "+QUEUED\r\n";
    }
    return server_->Execute(words);
  }

  void Close() {
    connection_.reset();
    for (auto it = server_->sessions_.begin(); it != server_->sessions_.end();
         ++it) {
      if (it->get() != this) continue;
      server_->ended_.push_back(std::move(*it));
      server_->sessions_.erase(it);
      break;
    }
    FakeServer* const server = server_;
    server->destroy_dropped_ =
        server->env_.loop.Defer([server] { server->ended_.clear(); });
  }

  FakeServer* const server_;
  std::unique_ptr<env::Connection> connection_;
  ReplyParser parser_;
  bool in_transaction_ = false;
  bool deaf_ = false;
  std::vector<Words> queued_;
  std::map<std::string, std::string> watched_;
};

FakeServer::FakeServer(env::Env& env, const std::string& address,
                       ServerMistake mistake)
    : env_(env), mistake_(mistake) {
  auto listener = env_.streams.Listen(
      address, [this](std::unique_ptr<env::Connection> connection) {
        sessions_.push_back(
            std::make_unique<Session>(this, std::move(connection)));
      });
  CHECK(listener.ok()) << listener.status().ToString();
  listener_ = *std::move(listener);
}

FakeServer::~FakeServer() = default;

std::string FakeServer::Execute(const Words& words) {
  if (words[0] == "READONLY" || words[0] == "QUORATE.CONSISTENCY") return kOk;
  if (words[0] == "QUORATE.SESSION") {
    return Bulk(absl::StrCat("s", ++count_));
  }
  if (words[0] == "QUORATE.DO") {
    const std::string id = words[1] + "/" + words[2];
    const auto it = replies_.find(id);
    if (it != replies_.end()) return it->second;
    return replies_[id] = Execute(Words(words.begin() + 4, words.end()));
  }
  std::string& value = values_[words[1]];
  const std::string before = value;
  const bool found = !value.empty();
  std::string reply = ExecuteKnown(words, &value, found);
  if (value == before) {
    if (mistake_ == ServerMistake::kServesStale && words[0] == "GET" &&
        Errs()) {
      const std::string& old = previous_[words[1]];
      return old.empty() ? kNil : Bulk(old);
    }
    return reply;
  }
  if (mistake_ == ServerMistake::kForgetsWrites && Errs()) {
    value = before;
  } else if (mistake_ == ServerMistake::kDoesTwice && Errs()) {
    ExecuteKnown(words, &value, !value.empty());
  } else if (mistake_ == ServerMistake::kDoesWhatItRefuses && Errs()) {
    reply = "-CLUSTERDOWN not really\r\n";
  }
  previous_[words[1]] = before;
  return reply;
}

std::string FakeServer::ExecuteKnown(const Words& words, std::string* value,
                                     bool found) {
  const std::string& command = words[0];
  const std::string before = *value;
  if (command == "GET") return found ? Bulk(*value) : kNil;
  if (command == "DEL" || command == "GETDEL") {
    value->clear();
    if (command == "DEL") return Integer(found);
    return found ? Bulk(before) : kNil;
  }
  if (command == "APPEND") {
    value->append(words[2]);
    return Integer(static_cast<int64_t>(value->size()));
  }
  if (command == "INCRBY") {
    int64_t number = 0;
    int64_t delta = 0;
    CHECK(!found || absl::SimpleAtoi(*value, &number));
    CHECK(absl::SimpleAtoi(words[2], &delta));
    *value = absl::StrCat(number + delta);
    return Integer(number + delta);
  }
  CHECK(command == "SET" || command == "GETSET") << command;
  const std::string option = words.size() > 3 ? words[3] : "";
  if ((option == "NX" && found) || (option == "XX" && !found)) return kNil;
  *value = words[2];
  if (option != "GET" && command == "SET") return kOk;
  return found ? Bulk(before) : kNil;
}

}  // namespace quorate::sim
