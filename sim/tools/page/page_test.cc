// The page has the events, observations, calls and names; no text of the run
// can end its script.
#include "sim/tools/page/page.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

using Kind = Observation::Kind;

class PageTest : public testing::Test {
 protected:
  PageTest() {
    Add(0, 1, TraceKind::kBoot, 0, "start 1");
    See(1, Kind::kReplica, "group 1", "follower of term 1", "commit 0");
    Add(1, 1, TraceKind::kTimer, 1, "set 1 ms ago");
    See(1, Kind::kReplica, "group 1", "leader of term 2",
        "commit 0, applied 0, log 1..0 (last of term 0), on disk to 0");
    Add(2, 2, TraceKind::kMessage, 2, "from m1: </script>");
    See(2, Kind::kCall, "5", "client 4", "k: get() = ?");
    Add(3, 2, TraceKind::kFault, 2, "message_lost");
    See(1, Kind::kEntry, "group 1, index 1", "appended, term 2", "set k 7");
    See(1, Kind::kEntry, "group 1, index 1", "applied, term 2", "set k 7");
    See(2, Kind::kEntry, "group 1, index 1", "applied, term 2", "set k 7");
    Add(4, 1, TraceKind::kDeed, 3, "pause n1");
    See(2, Kind::kAnswer, "5", "answer", "nil");
    See(1, Kind::kLog, "warning", "", "the disk is slow");
    Add(9, 1, TraceKind::kCrash, 0, "end of the process");
    See(2, Kind::kCall, "6", "client 4", "client 4: INCR k");
    input_ = {.title = "seed 7",
              .violations = {"linearizability: get() on k <b>"},
              .names = {"n1", "c4"},
              .trace = &trace_,
              .observations = &observations_};
  }

  void Add(int64_t ms, uint32_t machine, TraceKind kind, uint64_t cause,
           std::string detail) {
    trace_.push_back({.time = SimTime() + Milliseconds(ms),
                      .machine = MachineId(machine),
                      .kind = kind,
                      .cause = cause,
                      .detail = std::move(detail)});
  }
  // After the last record.
  void See(uint32_t machine, Kind kind, std::string subject,
           std::string headline, std::string words) {
    observations_.push_back({.time = trace_.back().time,
                             .machine = MachineId(machine),
                             .after = trace_.size(),
                             .kind = kind,
                             .subject = std::move(subject),
                             .headline = std::move(headline),
                             .words = std::move(words)});
  }

  std::vector<TraceRecord> trace_;
  std::vector<Observation> observations_;
  RunPageInput input_;
};

TEST_F(PageTest, Page_HasAllAndLoadsNothing) {
  const std::string page = RunPage(input_);
  for (const std::string part :
       {"\"title\":\"seed 7\"", "[4000000,1,15,3,\"pause n1\"]", "\"first\":1",
        "\"left_out\":0", "\"words\":\"k: get()\"", "\"words\":\"INCR k\"",
        "\"outcome\":\"answer\"",
        "[4,1,1,\"group 1, index 1\",\"applied, term 2\",\"set k 7\"]",
        "linearizability: get() on k \\u003cb>"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(page.find("from m1: </script>"), std::string::npos);
  for (const std::string part : {"@DATA@", "@CSS@", "@SCRIPT@", "http://",
                                 "https://", "src=", "@import"}) {
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  }
}

TEST_F(PageTest, Text_HasWhatMatteredInItsOrder) {
  const std::string text = RunText(input_);
  const size_t begin = text.find("   0.000000 s");
  const size_t end = text.find("\n\nthe replicas at the end");
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  EXPECT_EQ(text.substr(begin, end - begin),
            "   0.000000 s  ^ n1  starts\n"
            "   0.001000 s  * n1  group 1: leader of term 2, commit 0, applied "
            "0, log 1..0 (last of term 0), on disk to 0\n"
            "   0.002000 s  > client 4  k: get()\n"
            "   0.003000 s  ! c4  message_lost, from n1\n"
            "   0.003000 s  + n1  group 1, index 1, applied, term 2: set k 7\n"
            "   0.004000 s  # n1  pause n1\n"
            "   0.004000 s  ? n1  the disk is slow\n"
            "   0.004000 s  < client 4  k: get() → nil\n"
            "   0.009000 s  x n1  ends: end of the process\n"
            "   0.009000 s  > client 4  INCR k");
  EXPECT_NE(text.find("violation: linearizability: get() on k <b>\n"),
            std::string::npos);
}

TEST_F(PageTest, Text_EqualFaultsInARow_HaveOneLine) {
  const auto add = [&](std::string what) {
    Add(10, 1, TraceKind::kFault, 0, std::move(what));
  };
  add("disk_slow");
  add("disk_error");
  add("disk_slow");
  Add(11, 1, TraceKind::kDeed, 0, "pause n1");
  add("disk_slow");
  EXPECT_NE(RunText(input_).find("   0.010000 s  ! n1  disk_slow, 2 times\n"
                                 "   0.010000 s  ! n1  disk_error\n"
                                 "   0.011000 s  # n1  pause n1\n"
                                 "   0.010000 s  ! n1  disk_slow\n"),
            std::string::npos);
}

TEST_F(PageTest, LongRun_ShowsTheEventsAroundATime) {
  input_.violations.clear();
  trace_.clear();
  observations_.clear();
  for (size_t i = 0; i < 3 * kPageEventsMax; ++i) {
    Add(static_cast<int64_t>(i), 1, TraceKind::kDeed, 0, "x");
    if (i == 5) See(1, Kind::kReplica, "group 1", "leader of term 1", "early");
  }
  EXPECT_NE(RunPage(input_).find("\"first\":40001"), std::string::npos);
  EXPECT_NE(RunPage(input_).find("\"left_out\":40000"), std::string::npos);
  // The state with which the part begins.
  EXPECT_NE(RunPage(input_).find("[6,1,0,\"group 1\",\"leader of term 1\""),
            std::string::npos);
  input_.around = SimTime() + Seconds(30);
  EXPECT_NE(RunPage(input_).find("\"first\":20001"), std::string::npos);
  input_.around = SimTime();
  EXPECT_NE(RunPage(input_).find("\"first\":1,"), std::string::npos);
  EXPECT_NE(RunText(input_).find("40000 other events are left out"),
            std::string::npos);
  input_.around.reset();
  input_.around_record = 30001;
  EXPECT_NE(RunPage(input_).find("\"first\":20002"), std::string::npos);
  EXPECT_NE(RunPage(input_).find("\"around\":30001"), std::string::npos);
}

}  // namespace
}  // namespace quorate::sim
