#include "sim/harness/timeline.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

class TimelineTest : public testing::Test {
 protected:
  void At(int64_t ns, uint32_t machine, TraceKind kind, uint64_t payload = 0,
          std::string words = "") {
    trace_.AddToStory(SimTime() + Nanoseconds(ns), MachineId(machine), kind,
                      payload, std::move(words));
  }
  void Lead(int64_t ns, uint32_t machine, LeadPayload lead, std::string words) {
    At(ns, machine, TraceKind::kLead, lead.Pack(), std::move(words));
  }
  std::string Shown() const {
    std::string text;
    for (const lincheck::TimelineEvent& event :
         TimelineEventsOf(trace_.story(), {"n1", "n2", "n3"})) {
      text +=
          std::string(TimelineEventKindName(event.kind)) + " " +
          std::to_string(event.at) + "-" +
          (event.until == lincheck::kNever ? "" : std::to_string(event.until)) +
          " " + event.node + ": " + event.text + "\n";
    }
    return text;
  }

 private:
  TraceHash trace_{/*keep_records=*/false};
};

TEST_F(TimelineTest, Partitions_LastUntilTheyEnd) {
  At(1, 0, TraceKind::kPlan, 0, "families: network");
  At(2, 0, TraceKind::kPartitionBegins, 0, "partition n1>n2");
  At(3, 3, TraceKind::kPlan, 0, "crash of the machine n3");
  At(4, 1, TraceKind::kDeed, 0, "pause n1");
  At(5, 0, TraceKind::kPartitionBegins, 1, "partition pair: n3>n4");
  At(6, 0, TraceKind::kPartitionEnds, 1, "partition ends");
  At(8, 0, TraceKind::kPartitionEnds, 0, "partition ends");
  EXPECT_EQ(Shown(),
            "fault 2-8 : partition n1>n2\n"
            "note 4- : pause n1\n"
            "fault 5-6 : partition pair: n3>n4\n");
}

TEST_F(TimelineTest, Nodes_AreDownUntilTheyBeginAgain) {
  At(1, 1, TraceKind::kBoot);
  At(1, 2, TraceKind::kBoot);
  At(1, 4, TraceKind::kBoot);  // A client.
  At(4, 1, TraceKind::kCrash);
  At(5, 2, TraceKind::kCrash);
  At(6, 4, TraceKind::kCrash);
  At(7, 1, TraceKind::kBoot);
  EXPECT_EQ(Shown(),
            "fault 4-7 n1: n1 is down\n"
            "fault 5- n2: n2 is down\n");
}

TEST_F(TimelineTest, Leaders_LeadUntilTheNextOfTheirGroup) {
  Lead(1, 1, {.group = 1, .term = 1}, "group 1, term 1");
  Lead(2, 1, {.group = 2, .term = 1}, "group 2, term 1");
  Lead(3, 3, {.group = 1, .term = 2}, "group 1, term 2");
  EXPECT_EQ(Shown(),
            "leader 1-3 n1: group 1, term 1\n"
            "leader 2- n1: group 2, term 1\n"
            "leader 3- n3: group 1, term 2\n");
}

}  // namespace
}  // namespace quorate::sim
