#include "sim/tools/page/page.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "sim/tools/page/causes.h"
#include "sim/tools/page/page_assets.h"

namespace quorate::sim {
namespace {

using Json = nlohmann::json;

// Text of a script element must not end it.
std::string InScript(const Json& json) {
  return absl::StrReplaceAll(
      json.dump(-1, ' ', false, Json::error_handler_t::replace),
      {{"<", "\\u003c"}, {"\u2028", "\\u2028"}, {"\u2029", "\\u2029"}});
}

Json KindNames() {
  Json names = Json::array();
  for (size_t kind = 0; kind < kTraceKinds; ++kind) {
    names.push_back(std::string(TraceKindName(static_cast<TraceKind>(kind))));
  }
  return names;
}

Json RecordsOf(const ViewedRun& run) {
  Json records = Json::array();
  for (size_t i = run.begin(); i < run.end(); ++i) {
    const TraceRecord& record = run.trace()[i];
    Json json = {record.time.ns(), record.machine.value(),
                 static_cast<int>(record.kind), record.cause,
                 run.WordsOf(record)};
    if (record.kind == TraceKind::kPartitionBegins ||
        record.kind == TraceKind::kPartitionEnds) {
      json.push_back(record.payload);
    }
    records.push_back(std::move(json));
  }
  return records;
}

Json CallsOf(const ViewedRun& run) {
  Json calls = Json::array();
  for (const ViewedCall& call : run.calls()) {
    if (!run.Shows(call)) continue;
    calls.push_back(
        {{"client", call.client},
         {"machine", call.machine.value()},
         {"words", call.words},
         {"begin", call.begin.ns()},
         {"begin_record", call.begin_record},
         {"end", call.end.has_value() ? Json(call.end->ns()) : Json(nullptr)},
         {"end_record", call.end_record},
         {"outcome", call.outcome},
         {"answer", call.answer}});
  }
  return calls;
}

Json ObservationsOf(const ViewedRun& run) {
  Json all = Json::array();
  for (const Observation* const one : run.shown()) {
    all.push_back({one->after, one->machine.value(),
                   static_cast<int>(one->kind), one->subject, one->headline,
                   one->words});
  }
  return all;
}

Json CausesAsJson(const Causes& causes) {
  Json list = Json::array();
  for (const Cause& cause : causes.list) {
    list.push_back({cause.depth, cause.words, cause.record, cause.violates});
  }
  return list;
}

}  // namespace

std::string RunPage(const RunPageInput& input) {
  const Causes causes = CausesOf(ViewedRun(input));
  // Without a wish the page of a long run has the part where its causes end.
  RunPageInput around = input;
  if (!input.around.has_value() && input.around_record == 0) {
    around.around_record = causes.focus;
  }
  const ViewedRun run(around);
  const size_t shown = run.end() - run.begin();
  const Json data = {
      {"title", input.title},      {"violations", input.violations},
      {"names", input.names},      {"kinds", KindNames()},
      {"first", run.begin() + 1},  {"left_out", run.trace().size() - shown},
      {"records", RecordsOf(run)}, {"observations", ObservationsOf(run)},
      {"calls", CallsOf(run)},     {"causes", CausesAsJson(causes)},
      {"focus", causes.focus},     {"around", run.middle()}};
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

}  // namespace quorate::sim
