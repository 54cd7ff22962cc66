#include "sim/tools/choice_kind.h"

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

ChoiceKind KindOfSite(const char* site, uint64_t counter = 0) {
  return KindOf({site, 1, counter, 1});
}

TEST(ChoiceKind, Sites_HaveTheirKinds) {
  EXPECT_EQ(KindOfSite("workload.operation"), ChoiceKind::kOperation);
  EXPECT_EQ(KindOfSite("workload.request"), ChoiceKind::kOperation);
  EXPECT_EQ(KindOfSite("operator.verb"), ChoiceKind::kOperation);
  EXPECT_EQ(KindOfSite("schedule.window"), ChoiceKind::kFault);
  EXPECT_EQ(KindOfSite("net.fate"), ChoiceKind::kFault);
  EXPECT_EQ(KindOfSite("schedule.length"), ChoiceKind::kDetail);
  EXPECT_EQ(KindOfSite("operator.detail"), ChoiceKind::kDetail);
  EXPECT_EQ(KindOfSite("knob.log.batch_bytes"), ChoiceKind::kSetting);
  EXPECT_EQ(KindOfSite("client.half_closes"), ChoiceKind::kSetting);
  EXPECT_EQ(KindOfSite("stream.jitter"), ChoiceKind::kNoise);
}

TEST(ChoiceKind, OfATrigger_CountsAsOneFault) {
  EXPECT_EQ(KindOfSite("schedule.moment", 32), ChoiceKind::kFault);
  EXPECT_EQ(KindOfSite("schedule.moment", 45), ChoiceKind::kFault);
  EXPECT_EQ(KindOfSite("schedule.moment", 33), ChoiceKind::kDetail);
}

TEST(CountChoices, OfATape_CountsFaultsAndOperations) {
  const Tape tape{.choices = {{"workload.operation", 1, 1, 7},
                              {"workload.operation", 1, 2, 7},
                              {"operator.verb", 1, 1, 3},
                              {"schedule.window", 1, 0, 1},
                              {"schedule.length", 1, 0, 900},
                              {"shape.groups", 0, 0, 2}}};
  EXPECT_EQ(CountChoices(tape).operations, 3u);
  EXPECT_EQ(CountChoices(tape).faults, 1u);
  EXPECT_EQ(CountChoices(Tape()).operations, 0u);
}

}  // namespace
}  // namespace quorate::sim
