// Random clients of nodes with small limits, while nodes crash, links break and
// disks fail. Every request of a connection that stays open gets its reply in
// order. Counters that one connection reads never decrease.
#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "env/parse_integer.h"
#include "env/random.h"
#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

constexpr size_t kNodes = 3;
constexpr size_t kSharedKeys = 3;

void Small(Config& config) {
  config.bounds.output_buffer_bytes = 64 << 10;
  config.limits.output_total_bytes = 1 << 20;
  config.bounds.pipeline = 4;
  config.bounds.held_requests = 1;
  config.bounds.stall = Seconds(5);
}
void SmallSpread(Config& config) {
  Small(config);
  config.shards = EvenShards(config.nodes, {kNodes, 1});
}
void Medium(Config& config) {
  Small(config);
  config.bounds.pipeline = 64;
  config.bounds.held_requests = 8;
  config.bounds.batch_commands = 3;
}

// A connection, with its requests that have no reply yet.
struct Talker {
  std::unique_ptr<TestClient> client;
  std::string id;
  size_t node = 0;
  // A request whose reply contains the value of `counter`; of no counter if
  // empty.
  struct Due {
    std::string counter;
    bool rises = false;
    std::string what = {};  // The request.
    size_t in_array = 0;    // The counter is this element of an array.
  };
  std::deque<Due> due;
  std::vector<std::pair<std::string, int64_t>> seen;
  bool reading = true;
};

class Stress {
 public:
  Stress(uint64_t seed, void (*adjust)(Config&))
      : random_(seed),
        cluster_({.nodes = kNodes,
                  .groups = 3,
                  .seed = seed,
                  .stream_buffer_bytes = seed % 3 == 0   ? size_t{900}
                                         : seed % 3 == 1 ? size_t{64} << 10
                                                         : size_t{1} << 30,
                  .adjust = adjust}),
        spread_(adjust == SmallSpread) {}

  void Run() {
    ASSERT_TRUE(cluster_.AwaitLeaders());
    for (int step = 0; step < 250; ++step) {
      Act();
      cluster_.world().RunFor(Milliseconds(static_cast<int64_t>(Below(60))));
      for (Talker& talker : talkers_) Take(talker);
      std::erase_if(talkers_,
                    [](const Talker& t) { return t.client->closed(); });
      if (testing::Test::HasFailure()) return;
    }
    Mend();
    cluster_.world().RunUntilTrue(
        [&] {
          return std::ranges::all_of(talkers_, [&](Talker& talker) {
            Take(talker);
            return talker.client->closed() || talker.due.empty();
          });
        },
        Seconds(120));
    for (const Talker& talker : talkers_) {
      EXPECT_TRUE(talker.client->closed() || talker.due.empty())
          << talker.id << " waits for " << talker.due.size()
          << " replies of node " << talker.node << ", the first of "
          << talker.due.front().what;
    }
  }

  size_t answered() const { return answered_; }

 private:
  uint64_t Below(uint64_t bound) {
    return random_.Below(bound, "test.stress", 0, draws_++);
  }

  void Act() {
    const uint64_t what = Below(40);
    if (what < 8 && talkers_.size() < 12) return Connect();
    if (what < 30 && !talkers_.empty()) return Ask();
    if (talkers_.empty()) return;
    Talker& talker = talkers_[Below(talkers_.size())];
    switch (what) {
      case 30:
      case 31:
        talker.client->PauseReads();
        talker.reading = false;
        return;
      case 32:
      case 33:
        talker.client->ResumeReads();
        talker.reading = true;
        return;
      case 34:
        talker.client->Close();
        std::swap(talker, talkers_.back());
        talkers_.pop_back();
        return;
      case 35:
      case 36:
        return Crash();
      case 37: {
        const size_t from = Below(kNodes);
        cluster_.world().BlockLink(cluster_.machine(from),
                                   cluster_.machine((from + 1) % kNodes));
        return;
      }
      case 38:
        cluster_.world().HealNetwork();
        return;
      default:
        if (draws_ % 4 != 0 || broken_ != kNodes || down_ != kNodes) return;
        broken_ = Below(kNodes);
        cluster_.world().FailDiskOperation(cluster_.machine(broken_),
                                           sim::World::DiskOperation::kWrite, 1,
                                           /*persistent=*/true);
    }
  }

  void Crash() {
    if (down_ != kNodes) {
      cluster_.Restart(down_);
      down_ = kNodes;
      return;
    }
    const size_t node = Below(kNodes);
    if (broken_ != kNodes) return;
    down_ = node;
    cluster_.Crash(node);
  }

  void Mend() {
    if (down_ != kNodes) cluster_.Restart(down_);
    if (broken_ != kNodes && spread_) {
      cluster_.world().HealDisk(cluster_.machine(broken_));
      cluster_.Crash(broken_);
      cluster_.Restart(broken_);
    }
    cluster_.world().HealNetwork();
    for (Talker& talker : talkers_) {
      if (!talker.reading) talker.client->ResumeReads();
    }
  }

  void Connect() {
    const size_t node = Below(kNodes);
    if (node == down_) return;
    Talker talker;
    talker.client = Below(4) == 0 ? cluster_.ConnectRespCluster(node)
                                  : cluster_.ConnectResp(node);
    if (!talker.client->connected()) return;
    talker.node = node;
    talker.id = Concat("own", talkers_made_++);
    talkers_.push_back(std::move(talker));
  }

  void Ask() {
    Talker& talker = talkers_[Below(talkers_.size())];
    if (talker.client->closed()) return;
    std::string text;
    const uint64_t count = 1 + Below(20);
    for (uint64_t i = 0; i < count; ++i) AskOne(talker, &text);
    talker.client->Send(text);
  }

  void AskOne(Talker& talker, std::string* text) {
    const auto add = [&](const std::vector<std::string_view>& words,
                         Talker::Due due = {}) {
      *text += EncodeRequest(words);
      for (const std::string_view word : words) {
        Append(&due.what, word.substr(0, 10), " ");
      }
      talker.due.push_back(std::move(due));
    };
    const std::string shared = Concat("shared", Below(kSharedKeys));
    const std::string big = Concat("big", Below(3));
    const std::string value(1 + Below(Below(4) == 0 ? 300'000 : 2'000), 'v');
    switch (Below(16)) {
      case 0:
        return add({"INCR", talker.id}, {talker.id, true});
      case 1:
        return add({"GET", talker.id}, {talker.id});
      case 2:
        return add({"INCR", shared}, {shared, true});
      case 3:
      case 4:
      case 5:
        return add({"GET", shared}, {shared});
      case 6:
        return add({"SET", big, value});
      case 7:
      case 8:
        return add({"GET", big});
      case 9:
        return add({"MGET", big, big, big, big});
      case 10:
        return add({"SET", big, value, "GET"});
      case 11:
        return add({"SET", "short", "v", "PX", "15"});
      case 12:
        return add({"GET", "short"});
      case 13:
        return Below(3) == 0   ? add({"DBSIZE"})
               : Below(2) == 0 ? add({"KEYS", "*"})
                               : add({"SCAN", "0"});
      case 14:
        add({"MULTI"});
        add({"INCR", shared});
        add({"GET", shared});
        return add({"EXEC"}, {shared, true, {}, 2});
      default:
        return add({"PING"});
    }
  }

  void Take(Talker& talker) {
    const std::string received = talker.client->Take();
    talker_rest_[talker.id] += received;
    std::string& rest = talker_rest_[talker.id];
    size_t used = 0;
    while (const size_t size = ReplySize(std::string_view(rest).substr(used))) {
      ASSERT_FALSE(talker.due.empty()) << rest.substr(used, 100);
      Check(talker, talker.due.front(),
            std::string_view(rest).substr(used, size));
      talker.due.pop_front();
      ++answered_;
      used += size;
    }
    rest.erase(0, used);
  }

  void Check(Talker& talker, const Talker::Due& due, std::string_view reply) {
    if (reply.empty() || due.counter.empty() || reply[0] == '-') return;
    if (due.in_array > 0) {
      if (!reply.starts_with("*2\r\n")) return;
      reply.remove_prefix(4);
      reply.remove_prefix(ReplySize(reply));
    }
    std::string_view digits;
    if (reply[0] == ':') digits = reply.substr(1, reply.find('\r') - 1);
    if (reply[0] == '$' && reply[1] != '-') {
      digits = reply.substr(reply.find('\n') + 1);
      digits = digits.substr(0, digits.find('\r'));
    }
    int64_t value = 0;
    if (!digits.empty()) {
      ASSERT_TRUE(ParseInteger(digits, &value)) << reply;
    }
    for (auto& [counter, last] : talker.seen) {
      if (counter != due.counter) continue;
      EXPECT_GE(value, last + (due.rises ? 1 : 0))
          << talker.id << " " << counter;
      last = value;
      return;
    }
    talker.seen.emplace_back(due.counter, value);
  }

  Random random_;
  uint64_t draws_ = 0;
  TestCluster cluster_;
  std::vector<Talker> talkers_;
  std::map<std::string, std::string> talker_rest_;
  uint64_t talkers_made_ = 0;
  size_t down_ = kNodes;
  size_t broken_ = kNodes;
  const bool spread_;
  size_t answered_ = 0;
};

TEST(BackpressureStress, EveryRequestIsAnsweredInOrder) {
  size_t answered = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Stress stress(seed, seed % 4 == 0   ? Medium
                        : seed % 4 == 1 ? Small
                                        : SmallSpread);
    stress.Run();
    answered += stress.answered();
    if (HasFailure()) break;
  }
  EXPECT_GT(answered, 60'000u);
}

}  // namespace
}  // namespace quorate::node
