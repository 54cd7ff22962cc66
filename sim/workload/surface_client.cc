#include "sim/workload/surface_client.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "sim/protocol/key_prefixes.h"
#include "sim/workload/surface_requests.h"

namespace quorate::sim {
namespace {

constexpr int64_t kBetweenVisitsMaxMs = 2'000;
constexpr Duration kVisitMax = Seconds(5);
constexpr uint64_t kRequestsMax = 12;

}  // namespace

SurfaceClient::SurfaceClient(env::Env& env, std::vector<std::string> resp,
                             std::vector<std::string> http, Violate violate)
    : env_(env),
      resp_(std::move(resp)),
      http_(std::move(http)),
      violate_(std::move(violate)) {
  Leave();
}

void SurfaceClient::Stop() {
  stopped_ = true;
  timer_ = env_.loop.At(env_.loop.ReadClock().mono, [this] { Leave(); });
}

void SurfaceClient::Leave() {
  connecting_.Cancel();
  timer_.Cancel();
  connection_.reset();
  awaited_.clear();
  if (stopped_) return;
  const auto wait = static_cast<int64_t>(
      Draw("surface.wait", static_cast<uint64_t>(kBetweenVisitsMaxMs)));
  timer_ = env_.loop.At(env_.loop.ReadClock().mono + Milliseconds(wait),
                        [this] { Visit(); });
}

void SurfaceClient::Visit() {
  ++visits_;
  speaks_http_ = Draw("surface.http", 4) == 0;
  const std::vector<std::string>& addresses = speaks_http_ ? http_ : resp_;
  timer_ =
      env_.loop.At(env_.loop.ReadClock().mono + kVisitMax, [this] { Leave(); });
  connecting_ = env_.streams.Connect(
      addresses[Draw("surface.address", addresses.size())],
      [this](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
        if (!connection.ok()) return Leave();
        connection_ = *std::move(connection);
        connection_->SetObserver(this);
        replies_ = {};
        answers_ = {};
        speaks_http_ ? AskHttp() : AskResp();
      });
}

std::string SurfaceClient::Fill(std::string_view text, uint64_t which) {
  // In slots of its own: removals count for all keys of a slot.
  const std::string key = absl::StrCat(std::string(kSurfaceKeyPrefix), ":{",
                                       std::string(kSurfaceKeyPrefix),
                                       Draw("surface.key", 4, which), "}");
  return absl::StrReplaceAll(
      std::string(text),
      {{"%k", key},
       {"%n", absl::StrCat(key, ":number")},
       {"%f", absl::StrCat(key, ":decimal")},
       {"%v", std::string(Draw("surface.value", 40, which) + 1, 'v')}});
}

void SurfaceClient::AskResp() {
  std::string bytes;
  const uint64_t scripts = 1 + Draw("surface.scripts", kRequestsMax);
  for (uint64_t i = 0; i < scripts; ++i) {
    const std::string script = Fill(
        kRespScripts[Draw("surface.script", std::size(kRespScripts), i)], i);
    const std::vector<std::string> lines = absl::StrSplit(script, '\n');
    for (const std::string& line : lines) {
      std::string_view request = line;
      const bool error = request.starts_with(kErrorMark);
      if (error) request.remove_prefix(1);
      const bool is_inline = request.starts_with(kInlineMark);
      if (is_inline) request.remove_prefix(1);
      bytes += is_inline
                   ? absl::StrCat(std::string(request), "\r\n")
                   : EncodeCommand(absl::StrSplit(std::string(request), ' '));
      awaited_.push_back({.request = std::string(request), .error = error});
    }
  }
  connection_->Write(Buffer::Copy(bytes));
}

void SurfaceClient::AskHttp() {
  std::string bytes;
  const uint64_t calls = 1 + Draw("surface.calls", kRequestsMax);
  for (uint64_t i = 0; i < calls; ++i) {
    const HttpScript& script =
        kHttpScripts[Draw("surface.call", std::size(kHttpScripts), i)];
    const std::string head = Fill(script.head, i);
    bytes += absl::StrCat(head, "\r\nHost: q\r\n\r\n", Fill(script.body, i));
    awaited_.push_back({.request = head, .status = script.status});
  }
  connection_->Write(Buffer::Copy(bytes));
}

void SurfaceClient::OnBytes(std::string_view bytes) {
  if (speaks_http_) {
    answers_.Feed(bytes);
    HttpAnswer answer;
    HttpAnswerParser::Result result;
    while ((result = answers_.Next(&answer)) ==
           HttpAnswerParser::Result::kAnswer) {
      if (!TakeAnswer(answer)) return;
    }
    if (result == HttpAnswerParser::Result::kMalformed) {
      Fail("bytes that are no HTTP answer");
    }
    return;
  }
  replies_.Feed(bytes);
  ClientReply reply;
  ReplyParser::Result result;
  while ((result = replies_.Next(&reply)) == ReplyParser::Result::kReply) {
    if (!TakeReply(reply)) return;
  }
  if (result == ReplyParser::Result::kMalformed) {
    Fail("bytes that are no reply");
  }
}

bool SurfaceClient::TakeReply(const ClientReply& reply) {
  if (awaited_.empty()) {
    Fail("a reply without a request");
    return false;
  }
  if (awaited_.front().error && !reply.is_error()) {
    Fail(absl::StrCat("no error but ", reply.ToString()));
    return false;
  }
  return Took();
}

bool SurfaceClient::TakeAnswer(const HttpAnswer& answer) {
  if (awaited_.empty()) {
    Fail("an HTTP answer without a request");
    return false;
  }
  const int status = awaited_.front().status;
  if (status != 0 && status != answer.status) {
    Fail(absl::StrCat("status ", answer.status, ", not ", status));
    return false;
  }
  return Took();
}

bool SurfaceClient::Took() {
  ++answered_;
  awaited_.pop_front();
  if (!awaited_.empty()) return true;
  Leave();
  return false;
}

void SurfaceClient::Fail(std::string_view what) {
  violate_(
      absl::StrCat("surface client: ", std::string(what), " for ",
                   awaited_.empty() ? "nothing" : awaited_.front().request));
  Leave();
}

}  // namespace quorate::sim
