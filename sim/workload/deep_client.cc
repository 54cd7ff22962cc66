#include "sim/workload/deep_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "sim/protocol/key_prefixes.h"

namespace quorate::sim {
namespace {

constexpr Duration kBetweenRounds = Seconds(4);
// A round without a reply for this long is given up.
constexpr Duration kReplyTimeout = Seconds(15);
// In some rounds one read of so many names the key so often.
constexpr uint64_t kReadsPerLongOne = 8;
constexpr uint64_t kKeysOfALongOne = 12;

}  // namespace

DeepClient::DeepClient(env::Env& env, DeepClientOptions options,
                       Violate violate)
    : Dialogue(env),
      env_(env),
      options_(std::move(options)),
      violate_(std::move(violate)) {
  BeginAfter(kBetweenRounds);
}

void DeepClient::BeginLastRound(std::vector<std::string> healthy) {
  healthy_ = std::move(healthy);
  last_ = Last::kWanted;
  if (expected_ == 0) BeginAfter(Duration());
}

std::string DeepClient::Describe() const {
  if (last_ == Last::kDone) return "";
  return absl::StrCat("deep client: ", replies_, " of ", expected_,
                      " replies in round ", round_, "\n");
}

void DeepClient::OnBegin() {
  if (last_ == Last::kDone) return;
  if (last_ == Last::kWanted) last_ = Last::kUnderWay;
  ++round_;
  static constexpr size_t kSizes[] = {300, 1'100, 6'000};
  value_ = absl::StrCat(round_, ":");
  value_.resize(kSizes[Draw("deep.size", 3)], 'x');
  const std::vector<std::string>& servers =
      healthy_.empty() ? options_.servers : healthy_;
  Connect(servers[Draw("deep.server", servers.size())]);
}

void DeepClient::Connect(const std::string& server) {
  server_ = server;
  replies_ = 0;
  refused_ = false;
  expected_ = 1;
  SetTimeout(kReplyTimeout);
  Open(server, Protocol::kResp);
}

void DeepClient::OnOpen() {
  static constexpr uint64_t kReads[] = {20, 300, 800};
  const uint64_t reads =
      std::min(kReads[Draw("deep.reads", 3)], options_.reads_max);
  const std::string key = absl::StrCat(std::string(kDeepKeyPrefix), round_ % 4);
  std::string requests = EncodeCommand({"SET", key, value_});
  const std::string read = EncodeCommand({"GET", key});
  std::vector<std::string> keys(1 + kKeysOfALongOne, key);
  keys[0] = "MGET";
  const std::string long_read =
      Draw("deep.long_reads", 4) == 0 ? EncodeCommand(keys) : read;
  for (uint64_t i = 0; i < reads; ++i) {
    requests += i % kReadsPerLongOne == 0 ? long_read : read;
  }
  expected_ = reads + 1;
  Send(std::move(requests));
  const bool last = last_ == Last::kUnderWay;
  if (Draw("deep.reads_late", 3) == 0) {
    connection()->PauseReads();
    late_ = env_.loop.At(
        env_.loop.ReadClock().mono +
            Milliseconds(static_cast<int64_t>(Draw("deep.late_ms", 3'000))),
        [this] { connection()->ResumeReads(); });
  }
  if (!last && Draw("deep.half_closes", 6) == 0) connection()->End();
  if (!last && Draw("deep.goes_away", 6) == 0) {
    late_ = env_.loop.At(
        env_.loop.ReadClock().mono +
            Milliseconds(static_cast<int64_t>(Draw("deep.gone_ms", 200))),
        [this] { EndRound(); });
  }
}

void DeepClient::OnBytes(std::string_view bytes) {
  const uint64_t before = replies_;
  Dialogue::OnBytes(bytes);
  if (connection() != nullptr && replies_ > before) SetTimeout(kReplyTimeout);
}

void DeepClient::OnReply(ClientReply reply) {
  ++replies_;
  if (reply.error_code() == "MOVED") {
    const std::vector<std::string> words = absl::StrSplit(reply.text, ' ');
    return Connect(words.back());
  }
  if (replies_ == 1) {
    // After a failed write there is no value to read.
    if (reply.is_error()) {
      // The node's memory stays full until the end of the run.
      const bool no_memory = reply.error_code() == "OOM";
      if (no_memory) options_.on_no_memory();
      if (no_memory && last_ == Last::kUnderWay) last_ = Last::kDone;
      return EndRound();
    }
  } else if (reply.is_error()) {
    refused_ = true;
  } else if (reply.type == ClientReply::Type::kArray) {
    if (reply.elements.size() != kKeysOfALongOne) {
      violate_(absl::StrCat("deep client: reply ", replies_, " of round ",
                            round_, " has ", reply.elements.size(),
                            " elements instead of ", kKeysOfALongOne));
    }
    for (const ClientReply& element : reply.elements) CheckValue(element);
  } else {
    CheckValue(reply);
  }
  if (replies_ < expected_) return;
  env_.tracer.Sometimes("client.deep_pipeline_answered");
  if (last_ == Last::kUnderWay && !refused_) last_ = Last::kDone;
  EndRound();
}

void DeepClient::OnOver(const absl::Status& why) {
  if (absl::IsInvalidArgument(why)) {
    violate_(absl::StrCat("deep client: ", std::string(why.message())));
  }
  if (absl::IsDeadlineExceeded(why) && last_ == Last::kUnderWay &&
      replies_ > 0 &&
      std::count(healthy_.begin(), healthy_.end(), server_) > 0) {
    violate_(absl::StrCat("deep client: ", server_, " stopped after ", replies_,
                          " of ", expected_, " replies"));
  }
  EndRound();
}

void DeepClient::CheckValue(const ClientReply& reply) {
  if (reply.text == value_) return;
  violate_(absl::StrCat("deep client: reply ", replies_, " of round ", round_,
                        " holds ", reply.text.size(), " bytes beginning \"",
                        reply.text.substr(0, 20), "\", not the value written"));
}

void DeepClient::EndRound() {
  late_.Cancel();
  expected_ = 0;
  // The last round runs again.
  if (last_ == Last::kUnderWay) last_ = Last::kWanted;
  BeginAfter(last_ == Last::kNotYet ? kBetweenRounds : Milliseconds(200));
}

}  // namespace quorate::sim
