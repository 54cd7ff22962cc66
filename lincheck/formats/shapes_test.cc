// Every shape of value that histories of Jepsen and Knossos have: what it is
// read as, or the mistake that it is. None turns into a verdict unread.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/formats/read.h"
#include "lincheck/models/registry.h"
#include "lincheck/testing/memory_source.h"

namespace quorate::lincheck {
namespace {

struct Row {
  // "invoke write 5", one entry after another; all of process 0.
  std::vector<std::string_view> entries;
  // "cas-register: write(5), k read() = 5", where k is the key; or the line of
  // the mistake and what is said of it.
  std::string_view read_as;
  ReadOptions options;
};

std::string EdnOf(const Row& row) {
  std::string text;
  for (const std::string_view entry : row.entries) {
    const size_t type = entry.find(' ');
    const size_t value = entry.find(' ', type + 1);
    text += "{:process 0, :type :" + std::string(entry.substr(0, type)) +
            ", :f :" + std::string(entry.substr(type + 1, value - type - 1));
    if (value != entry.npos) {
      text += ", :value " + std::string(entry.substr(value + 1));
    }
    text += "}\n";
  }
  return text;
}

std::string ReadAs(const Row& row) {
  const std::string text = EdnOf(row);
  MemorySource source(text);
  const absl::StatusOr<Recording> recording = ReadHistory(&source, row.options);
  if (!recording.ok()) {
    // Without the column.
    std::string message(recording.status().message());
    const size_t line = message.find(':');
    if (line != message.npos) {
      message.erase(line, message.find(':', line + 1) - line);
    }
    return message;
  }
  const std::unique_ptr<Model> model = FindModel(recording->model)->make();
  std::string all = recording->model;
  const char* separator = ": ";
  for (const Operation& op : recording->history.operations()) {
    const std::string& key = recording->history.partition_name(op.partition);
    all +=
        separator + key + (key.empty() ? "" : " ") + DescribeCall(*model, op);
    separator = ", ";
  }
  return all;
}

void AreReadAs(const std::vector<Row>& rows) {
  for (const Row& row : rows) EXPECT_EQ(ReadAs(row), row.read_as) << EdnOf(row);
}

constexpr JepsenOptions kIndependent{.keys = KeyForm::kIndependent};
constexpr JepsenOptions kNoKeys{.keys = KeyForm::kNone};

TEST(Shapes, Keys_AreThoseOfTheWholeFile) {
  AreReadAs({
      // Values of two.
      {{"invoke write [5 6]", "ok write [5 6]", "invoke read nil",
        "ok read [5 6]"},
       "cas-register: write(\"[5 6]\"), read() = \"[5 6]\""},
      {{"invoke read", "ok read nil", "invoke write [5 6]"},
       "cas-register: read() = nil, write(\"[5 6]\") = ?"},
      {{"invoke write [5 6]", "ok write [5 6]", "invoke cas [[5 6] [7 8]]",
        "ok cas [[5 6] [7 8]]", "invoke write nil"},
       "cas-register: write(\"[5 6]\"), cas(\"[5 6]\" -> \"[7 8]\") = true, "
       "write(nil) = ?"},
      // Keys.
      {{"invoke write [5 6]", "ok write [5 6]", "invoke read [5 nil]",
        "ok read [5 6]", "invoke cas [5 [6 7]]", "ok cas [5 false]"},
       "cas-register: 5 write(6), 5 read() = 6, 5 cas(6 -> 7) = false"},
      {{"invoke read [\"k\" nil]", "ok read [\"k\" [5 6]]",
        "invoke write [\"k\" [5 6]]"},
       "cas-register: k read() = \"[5 6]\", k write(\"[5 6]\") = ?"},
      {{"invoke enqueue [:q 1]", "ok enqueue [:q 1]", "invoke dequeue [:q nil]",
        "ok dequeue [:q 1]"},
       "queue: :q enqueue(1), :q dequeue() = 1"},
      {{"invoke txn [5 [[:w 1 2]]]", "ok txn [5 [[:w 1 2]]]"},
       "txn: 5 txn(write 1 = 2)"},
      {{"invoke add [5 1]", "ok add [5 1]", "invoke read [5 nil]",
        "ok read [5 #{1}]"},
       "set: 5 add(1), 5 read() = [1]"},
      // The invocations of an analysed history.
      {{"invoke write 5", "ok write 5", "invoke read 5", "ok read 5"},
       "cas-register: write(5), read() = 5"},
      {{"invoke write 5", "ok write 5", "invoke read 5", "ok read 6"},
       "4: line 3 has another value, 5: an invocation has nil, or what it "
       "returns"},
      // Files that fit both readings.
      {{"invoke write [5 6]", "ok write [5 6]"},
       "1: every value is a pair, such as this one: are they keys with their "
       "values (--keys independent), or values of one object (--keys none)?"},
      {{"invoke write [5 6]", "ok write [5 6]", "invoke cas [5 [6 7]]",
        "ok cas [5 [6 7]]"},
       "1: every value is a pair, such as this one: are they keys with their "
       "values (--keys independent), or values of one object (--keys none)?"},
      {{"invoke write [5 6]", "ok write [5 6]"},
       "cas-register: 5 write(6)",
       {.jepsen = kIndependent}},
      {{"invoke write [5 6]", "ok write [5 6]"},
       "cas-register: write(\"[5 6]\")",
       {.jepsen = kNoKeys}},
      {{"invoke read [5 6]", "ok read [5 6]", "invoke write [5 6]"},
       "cas-register: read() = \"[5 6]\", write(\"[5 6]\") = ?",
       {.jepsen = kNoKeys}},
      // Files that fit neither reading.
      {{"invoke write 5", "ok write 5", "invoke read [5 nil]"},
       "3: :read takes no value: nil expected"},
      {{"invoke read [5 nil]", "ok read [5 6]", "invoke read nil"},
       "3: a pair [key value] expected"},
      {{"invoke write 5", "ok write 5"},
       "1: a pair [key value] expected",
       {.jepsen = kIndependent}},
      {{"invoke read [5 nil]", "ok read [5 6]"},
       "2: line 1 has another value, \"[5 nil]\": an invocation has nil, or "
       "what it returns",
       {.jepsen = kNoKeys}},
      {{"invoke read [5 nil]", "ok read [6 7]"},
       "2: process 0 returns for another key than it invoked for"},
      {{"invoke read [5 nil]", "ok read [5 1]", "invoke read [\"5\" nil]"},
       "3: the key 5 is a string in one entry and none in another: write it in "
       "one way"},
  });
}

TEST(Shapes, Registers) {
  AreReadAs({
      {{"invoke write :a", "ok write :a", "invoke read nil", "ok read :a"},
       "cas-register: write(\":a\"), read() = \":a\""},
      {{"invoke write {:a 1}", "ok write nil", "invoke read", "ok read {:a 1}"},
       "cas-register: write(\"{:a 1}\"), read() = \"{:a 1}\""},
      {{"invoke cas [1 2]", "ok cas nil", "invoke cas [1 2]", "ok cas [1 2]",
        "invoke cas [1 2]", "ok cas true"},
       "cas-register: cas(1 -> 2) = true, cas(1 -> 2) = true, "
       "cas(1 -> 2) = true"},
      {{"invoke cas [1 2]", "fail cas [1 2]", "invoke read", "fail read 7"},
       "cas-register"},
      // A register with versions: the values that return are others.
      {{"invoke write [nil 3]", "ok write [5 3]", "invoke read nil"},
       "2: this is not what process 0 invoked the function with in line 1"},
      {{"invoke write [7 [nil 3]]", "ok write [7 [5 3]]",
        "invoke read [7 nil]"},
       "2: this is not what process 0 invoked the function with in line 1"},
      {{"invoke cas [nil [1 2]]", "ok cas [5 [1 2]]", "invoke read nil"},
       "2: this is not what process 0 invoked the function with in line 1"},
      {{"invoke write 3", "ok write \"OK\""},
       "2: this is not what process 0 invoked the function with in line 1"},
      {{"invoke cas [1 2]", "ok cas :done"},
       "2: this is not what process 0 invoked the function with in line 1"},
      {{"invoke write"}, "1: :write takes a value"},
      {{"invoke cas 1"}, "1: :cas takes a pair [expected new]"},
      {{"invoke cas (1 2)"}, "1: :cas takes a pair [expected new]"},
      {{"invoke cas [1 2 3]"}, "1: :cas takes a pair [expected new]"},
      {{"invoke cas {:old 1 :new 2}"}, "1: :cas takes a pair [expected new]"},
      {{"invoke read nil", "ok read"}, "2: no :value, no result"},
      // Results without meaning.
      {{"invoke write 3", "ok write 3", "invoke read nil", "ok read [3]"},
       "4: a vector is read, but nothing in the history writes one, so "
       "that it has no meaning here: let the history have the value itself"},
      {{"invoke write 3", "ok write 3", "invoke read nil", "ok read (3)"},
       "4: a vector is read, but nothing in the history writes one, so "
       "that it has no meaning here: let the history have the value itself"},
      {{"invoke write 3", "ok write 3", "invoke read nil", "ok read #{3}"},
       "4: a set is read, but nothing in the history writes one, so that it "
       "has no meaning here: let the history have the value itself"},
      {{"invoke write 3", "ok write 3", "invoke read nil",
        "ok read {:value 3, :version 9}"},
       "4: a map is read, but nothing in the history writes one, so that it "
       "has no meaning here: let the history have the value itself"},
      {{"invoke read nil", "ok read [3]"},
       "cas-register: read() = \"[3]\"",
       {.initial = ParseInitial("[3]")}},
      {{"invoke write 3", "ok write 3", "invoke read nil", "ok read \"3\""},
       "4: a string of digits is read, but what the history writes are "
       "integers: let it have integers"},
      {{"invoke write \"3\"", "ok write \"3\"", "invoke read nil", "ok read 3"},
       "4: an integer is read, but what the history writes are strings: let it "
       "have strings"},
      {{"invoke write 3", "ok write 3", "invoke read nil", "ok read \"x\""},
       "cas-register: write(3), read() = \"x\""},
      {{"invoke read nil", "ok read 3"}, "cas-register: read() = 3"},
      {{"invoke read nil", "ok read 3", "invoke write \"3\""},
       "cas-register: read() = 3, write(\"3\") = ?",
       {.initial = ParseInitial("3")}},
      // Several registers under the names of one.
      {{"invoke write [[:w 1 3]]", "ok write [[:w 1 3]]"},
       "1: :write takes no transaction; the function of a transaction is :txn"},
      {{"invoke read [[:r 1 nil] [:r 2 nil]]"},
       "1: :read takes no transaction; the function of a transaction is :txn"},
      {{"invoke read :x", "ok read {:x 3}"},
       "2: line 1 has another value, \":x\": an invocation has nil, or what it "
       "returns"},
  });
}

TEST(Shapes, Mutexes) {
  AreReadAs({
      {{"invoke acquire nil", "ok acquire nil", "invoke release nil",
        "ok release nil"},
       "mutex: acquire() = true, release() = true"},
      {{"invoke acquire", "ok acquire", "invoke release", "ok release"},
       "mutex: acquire() = true, release() = true"},
      {{"invoke lock nil", "ok lock nil", "invoke unlock nil",
        "ok unlock true"},
       "mutex: acquire() = true, release() = true"},
      {{"invoke acquire [1 nil]", "ok acquire [1 nil]",
        "invoke release [1 nil]", "ok release [1 nil]"},
       "mutex: 1 acquire() = true, 1 release() = true"},
      {{"invoke acquire nil", "fail acquire :held", "invoke acquire nil",
        "ok acquire false", "invoke release nil", "info release nil"},
       "mutex: acquire() = false, release() = ?"},
      // With tokens.
      {{"invoke acquire nil", "ok acquire 33", "invoke release 33",
        "ok release 33"},
       "lock: acquire() = 33, release(33)"},
      {{"invoke lock [:l nil]", "ok lock [:l 33]", "invoke unlock [:l 33]",
        "ok unlock [:l true]"},
       "lock: :l acquire() = 33, :l release(33) = true"},
      {{"invoke acquire nil", "ok acquire nil"},
       "2: a fencing token, an integer, expected (--model mutex has none)",
       {.model = "lock"}},
      {{"invoke acquire nil", "ok acquire 33"},
       "2: true, false or nil expected (--model lock has fencing tokens)",
       {.model = "mutex"}},
      {{"invoke acquire nil", "ok acquire {:client \"a\", :fence 5}"},
       "2: true, false or nil expected (--model lock has fencing tokens)"},
      // The name of a lock, or of its holder.
      {{"invoke acquire \"l1\"", "ok acquire \"l1\""},
       "1: :acquire takes no value: nil expected"},
      {{"invoke lock 3", "ok lock 3"},
       "1: :acquire takes no value: nil expected"},
      {{"invoke release 3", "ok release 3"}, "lock: release(3)"},
      {{"invoke release nil", "ok release nil"},
       "1: :release takes an integer",
       {.model = "lock"}},
      {{"invoke refresh nil"},
       "1: the model mutex has no function :refresh; it has acquire, release "
       "(--model names another)",
       {.model = "mutex"}},
  });
}

TEST(Shapes, Queues) {
  AreReadAs({
      {{"invoke enqueue 1", "ok enqueue 1", "invoke dequeue nil",
        "ok dequeue 1", "invoke dequeue", "fail dequeue :empty",
        "invoke dequeue nil", "ok dequeue nil"},
       "queue: enqueue(1), dequeue() = 1, dequeue() = nil"},
      {{"invoke enqueue [1 2]", "ok enqueue [1 2]", "invoke dequeue nil",
        "ok dequeue [1 2]"},
       "queue: enqueue(\"[1 2]\"), dequeue() = \"[1 2]\""},
      {{"invoke enqueue 1", "ok enqueue 1", "invoke dequeue nil",
        "ok dequeue [1]"},
       "4: a vector is read, but nothing in the history writes one, so "
       "that it has no meaning here: let the history have the value itself"},
      {{"invoke enqueue 1", "ok enqueue 2"},
       "2: this is not what process 0 invoked the function with in line 1"},
      {{"invoke enqueue nil"}, "1: :enqueue takes a value that is not nil"},
      {{"invoke dequeue nil", "ok dequeue"}, "2: no :value, no result"},
      {{"invoke enqueue 1", "ok enqueue 1", "invoke drain nil"},
       "3: the model queue has no function :drain; it has enqueue, dequeue, "
       "peek, length (--model names another)"},
  });
}

TEST(Shapes, SetsAndCounters) {
  AreReadAs({
      {{"invoke add 1", "ok add 1", "invoke read nil", "ok read #{1}"},
       "set: add(1), read() = [1]"},
      {{"invoke add 1", "ok add true", "invoke read nil", "ok read [1 2]"},
       "set: add(1) = true, read() = [1,2]"},
      {{"invoke add [1 2]", "ok add nil", "invoke read nil", "ok read ([1 2])"},
       "set: add(\"[1 2]\"), read() = [\"[1 2]\"]"},
      {{"invoke add 1", "ok add 7", "invoke read nil"},
       "2: this is not what process 0 invoked the function with in line 1",
       {.model = "set"}},
      {{"invoke add true"},
       "1: :add takes a value other than true and false, which as its result "
       "would be an answer or the value",
       {.model = "set"}},
      {{"invoke add 1", "ok add 1", "invoke read nil", "ok read nil"},
       "4: a vector, list or set expected (--model counter reads integers)"},
      {{"invoke add 1", "ok add 1", "invoke read nil", "ok read {1 2}"},
       "4: a vector, list or set expected (--model counter reads integers)"},
      {{"invoke read #{1}", "ok read #{1}", "invoke add 1"},
       "1: :read takes no value: nil expected"},
      // A counter has the functions of a set.
      {{"invoke add 5", "ok add 5", "invoke read nil", "ok read 5"},
       "counter: incr(5), get() = 5"},
      {{"invoke add [:c 5]", "ok add [:c 5]", "invoke read [:c nil]",
        "ok read [:c 5]"},
       "counter: :c incr(5), :c get() = 5"},
      {{"invoke add 5", "ok add 5", "invoke read nil", "ok read 5"},
       "4: a vector, list or set expected (--model counter reads integers)",
       {.model = "set"}},
      {{"invoke add 5", "ok add 5", "invoke read nil", "ok read #{5}"},
       "4: an integer expected",
       {.model = "counter"}},
      {{"invoke add :a"}, "1: :incr takes an integer", {.model = "counter"}},
      {{"invoke add 5", "ok add :a"},
       "2: this is not what process 0 invoked the function with in line 1",
       {.model = "counter"}},
  });
}

TEST(Shapes, Transactions) {
  AreReadAs({
      {{"invoke txn [[:r 1 nil] [:w 2 3]]", "ok txn [[:r 1 nil] [:w 2 3]]"},
       "txn: txn(read 1 = nil, write 2 = 3)"},
      // Several registers.
      {{"invoke txn [[:read :x nil] [:write :y 2]]",
        "ok txn [[:read :x 0] [:write :y 2]]"},
       "txn: txn(read \":x\" = 0, write \":y\" = 2)",
       {.initial = ParseInitial("0")}},
      {{"invoke txn [[:append 1 2]]", "ok txn [[:append 1 2]]",
        "invoke txn [[:r 1 nil]]", "ok txn [[:r 1 [2]]]"},
       "txn: txn(append \"2 \" to 1), txn(read 1 = \"2 \")"},
      {{"invoke txn [[:w 1 #{2 3}] [:r 1 nil]]",
        "ok txn [[:w 1 #{2 3}] [:r 1 #{3 2}]]"},
       "txn: txn(write 1 = \"#{2 3}\", read 1 = \"#{2 3}\")"},
      {{"invoke txn [[:append 1 2] [:r 1 nil]]",
        "ok txn [[:append 1 2] [:r 1 2]]"},
       "2: a vector or nil expected: there are appends to the key 1"},
      {{"invoke txn [[:append 1 2] [:r 1 nil]]",
        "ok txn [[:append 1 2] [:r 1 #{2}]]"},
       "2: a vector or nil expected: there are appends to the key 1"},
      {{"invoke txn [[:w 1 2] [:r 1 nil]]", "ok txn [[:w 1 2] [:r 1 [2]]]"},
       "2: a vector is read, but nothing in the history writes one to the key "
       "1, so that it has no meaning here: let the history have the value "
       "itself"},
      {{"invoke txn [[:append 1 2]]", "ok txn [[:append 1 3]]"},
       "2: the result of a transaction repeats it, with what it read"},
      {{"invoke txn [[:incr 1 2]]"},
       "1: a transaction is a vector of [:r key value], [:w key value] and "
       "[:append key value]"},
      {{"invoke txn {:x 1}"},
       "1: a transaction is a vector of [:r key value], [:w key value] and "
       "[:append key value]"},
      {{"invoke read [[:r 1 nil]]", "ok read [[:r 1 nil]]"},
       "1: :read takes no transaction; the function of a transaction is :txn"},
      {{"invoke txn [[:r 1 nil]]"},
       "a key of transactions cannot start as a vector (--initial)",
       {.initial = ParseInitial("[1]")}},
      {{"invoke append 5"}, "1: :append takes a string", {.model = "kv"}},
      {{"invoke transfer {:from 1 :to 2}"},
       "1: the model cas-register has no function :transfer; it has read, "
       "write, cas (--model names another)"},
  });
}

TEST(Shapes, Processes) {
  const auto read = [](std::string_view text) {
    MemorySource source(text);
    return std::string(ReadHistory(&source, {}).status().message());
  };
  EXPECT_EQ(read("{:process :c1 :type :invoke :f :write :value 1}"),
            "1:11: a client's process is a number");
  EXPECT_EQ(read("{:process \"c1\" :type :invoke :f :write :value 1}"),
            "1:11: a process is a number, or a name like :nemesis");
  EXPECT_EQ(read("{:process :nemesis :type :invoke :f :kill :value :n1}"), "");
  EXPECT_EQ(read("{:process :admin :type :info :f :grow :value nil}"), "");
}

TEST(Shapes, KeysBesideValues_AreAllOrNone) {
  const auto read = [](const std::string& first, const std::string& second) {
    const std::string text = "{:process 0 :type :invoke :f :write :value 1 " +
                             first + "}{:process 1 :type :invoke :f :write " +
                             ":value 1 " + second + "}";
    MemorySource source(text);
    return std::string(
        ReadHistory(&source, {.form = Form::kEdn}).status().message());
  };
  EXPECT_EQ(read(":key 1", ":key 2"), "");
  EXPECT_EQ(read("", ""), "");
  EXPECT_EQ(read(":key 1", ""), "1:53: an entry without :key");
  EXPECT_EQ(read("", ":key 1"),
            "1:47: an entry with :key behind others without");
}

}  // namespace
}  // namespace quorate::lincheck
