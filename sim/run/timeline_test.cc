#include "sim/run/timeline.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

std::string Shown(const std::vector<lincheck::TimelineEvent>& events) {
  std::string text;
  for (const lincheck::TimelineEvent& event : events) {
    text +=
        std::string(TimelineEventKindName(event.kind)) + " " +
        std::to_string(event.at) + "-" +
        (event.until == lincheck::kNever ? "" : std::to_string(event.until)) +
        " " + event.node + ": " + event.text + "\n";
  }
  return text;
}

Schedule::Entry At(int64_t ns, std::string what) {
  return {SimTime() + Nanoseconds(ns), std::move(what)};
}

TEST(Timeline, Partitions_LastUntilTheyEnd) {
  EXPECT_EQ(Shown(TimelineEventsOf(
                {At(1, "families: network"), At(2, "partition n1>n2"),
                 At(3, "crash of the machine n3"), At(4, "pause n1"),
                 At(5, "partition pair: n3>n4"), At(6, "partition ends"),
                 At(8, "all healed")},
                {}, {})),
            "fault 2-6 : partition n1>n2\n"
            "note 4- : pause n1\n"
            "fault 5-8 : partition pair: n3>n4\n"
            "note 8- : all healed\n");
}

TEST(Timeline, Nodes_AreDownUntilTheyBeginAgain) {
  const SimTime zero;
  EXPECT_EQ(Shown(TimelineEventsOf({},
                                   {{zero + Nanoseconds(1), NodeId(1), true},
                                    {zero + Nanoseconds(1), NodeId(2), true},
                                    {zero + Nanoseconds(4), NodeId(1), false},
                                    {zero + Nanoseconds(5), NodeId(2), false},
                                    {zero + Nanoseconds(7), NodeId(1), true}},
                                   {})),
            "fault 4-7 n1: n1 is down\n"
            "fault 5- n2: n2 is down\n");
}

TEST(Timeline, Leaders_LeadUntilTheNextOfTheirGroup) {
  const SimTime zero;
  EXPECT_EQ(
      Shown(TimelineEventsOf(
          {}, {},
          {{zero + Nanoseconds(1), GroupId(1), NodeId(1), raft::Term(1)},
           {zero + Nanoseconds(2), GroupId(2), NodeId(1), raft::Term(1)},
           {zero + Nanoseconds(3), GroupId(1), NodeId(3), raft::Term(2)}})),
      "leader 1-3 n1: group 1, term 1\n"
      "leader 2- n1: group 2, term 1\n"
      "leader 3- n3: group 1, term 2\n");
}

}  // namespace
}  // namespace quorate::sim
