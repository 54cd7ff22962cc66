#include "sim/harness/report.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "env/json_string.h"
#include "sim/choices/trace_hash.h"
#include "sim/schedule/schedule_options.h"
#include "sim/state/faults.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

std::string Seconds3(Duration duration) {
  const int64_t ms = duration.ms();
  return absl::StrFormat("%d.%03d", ms / 1000, ms % 1000);
}

uint64_t PerSecond(uint64_t count, Duration duration) {
  const int64_t us = std::max<int64_t>(duration.us(), 1);
  return count * 1'000'000 / static_cast<uint64_t>(us);
}

using Counts = std::map<std::string, uint64_t>;

std::string CountsToText(const Counts& counts) {
  std::string text;
  for (const auto& [name, count] : counts) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", name, " ", count);
  }
  return text.empty() ? "none" : text;
}

// The shape alone: "nodes=5, groups=3".
std::string ShapeToText(const Counts& drawn) {
  constexpr std::string_view kShape = "shape.";
  std::string text;
  for (const auto& [name, count] : drawn) {
    if (count == 0 || !name.starts_with(kShape)) continue;
    absl::StrAppend(&text, text.empty() ? "" : ", ",
                    name.substr(kShape.size()));
  }
  return text.empty() ? "fixed" : text;
}

std::string CountsToJson(const Counts& counts) {
  std::string text = "{";
  for (const auto& [name, count] : counts) {
    absl::StrAppend(&text, text.size() > 1 ? "," : "", JsonString(name), ":",
                    count);
  }
  return text + "}";
}

std::string NamesToJson(const std::vector<std::string>& names) {
  return absl::StrCat(
      "[",
      absl::StrJoin(names, ",",
                    [](std::string* out, const std::string& name) {
                      *out += JsonString(name);
                    }),
      "]");
}

// Lists each field once, so that encoding and decoding cannot differ.
template <typename R, typename Visit>
void ForEachNumber(R& r, Visit&& visit) {
  visit("seed", r.seed);
  visit("events", r.events);
  visit("core_steps", r.core_steps);
  visit("operations", r.operations);
  visit("succeeded", r.succeeded);
  visit("refused", r.refused);
  visit("unknown", r.unknown);
  visit("stale_reads", r.stale_reads);
  visit("leader_changes", r.leader_changes);
  visit("entries", r.entries);
  visit("histories", r.histories);
  visit("decided_by_log_alone", r.decided_by_log_alone);
  visit("digests_compared", r.digests_compared);
  visit("expired", r.expired);
  visit("ordered", r.ordered);
  visit("unused_lines", r.unused_lines);
}
template <typename R, typename Visit>
void ForEachCounts(R& r, Visit&& visit) {
  visit("function", r.functions);
  visit("fault", r.faults);
  visit("mark", r.marks);
  visit("check", r.checks);
  visit("drawn", r.drawn);
  visit("event", r.events_by_kind);
}

// Points of env::Buggify stand among what was drawn.
constexpr char kPoint[] = "point.";

// The story of a run up to its violation, which ended it.
constexpr size_t kStoryLines = 12;

std::vector<std::string> LastOf(const World& world) {
  std::vector<std::string> lines;
  const std::vector<TraceRecord>& story = world.story();
  size_t at = story.size();
  for (; at > 0 && lines.size() < kStoryLines; --at) {
    const TraceRecord& record = story[at - 1];
    const bool of_world = record.machine == MachineId();
    lines.push_back(
        absl::StrCat(Seconds3(Duration(record.time.ns())), " s  ",
                     of_world ? "" : world.name(record.machine) + ": ",
                     std::string(TraceKindName(record.kind)),
                     record.detail.empty() ? "" : " " + record.detail));
  }
  std::reverse(lines.begin(), lines.end());
  return lines;
}

}  // namespace

RunReport ReportOf(const World& world) {
  RunReport report{.seed = world.choices().seed(),
                   .trace_hash = world.trace_hash().ToString(),
                   .virtual_time = Duration(world.now().ns()),
                   .events = world.events(),
                   .unused_lines = world.choices().unused()};
  for (const TraceKind kind : kEventKinds) {
    report.events_by_kind[std::string(TraceKindName(kind))] =
        world.events(kind);
  }
  // Later violations of one turn follow from the first one.
  if (!world.violations().empty()) {
    report.violations = {world.violations().front()};
    report.story = LastOf(world);
  }
  report.faults.insert(world.fault_counts().begin(),
                       world.fault_counts().end());
  report.marks.insert(world.marks().begin(), world.marks().end());
  for (const auto& [name, count] : world.points()) {
    report.drawn[std::string(kPoint) + name] = count;
  }
  return report;
}

RunReport ReportOf(const Harness& harness) {
  RunReport report = ReportOf(harness.world());
  if (!harness.options().duration.has_value()) {
    for (const Duration duration : Harness::DrawnDurations()) {
      report.drawn[absl::StrCat("shape.duration_s=", duration.ms() / 1000)] =
          duration == harness.duration() ? 1 : 0;
    }
  }
  for (const FaultFamily family : harness.possible_families()) {
    const std::string name(FaultFamilyName(family));
    report.drawn[absl::StrCat("family.", name)] = harness.on(family) ? 1 : 0;
  }
  return report;
}

std::string FormatReport(const RunReport& r) {
  std::string text = absl::StrCat(
      "seed ", r.seed, ": ", r.ok() ? "clean" : "VIOLATION", "\n", "  virtual ",
      Seconds3(r.virtual_time), " s in ", Seconds3(r.wall_time), " s, ",
      r.events, " events (", PerSecond(r.events, r.wall_time), " a second)\n",
      "  hash ", r.trace_hash, "\n");
  if (!r.summary.empty()) {
    absl::StrAppend(&text, "  ", r.summary, "\n");
  }
  if (r.operations > 0) {
    absl::StrAppend(&text, "  operations ", r.operations, ": ", r.succeeded,
                    " succeeded, ", r.refused, " refused, ", r.unknown,
                    " of unknown outcome; ", r.stale_reads, " stale reads\n",
                    "  succeeded: ", CountsToText(r.functions), "\n",
                    "  leader changes ", r.leader_changes, ", entries applied ",
                    r.entries, ", keys expired ", r.expired, "\n");
  }
  absl::StrAppend(&text, "  faults: ", CountsToText(r.faults), "\n",
                  "  reached: ", CountsToText(r.marks), "\n",
                  "  shape: ", ShapeToText(r.drawn), "\n");
  if (r.operations > 0) {
    absl::StrAppend(&text, "  checked: ", r.histories, " histories", " (",
                    r.decided_by_log_alone, " by the order of the log alone), ",
                    r.digests_compared, " states, ", r.ordered,
                    " places in a connection's order\n");
  }
  if (r.unused_lines > 0) {
    absl::StrAppend(&text, "  tape: ", r.unused_lines,
                    r.unused_lines == 1 ? " line was" : " lines were",
                    " not used\n");
  }
  for (const std::string& violation : r.violations) {
    absl::StrAppend(&text, "  violation: ", violation, "\n");
  }
  if (!r.story.empty()) text += "  before it:\n";
  for (const std::string& line : r.story) {
    absl::StrAppend(&text, "    ", line, "\n");
  }
  return text;
}

std::string ReportToJson(const RunReport& r) {
  std::string violations;
  for (const std::string& violation : r.violations) {
    absl::StrAppend(&violations, violations.empty() ? "" : ",",
                    JsonString(violation));
  }
  return absl::StrCat(
      "{\"seed\":", r.seed, ",\"ok\":", r.ok() ? "true" : "false",
      ",\"trace_hash\":", JsonString(r.trace_hash),
      ",\"virtual_seconds\":", Seconds3(r.virtual_time),
      ",\"wall_seconds\":", Seconds3(r.wall_time), ",\"events\":", r.events,
      ",\"events_by_kind\":", CountsToJson(r.events_by_kind),
      ",\"core_steps\":", r.core_steps,
      ",\"operations\":{\"total\":", r.operations,
      ",\"succeeded\":", r.succeeded, ",\"refused\":", r.refused,
      ",\"unknown\":", r.unknown, ",\"stale_reads\":", r.stale_reads,
      "},\"functions\":", CountsToJson(r.functions),
      ",\"faults\":", CountsToJson(r.faults),
      ",\"marks\":", CountsToJson(r.marks),
      ",\"checks\":", CountsToJson(r.checks),
      ",\"drawn\":", CountsToJson(r.drawn),
      ",\"leader_changes\":", r.leader_changes,
      ",\"entries_applied\":", r.entries, ",\"keys_expired\":", r.expired,
      ",\"histories\":", r.histories,
      ",\"decided_by_log_alone\":", r.decided_by_log_alone,
      r.summary.empty() ? "" : ",\"summary\":" + JsonString(r.summary),
      ",\"unused_lines\":", r.unused_lines, ",\"violations\":[", violations,
      "],\"story\":", NamesToJson(r.story), "}");
}

std::string ErrorToJson(std::string_view error) {
  return absl::StrCat("{\"error\":", JsonString(error), "}");
}

std::string EncodeReport(const RunReport& report) {
  std::string text;
  ForEachNumber(report, [&](std::string_view name, uint64_t value) {
    absl::StrAppend(&text, std::string(name), " ", value, "\n");
  });
  absl::StrAppend(&text, "virtual_ns ", report.virtual_time.ns(), "\n");
  absl::StrAppend(&text, "wall_ns ", report.wall_time.ns(), "\n");
  absl::StrAppend(&text, "hash ", report.trace_hash, "\n");
  absl::StrAppend(&text, "diverged ", report.diverged.group.value(), " ",
                  report.diverged.index.value(), "\n");
  absl::StrAppend(&text, "summary ", absl::CEscape(report.summary), "\n");
  ForEachCounts(report, [&](std::string_view kind, const Counts& counts) {
    for (const auto& [name, count] : counts) {
      absl::StrAppend(&text, std::string(kind), " ", name, " ", count, "\n");
    }
  });
  for (const std::string& violation : report.violations) {
    absl::StrAppend(&text, "violation ", absl::CEscape(violation), "\n");
  }
  for (const std::string& line : report.story) {
    absl::StrAppend(&text, "story ", absl::CEscape(line), "\n");
  }
  for (const std::string& path : report.unwritten) {
    absl::StrAppend(&text, "unwritten ", absl::CEscape(path), "\n");
  }
  return text;
}

absl::StatusOr<RunReport> DecodeReport(std::string_view encoded) {
  RunReport report;
  const absl::string_view whole(encoded.data(), encoded.size());
  for (const absl::string_view line :
       absl::StrSplit(whole, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::MaxSplits(' ', 2));
    const auto bad = [&] {
      return absl::InvalidArgumentError(absl::StrCat("report: ", line));
    };
    if (words.size() < 2) return bad();
    bool known = false;
    bool ok = true;
    ForEachNumber(report, [&](std::string_view name, uint64_t& value) {
      if (words[0] != name) return;
      known = true;
      ok = absl::SimpleAtoi(words[1], &value);
    });
    ForEachCounts(report, [&](std::string_view kind, Counts& counts) {
      if (words[0] != kind) return;
      known = true;
      ok = words.size() == 3 && absl::SimpleAtoi(words[2], &counts[words[1]]);
    });
    int64_t ns = 0;
    if (words[0] == "virtual_ns" || words[0] == "wall_ns") {
      known = true;
      ok = absl::SimpleAtoi(words[1], &ns);
      (words[0] == "wall_ns" ? report.wall_time : report.virtual_time) =
          Nanoseconds(ns);
    } else if (words[0] == "hash") {
      known = true;
      report.trace_hash = words[1];
    } else if (words[0] == "diverged") {
      known = true;
      uint64_t group = 0;
      uint64_t index = 0;
      ok = words.size() == 3 && absl::SimpleAtoi(words[1], &group) &&
           absl::SimpleAtoi(words[2], &index);
      report.diverged = {GroupId(static_cast<uint32_t>(group)),
                         raft::Index(index)};
    } else if (words[0] == "violation" || words[0] == "summary" ||
               words[0] == "unwritten" || words[0] == "story") {
      known = true;
      std::string& text =
          words[0] == "summary"     ? report.summary
          : words[0] == "unwritten" ? report.unwritten.emplace_back()
          : words[0] == "story"     ? report.story.emplace_back()
                                    : report.violations.emplace_back();
      ok = absl::CUnescape(line.substr(words[0].size() + 1), &text);
    }
    if (!known || !ok) return bad();
  }
  return report;
}

SwarmReport SwarmReport::Empty(absl::Span<const std::string_view> marks,
                               absl::Span<const std::string_view> points) {
  SwarmReport swarm;
  for (size_t i = 0; i < kFaultKinds; ++i) {
    swarm.faults[std::string(FaultName(static_cast<Fault>(i)))] = 0;
  }
  for (const std::string_view mark : marks) {
    swarm.marks[std::string(mark)] = 0;
  }
  for (const std::string_view point : points) {
    swarm.drawn[absl::StrCat(kPoint, std::string(point))] = 0;
  }
  return swarm;
}

void SwarmReport::Add(const RunReport& report) {
  ++runs;
  if (!report.ok()) {
    failing_seeds.insert(std::upper_bound(failing_seeds.begin(),
                                          failing_seeds.end(), report.seed),
                         report.seed);
  }
  events += report.events;
  virtual_time = virtual_time + report.virtual_time;
  operations += report.operations;
  succeeded += report.succeeded;
  refused += report.refused;
  unknown += report.unknown;
  histories += report.histories;
  decided_by_log_alone += report.decided_by_log_alone;
  for (const auto& [name, count] : report.faults) {
    if (count > 0) ++faults[name];
  }
  for (const auto& [name, count] : report.marks) {
    if (count > 0) ++marks[name];
  }
  for (const auto& [name, count] : report.checks) checks[name] += count > 0;
  for (const auto& [name, count] : report.drawn) drawn[name] += count > 0;
}

std::vector<std::string> SwarmReport::Unreached() const {
  std::vector<std::string> names;
  for (const Counts* const counts : {&faults, &marks}) {
    for (const auto& [name, count] : *counts) {
      if (count == 0) names.push_back(name);
    }
  }
  for (const auto& [name, count] : drawn) {
    if (count == 0 && name.starts_with(kPoint)) names.push_back(name);
  }
  return names;
}

std::vector<std::string> SwarmReport::Unevaluated() const {
  std::vector<std::string> names;
  for (const auto& [name, count] : checks) {
    if (count == 0) names.push_back(name);
  }
  return names;
}

std::string FormatSwarm(const SwarmReport& s) {
  std::string text =
      absl::StrCat(s.runs, " runs, ", s.failing_seeds.size(), " failed, ",
                   Seconds3(s.wall_time), " s; virtual ",
                   Seconds3(s.virtual_time), " s, ", s.events, " events");
  if (s.operations > 0) {
    absl::StrAppend(&text, "; operations ", s.operations, ": ", s.succeeded,
                    " succeeded, ", s.refused, " refused, ", s.unknown,
                    " of unknown outcome; checked ", s.histories,
                    " histories, ", s.decided_by_log_alone,
                    " by the order of the log alone");
  }
  text += "\n";
  const auto table = [&](std::string_view title, const Counts& counts) {
    absl::StrAppend(&text, std::string(title), "\n");
    for (const auto& [name, count] : counts) {
      absl::StrAppend(&text, "  ",
                      absl::StrFormat("%5d  %3d %%  ", count,
                                      s.runs == 0 ? 0 : count * 100 / s.runs),
                      name, "\n");
    }
  };
  table("runs in which a fault happened:", s.faults);
  table("runs in which a situation was reached:", s.marks);
  table("runs in which a rule was evaluated:", s.checks);
  table("runs in which a shape or setting was drawn:", s.drawn);
  const auto list = [&](std::string_view title,
                        const std::vector<std::string>& names) {
    absl::StrAppend(&text, std::string(title), ": ",
                    names.empty() ? "none" : absl::StrJoin(names, ", "), "\n");
  };
  list("faults, situations and points that no run reached", s.Unreached());
  if (!s.checks.empty()) {
    list("rules that no run evaluated", s.Unevaluated());
  }
  return text;
}

std::string SwarmToJson(const SwarmReport& s) {
  std::string seeds;
  for (const uint64_t seed : s.failing_seeds) {
    absl::StrAppend(&seeds, seeds.empty() ? "" : ",", seed);
  }
  return absl::StrCat(
      "{\"runs\":", s.runs, ",\"failed\":", s.failing_seeds.size(),
      ",\"failing_seeds\":[", seeds,
      "],\"wall_seconds\":", Seconds3(s.wall_time),
      ",\"virtual_seconds\":", Seconds3(s.virtual_time),
      ",\"events\":", s.events, ",\"operations\":", s.operations,
      ",\"succeeded\":", s.succeeded, ",\"refused\":", s.refused,
      ",\"unknown\":", s.unknown, ",\"histories\":", s.histories,
      ",\"decided_by_log_alone\":", s.decided_by_log_alone,
      ",\"faults\":", CountsToJson(s.faults),
      ",\"marks\":", CountsToJson(s.marks),
      ",\"checks\":", CountsToJson(s.checks),
      ",\"drawn\":", CountsToJson(s.drawn),
      ",\"unreached\":", NamesToJson(s.Unreached()),
      ",\"unevaluated\":", NamesToJson(s.Unevaluated()), "}");
}

}  // namespace quorate::sim
