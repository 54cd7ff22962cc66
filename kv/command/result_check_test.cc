#include "kv/command/result_check.h"

#include <string>
#include <string_view>

#include "env/buffer.h"
#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/slots/slot.h"

namespace quorate::kv {
namespace {

const Version kEntry = {GroupId(3), raft::Index(77), 0};
constexpr std::string_view kKey[] = {"key"};
constexpr std::string_view kKeyAndValue[] = {"key", "value"};
// Slot 1, then a key.
constexpr std::string_view kSlotKey[] = {std::string_view("\1\0key", 5)};

Buffer BatchOf(const CommandSpec& spec) {
  BatchBuilder batch;
  batch.Add(spec);
  return batch.Finish();
}

// One result with a payload of this kind. `nested`: integers in a kNested.
Buffer ResultOf(PayloadKind kind, ResultStatus status = ResultStatus::kOk,
                int nested = 0) {
  const ResultView head = {.status = status, .version = kEntry};
  ResultBuilder builder(kEntry);
  switch (kind) {
    case PayloadKind::kNone:
      builder.AddNone(head);
      break;
    case PayloadKind::kInteger:
      builder.AddInteger(head, 1);
      break;
    case PayloadKind::kBytes:
      builder.AddBytes(head, "bytes");
      break;
    case PayloadKind::kArray:
      builder.BeginArray(head, 1);
      builder.AddElement("a");
      builder.EndArray();
      break;
    case PayloadKind::kNested:
      builder.BeginNested(head);
      for (int i = 0; i < nested; ++i) builder.AddInteger(head, i);
      builder.EndNested(/*wrote=*/false);
      break;
  }
  return builder.Finish();
}

bool Answers(const CommandSpec& spec, const Buffer& results) {
  return ResultsAnswer(results.view(), BatchOf(spec).view(), 1);
}

TEST(ResultCheck, KindOfAnotherCommand_IsRefused) {
  const struct {
    CommandSpec spec;
    PayloadKind kind;
  } kCases[] = {
      {{.op = Op::kGet, .slot = Slot(1), .arguments = kKey},
       PayloadKind::kBytes},
      {{.op = Op::kStrlen, .slot = Slot(1), .arguments = kKey},
       PayloadKind::kInteger},
      {{.op = Op::kMGet, .slot = Slot(1), .arguments = kKey},
       PayloadKind::kArray},
      {{.op = Op::kMGetOfSlots, .slot = Slot(1), .arguments = kSlotKey},
       PayloadKind::kArray},
      {{.op = Op::kExistsOfSlots, .slot = Slot(1), .arguments = kSlotKey},
       PayloadKind::kInteger},
      {{.op = Op::kSet, .slot = Slot(1), .arguments = kKeyAndValue},
       PayloadKind::kNone},
      {{.op = Op::kAppend, .slot = Slot(1), .arguments = kKeyAndValue},
       PayloadKind::kInteger},
  };
  for (const auto& [spec, kind] : kCases) {
    for (const PayloadKind other :
         {PayloadKind::kNone, PayloadKind::kInteger, PayloadKind::kBytes,
          PayloadKind::kArray, PayloadKind::kNested}) {
      EXPECT_EQ(Answers(spec, ResultOf(other)), other == kind)
          << static_cast<int>(spec.op) << " " << static_cast<int>(other);
    }
    EXPECT_TRUE(
        Answers(spec, ResultOf(PayloadKind::kNone, ResultStatus::kNotOwner)));
    EXPECT_TRUE(Answers(spec, ResultBuilder::Refused(kEntry)));
  }
  const CommandSpec old = {.op = Op::kSet,
                           .slot = Slot(1),
                           .flags = kReturnOld,
                           .arguments = kKeyAndValue};
  EXPECT_TRUE(Answers(old, ResultOf(PayloadKind::kBytes)));
  EXPECT_TRUE(Answers(old, ResultOf(PayloadKind::kNone)));
  EXPECT_FALSE(Answers(old, ResultOf(PayloadKind::kArray)));
}

TEST(ResultCheck, NestedResults_AreThoseOfTheNestedCommands) {
  BatchBuilder batch;
  batch.BeginAtomic(Slot(1), /*session=*/{});
  batch.Add({.op = Op::kStrlen, .slot = Slot(1), .arguments = kKey});
  batch.Add({.op = Op::kStrlen, .slot = Slot(1), .arguments = kKey});
  batch.EndAtomic();
  const Buffer bytes = batch.Finish();
  const auto answers = [&](const Buffer& results) {
    return ResultsAnswer(results.view(), bytes.view(), 1);
  };
  EXPECT_TRUE(answers(ResultOf(PayloadKind::kNested, ResultStatus::kOk, 2)));
  EXPECT_FALSE(answers(ResultOf(PayloadKind::kNested, ResultStatus::kOk, 1)));
  EXPECT_FALSE(answers(ResultOf(PayloadKind::kNested, ResultStatus::kOk, 3)));
  EXPECT_FALSE(answers(ResultOf(PayloadKind::kBytes)));
  EXPECT_TRUE(
      answers(ResultOf(PayloadKind::kNone, ResultStatus::kConditionFailed)));
}

TEST(ResultCheck, MoreResultsThanCommands_AreRefused) {
  ResultBuilder builder(kEntry);
  builder.AddBytes({.version = kEntry}, "a");
  builder.AddBytes({.version = kEntry}, "b");
  const Buffer two = builder.Finish();
  BatchBuilder batch;
  for (int i = 0; i < 3; ++i) {
    batch.Add({.op = Op::kGet, .slot = Slot(1), .arguments = kKey});
  }
  // The first results of a batch answer so many of its commands.
  EXPECT_TRUE(ResultsAnswer(two.view(), batch.Finish().view(), 2));
  EXPECT_FALSE(ResultsAnswer(
      two.view(),
      BatchOf({.op = Op::kGet, .slot = Slot(1), .arguments = kKey}).view(), 2));
  EXPECT_FALSE(ResultsAnswer(two.view(), "no batch", 2));
}

}  // namespace
}  // namespace quorate::kv
