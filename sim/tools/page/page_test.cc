// The page has the events, operations and names; no text of the run can end its
// script.
#include "sim/tools/page/page.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

class PageTest : public testing::Test {
 protected:
  PageTest() {
    const auto add = [this](int64_t ms, uint32_t machine, TraceKind kind,
                            uint64_t cause, std::string detail) {
      trace_.push_back({.time = SimTime() + Milliseconds(ms),
                        .machine = MachineId(machine),
                        .kind = kind,
                        .cause = cause,
                        .detail = std::move(detail)});
    };
    add(0, 1, TraceKind::kBoot, 0, "start 1");
    add(1, 1, TraceKind::kTimer, 1, "set 1 ms ago");
    add(2, 2, TraceKind::kMessage, 2, "from m1: </script>");
    add(3, 2, TraceKind::kFault, 2, "message_lost");
    add(4, 2, TraceKind::kLead, 3, "group 1, term 2");
    add(9, 1, TraceKind::kCrash, 0, "");
    input_ = {.title = "seed 7",
              .violations = {"linearizability: <b>"},
              .names = {"n1", "n2"},
              .trace = &trace_,
              .history =
                  "{\"lincheck\":1,\"model\":\"kv\",\"unit\":\"ns\"}\n"
                  "{\"event\":\"note\",\"at\":3,\"text\":\"x\"}\n"
                  "{\"client\":4,\"key\":\"k\",\"f\":\"get\",\"result\":null,"
                  "\"invoke\":2500000,\"return\":5500000}\n"
                  "{\"client\":5,\"key\":\"k\",\"f\":\"incr\",\"arg\":2,"
                  "\"invoke\":8000000}\n"};
  }

  std::vector<TraceRecord> trace_;
  RunPageInput input_;
};

TEST_F(PageTest, Page_HasAllAndLoadsNothing) {
  const std::string page = RunPage(input_);
  for (const std::string part :
       {"\"title\":\"seed 7\"", "[4000000,2,\"lead\",3,\"group 1, term 2\"]",
        "\"first\":1", "\"left_out\":0", "\"client\":4", "\"client\":5",
        "linearizability: \\u003cb>"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(page.find("from m1: </script>"), std::string::npos);
  for (const std::string part : {"@DATA@", "@CSS@", "@SCRIPT@", "http://",
                                 "https://", "src=", "@import"}) {
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  }
}

TEST_F(PageTest, Text_HasWhatMatteredInItsOrder) {
  EXPECT_EQ(
      RunText(input_),
      "seed 7\n"
      "^ starts  x ends  ! fault  * leads  # deed  > a client asks  < its "
      "answer\n"
      "   0.000000 s  ^ n1  starts\n"
      "   0.002500 s  > client 4  "
      "{\"f\":\"get\",\"key\":\"k\",\"result\":null}\n"
      "   0.003000 s  ! n2  message_lost, from n1\n"
      "   0.004000 s  * n2  leads group 1, term 2\n"
      "   0.005500 s  < client 4  "
      "{\"f\":\"get\",\"key\":\"k\",\"result\":null}\n"
      "   0.008000 s  > client 5  {\"arg\":2,\"f\":\"incr\",\"key\":\"k\"}\n"
      "   0.009000 s  x n1  ends\n"
      "violation: linearizability: <b>\n");
}

TEST_F(PageTest, LongRun_ShowsTheEventsAroundATime) {
  trace_.clear();
  for (size_t i = 0; i < 3 * kPageEventsMax; ++i) {
    trace_.push_back({.time = SimTime() + Milliseconds(static_cast<int64_t>(i)),
                      .machine = MachineId(1),
                      .kind = TraceKind::kDeed,
                      .detail = "x"});
  }
  EXPECT_NE(RunPage(input_).find("\"first\":40001"), std::string::npos);
  EXPECT_NE(RunPage(input_).find("\"left_out\":40000"), std::string::npos);
  input_.around = SimTime() + Seconds(30);
  EXPECT_NE(RunPage(input_).find("\"first\":20001"), std::string::npos);
  input_.around = SimTime();
  EXPECT_NE(RunPage(input_).find("\"first\":1,"), std::string::npos);
  EXPECT_NE(RunText(input_).find("40000 other events are left out"),
            std::string::npos);
}

}  // namespace
}  // namespace quorate::sim
