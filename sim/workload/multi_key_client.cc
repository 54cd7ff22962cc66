#include "sim/workload/multi_key_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kv/slots/slot.h"

namespace quorate::sim {
namespace {

using Type = ClientReply::Type;

constexpr ChoiceSite kOperation("workload.multi_key_operation");

constexpr char kEventual[] = "QUORATE.CONSISTENCY EVENTUAL";
constexpr std::string_view kPrefix = "m";  // All keys have it.
constexpr uint64_t kTags = 3;              // Each puts its keys into one slot.
constexpr uint64_t kKeysPerTag = 5;
constexpr Duration kGiveUpAfter = Seconds(10);
constexpr Duration kInterval = Milliseconds(200);
constexpr int64_t kBackoffMaxMs = 500;

// A hash tag with an odd slot. Keys that clients watch are in even ones: a
// removal in their slot would change the result of a transaction.
std::string TagName(uint64_t tag) {
  for (int i = 0;; ++i) {
    std::string name = absl::StrCat("{m", tag, ".", i, "}");
    if (kv::HashSlot(name).value() % 2 == 1) return name;
  }
}

}  // namespace

MultiKeyClient::MultiKeyClient(env::Env& env, const PacedClientOptions& options,
                               Choices* choices, Recorder* recorder,
                               Recorder::Clock clock)
    : PacedClient(env, options, choices, recorder, std::move(clock), kOperation,
                  kInterval),
      checker_(recorder->multi_keys()) {}

std::string MultiKeyClient::Describe() const {
  if (idle()) return "";
  return absl::StrCat("client ", id(), ": ", current_->Words()[0], ", attempt ",
                      current_->attempts, "\n");
}

std::vector<std::string> MultiKeyClient::Operation::Words() const {
  std::vector<std::string> words;
  switch (kind) {
    case Kind::kSet:
      words = {"MSET"};
      for (size_t i = 0; i < keys.size(); ++i) {
        words.push_back(keys[i]);
        words.push_back(absl::StrCat(tokens.at(tags[i]), "/", i));
      }
      return words;
    case Kind::kGet:
      words = {"MGET"};
      break;
    case Kind::kDelete:
      words = {"DEL"};
      break;
    case Kind::kScan:
      return {
          "SCAN",
          cursor,
          "MATCH",
          absl::StrCat(std::string(kPrefix), "*"),
          "COUNT",
          absl::StrCat(1 + random.Below(200, "client.scan_count", 0, attempts))};
  }
  words.insert(words.end(), keys.begin(), keys.end());
  return words;
}

void MultiKeyClient::Begin(uint64_t number, Random random) {
  current_ = Draw(number, random);
  current_->called = clock_();
  current_->deadline = MonoNow() + kGiveUpAfter;
  if (current_->writes()) {
    for (const auto& [tag, token] : current_->tokens) checker_.Invoke(token);
  }
  const std::vector<std::string> words = current_->Words();
  ObserveCall(number, words, absl::StrJoin(words, " "));
  Try();
}

MultiKeyClient::Operation MultiKeyClient::Draw(uint64_t number,
                                               Random random) const {
  Operation operation{.number = number, .random = random};
  const uint64_t action = random.Below(100, "client.action", 0, 0);
  operation.kind = action < 40   ? Kind::kSet
                   : action < 75 ? Kind::kGet
                   : action < 85 ? Kind::kDelete
                                 : Kind::kScan;
  if (operation.kind != Kind::kScan) DrawKeys(&operation);
  return operation;
}

void MultiKeyClient::DrawKeys(Operation* operation) const {
  const Random& random = operation->random;
  const uint64_t tag = random.Below(kTags, "client.tag", 0, 0);
  const bool across = random.Below(2, "client.across", 0, 0) == 0;
  const uint64_t tags =
      across ? 2 + random.Below(kTags - 1, "client.tags", 0, 0) : 1;
  const uint64_t first = random.Below(kKeysPerTag, "client.key", 0, 0);
  const uint64_t count =
      tags * (1 + random.Below(kKeysPerTag, "client.count", 0, 0));
  for (uint64_t i = 0; i < count; ++i) {
    operation->tags.push_back((tag + i % tags) % kTags);
    operation->keys.push_back(absl::StrCat("m",
                                           (first + i / tags) % kKeysPerTag,
                                           TagName(operation->tags.back())));
    std::string& token = operation->tokens[operation->tags.back()];
    token = absl::StrCat("c", id(), ".", operation->number, ".",
                         operation->tags.back());
  }
  if (operation->kind != Kind::kDelete) return;
  for (auto& [of, token] : operation->tokens) {
    // The name of a key that never exists identifies the DEL in the log.
    token = absl::StrCat("m", TagName(of), token);
    operation->keys.push_back(token);
  }
}

void MultiKeyClient::Try() {
  ++current_->attempts;
  if (link_ == nullptr) {
    stale_reads_ = (id() + links_made() + 1) % 2 == 0;
    Connect(stale_reads_ ? kEventual : "");
  }
  BreakLater();
  current_->sent = clock_();
  current_->stale.clear();
  if (stale_reads_ && current_->kind == Kind::kGet) {
    for (const std::string& key : current_->keys) {
      current_->stale.push_back(recorder_->SendStaleRead(
          node(), key, ExpiryCommand::Verb::kGet, std::nullopt));
    }
  }
  link_->Send(current_->number, EncodeCommand(current_->Words()));
}

void MultiKeyClient::TryLater() {
  timeout_.Cancel();
  NextNode();
  const int64_t most_ms = std::min<int64_t>(
      kBackoffMaxMs, int64_t{20} << std::min<uint64_t>(current_->attempts, 10));
  const MonoTime at = MonoNow() + current_->random.Between(
                                      Milliseconds(10), Milliseconds(most_ms),
                                      "client.backoff", 0, current_->attempts);
  if (at < current_->deadline) {
    next_attempt_ = env_.loop.At(at, [this] { Try(); });
    return;
  }
  // Every attempt of a write was refused. A read has no effect.
  Withdraw();
  End(Outcome::kNotExecuted);
}

// It may know the leader.
void MultiKeyClient::TryAnotherNode() {
  link_->Break();
  TryLater();
}

void MultiKeyClient::Withdraw() {
  if (!current_->writes()) return;
  for (const auto& [tag, token] : current_->tokens) checker_.Withdraw(token);
}

void MultiKeyClient::End(Outcome outcome) {
  ObserveEnd(current_->number, outcome, std::move(current_->answer));
  current_.reset();
}

void MultiKeyClient::OnLinkReply(ClientLink::RequestId id, ClientReply reply,
                                 bool* done) {
  *done = true;
  timeout_.Cancel();
  if (!current_.has_value() || current_->number != id) {
    Unexpected(reply);
    return;
  }
  if (recorder_->observed()) current_->answer = reply.ToString();
  if (reply.is_error()) {
    OnError(reply);
  } else {
    OnResult(reply);
  }
}

void MultiKeyClient::OnError(const ClientReply& reply) {
  const std::string_view code = reply.error_code();
  if (code == "CLUSTERDOWN" || code == "TRYAGAIN" || code == "LOADING" ||
      code == "MISCONF" || code == "READONLY" || reply.refuses_connection()) {
    if (code == "READONLY") {
      recorder_->OnReadOnly(id(), node());
    }
    return TryAnotherNode();
  }
  if (code == "OOM") {
    recorder_->OnNoMemory(id());
    // Not executed; earlier attempts were refused too.
    Withdraw();
    return End(Outcome::kNotExecuted);
  }
  if (code == "UNKNOWN") {
    if (!current_->writes()) return TryAnotherNode();
    OnUnknown();
    return End(Outcome::kUnknown);
  }
  Unexpected(reply);
  current_.reset();
}

// The token of a part is in each request with it, and in no other command.
void MultiKeyClient::OnUnknown() {
  Recorder::UnknownAnswer answer{
      .node = node(), .sent = current_->sent, .command = current_->Words()[0]};
  for (const auto& [tag, token] : current_->tokens) {
    answer.parts.push_back({.key = TagName(tag), .text = token});
  }
  recorder_->OnUnknownAnswer(answer);
}

void MultiKeyClient::OnResult(const ClientReply& reply) {
  std::vector<std::string> tokens;
  for (const auto& [tag, token] : current_->tokens) tokens.push_back(token);
  switch (current_->kind) {
    case Kind::kScan:
      return OnScanned(reply);
    case Kind::kSet:
      if (reply.type != Type::kSimple) {
        Unexpected(reply);
      } else {
        checker_.Return(tokens, std::nullopt);
      }
      break;
    case Kind::kDelete:
      if (reply.type != Type::kInteger) {
        Unexpected(reply);
      } else {
        checker_.Return(tokens, reply.integer);
      }
      break;
    case Kind::kGet:
      OnRead(reply);
      break;
  }
  End(Outcome::kDone);
}

void MultiKeyClient::OnRead(const ClientReply& reply) {
  if (reply.elements.size() != current_->keys.size()) return Unexpected(reply);
  std::vector<std::optional<std::string>> values;
  for (size_t i = 0; i < reply.elements.size(); ++i) {
    const ClientReply& element = reply.elements[i];
    if (i < current_->stale.size()) {
      recorder_->StaleRead(current_->stale[i], current_->keys[i], element);
      continue;
    }
    values.emplace_back();
    if (element.type == Type::kBulk) values.back() = element.text;
  }
  if (!current_->stale.empty()) {
    return env_.tracer.Sometimes("client.read_several_keys_that_may_be_stale");
  }
  checker_.OnRead(current_->keys, values, current_->called, clock_());
}

void MultiKeyClient::OnScanned(const ClientReply& reply) {
  if (reply.type != Type::kArray || reply.elements.size() != 2) {
    Unexpected(reply);
    current_.reset();
    return;
  }
  for (const ClientReply& key : reply.elements[1].elements) {
    current_->found.insert(key.text);
  }
  current_->cursor = reply.elements[0].text;
  if (current_->cursor != "0") return Try();
  env_.tracer.Sometimes("client.scan_finished");
  checker_.OnScan(kPrefix, current_->found, current_->called, clock_());
  End(Outcome::kDone);
}

void MultiKeyClient::OnLinkBroken(ClientLink::RequestId id) {
  (void)id;  // One request is under way at a time.
  if (!current_->writes()) return TryLater();
  timeout_.Cancel();
  NextNode();
  End(Outcome::kUnknown);
}

}  // namespace quorate::sim
