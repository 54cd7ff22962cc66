#include "sim/tools/page/viewed_run.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace quorate::sim {
namespace {

using Kind = Observation::Kind;

// The words of a call without its client, which has a place of its own, and
// without a result that is not there yet.
std::string CallOf(const Observation& call) {
  absl::string_view words = call.words;
  absl::ConsumePrefix(&words, absl::StrCat(call.headline, ": "));
  absl::ConsumeSuffix(&words, " = ?");
  return std::string(words);
}

}  // namespace

ViewedRun::ViewedRun(const RunPageInput& input) : input_(input) {
  for (const Observation& one : observations()) {
    if (one.kind != Kind::kReplica) continue;
    const size_t machine = one.machine.value();
    if (nodes_.size() <= machine) nodes_.resize(machine + 1);
    nodes_[machine] = true;
  }
  FindWindow();
  FindCalls();
  FindShown();
}

void ViewedRun::FindWindow() {
  const size_t size = trace().size();
  const size_t count = std::min(size, kPageEventsMax);
  size_t middle = size;
  if (input_.around_record > 0) {
    middle = std::min<size_t>(size, input_.around_record);
  } else if (input_.around.has_value()) {
    middle = static_cast<size_t>(
        std::lower_bound(trace().begin(), trace().end(), *input_.around,
                         [](const TraceRecord& record, SimTime time) {
                           return record.time < time;
                         }) -
        trace().begin());
  }
  middle_ = std::max<size_t>(middle, 1);
  begin_ = std::min(middle - std::min(middle, count / 2), size - count);
  end_ = begin_ + count;
}

void ViewedRun::FindCalls() {
  std::map<std::string, size_t> open;  // By subject.
  for (const Observation& one : observations()) {
    if (one.kind == Kind::kCall) {
      open[one.subject] = calls_.size();
      calls_.push_back({.client = one.headline,
                        .machine = one.machine,
                        .words = CallOf(one),
                        .begin = one.time,
                        .begin_record = one.after});
    } else if (one.kind == Kind::kAnswer) {
      const auto found = open.find(one.subject);
      if (found == open.end()) continue;
      ViewedCall& call = calls_[found->second];
      call.end = one.time;
      call.end_record = one.after;
      call.outcome = one.headline;
      call.answer = one.words;
      open.erase(found);
    }
  }
}

void ViewedRun::FindShown() {
  std::map<std::pair<uint32_t, std::string>, const Observation*> before;
  for (const Observation& one : observations()) {
    if (one.kind == Kind::kCall || one.kind == Kind::kAnswer) continue;
    if (one.after > end_) break;
    if (one.after > begin_) {
      shown_.push_back(&one);
    } else if (one.kind == Kind::kReplica) {
      before[{one.machine.value(), one.subject}] = &one;
    }
  }
  std::vector<const Observation*> first;
  for (const auto& [subject, one] : before) first.push_back(one);
  shown_.insert(shown_.begin(), first.begin(), first.end());
}

std::string ViewedRun::NameOf(MachineId machine) const {
  if (machine == MachineId()) return "world";
  const size_t at = machine.value() - 1;
  return at < input_.names.size() ? input_.names[at]
                                  : absl::StrCat("m", machine.value());
}

bool ViewedRun::IsNode(MachineId machine) const {
  return machine.value() < nodes_.size() && nodes_[machine.value()];
}

std::string ViewedRun::WordsOf(const TraceRecord& record) const {
  switch (record.kind) {
    case TraceKind::kBoot:
      return "starts";
    case TraceKind::kCrash:
      return absl::StrCat("ends: ", record.detail);
    case TraceKind::kLead:
      return absl::StrCat("leads ", record.detail);
    case TraceKind::kFault: {
      // Faults hit a message on its way; the event has its name alone.
      const TraceRecord* const cause = Find(record.cause);
      const bool of_message = record.detail.starts_with("message_");
      return of_message && cause != nullptr && cause->machine != record.machine
                 ? absl::StrCat(record.detail, ", from ",
                                NameOf(cause->machine))
                 : record.detail;
    }
    default:
      return record.detail;
  }
}

bool IsRepeated(const TraceRecord& record) {
  return record.kind == TraceKind::kFault &&
         (record.detail.ends_with("_crash") || record.detail == "restart");
}

std::string SecondsOf(SimTime time) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.6f s",
                static_cast<double>(time.ns()) / 1e9);
  return text;
}

}  // namespace quorate::sim
