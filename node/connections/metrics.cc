#include "node/connections/metrics.h"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include "node/base/text.h"

namespace quorate::node {
namespace {

constexpr size_t kErrorCodesMax = 128;

// By the number of bits of a duration in microseconds: the first bucket that
// such a duration may fall into.
constexpr std::array<uint8_t, 64> MakeFirstBucket() {
  std::array<uint8_t, 64> first = {};
  for (size_t bits = 1; bits < first.size(); ++bits) {
    const int64_t least = int64_t{1} << (bits - 1);
    size_t i = first[bits - 1];
    const auto& bounds = LatencyHistogram::kBoundsUs;
    while (i < bounds.size() && least > bounds[i]) ++i;
    first[bits] = static_cast<uint8_t>(i);
  }
  return first;
}
constexpr std::array<uint8_t, 64> kFirstBucket = MakeFirstBucket();

}  // namespace

void LatencyHistogram::Add(Duration duration) {
  const int64_t us = std::max<int64_t>(duration.us(), 0);
  size_t i = kFirstBucket[std::bit_width(static_cast<uint64_t>(us))];
  while (i < kBoundsUs.size() && us > kBoundsUs[i]) ++i;
  ++buckets_[i];
  ++count_;
  sum_ = sum_ + duration;
}

uint64_t LatencyHistogram::CumulativeCount(size_t i) const {
  uint64_t count = 0;
  for (size_t b = 0; b <= i; ++b) count += buckets_[b];
  return count;
}

const Metrics::Command& Metrics::command(CommandId id) const {
  static const Command kNone;
  if (commands_.empty()) return kNone;
  const Command* const command = commands_[static_cast<size_t>(id)].get();
  return command == nullptr ? kNone : *command;
}

void Metrics::OnCommand(CommandId id, Duration duration, bool failed) {
  if (commands_.empty()) commands_.resize(AllCommands().size());
  std::unique_ptr<Command>& place = commands_[static_cast<size_t>(id)];
  if (place == nullptr) place = std::make_unique<Command>();
  Command& command = *place;
  ++command.calls;
  ++total_commands_;
  if (failed) ++command.failed;
  command.duration.Add(duration);
}

void Metrics::OnErrorReply(std::string_view reply) {
  ++total_errors_;
  const std::string_view code =
      reply.substr(1, reply.find_first_of(" \r", 1) - 1);
  const auto found = errors_.find(std::string(code));
  if (found != errors_.end()) {
    ++found->second;
  } else if (errors_.size() < kErrorCodesMax) {
    errors_.emplace(code, 1);
  }
}

void Metrics::OnHttp(std::string_view route, int status, Duration duration) {
  Http& http = http_[std::string(route)];
  ++http.statuses[status];
  http.duration.Add(duration);
}

// Stores point to their totals, and these are no counts of commands.
void Metrics::Reset() {
  std::map<GroupId, kv::StoreTotals> ended = std::move(ended_stores);
  *this = Metrics();
  ended_stores = std::move(ended);
}

std::string FormatSeconds(Duration duration) {
  const int64_t us = duration.us();
  std::string text = Concat(us / 1'000'000);
  int64_t rest = us % 1'000'000;
  if (rest == 0) return text;
  text.push_back('.');
  for (int64_t place = 100'000; rest > 0; place /= 10) {
    text.push_back(static_cast<char>('0' + rest / place));
    rest %= place;
  }
  return text;
}

void MetricsText::Family(std::string_view name, std::string_view type,
                         std::string_view help) {
  name_ = name;
  Append(&text_, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type,
         "\n");
}

void MetricsText::Sample(std::string_view labels, uint64_t value) {
  text_ += name_;
  if (!labels.empty()) Append(&text_, "{", labels, "}");
  Append(&text_, " ", value, "\n");
}

void MetricsText::Seconds(Duration duration) {
  Append(&text_, name_, " ", FormatSeconds(duration), "\n");
}

void MetricsText::Samples(std::string_view labels,
                          const LatencyHistogram& histogram) {
  const std::string_view comma = labels.empty() ? "" : ",";
  for (size_t i = 0; i <= LatencyHistogram::kBoundsUs.size(); ++i) {
    const std::string bound =
        i < LatencyHistogram::kBoundsUs.size()
            ? FormatSeconds(Microseconds(LatencyHistogram::kBoundsUs[i]))
            : "+Inf";
    Append(&text_, name_, "_bucket{", labels, comma, "le=\"", bound, "\"} ",
           histogram.CumulativeCount(i), "\n");
  }
  const std::string braces = labels.empty() ? "" : Concat("{", labels, "}");
  Append(&text_, name_, "_sum", braces, " ", FormatSeconds(histogram.sum()),
         "\n", name_, "_count", braces, " ", histogram.count(), "\n");
}

}  // namespace quorate::node
