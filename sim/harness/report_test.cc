#include "sim/harness/report.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

RunReport Sample() {
  RunReport report{.seed = 7,
                   .violations = {"two\nlines", "a \"quote\" and 100 %"},
                   .trace_hash = "0123456789abcdef0123456789abcdef",
                   .virtual_time = Milliseconds(61'250),
                   .wall_time = Milliseconds(500),
                   .events = 1000,
                   .core_steps = 20,
                   .operations = 10,
                   .succeeded = 8,
                   .refused = 1,
                   .unknown = 1,
                   .histories = 5,
                   .decided_by_log_alone = 2,
                   .story = {"1.000 s  n1: boot"}};
  report.events_by_kind["timer"] = 999;
  report.functions["get"] = 8;
  report.faults["message_lost"] = 3;
  report.marks["raft.x"] = 1;
  report.checks["digest"] = 4;
  report.checks["scan"] = 0;
  report.drawn["shape.nodes=5"] = 1;
  report.drawn["shape.nodes=9"] = 0;
  return report;
}

TEST(RunReport, EncodeThenDecode_IsTheSame) {
  const RunReport report = Sample();
  const auto decoded = DecodeReport(EncodeReport(report));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(EncodeReport(*decoded), EncodeReport(report));
  EXPECT_EQ(decoded->violations, report.violations);
  EXPECT_EQ(decoded->faults, report.faults);
  EXPECT_EQ(decoded->events_by_kind, report.events_by_kind);
}

TEST(RunReport, DecodeGarbage_Refused) {
  EXPECT_FALSE(DecodeReport("seed x\n").ok());
  EXPECT_FALSE(DecodeReport("what 1\n").ok());
  EXPECT_FALSE(DecodeReport("fault message_lost\n").ok());
}

TEST(RunReport, Json_HasTheContract) {
  EXPECT_EQ(ReportToJson(Sample()),
            "{\"seed\":7,\"ok\":false,\"trace_hash\":"
            "\"0123456789abcdef0123456789abcdef\",\"virtual_seconds\":61.250,"
            "\"wall_seconds\":0.500,\"events\":1000,"
            "\"events_by_kind\":{\"timer\":999},\"core_steps\":20,"
            "\"operations\":{\"total\":10,"
            "\"succeeded\":8,\"refused\":1,\"unknown\":1,\"stale_reads\":0},"
            "\"functions\":{\"get\":8},\"faults\":{\"message_lost\":3},"
            "\"marks\":{\"raft.x\":1},\"checks\":{\"digest\":4,\"scan\":0},"
            "\"drawn\":{\"shape.nodes=5\":1,\"shape.nodes=9\":0},"
            "\"leader_changes\":0,\"entries_applied\":0,"
            "\"keys_expired\":0,"
            "\"histories\":5,\"decided_by_log_alone\":2,\"unused_lines\":0,"
            "\"violations\":["
            "\"two\\nlines\","
            "\"a \\\"quote\\\" and 100 %\"],"
            "\"story\":[\"1.000 s  n1: boot\"]}");
}

TEST(SwarmReport, CountsRunsNotOccurrences) {
  SwarmReport swarm = SwarmReport::Empty({}, {});
  EXPECT_EQ(swarm.faults.at("message_lost"), 0u);
  swarm.Add(Sample());
  RunReport clean = Sample();
  clean.seed = 3;
  clean.violations.clear();
  swarm.Add(clean);
  EXPECT_EQ(swarm.runs, 2u);
  EXPECT_EQ(swarm.failing_seeds, std::vector<uint64_t>{7});
  EXPECT_EQ(swarm.faults.at("message_lost"), 2u);
  EXPECT_EQ(swarm.drawn.at("shape.nodes=5"), 2u);
  EXPECT_EQ(swarm.drawn.at("shape.nodes=9"), 0u);
  EXPECT_EQ(swarm.operations, 20u);
  EXPECT_EQ(swarm.refused, 2u);
  EXPECT_EQ(swarm.unknown, 2u);
  EXPECT_NE(FormatSwarm(swarm).find(
                "checked 10 histories, 4 by the order of the log alone"),
            std::string::npos);
}

TEST(SwarmReport, ListsWhatNoRunReachedOrEvaluated) {
  constexpr std::string_view kMarks[] = {"raft.x", "raft.y"};
  constexpr std::string_view kPoints[] = {"log.p", "log.q"};
  SwarmReport swarm = SwarmReport::Empty(kMarks, kPoints);
  RunReport run = Sample();
  run.drawn["point.log.q"] = 2;
  swarm.Add(run);
  const std::vector<std::string> unreached = swarm.Unreached();
  const auto lists = [&](std::string_view name) {
    return std::count(unreached.begin(), unreached.end(), name) == 1;
  };
  EXPECT_TRUE(lists("raft.y"));
  EXPECT_TRUE(lists("point.log.p"));
  EXPECT_TRUE(lists("machine_crash"));
  EXPECT_FALSE(lists("raft.x"));
  EXPECT_FALSE(lists("point.log.q"));
  EXPECT_FALSE(lists("message_lost"));
  EXPECT_FALSE(lists("shape.nodes=9"));
  EXPECT_EQ(swarm.Unevaluated(), std::vector<std::string>{"scan"});
  const std::string text = FormatSwarm(swarm);
  EXPECT_NE(text.find("rules that no run evaluated: scan\n"), std::string::npos)
      << text;
  EXPECT_NE(SwarmToJson(swarm).find("\"unevaluated\":[\"scan\"]"),
            std::string::npos);
}

}  // namespace
}  // namespace quorate::sim
