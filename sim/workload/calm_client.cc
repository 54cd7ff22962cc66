#include "sim/workload/calm_client.h"

#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/check.h"
#include "sim/protocol/key_prefixes.h"

namespace quorate::sim {
namespace {

// A question without an answer is given up after this time.
constexpr Duration kGiveUpAfter = Seconds(10);
// More than the buffers of a stream hold.
constexpr int kUnreadPages = 500;

std::string TextOf(const kv::ClientResult& result) {
  using Kind = kv::RespValue::Kind;
  if (result.outcome != Outcome::kDone || !result.status.ok()) {
    return result.status.ToString();
  }
  if (result.reply.kind == Kind::kNil) return "nil";
  if (result.reply.kind == Kind::kInteger) {
    return absl::StrCat(result.reply.integer);
  }
  return "another reply";
}

std::string TextOf(const ClientReply& reply) {
  if (reply.type == ClientReply::Type::kNil) return "nil";
  if (reply.type == ClientReply::Type::kInteger) {
    return absl::StrCat(reply.integer);
  }
  if (reply.type != ClientReply::Type::kArray) return reply.ToString();
  return absl::StrJoin(reply.elements, " ",
                       [](std::string* out, const ClientReply& element) {
                         absl::StrAppend(out, TextOf(element));
                       });
}

}  // namespace

CalmClient::CalmClient(env::Env& env, CalmClientOptions options,
                       Violate violate)
    : Dialogue(env),
      env_(env),
      options_(std::move(options)),
      violate_(std::move(violate)) {
  CHECK(!options_.keys.empty());
  AddQuestions();
  if (!options_.library_seeds.empty()) {
    library_ = std::make_unique<kv::Client>(
        env_.loop, env_.streams, env_.random.Fork("client.library", 0),
        kv::ClientOptions{.seeds = options_.library_seeds, .sessions = false});
  }
  if (!options_.unread.empty()) {
    late_reader_ = std::make_unique<LateReader>(env_, options_.unread);
  }
  AskLater();
}

CalmClient::LateReader::LateReader(env::Env& env, const std::string& http)
    : Dialogue(env) {
  std::string requests;
  for (int i = 0; i < kUnreadPages; ++i) {
    requests += "GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n";
  }
  Open(http, Protocol::kNone, std::move(requests));
}

std::string CalmClient::KeyOf(uint64_t number) {
  return absl::StrCat(std::string(kCalmKeyPrefix), number);
}

void CalmClient::AddQuestions() {
  const auto add = [this](Door door, const std::string& address,
                          std::vector<std::string> words,
                          std::string_view expected) {
    questions_.push_back(
        {door, address, std::move(words), std::string(expected)});
  };
  size_t turn = 0;
  for (const CalmClientOptions::Node& node : options_.nodes) {
    const std::string& key = options_.keys[turn++ % options_.keys.size()];
    add(Door::kResp, node.resp, {"GET", key}, "nil");
    add(Door::kResp, node.resp, {"MGET", key, key}, "nil nil");
    add(Door::kHttp, node.http, {"GET", key}, "404");
    if (!node.writes) continue;
    add(Door::kResp, node.resp, {"DEL", key}, "0");
    add(Door::kHttp, node.http, {"DELETE", key}, "200");
  }
  if (options_.library_seeds.empty()) return;
  for (const std::string& key : options_.keys) {
    add(Door::kLibrary, "", {"GET", key}, "nil");
    add(Door::kLibrary, "", {"DEL", key}, "0");
  }
}

std::string CalmClient::Describe() const {
  if (!open_) return "";
  const Question& question = questions_[next_ - 1];
  return absl::StrCat(
      absl::StrJoin(question.words, " "), " at ",
      question.door == Door::kLibrary ? "the client library" : question.address,
      question.door == Door::kHttp ? " over HTTP" : "");
}

void CalmClient::AskLater() {
  if (next_ == questions_.size()) return;
  const Duration pause =
      options_.length / static_cast<int64_t>(questions_.size());
  timer_ = env_.loop.At(env_.loop.ReadClock().mono + pause, [this] { Ask(); });
}

void CalmClient::Ask() {
  const Question& question = questions_[next_++];
  open_ = true;
  asked_ = env_.loop.ReadClock().mono;
  timer_ = env_.loop.At(asked_ + kGiveUpAfter, [this] { Answer("no answer"); });
  if (question.door == Door::kLibrary) return AskLibrary(question);
  const std::vector<std::string>& words = question.words;
  if (question.door == Door::kResp) {
    return Open(question.address, Protocol::kResp, EncodeCommand(words));
  }
  Open(question.address, Protocol::kHttp,
       EncodeHttp({.method = words[0], .key = words[1]}));
}

void CalmClient::AskLibrary(const Question& question) {
  const auto done = [this, number = next_](const kv::ClientResult& result) {
    if (open_ && number == next_) Answer(TextOf(result));
  };
  if (question.words[0] == "GET") {
    library_->Get(question.words[1], done);
  } else {
    library_->Del(question.words[1], done);
  }
}

void CalmClient::OnReply(ClientReply reply) { Answer(TextOf(reply)); }

void CalmClient::OnAnswer(const HttpAnswer& answer) {
  Answer(absl::StrCat(answer.status));
}

void CalmClient::OnOver(const absl::Status& why) {
  Answer(std::string(why.message()));
}

void CalmClient::Answer(const std::string& answer) {
  if (!open_) return;
  const Duration taken = env_.loop.ReadClock().mono - asked_;
  const std::string what = Describe();
  open_ = false;
  options_.answered(taken);
  if (answer != questions_[next_ - 1].expected) {
    violate_(absl::StrCat("availability: ", what, ": ", answer,
                          ", though no fault was left"));
  } else if (taken > options_.bound) {
    violate_(absl::StrCat("availability: ", what, " took ", taken.ms(),
                          " ms though no fault was left; at most ",
                          options_.bound.ms(), " ms"));
  }
  closing_ = env_.loop.Defer([this] { Close(); });
  AskLater();
}

}  // namespace quorate::sim
