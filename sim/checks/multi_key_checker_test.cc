// Shows the checker each violation that it must find.
#include "sim/checks/multi_key_checker.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/slots/slot.h"
#include "sim/checks/test_command.h"

namespace quorate::sim {
namespace {

class MultiKeyCheckerTest : public testing::Test {
 protected:
  using Values = std::vector<std::optional<std::string>>;

  MultiKeyCheckerTest()
      : checker_(&states_,
                 [this](std::string what) { found_.push_back(what); }) {}

  SimTime Later() { return now_ = now_ + Nanoseconds(10); }
  void Commit(kv::Op op, const std::vector<std::string_view>& arguments) {
    const TestCommand command(
        {.op = op, .slot = kv::HashSlot(arguments[0]), .arguments = arguments});
    ASSERT_TRUE(MultiKeyChecker::Covers(command.view()));
    const auto effect =
        states_.Apply(Later(), {.group = GroupId(1)}, command.view());
    checker_.OnCommand(command.view(), *effect);
  }
  // An MSET of m1 and m2 that returns.
  void Set(const std::string& token) {
    checker_.Invoke(token);
    const std::string one = token + "/1";
    const std::string two = token + "/2";
    Commit(kv::Op::kMSet, {"m1{g}", one, "m2{g}", two});
    checker_.Return({token}, std::nullopt);
  }
  void Delete(const std::string& token, int64_t removed) {
    checker_.Invoke(token);
    Commit(kv::Op::kDel, {"m1{g}", "m2{g}", token});
    checker_.Return({token}, removed);
  }
  void Read(const Values& values, SimTime called) {
    checker_.OnRead({"m1{g}", "m2{g}"}, values, called, Later());
  }
  void ExpectFound(const std::string& words) {
    ASSERT_EQ(found_.size(), 1u);
    EXPECT_NE(found_[0].find(words), std::string::npos) << found_[0];
  }

  SimTime now_;
  std::vector<std::string> found_;
  CommittedStates states_;
  MultiKeyChecker checker_;
};

TEST_F(MultiKeyCheckerTest, LawfulHistory_IsSilent) {
  Read({std::nullopt, std::nullopt}, Later());
  const SimTime early = Later();
  Set("c1.1");
  Read({std::nullopt, std::nullopt}, early);
  Read({"c1.1/1", "c1.1/2"}, early);
  checker_.OnScan("m", {"m1{g}", "m2{g}"}, Later(), Later());
  Delete("m{g}c1.2", 2);
  checker_.OnScan("m", {"m1{g}"}, early, Later());
  checker_.OnScan("m", {}, early, Later());
  checker_.Invoke("c1.3");
  checker_.Withdraw("c1.3");
  EXPECT_TRUE(found_.empty()) << found_[0];
  EXPECT_EQ(checker_.reads_checked(), 3u);
  EXPECT_EQ(checker_.scans_checked(), 3u);
}

TEST_F(MultiKeyCheckerTest, HalfOfAWrite_Found) {
  Set("c1.1");
  const SimTime called = Later();
  Set("c1.2");
  Read({"c1.2/1", "c1.1/2"}, called);
  ExpectFound("never current together");
}

TEST_F(MultiKeyCheckerTest, ValuesFromBeforeTheCall_Found) {
  Set("c1.1");
  Set("c1.2");
  Read({"c1.1/1", "c1.1/2"}, Later());
  ExpectFound("never current together");
}

TEST_F(MultiKeyCheckerTest, AcknowledgedWriteInNoLog_Found) {
  checker_.Invoke("c1.1");
  checker_.Return({"c1.1"}, std::nullopt);
  ExpectFound("is in no log");
}

TEST_F(MultiKeyCheckerTest, WrongNumberOfRemovedKeys_Found) {
  Set("c1.1");
  Delete("m{g}c1.2", 1);
  ExpectFound("removed 1 keys, but its log gives 2");
}

TEST_F(MultiKeyCheckerTest, RefusedWriteInTheLog_Found) {
  checker_.Invoke("c1.1");
  checker_.Withdraw("c1.1");
  Commit(kv::Op::kMSet, {"m1{g}", "c1.1/1"});
  ExpectFound("refused as not executed, then committed");
}

TEST_F(MultiKeyCheckerTest, WriteThatIsRefusedAfterItsCommit_Found) {
  checker_.Invoke("c1.1");
  Commit(kv::Op::kMSet, {"m1{g}", "c1.1/1"});
  checker_.Withdraw("c1.1");
  ExpectFound("was committed, then refused");
}

TEST_F(MultiKeyCheckerTest, WriteTwice_Found) {
  Set("c1.1");
  Commit(kv::Op::kMSet, {"m1{g}", "c1.1/1"});
  ExpectFound("twice");
}

TEST_F(MultiKeyCheckerTest, UnknownWriteInTheLog_Found) {
  Commit(kv::Op::kMSet, {"m1{g}", "c9.9/1"});
  ExpectFound("which no client sent");
}

// Clients of single keys may write the keys, too.
TEST_F(MultiKeyCheckerTest, WriteOfAnotherClient_ExplainsReadsAndScans) {
  const SimTime called = Later();
  ApplySet(states_, Later(), "m1{g}", "c7.1");
  Read({"c7.1", std::nullopt}, called);
  checker_.OnScan("m", {"m1{g}"}, called, Later());
  EXPECT_TRUE(found_.empty()) << found_[0];
  Read({std::nullopt, std::nullopt}, Later());
  ExpectFound("never current together");
}

// ---- Keys of several slots of one group.

class SeveralSlotsTest : public MultiKeyCheckerTest {
 protected:
  // An MSET of both slots, one after the other, that returns.
  void SetBoth(const std::string& token) {
    SetPart(token + ".g", "m1{g}");
    SetPart(token + ".h", "m1{h}");
    checker_.Return({token + ".g", token + ".h"}, std::nullopt);
  }
  void SetPart(const std::string& token, std::string_view key) {
    checker_.Invoke(token);
    Commit(kv::Op::kMSet, {key, token + "/1"});
  }
  void ReadBoth(const Values& values, SimTime called) {
    checker_.OnRead({"m1{g}", "m1{h}"}, values, called, Later());
  }
};

TEST_F(SeveralSlotsTest, StatesOfTheGroup_ExplainReads) {
  SetBoth("a");
  const SimTime called = Later();
  SetBoth("b");
  ReadBoth({"a.g/1", "a.h/1"}, called);
  ReadBoth({"b.g/1", "a.h/1"}, called);
  ReadBoth({"b.g/1", "b.h/1"}, called);
  // A key that is named twice, and a slot without writes.
  checker_.OnRead({"m1{g}", "m1{g}", "m1{i}"}, {"b.g/1", "b.g/1", std::nullopt},
                  called, Later());
  EXPECT_TRUE(found_.empty()) << found_[0];
  EXPECT_EQ(checker_.group_reads_checked(), 3u);
}

TEST_F(SeveralSlotsTest, ValuesThatWereNeverTogether_Found) {
  SetBoth("a");
  const SimTime called = Later();
  SetBoth("b");
  ReadBoth({"a.g/1", "b.h/1"}, called);
  ExpectFound("never current together");
}

TEST_F(SeveralSlotsTest, ValuesFromBeforeTheCall_Found) {
  SetBoth("a");
  SetPart("b", "m1{h}");
  ReadBoth({"a.g/1", "a.h/1"}, Later());
  ExpectFound("never current together");
}

TEST_F(SeveralSlotsTest, TwoValuesOfOneKey_Found) {
  SetBoth("a");
  const SimTime called = Later();
  SetBoth("b");
  checker_.OnRead({"m1{g}", "m1{g}"}, {"a.g/1", "b.g/1"}, called, Later());
  ExpectFound("never current together");
}

// Nodes read by slot then.
TEST_F(SeveralSlotsTest, AfterAChangeOfTheMap_SlotsAreCheckedAlone) {
  checker_.OnMapChanged();
  SetBoth("a");
  const SimTime called = Later();
  SetBoth("b");
  ReadBoth({"a.g/1", "b.h/1"}, called);
  EXPECT_TRUE(found_.empty()) << found_[0];
  ReadBoth({"b.g/1", "a.h/1"}, Later());
  ExpectFound("never current together");
}

TEST_F(SeveralSlotsTest, AcknowledgedWriteWithoutAPart_Found) {
  checker_.Invoke("a.g");
  checker_.Invoke("a.h");
  Commit(kv::Op::kMSet, {"m1{g}", "a.g/1"});
  checker_.Return({"a.g", "a.h"}, std::nullopt);
  ExpectFound("is in no log");
}

TEST_F(SeveralSlotsTest, WrongSumOfRemovedKeys_Found) {
  SetBoth("a");
  for (const std::string tag : {"g", "h"}) {
    checker_.Invoke("m{" + tag + "}b");
    Commit(kv::Op::kDel, {"m1{" + tag + "}", "m{" + tag + "}b"});
  }
  checker_.Return({"m{g}b", "m{h}b"}, 1);
  ExpectFound("removed 1 keys, but its log gives 2");
}

TEST_F(MultiKeyCheckerTest, ScanThatMissesAKey_Found) {
  Set("c1.1");
  const SimTime called = Later();
  Set("c1.2");
  checker_.OnScan("m", {"m1{g}"}, called, Later());
  ExpectFound("m2{g} was missed by a scan");
}

TEST_F(MultiKeyCheckerTest, ScanOfARemovedKey_Found) {
  Set("c1.1");
  Delete("m{g}c1.2", 2);
  checker_.OnScan("m", {"m2{g}"}, Later(), Later());
  ExpectFound("m2{g} was found by a scan, but did not exist");
}

}  // namespace
}  // namespace quorate::sim
