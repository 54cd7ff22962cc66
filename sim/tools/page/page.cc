#include "sim/tools/page/page.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "sim/tools/page/page_assets.h"

namespace quorate::sim {
namespace {

using Json = nlohmann::json;

// The events of the page: from, and behind the last one.
std::pair<size_t, size_t> WindowOf(const RunPageInput& input) {
  const std::vector<TraceRecord>& trace = *input.trace;
  const size_t count = std::min(trace.size(), kPageEventsMax);
  if (!input.around.has_value()) return {trace.size() - count, trace.size()};
  const auto at = std::lower_bound(trace.begin(), trace.end(), *input.around,
                                   [](const TraceRecord& record, SimTime time) {
                                     return record.time < time;
                                   });
  const auto middle = static_cast<size_t>(at - trace.begin());
  const size_t begin =
      std::min(middle - std::min(middle, count / 2), trace.size() - count);
  return {begin, begin + count};
}

// The operations of the history, without its header, events and wrong lines.
std::vector<Json> OperationsOf(const std::string& history) {
  std::vector<Json> operations;
  for (const absl::string_view line :
       absl::StrSplit(history, '\n', absl::SkipEmpty())) {
    Json json = Json::parse(line.begin(), line.end(), nullptr, false);
    if (json.is_object() && json.contains("client") &&
        json.contains("invoke")) {
      operations.push_back(std::move(json));
    }
  }
  return operations;
}

int64_t NsOf(const Json& operation, const char* key, int64_t otherwise) {
  const auto found = operation.find(key);
  return found != operation.end() && found->is_number_integer()
             ? found->get<int64_t>()
             : otherwise;
}

// Text of a script element must not end it.
std::string InScript(const Json& json) {
  return absl::StrReplaceAll(
      json.dump(-1, ' ', false, Json::error_handler_t::replace),
      {{"<", "\\u003c"}, {"\u2028", "\\u2028"}, {"\u2029", "\\u2029"}});
}

std::string SecondsOf(int64_t ns) {
  char text[32];
  std::snprintf(text, sizeof(text), "%11.6f", static_cast<double>(ns) / 1e9);
  return text;
}

std::string NameOf(const RunPageInput& input, MachineId machine) {
  if (machine == MachineId()) return "world";
  const size_t at = machine.value() - 1;
  return at < input.names.size() ? input.names[at]
                                 : absl::StrCat("m", machine.value());
}

// Faults hit a message on its way; the event has its name alone.
std::string WordsOf(const RunPageInput& input, const TraceRecord& record) {
  const std::vector<TraceRecord>& trace = *input.trace;
  switch (record.kind) {
    case TraceKind::kBoot:
      return "starts";
    case TraceKind::kCrash:
      return "ends";
    case TraceKind::kLead:
      return absl::StrCat("leads ", record.detail);
    case TraceKind::kFault: {
      const bool of_message = record.detail.starts_with("message_") &&
                              record.cause > 0 && record.cause <= trace.size();
      const MachineId from =
          of_message ? trace[record.cause - 1].machine : MachineId();
      return absl::StrCat(record.detail,
                          of_message && from != record.machine
                              ? absl::StrCat(", from ", NameOf(input, from))
                              : std::string());
    }
    default:
      return record.detail;
  }
}

char SymbolOf(TraceKind kind) {
  switch (kind) {
    case TraceKind::kBoot:
      return '^';
    case TraceKind::kCrash:
      return 'x';
    case TraceKind::kFault:
    case TraceKind::kPartitionBegins:
    case TraceKind::kPartitionEnds:
      return '!';
    case TraceKind::kLead:
      return '*';
    case TraceKind::kDeed:
      return '#';
    default:
      return ' ';
  }
}

}  // namespace

std::string RunPage(const RunPageInput& input) {
  const std::vector<TraceRecord>& trace = *input.trace;
  const auto [begin, end] = WindowOf(input);
  Json records = Json::array();
  for (size_t i = begin; i < end; ++i) {
    const TraceRecord& record = trace[i];
    records.push_back({record.time.ns(), record.machine.value(),
                       std::string(TraceKindName(record.kind)), record.cause,
                       record.detail});
  }
  const bool any = begin < end;
  Json operations = Json::array();
  for (Json& operation : OperationsOf(input.history)) {
    const bool overlaps =
        any && NsOf(operation, "return", INT64_MAX) >= trace[begin].time.ns() &&
        NsOf(operation, "invoke", 0) <= trace[end - 1].time.ns();
    if (overlaps) operations.push_back(std::move(operation));
  }
  const Json data = {{"title", input.title},
                     {"violations", input.violations},
                     {"names", input.names},
                     {"first", begin + 1},
                     {"left_out", trace.size() - (end - begin)},
                     {"records", std::move(records)},
                     {"operations", std::move(operations)}};
  std::string title;
  for (const char c : input.title) {
    if (c != '<' && c != '&') title += c;
  }
  return absl::StrReplaceAll(
      absl::string_view(kPageHtml.data(), kPageHtml.size()),
      {{"@TITLE@", title},
       {"@CSS@", absl::string_view(kPageCss.data(), kPageCss.size())},
       {"@DATA@", InScript(data)},
       {"@SCRIPT@", absl::string_view(kPageJs.data(), kPageJs.size())}});
}

std::string RunText(const RunPageInput& input) {
  const std::vector<TraceRecord>& trace = *input.trace;
  const auto [begin, end] = WindowOf(input);
  std::vector<std::pair<int64_t, std::string>> lines;
  for (size_t i = begin; i < end; ++i) {
    const TraceRecord& record = trace[i];
    const char symbol = SymbolOf(record.kind);
    if (symbol == ' ') continue;
    lines.emplace_back(
        record.time.ns(),
        absl::StrCat(std::string(1, symbol), " ", NameOf(input, record.machine),
                     "  ", WordsOf(input, record)));
  }
  const int64_t first = begin < end ? trace[begin].time.ns() : 0;
  const int64_t last = begin < end ? trace[end - 1].time.ns() : 0;
  for (const Json& operation : OperationsOf(input.history)) {
    const int64_t call = NsOf(operation, "invoke", 0);
    const int64_t answered = NsOf(operation, "return", -1);
    if (call > last || (answered >= 0 && answered < first)) continue;
    Json shown = operation;
    for (const char* const key : {"invoke", "return", "client", "written"}) {
      shown.erase(key);
    }
    const std::string words =
        shown.dump(-1, ' ', false, Json::error_handler_t::replace);
    const std::string client =
        absl::StrCat("client ", operation["client"].dump(), "  ");
    lines.emplace_back(call, absl::StrCat("> ", client, words));
    if (answered >= 0) {
      lines.emplace_back(answered, absl::StrCat("< ", client, words));
    }
  }
  std::ranges::stable_sort(lines, {}, &std::pair<int64_t, std::string>::first);
  std::string text =
      absl::StrCat(input.title,
                   "\n^ starts  x ends  ! fault  * leads  # deed  > a client "
                   "asks  < its answer\n");
  for (const auto& [ns, line] : lines) {
    absl::StrAppend(&text, SecondsOf(ns), " s  ", line, "\n");
  }
  for (const std::string& violation : input.violations) {
    absl::StrAppend(&text, "violation: ", violation, "\n");
  }
  if (trace.size() > end - begin) {
    absl::StrAppend(&text, trace.size() - (end - begin),
                    " other events are left out; see --around\n");
  }
  return text;
}

}  // namespace quorate::sim
