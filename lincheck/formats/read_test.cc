#include "lincheck/formats/read.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/formats/json_lines.h"
#include "lincheck/models/registry.h"
#include "lincheck/testing/memory_source.h"

namespace quorate::lincheck {
namespace {

absl::StatusOr<Recording> Read(std::string_view text, ReadOptions options = {},
                               size_t piece_bytes = 1 << 20) {
  MemorySource source(text, piece_bytes);
  return ReadHistory(&source, options);
}

// Every operation in a line: "client key call [invoke, return]", or the error.
std::string Shown(const absl::StatusOr<Recording>& recording) {
  if (!recording.ok()) return std::string(recording.status().message());
  const std::unique_ptr<Model> model = FindModel(recording->model)->make();
  std::string text = recording->form + " " + recording->model + "\n";
  for (const TimelineEvent& event : recording->events) {
    text += std::string(TimelineEventKindName(event.kind)) + " [" +
            std::to_string(event.at) + ", " +
            (event.until == kNever ? "…" : std::to_string(event.until)) + "] " +
            event.node + ": " + event.text + "\n";
  }
  for (const Operation& op : recording->history.operations()) {
    text += std::to_string(op.client) + " " +
            recording->history.partition_name(op.partition) + " " +
            DescribeCall(*model, op) + " [" + std::to_string(op.invoke) + ", " +
            (op.known() ? std::to_string(op.ret) : "…") + "]";
    if (op.seen != kNoVersion) text += " seen " + std::to_string(op.seen);
    if (op.written != kNoVersion) {
      text += " written " + std::to_string(op.written);
    }
    text += "\n";
  }
  return text;
}

TEST(ReadJsonLines, EveryField_Counts) {
  EXPECT_EQ(Shown(Read(
                "{\"lincheck\":1,\"model\":\"kv\",\"unit\":\"us\"}\n"
                "{\"event\":\"fault\",\"at\":3,\"until\":5,\"node\":\"n1\","
                "\"text\":\"cut off\"}\n"
                "{\"event\":\"leader\",\"at\":-3,\"node\":\"n2\"}\n"
                "\n"
                " { \"client\" : 3 , \"key\":\"k\",\"f\":\"cas\",\"arg\":\"n\","
                "\"expected\":null,\"result\":true,\"invoke\":-5,\"return\":7,"
                "\"seen\":1,\"written\":9}\r\n"
                "{\"client\":4,\"key\":12,\"f\":\"append\",\"arg\":\"x\","
                "\"invoke\":1,\"return\":null}\n"
                "{\"client\":0,\"f\":\"get\",\"invoke\":1,\"return\":1}")),
            "jsonl kv\n"
            "fault [3, 5] n1: cut off\n"
            "leader [-3, …] n2: \n"
            "3 k cas(nil -> \"n\") = true [-5, 7] seen 1 written 9\n"
            "4 12 append(\"x\") = ? [1, …]\n"
            "0  get() [1, 1]\n");
}

TEST(ReadJsonLines, GivenModel_TakesThePlaceOfTheFiles) {
  EXPECT_EQ(Shown(Read("{\"lincheck\":1,\"model\":\"kv\"}\n"
                       "{\"client\":0,\"f\":\"read\",\"invoke\":1}\n",
                       {.model = "register"})),
            "jsonl register\n0  read() = ? [1, …]\n");
}

TEST(ReadJsonLines, Mistakes_SayWhere) {
  const auto error = [](std::string_view line) {
    return Shown(
        Read("{\"lincheck\":1,\"model\":\"kv\"}\n" + std::string(line) + "\n"));
  };
  EXPECT_EQ(error("{\"client\":0,\"f\":\"get\",\"invoke\":1,\"invoke\":2}"),
            "2:34: \"invoke\" for the second time");
  EXPECT_EQ(error("{\"client\":-1,\"f\":\"get\",\"invoke\":1}"),
            "2:11: a client is a number from 0 to 4294967295");
  EXPECT_EQ(error("{\"client\":0,\"f\":\"get\"}"),
            "2:22: \"invoke\" is missing in this line");
  EXPECT_EQ(error("{\"client\":0,\"f\":\"put\",\"invoke\":1}"),
            "2:33: \"arg\" is missing in this line");
  EXPECT_EQ(error("{\"client\":0,\"f\":\"get\",\"invoke\":1,\"arg\":1}"),
            "2:40: \"arg\" does not belong to get");
  EXPECT_EQ(error("{\"client\":0,\"f\":\"get\",\"invoke\":1,\"result\":1}"),
            "2:43: a result, but no \"return\"");
  EXPECT_EQ(error("{\"client\":0,\"f\":\"put\",\"arg\":1,\"invoke\":1,"
                  "\"return\":2,\"result\":1}"),
            "2:62: put has no result");
  EXPECT_EQ(error("{\"client\":0,\"f\":\"put\",\"arg\":[1],\"invoke\":1}"),
            "2:29: put takes a value: null, an integer or a string");
  EXPECT_EQ(error("{\"client\":0,\"f\":\"put\",\"arg\":{\"hex\":\"0\"},"
                  "\"invoke\":1}"),
            "2:29: pairs of digits 0-9 and a-f expected");
  EXPECT_EQ(error("{\"client\":0,\"f\":\"put\",\"arg\":4611686018427387904,"
                  "\"invoke\":1}"),
            "2:29: integers beyond 2^61 - 1 are written as strings");
  EXPECT_EQ(error("{\"client\":0,\"f\":\"zap\",\"invoke\":1}").substr(0, 47),
            "2:17: the model kv has no function \"zap\"; it ha");
  EXPECT_EQ(error("{\"client\":0,\"f\":\"get\",\"invoke\":1} x"),
            "2:35: something follows the object");
  EXPECT_EQ(error("{\"event\":\"flood\",\"at\":1}"),
            "2:10: an event is a fault, a leader or a note");
  EXPECT_EQ(error("{\"event\":\"fault\",\"at\":2,\"until\":1}"),
            "2:33: it ends before it begins");
  EXPECT_EQ(error("{\"lincheck\":1}"),
            "2:13: \"lincheck\" does not belong to an operation");
}

TEST(ReadJsonLines, VersionsThatCannotBe_AreMistakes) {
  const auto error = [](const std::string& lines) {
    return Shown(Read("{\"lincheck\":1,\"model\":\"kv\"}\n" + lines + "\n"));
  };
  const std::string put =
      "{\"client\":0,\"key\":\"x\",\"f\":\"put\",\"arg\":1,\"invoke\":1,"
      "\"written\":3}\n";
  const std::string of_other_key =
      "{\"client\":0,\"key\":\"y\",\"f\":\"put\",\"arg\":1,\"invoke\":1,"
      "\"written\":3}\n";
  EXPECT_EQ(error(put + of_other_key).substr(0, 8), "jsonl kv");
  EXPECT_EQ(error(put + of_other_key + put),
            "4:62: version 3 of this key for the second time");
  EXPECT_EQ(error("{\"client\":0,\"f\":\"get\",\"invoke\":1,\"return\":2,"
                  "\"written\":3}"),
            "2:55: get writes nothing");
  EXPECT_EQ(error("{\"client\":0,\"f\":\"get\",\"invoke\":1,\"seen\":3}"),
            "2:41: a version seen, but no \"return\"");
  // A failed operation may have its place in a log, too.
  EXPECT_EQ(error("{\"client\":0,\"f\":\"delete\",\"invoke\":1,"
                  "\"return\":2,\"result\":false,\"written\":3}"),
            "jsonl kv\n0  delete() = false [1, 2] written 3\n");
}

TEST(ReadJsonLines, LargeIntegers_AreWrittenAsStrings) {
  EXPECT_EQ(Shown(Read("{\"lincheck\":1,\"model\":\"kv\"}\n"
                       "{\"client\":0,\"f\":\"incr\",\"invoke\":1,\"return\":2,"
                       "\"arg\":\"-9223372036854775807\","
                       "\"result\":\"9223372036854775807\"}\n")),
            "jsonl kv\n0  incr(\"-9223372036854775807\") = "
            "\"9223372036854775807\" [1, 2]\n");
  EXPECT_EQ(Shown(Read("{\"lincheck\":1,\"model\":\"kv\"}\n"
                       "{\"client\":0,\"f\":\"incr\",\"invoke\":1,"
                       "\"arg\":\"12\"}\n")),
            "2:41: incr takes an integer");
}

TEST(ReadJsonLines, WhatIsWritten_IsReadBack) {
  const std::string text =
      "{\"lincheck\":1,\"model\":\"kv\",\"unit\":\"ns\"}\n"
      "{\"event\":\"note\",\"at\":1,\"text\":\"\\u000a\"}\n"
      "{\"client\":1,\"key\":\"a\\\"b\",\"f\":\"swap\",\"arg\":\"ä\","
      "\"result\":null,\"invoke\":1,\"return\":2,\"seen\":1,\"written\":2}\n"
      "{\"client\":1,\"key\":\"k\",\"f\":\"put\",\"arg\":{\"hex\":\"ff00\"},"
      "\"invoke\":3}\n";
  absl::StatusOr<Recording> recording = Read(text);
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(WriteJsonLines(*recording, *FindModel("kv")->make()), text);
}

TEST(ReadJsonLines, Lists_AreReadAndWritten) {
  const std::string text =
      "{\"lincheck\":1,\"model\":\"txn\",\"unit\":\"order\"}\n"
      "{\"client\":1,\"key\":\"\",\"f\":\"txn\",\"arg\":[\"r\",\"x\",null,"
      "\"w\",\"y\",3],\"result\":[\"r\",\"x\",\"ä\\\"\",\"w\",\"y\",3],"
      "\"invoke\":1,\"return\":2}\n";
  absl::StatusOr<Recording> recording = Read(text);
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(WriteJsonLines(*recording, *FindModel("txn")->make()), text);
  absl::StatusOr<Recording> nested = Read(
      "{\"lincheck\":1,\"model\":\"txn\"}\n"
      "{\"client\":1,\"f\":\"txn\",\"arg\":[[\"r\", \"x\",null], [\"w\","
      "\"y\",3]],\"invoke\":1}\n");
  ASSERT_TRUE(nested.ok()) << nested.status();
  EXPECT_EQ(nested->history.operations()[0].argument,
            recording->history.operations()[0].argument);
  EXPECT_EQ(Shown(Read("{\"lincheck\":1,\"model\":\"set\"}\n"
                       "{\"client\":1,\"f\":\"read\",\"result\":[2,\"a\",null],"
                       "\"invoke\":1,\"return\":2}\n")),
            "jsonl set\n1  read() = [2,\"a\",null] [1, 2]\n");
}

TEST(ReadJsonLines, WrongLists_SayWhere) {
  const auto error = [](std::string_view model, std::string_view line) {
    return Shown(Read("{\"lincheck\":1,\"model\":\"" + std::string(model) +
                      "\"}\n{\"client\":0," + std::string(line) + "}\n"));
  };
  EXPECT_EQ(error("txn", "\"invoke\":1,\"f\":\"txn\",\"arg\":[\"r\",\"x\"]"),
            "2:40: a transaction is a list of triples");
  EXPECT_EQ(error("txn", "\"invoke\":1,\"f\":\"txn\",\"arg\":[\"z\",1,1]"),
            "2:40: what a transaction does is \"r\", \"w\" or \"append\"");
  EXPECT_EQ(error("txn", "\"invoke\":1,\"f\":\"txn\",\"arg\":7"),
            "2:40: txn takes a list of triples");
  EXPECT_EQ(error("txn", "\"invoke\":1,\"f\":\"txn\",\"arg\":[\"append\",1,1]"),
            "2:40: append takes a string");
  EXPECT_EQ(error("txn",
                  "\"invoke\":1,\"f\":\"txn\",\"arg\":[\"r\",1,null],"
                  "\"return\":2,\"result\":[\"r\",2,null]"),
            "2:73: the result of a transaction repeats it, with what it read");
  EXPECT_EQ(error("set",
                  "\"invoke\":1,\"f\":\"read\",\"return\":2,"
                  "\"result\":3"),
            "2:55: the result of read is a list");
  EXPECT_EQ(error("set", "\"invoke\":1,\"f\":\"add\",\"arg\":[3]"),
            "2:40: add takes a value: null, an integer or a string");
  EXPECT_EQ(error("set",
                  "\"invoke\":1,\"f\":\"read\",\"return\":2,"
                  "\"result\":[{}]"),
            "2:56: a value expected");
  EXPECT_EQ(error("lock",
                  "\"invoke\":1,\"f\":\"acquire\",\"return\":2,"
                  "\"result\":\"t\""),
            "2:58: the result of acquire is an integer, or null");
  EXPECT_EQ(error("kv-expiring",
                  "\"invoke\":1,\"f\":\"put_for\",\"arg\":1,\"expected\":"
                  "\"soon\""),
            "2:57: put_for takes an integer for how long");
}

constexpr std::string_view kEdn =
    "{:type :invoke, :f :write, :value 3, :process 0, :time 100, :index 0}\n"
    "{:type :info, :f :start, :value nil, :process :nemesis, :time 110}\n"
    "{:type :info, :f :start, :value [:n1 :n2], :process :nemesis, :time 120}\n"
    "{:type :invoke, :f :cas, :value [3 4], :process 1, :time 130}\n"
    "{:type :ok, :f :write, :value 3, :process 0, :time 140}\n"
    "{:type :info, :f :cas, :value [3 4], :process 1, :time 150}\n"
    "{:type :info, :f :stop, :value nil, :process :nemesis, :time 150}\n"
    "{:type :invoke, :f :read, :value nil, :process 0, :time 90}\n"
    "{:type :ok, :f :read, :value 4, :process 0, :time 200}\n"
    "{:type :invoke, :f :cas, :value [1 2], :process 0, :time 210}\n"
    "{:type :fail, :f :cas, :value [1 2], :process 0, :time 220}\n"
    "{:type :invoke, :f :cas, :value [1 2], :process 0, :time 230}\n"
    "{:type :fail, :f :cas, :value [1 2], :process 0, :error :down}\n"
    "{:type :invoke, :f :write, :value \"last\", :process 0, :time 250}\n";
constexpr std::string_view kEdnShown =
    "edn cas-register\n"
    "fault [110, 151] : start [:n1 :n2]\n"
    "0  write(3) [100, 140]\n"
    "1  cas(3 -> 4) = ? [130, …]\n"
    "0  read() = 4 [152, 200]\n"
    "0  write(\"last\") = ? [250, …]\n";

TEST(ReadEdn, JepsensHistory_MeansWhatItSays) {
  EXPECT_EQ(Shown(Read(kEdn)), kEdnShown);
}

// Three fail: one with its own arguments, one with an :error beside them, one
// with something else as its value.
constexpr std::string_view kFailing =
    "{:type :invoke :f :cas :value [1 2] :process 0}"
    "{:type :fail :f :cas :value [1 2] :process 0}"
    "{:type :invoke :f :cas :value [3 4] :process 0}"
    "{:type :fail :f :cas :value [3 4] :process 0 :error :down}"
    "{:type :invoke :f :cas :value [5 6] :process 0}"
    "{:type :fail :f :cas :value :timed-out :process 0}";

TEST(ReadEdn, FailedCas_DidNotTakePlace) {
  const absl::StatusOr<Recording> recording = Read(kFailing);
  EXPECT_EQ(Shown(recording), "edn cas-register\n");
  EXPECT_EQ(recording->failed_cas.count, 3u);
  EXPECT_EQ(
      DescribeFailedCas(recording->failed_cas),
      "3 cas operations failed: read as not having taken place (--failed-cas "
      "absent).");
}

TEST(ReadEdn, FailedCasOfAStoreThatPromisesMore_SawAnotherValue) {
  const absl::StatusOr<Recording> recording =
      Read(kFailing, {.jepsen = {.failed_cas_observes = true}});
  EXPECT_EQ(Shown(recording),
            "edn cas-register\n0  cas(1 -> 2) = false [0, 1]\n");
  EXPECT_EQ(DescribeFailedCas(recording->failed_cas),
            "3 cas operations failed: 1 read as having seen another value than "
            "expected, 2 that gave another reason as not having taken place "
            "(--failed-cas observes).");
}

TEST(ReadEdn, NoFailedCas_NothingIsSaidOfIt) {
  EXPECT_EQ(
      DescribeFailedCas(Read("{:type :invoke :f :write :value 1 :process 0}"
                             "{:type :fail :f :write :value 1 :process 0}")
                            ->failed_cas),
      "");
}

TEST(ReadEdn, OneVectorOrList_IsTheSame) {
  EXPECT_EQ(Shown(Read("[" + std::string(kEdn) + "]\n")), kEdnShown);
  EXPECT_EQ(Shown(Read("; a note\n(" + std::string(kEdn) + ")")), kEdnShown);
  EXPECT_EQ(Shown(Read(std::string(kEdn) + "]")), "15:1: ']' closes nothing");
  EXPECT_EQ(Shown(Read("[" + std::string(kEdn) + "] {}")),
            "15:3: something follows the end of the history");
}

TEST(ReadEdn, KeysInPairs_MakePartitions) {
  EXPECT_EQ(Shown(Read("{:type :invoke :f :write :value [7 1] :process 0}"
                       "{:type :ok :f :write :value [7 1] :process 0}"
                       "{:type :invoke :f :cas :value [\"k\" [1 2]] :process 0}"
                       "{:type :ok :f :cas :value [\"k\" [1 2]] :process 0}"
                       "{:type :invoke :f :read :value [:w nil] :process 2}"
                       "{:type :ok :f :read :value [:w 5] :process 2}")),
            "edn cas-register\n"
            "0 7 write(1) [0, 1]\n"
            "0 k cas(1 -> 2) = true [2, 3]\n"
            "2 :w read() = 5 [4, 5]\n");
  EXPECT_EQ(Shown(Read("{:type :invoke :f :cas :value [7 [1 2]] :process 0}"
                       "{:type :ok :f :cas :value [7 false] :process 0}")),
            "edn cas-register\n"
            "0 7 cas(1 -> 2) = false [0, 1]\n");
}

TEST(ReadEdn, KvFunctions_ChooseTheModel) {
  EXPECT_EQ(
      Shown(Read("{:type :invoke :f :put :value [\"k\" 1] :process 0}"
                 "{:type :ok :f :put :value [\"k\" 1] :process 0}"
                 "{:type :invoke :f :delete :value [\"k\" nil] :process 0}"
                 "{:type :ok :f :delete :value [\"k\" true] :process 0}"
                 "{:type :invoke :f :get :value [\"k\" nil] :process 0}"
                 "{:type :ok :f :get :value [\"k\" nil] :process 0}")),
      "edn kv\n"
      "0 k put(1) [0, 1]\n"
      "0 k delete() = true [2, 3]\n"
      "0 k get() = nil [4, 5]\n");
}

TEST(ReadEdn, ListAppend_ReadsLikeStrings) {
  EXPECT_EQ(
      Shown(Read("{:process 0 :type :invoke :f :txn :value [[:append 5 1] "
                 "[:r 6 nil]]}"
                 "{:process 0 :type :ok :f :txn :value [[:append 5 1] "
                 "[:r 6 nil]]}"
                 "{:process 0 :type :invoke :f :txn :value [[:r 5 nil] "
                 "[:w :z 7]]}"
                 "{:process 0 :type :ok :f :txn :value [[:r 5 [1 2]] "
                 "[:w :z 7]]}")),
      "edn txn\n"
      "0  txn(append \"1 \" to 5, read 6 = nil) [0, 1]\n"
      "0  txn(read 5 = \"1 2 \", write \":z\" = 7) [2, 3]\n");
  EXPECT_EQ(Shown(Read("{:process 0 :type :invoke :f :txn :value [[:x 5 1]]}")),
            "1:42: a transaction is a vector of [:r key value], [:w key value] "
            "and [:append key value]");
}

TEST(ReadEdn, SetsQueuesAndLocks_ChooseTheirModels) {
  EXPECT_EQ(Shown(Read("{:process 0 :type :invoke :f :read :value nil}"
                       "{:process 0 :type :ok :f :read :value #{}}"
                       "{:process 0 :type :invoke :f :add :value 3}"
                       "{:process 0 :type :ok :f :add :value 3}"
                       "{:process 0 :type :invoke :f :read :value nil}"
                       "{:process 0 :type :ok :f :read :value [3]}")),
            "edn set\n"
            "0  read() = [] [0, 1]\n"
            "0  add(3) [2, 3]\n"
            "0  read() = [3] [4, 5]\n");
  EXPECT_EQ(Shown(Read("{:process 0 :type :invoke :f :enqueue :value 3}"
                       "{:process 0 :type :ok :f :enqueue :value 3}"
                       "{:process 0 :type :invoke :f :dequeue :value nil}"
                       "{:process 0 :type :ok :f :dequeue :value 3}")),
            "edn queue\n"
            "0  enqueue(3) [0, 1]\n"
            "0  dequeue() = 3 [2, 3]\n");
  EXPECT_EQ(Shown(Read("{:process 0 :type :invoke :f :acquire :value nil}"
                       "{:process 0 :type :ok :f :acquire :value 33}"
                       "{:process 0 :type :invoke :f :release :value 33}"
                       "{:process 0 :type :ok :f :release :value 33}"
                       "{:process 0 :type :invoke :f :acquire :value nil}"
                       "{:process 0 :type :ok :f :acquire :value nil}")),
            "1:276: a fencing token, an integer, expected (--model mutex has "
            "none)");
}

TEST(ReadEdn, LocksWithoutTokens_AreMutexes) {
  EXPECT_EQ(Shown(Read("{:process 0 :type :invoke :f :acquire :value nil}"
                       "{:process 0 :type :ok :f :acquire :value nil}"
                       "{:process 1 :type :invoke :f :unlock}"
                       "{:process 1 :type :ok :f :unlock}"
                       "{:process 1 :type :invoke :f :lock :value nil}"
                       "{:process 1 :type :fail :f :lock :error :held}")),
            "edn mutex\n"
            "0  acquire() = true [0, 1]\n"
            "1  release() = true [2, 3]\n");
}

TEST(ReadEdn, IntegersReadOfWhatIsAdded_MakeACounter) {
  EXPECT_EQ(Shown(Read("{:process 0 :type :invoke :f :add :value 5}"
                       "{:process 0 :type :ok :f :add :value 5}"
                       "{:process 1 :type :invoke :f :read :value nil}"
                       "{:process 1 :type :ok :f :read :value 5}")),
            "edn counter\n"
            "0  incr(5) [0, 1]\n"
            "1  get() = 5 [2, 3]\n");
}

TEST(ReadHistory, InitialValue_IsOneForm) {
  EXPECT_EQ(ParseInitial("0")->datum.ToString(), "0");
  EXPECT_EQ(ParseInitial(" \"0\" ")->datum.ToString(), "\"0\"");
  EXPECT_EQ(ParseInitial("word")->datum.ToString(), "\"word\"");
  EXPECT_EQ(ParseInitial("[2, 1]")->datum.ToString(), "\"[2 1]\"");
  EXPECT_EQ(ParseInitial("[2, 1]")->kind, EdnKind::kVector);
  EXPECT_EQ(ParseInitial("nil")->datum.ToString(), "nil");
  EXPECT_EQ(ParseInitial("null")->datum.ToString(), "nil");
  for (const char* text : {"", "1 2", "[", "]", "\"a"}) {
    EXPECT_FALSE(ParseInitial(text).has_value()) << text;
  }
}

TEST(ReadEdn, ResultsThatAreIntegers_Count) {
  const auto read = [](const std::string& call, const std::string& end,
                       const std::string& model = "kv") {
    const std::string shown =
        Shown(Read("{:process 0 :type :invoke :f " + call + "}{:process 0 " +
                       ":type :ok :f " + end + "}",
                   {.model = model}));
    const size_t first = shown.find('\n');
    return first == shown.npos ? shown : shown.substr(first + 4);
  };
  EXPECT_EQ(read(":length", ":length :value 7", "queue"),
            "length() = 7 [0, 1]\n");
  EXPECT_EQ(read(":length", ":length :value nil", "queue"),
            "length() [0, 1]\n");
  EXPECT_EQ(read(":length", ":length :value :many", "queue"),
            "1:78: an integer expected");
  EXPECT_EQ(read(":incr :value 2", ":incr :value 5"), "incr(2) = 5 [0, 1]\n");
  // It may be the argument that stands there.
  EXPECT_EQ(read(":incr :value 2", ":incr :value 2"), "incr(2) [0, 1]\n");
  EXPECT_EQ(read(":append :value \"ab\"", ":append :value 5"),
            "append(\"ab\") = 5 [0, 1]\n");
  EXPECT_EQ(read(":append :value \"ab\"", ":append :value \"ab\""),
            "append(\"ab\") [0, 1]\n");
}

TEST(ReadEdn, EqualValues_AreTheSameHoweverTheyAreWritten) {
  const auto same = [](const std::string& a, const std::string& b) {
    absl::StatusOr<Recording> read =
        Read("{:process 0 :type :invoke :f :write :value " + a +
                 "}{:process 1 :type :invoke :f :write :value " + b + "}",
             {.jepsen = {.keys = KeyForm::kNone}});
    return read.ok() && read->history.operations()[0].argument ==
                            read->history.operations()[1].argument;
  };
  EXPECT_TRUE(same("#{2 1}", "#{1, 2}"));
  EXPECT_TRUE(same("{:a 1 :b [2]}", "{:b [2], :a 1}"));
  EXPECT_TRUE(same("[1 2 3]", "(1 2 3)"));
  EXPECT_TRUE(same("[\"A\\n\"]", "[\"\\u0041\n\"]"));
  EXPECT_TRUE(same("12345678901234567890N", "+12345678901234567890"));
  EXPECT_TRUE(same("true", "1"));
  EXPECT_TRUE(same("false", "0"));
  EXPECT_FALSE(same("{1 2}", "{2 1}"));
  EXPECT_FALSE(same("[1 2]", "[2 1]"));
  EXPECT_FALSE(same("#{1 2}", "[1 2]"));
}

TEST(ReadEdn, Mistakes_SayWhere) {
  const auto error = [](std::string_view text) { return Shown(Read(text)); };
  EXPECT_EQ(error("{:type :invoke :f :write :value 1}"),
            "1:1: an entry without :process");
  EXPECT_EQ(error("{:process 0 :f :write :value 1}"),
            "1:1: an entry without :type");
  EXPECT_EQ(error("{:process 0 :type :invoke :value 1}"),
            "1:1: an entry without :f");
  EXPECT_EQ(error("{:process 0 :type :begin :f :write :value 1}"),
            "1:19: :begin is none of :invoke, :ok, :fail, :info");
  EXPECT_EQ(error("{:process 0 :type \"ok\" :f :write :value 1}"),
            "1:19: a keyword expected");
  EXPECT_EQ(error("{:process 0 :process 1 :type :ok :f :write :value 1}"),
            "1:13: this key for the second time");
  EXPECT_EQ(error("{:process -1 :type :invoke :f :write :value 1}"),
            "1:11: a process is a number from 0 to 4294967295");
  EXPECT_EQ(error("{:process 0 :type :invoke :f :cas :value 1}"),
            "1:42: :cas takes a pair [expected new]");
  EXPECT_EQ(error("{:process 0 :type :invoke :f :append :value 1}"),
            "1:45: :append takes a string");
  EXPECT_EQ(error("{:process 0 :type :invoke :f :write :value 1}\n"
                  "{:process 0 :type :ok :f :zap :value 1}")
                .substr(0, 49),
            "2:26: the model cas-register has no function :zap");
  EXPECT_EQ(error("{:process 0 :type :invoke :f :write :value 1} 7"),
            "1:47: an entry is a map: {:process …, :type …, :f …}");
}

TEST(ReadMapLines, MissingReturns_AreUnknown) {
  const std::string text =
      "{:process 9, :type :invoke, :f :append, :key \"0\", :value \"x 9 0 "
      "y\"}\n"
      "{:process 2, :type :invoke, :f :get, :key \"0\", :value nil}\n"
      "{:process 2, :type :ok, :f :get, :key \"0\", :value \"\"}\n"
      "{:process 9, :type :invoke, :f :put, :key \"1\", :value \"p\"}\n"
      "{:process 9, :type :ok, :f :put, :key \"1\", :value \"p\"}\n"
      "{:process 2, :type :invoke, :f :append, :key \"0\", :value \"z\"}";
  const std::string shown =
      "map-lines kv-text\n"
      "2 0 get() = \"\" [1, 2]\n"
      "9 0 append(\"x 9 0 y\") = ? [0, …]\n"
      "9 1 put(\"p\") [3, 4]\n"
      "2 0 append(\"z\") = ? [5, …]\n";
  EXPECT_EQ(Shown(Read(text)), shown);
  EXPECT_EQ(Shown(Read(text, {.form = Form::kMapLines, .model = "kv"})), shown);
}

TEST(ReadMapLines, GetWithoutValue_IsAnError) {
  EXPECT_EQ(Shown(Read(
                "{:process 2, :type :invoke, :f :get, :key \"0\", :value nil}\n"
                "{:process 2, :type :ok, :f :get, :key \"0\", :value nil}\n")),
            "2:51: no result: a key without a value reads as \"\"");
}

TEST(ReadJepsenLog, EveryRule_Holds) {
  EXPECT_EQ(Shown(Read("INFO  jepsen.os - up\n"
                       "INFO  jepsen.util - 0\t:invoke\t:write\t3\r\n"
                       "INFO  jepsen.util - 4\t:invoke\t:read\tnil\n"
                       "2026 INFO [worker 4] jepsen.util: 4\t:ok\t:read\tnil\n"
                       "INFO  jepsen.util - :nemesis\t:info\t:start\t\"Cut {\n"
                       "INFO  jepsen.util - :nemesis\t:info\t:kill\t\"n1\"\n"
                       "INFO  jepsen.util - 12 nodes are up\n"
                       "INFO  jepsen.util - 0\t:ok\t:write\t3\n"
                       "INFO  jepsen.util 4  :invoke  :cas  [1 2]\n"
                       "INFO  jepsen.util - 4\t:fail\t:cas\t[1 2]\n"
                       "INFO  jepsen.util - 4\t:invoke\t:cas\t[1 2]\n"
                       "INFO  jepsen.util - 4\t:fail\t:cas\t:timed-out\n"
                       "INFO  jepsen.util - 4\t:invoke\t:cas\t[3 4]\n"
                       "INFO  jepsen.util - 4\t:ok\t:cas\t[3 4]\n"
                       "INFO  jepsen.util - 0\t:invoke\t:read\tnil\n"
                       "INFO  jepsen.util - 0\t:fail\t:read\t:timed-out\n"
                       "INFO  jepsen.util - 0\t:invoke\t:write\t5\n"
                       "INFO  jepsen.util - 0\t:info\t:write\t:timed-out\n"
                       "INFO  jepsen.util - 7\t:invoke\t:write\t6")),
            "jepsen-log cas-register\n"
            "fault [3, …] : kill \"n1\"\n"
            "4  read() = nil [1, 2]\n"
            "0  write(3) [0, 4]\n"
            "4  cas(3 -> 4) = true [9, 10]\n"
            "0  write(5) = ? [13, …]\n"
            "7  write(6) = ? [15, …]\n");
}

TEST(ReadJepsenLog, LateFirstOperation_IsFound) {
  std::string text;
  while (text.size() < (3 << 20)) text += "INFO  jepsen.os - nothing yet\n";
  text += "INFO  jepsen.util - 0\t:invoke\t:write\t3\n";
  EXPECT_EQ(Shown(Read(text)),
            "jepsen-log cas-register\n0  write(3) = ? [0, …]\n");
}

TEST(ReadJepsenLog, NoOperation_IsAnEmptyHistory) {
  for (const char* text :
       {"INFO  jepsen.os.debian - :n1 setting up debian\n"
        "java.lang.RuntimeException: exit status 1\n",
        "2016-01-02 03:04:05,678\tERROR\t[main] jepsen.cli: Oh jeez\n",
        "INFO  jepsen.util - 12 nodes are up"}) {
    EXPECT_EQ(Shown(Read(text)), "jepsen-log cas-register\n") << text;
  }
  for (const char* text : {"INFO\n", "INFO about jepsen\n",
                           "\nWARN  clj-ssh.ssh - no route to n1\n"}) {
    EXPECT_EQ(Shown(Read(text)).substr(0, 20), "1:1: this looks like") << text;
  }
}

TEST(ReadJepsenLog, TimeInBrackets_IsSkipped) {
  EXPECT_EQ(
      Shown(Read("INFO [worker 0] jepsen.util: [ 0 ] 0\t:invoke\t:write\t6\n"
                 "INFO [worker 1] jepsen.util: [10] 1\t:invoke\t:read\tnil\n"
                 "INFO [worker 0] jepsen.util: [ 1000 ] 0\t:ok\t:write\t6\n"
                 "INFO [worker 1] jepsen.util: [ 2.5 ] 1\t:ok\t:read\t8\n"
                 "INFO [n] jepsen.util: [ 9 ] :nemesis\t:info\t:kill\t1\n")),
      "jepsen-log cas-register\n"
      "fault [4, …] : kill 1\n"
      "0  write(6) [0, 2]\n"
      "1  read() = 8 [1, 3]\n");
}

TEST(ReadJepsenLog, OperationInAnotherForm_IsAnError) {
  const std::string before = "INFO  jepsen.util - 0\t:invoke\t:write\t3\n";
  for (const char* line :
       {"INFO  jepsen.util: [ x ] 0\t:ok\t:write\t3\n",
        "INFO  jepsen.util: (5) 0\t:ok\t:write\t3\n",
        "INFO  jepsen.util: worker 0\t:ok\t:write\t3\n",
        "INFO  jepsen.util: 0:\t:ok\t:write\t3\n",
        "INFO  jepsen.util: 0\tok\t:write\t3\n", "INFO  jepsen.util: 0\n",
        "INFO  jepsen.util: 0",
        "INFO  jepsen.util: {:process 0, :type :ok, :f :write, :value 3}\n",
        "INFO  jepsen.util: [:ok 0]\n", "INFO  my.util: 0\t:ok\t:write\t3\n",
        "0\t:ok\t:write\t3\n", "0\t:info\t:write\t3\n",
        "worker-0 :ok :write 3\n"}) {
    EXPECT_NE(Shown(Read(before + line)).find("looks like an operation"),
              std::string::npos)
        << line;
    EXPECT_NE(Shown(Read(line)).find("1:"), std::string::npos) << line;
    EXPECT_FALSE(Read(line).ok()) << line;
  }
  EXPECT_EQ(Shown(Read(before + "INFO  jepsen.util: [ x ] 0\t:ok\t:write\t3")),
            "2:28: this line looks like an operation, but process, type, "
            "function and value do not follow the name of the logger, "
            "jepsen.util (the last line has no end: cut short?)");
}

TEST(ReadJepsenLog, ColoursAndWrittenTabs_AreRead) {
  const std::string invocation =
      "INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]\n";
  const std::string shown =
      "jepsen-log cas-register\n0  cas(1 -> 2) = true [0, 1]\n";
  for (const char* line :
       {"\x1b[32mINFO\x1b[0m jepsen.util 0\t\x1b[1;31m:ok\x1b[0m\t:cas\t[1 2]",
        "INFO  jepsen.util - \x1b[1m0\t:ok\t:cas\t[1 \x1b[33m2\x1b[0m]\x1b[m",
        "\x1b[1mINFO  jepsen.util - 0\t:ok\t:cas\t[1 2]\x1b[K",
        "INFO  \x1b[36mjepsen.util\x1b[0m - 0\t:ok\t:cas\t[1 2]",
        "INFO  jepsen.util - 0\t^[[1m:ok^[[0m\t:cas\t[1 2]",
        "INFO  jepsen.util - 0\t[1m:ok[0m\t:cas\t[1 2]",
        "INFO  jepsen.util - 0\t\\u001b[1m:ok\\033[0m\t:cas\t[1 2]",
        "INFO  jepsen.util - 0\\t:ok\\t:cas\\t[1 2]",
        "INFO  jepsen.util - 0\\t\x1b[1m:ok\x1b[0m\\t:cas\\t[1 2]"}) {
    EXPECT_EQ(Shown(Read(invocation + line + "\n")), shown) << line;
    EXPECT_FALSE(Read(std::string(line) + "\n").ok()) << line;
  }
  // The first line of a file, which tells its form.
  EXPECT_EQ(Shown(Read("INFO  jepsen.util - 0\\t\x1b[1m:invoke\x1b[0m\\t:write"
                       "\\t3\nINFO  jepsen.util - 0\\t:ok\\t:write\\t3\n")),
            "jepsen-log cas-register\n0  write(3) [0, 1]\n");
  // Values stay what they are.
  EXPECT_EQ(Shown(Read("INFO  jepsen.util - 0\t:invoke\t:write\t\"[1m\\t\"\n"
                       "INFO  jepsen.util - 0\t:ok\t:write\t\"[1m\\t\"\n")),
            "jepsen-log cas-register\n0  write(\"[1m\\t\") [0, 1]\n");
  EXPECT_EQ(Shown(Read("INFO  jepsen.util - 0\t:invoke\t:write\t\\t\n"
                       "INFO  jepsen.util - 0\t:ok\t:write\t\\t\n")),
            "jepsen-log cas-register\n0  write(\"\\\\t\") [0, 1]\n");
  // Columns are those of the file.
  EXPECT_EQ(
      Shown(Read("INFO  jepsen.util - 0\\t\x1b[1m:invoke\x1b[0m\\t:wri\n")),
      "1:45: an entry without a value");
}

TEST(ReadJepsenLog, TypeBetweenOtherMarks_IsAnError) {
  const std::string before = "INFO  jepsen.util - 0\t:invoke\t:write\t3\n";
  for (const char* line :
       {"INFO  jepsen.util - 0\t<b>:ok</b>\t:write\t3",
        "INFO  jepsen.util - 0 \\t:ok\t:write\t3",
        "INFO  jepsen.util - 0:ok:write:3",
        "INFO  jepsen.core - 0\t\x1b[1m:ok\x1b[0m\t:write\t3",
        "INFO  jepsen.core - 0\\t:ok\\t:write\\t3",
        "INFO  jepsen.core - 0\t*:ok*\t:write\t3",
        "INFO  jepsen.core - 0:ok :write 3",
        "INFO  jepsen.util \"- 0\\t:ok\\t:write\\t3"}) {
    const std::string said = Shown(Read(before + line + "\n"));
    EXPECT_EQ(said.substr(0, 2), "2:") << line << said;
    EXPECT_NE(said.find("looks like an operation"), said.npos) << line << said;
  }
}

TEST(ReadJepsenLog, LinesAboutOperations_AreSkipped) {
  const std::string entry = "INFO  jepsen.util - 0\t:invoke\t:write\t3\n";
  for (const char* line :
       {"INFO  jepsen.core - {:ok 12 :fail 3 :info 4}\n",
        " {:process 3, :type :ok, :f :read, :value 3}\n",
        "{:process 3 :type :ok :f :read}\n", " :type :ok,\n",
        "#{:ok :fail :info}\n", "INFO  jepsen.nemesis: :info :start\n",
        "INFO  jepsen.util - :checker\t:info\t:start\tnil\n",
        "WARN  jepsen.core - Process 3 crashed :ok\n",
        "INFO  jepsen.util - 5 nodes, :ok-count 3\n",
        "\x1b[32mINFO\x1b[0m  jepsen.core - {:ok 12 :fail 3 :info 4}\n",
        "INFO  jepsen.core - 5 of a:okay :write\n"}) {
    EXPECT_EQ(Shown(Read(entry + line)).substr(0, 24),
              "jepsen-log cas-register\n")
        << line << Shown(Read(entry + line));
  }
}

TEST(ReadJepsenLog, FailedOperations_AreCounted) {
  const absl::StatusOr<Recording> recording = Read(
      "INFO  jepsen.util - 0\t:invoke\t:write\t3\n"
      "INFO  jepsen.util - 0\t:fail\t:write\t3\n");
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->history.operations().size(), 0u);
  EXPECT_EQ(recording->left_out, 1u);
}

TEST(ReadJepsenLog, Mistakes_SayWhere) {
  const auto error = [](const std::string& entry) {
    return Shown(Read("INFO  jepsen.util - 0 :invoke " + entry));
  };
  const std::string cut = " (the last line has no end: cut short?)";
  EXPECT_EQ(error(":cas [1 2\n"), "1:40: the line ends within a collection");
  EXPECT_EQ(error(":cas (1 {2\n"), "1:41: the line ends within a collection");
  EXPECT_EQ(error(":cas (1 2"),
            "1:40: the line ends within a collection" + cut);
  EXPECT_EQ(error(":write \"ab\n"),
            "1:38: the line ends within the string that begins here");
  EXPECT_EQ(error(":write 1]\n"), "1:39: a bracket that closes nothing");
  EXPECT_EQ(error(":write 1) 2\n"), "1:39: a bracket that closes nothing");
  EXPECT_EQ(error(":write\n"), "1:37: an entry without a value");
  EXPECT_EQ(error("write 1\n"), "1:31: a keyword expected");
  EXPECT_EQ(error(":wri"), "1:35: an entry without a value" + cut);
}

// The last line may have been longer.
TEST(ReadJepsenLog, BareValueAtTheEnd_IsTakenOnlyIfItCannotGrow) {
  const auto read = [](const std::string& written, const std::string& result,
                       const std::string& function = "read") {
    return Shown(Read("INFO  jepsen.util - 0\t:invoke\t:write\t" + written +
                      "\nINFO  jepsen.util - 1\t:invoke\t:" + function +
                      "\tnil\nINFO  jepsen.util - 1\t:ok\t:" + function + "\t" +
                      result));
  };
  const auto whole = [](const std::string& written, const std::string& result) {
    return "jepsen-log cas-register\n1  read() = " + result +
           " [1, 2]\n0  write(" + written + ") = ? [0, …]\n";
  };
  const std::string cut =
      ": this may be the beginning of what was read (the last line has no end: "
      "cut short?)";
  EXPECT_EQ(read("12", "1"), "3:33" + cut);
  EXPECT_EQ(read("-12", "-"), "3:33" + cut);
  EXPECT_EQ(read(":word", ":w"), "3:33" + cut);
  EXPECT_EQ(read("12", "ni"), "3:33" + cut);
  EXPECT_EQ(read("12", "1\n"), whole("12", "1"));
  EXPECT_EQ(read("12", "12"), whole("12", "12"));
  EXPECT_EQ(read("21", "1"), whole("21", "1"));
  EXPECT_EQ(read("12", "nil"), whole("12", "nil"));
  // A counter may have any number.
  const std::string counted =
      "INFO  jepsen.util - 0\t:invoke\t:incr\t1\n"
      "INFO  jepsen.util - 0\t:ok\t:incr\t7\n"
      "INFO  jepsen.util - 0\t:invoke\t:get\tnil\n"
      "INFO  jepsen.util - 0\t:ok\t:get\t7";
  EXPECT_EQ(Shown(Read(counted, {.model = "kv"})), "4:32" + cut);
  EXPECT_EQ(Shown(Read(counted.substr(0, 71), {.model = "kv"})), "2:33" + cut);
}

TEST(ReadJepsenLog, ReturnOfAnotherCall_IsAnError) {
  const auto read = [](const std::string& call, const std::string& end) {
    return Shown(Read("INFO  jepsen.util - 0\t:invoke\t" + call +
                      "\nINFO  jepsen.util - 0\t:ok\t" + end + "\n"));
  };
  const std::string other =
      "this is not what process 0 invoked the function with in line 1";
  EXPECT_EQ(read(":write\t3", ":write\t4"), "2:34: " + other);
  EXPECT_EQ(read(":cas\t[1 2]", ":cas\t[1 3]"), "2:32: " + other);
  EXPECT_EQ(read(":cas\t[1 2]", ":cas\t7"), "2:32: " + other);
  EXPECT_EQ(read(":cas\t[1 2]", ":cas\tfalse"),
            "jepsen-log cas-register\n0  cas(1 -> 2) = false [0, 1]\n");
  EXPECT_EQ(read(":write\t3", ":write\tnil"),
            "jepsen-log cas-register\n0  write(3) [0, 1]\n");
  EXPECT_EQ(read(":write\t3", ":write\t3 4"),
            "2:36: something follows the value");
  EXPECT_EQ(read(":write\t3 4", ":write\t3"),
            "1:40: something follows the value");
}

TEST(ReadHistory, PiecesOfAnySize_ReadTheSame) {
  const std::string jsonl =
      "\xef\xbb\xbf{\"lincheck\":1,\"model\":\"kv\"}\n"
      "{\"client\":0,\"f\":\"put\",\"arg\":\"ä\\n\",\"invoke\":1}\n"
      "{\"client\":0,\"f\":\"zap";
  const std::string log = "x\nINFO  jepsen.util - 0\t:invoke\t:write\t3\n";
  for (const std::string& text :
       {jsonl, std::string(kEdn), log, "[" + std::string(kEdn) + "]"}) {
    const std::string whole = Shown(Read(text));
    for (size_t piece = 1; piece < 20; ++piece) {
      EXPECT_EQ(Shown(Read(text, {}, piece)), whole) << piece;
    }
  }
}

TEST(ReadHistory, LongLines_AreRead) {
  const std::string value(5 << 20, 'v');
  absl::StatusOr<Recording> json = Read(
      "{\"lincheck\":1,\"model\":\"kv\"}\n{\"client\":0,\"f\":\"put\","
      "\"arg\":\"" +
          value + "\",\"invoke\":1}\n",
      {}, 65536);
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(json->history.operations()[0].argument.bytes(), value);
  absl::StatusOr<Recording> edn =
      Read("{:process 0 :type :invoke :f :write :value \"" + value + "\"}", {},
           65536);
  ASSERT_TRUE(edn.ok()) << edn.status();
  EXPECT_EQ(edn->history.operations()[0].argument.bytes(), value);
}

TEST(ReadHistory, UnknownForm_IsToldWhatIsKnown) {
  EXPECT_EQ(Shown(Read("")), "1:1: the file is empty");
  EXPECT_EQ(Shown(Read("hello\n")).substr(0, 20), "1:1: this looks like");
  EXPECT_EQ(Shown(Read("[{\"a\":1}]\n")).substr(0, 20), "1:1: this looks like");
  EXPECT_EQ(Shown(Read("hello\n", {.form = Form::kJepsenLog})),
            "jepsen-log cas-register\n");
}

TEST(ReadHistory, WordsOfTheFile_AreShownHarmlessAndShort) {
  const auto error = [](const std::string& function) {
    return Shown(
        Read("INFO  jepsen.util - 1\t:invoke\t:" + function + "\tnil\n"));
  };
  EXPECT_EQ(
      error("r\x1b"
            "d\x7f"),
      "1:31: the model cas-register has no function :r\\x1bd\\x7f; it has "
      "read, write, cas (--model names another)");
  const std::string cut = error("ä" + std::string(1 << 20, 'r') + "ö");
  EXPECT_EQ(cut.substr(0, 49),
            "1:31: the model cas-register has no function :är");
  EXPECT_NE(cut.find("rr…rr"), cut.npos);
  EXPECT_NE(cut.find("rö; it has read"), cut.npos);
  EXPECT_LT(cut.size(), 600);
}

// Fails at the second piece.
class FailingSource final : public ByteSource {
 public:
  absl::StatusOr<size_t> Read(char* into, size_t size) override {
    if (asked_++ > 0) return absl::UnavailableError("the disk is gone");
    const size_t count = std::min<size_t>(size, 4);
    std::fill_n(into, count, '{');
    return count;
  }

 private:
  int asked_ = 0;
};

TEST(ReadHistory, FailingSource_EndsWithItsError) {
  for (Form form : {Form::kAuto, Form::kJsonLines, Form::kEdn, Form::kJepsenLog,
                    Form::kMapLines}) {
    FailingSource source;
    EXPECT_EQ(ReadHistory(&source, {.form = form}).status(),
              absl::UnavailableError("the disk is gone"));
  }
}

}  // namespace
}  // namespace quorate::lincheck
