// Each bound has a use that reaches it and one that exceeds it.
#include "sim/resources/resource_checker.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

constexpr NodeId kNode(2);
constexpr ResourceCheckerOptions kOptions = {.nodes = 3,
                                             .groups = 2,
                                             .message_bytes_max = 100,
                                             .request_keys_max = 10,
                                             .answer_bytes_max = 1'000,
                                             .entry_work_max = 300,
                                             .append_bytes_max = 30,
                                             .peer_bytes_max = 700,
                                             .late_entry_bytes_max = 50};

node::Config Small() {
  node::Config config;
  config.limits.connections = 5;
  config.limits.query_total_bytes = 1'000;
  config.limits.output_total_bytes = 2'000;
  config.bounds.peer_bytes = 500;
  config.bounds.held_requests = 16;
  config.bounds.held_bytes = 400;
  config.bounds.batch_commands = 2;
  config.host.core.uncommitted_bytes_max = 600;
  config.host.core.apply_bytes_max = 700;
  config.host.unwritten_bytes_max = 900;
  config.host.unapplied_bytes_max = 5'000;
  config.host.snapshot_transfer_bytes_max = 300'000;
  config.host.log.record_bytes_max = 1'000;
  config.bounds.entries_in_flight = 4;
  config.bounds.fresh_reply_bytes = 50;
  config.bounds.turn_work = 10;
  config.host.log_memory_bytes_max = 800;
  return config;
}

class ResourceCheckerTest : public testing::Test {
 protected:
  // The violations of one turn.
  std::vector<std::string> Turn(const node::ResourceUse& use,
                                SimTime now = SimTime(), bool works = true) {
    found_.clear();
    checker_.AfterTurns(now, kNode, Small(), /*clock_stood=*/false, works, use);
    return found_;
  }
  void ExpectBound(uint64_t node::ResourceUse::*use, uint64_t bound,
                   const std::string& what) {
    node::ResourceUse at;
    at.*use = bound;
    EXPECT_EQ(Turn(at), std::vector<std::string>{}) << what;
    at.*use = bound + 1;
    const std::vector<std::string> found = Turn(at);
    ASSERT_EQ(found.size(), 1u) << what;
    EXPECT_EQ(found[0], "resources: node 2 has " + what + " " +
                            std::to_string(bound + 1) + ", at most " +
                            std::to_string(bound) + " is allowed");
  }

  std::vector<std::string> found_;
  ResourceChecker checker_{
      kOptions, [this](std::string what) { found_.push_back(what); }};
};

TEST_F(ResourceCheckerTest, MoreThanABound_Found) {
  using Use = node::ResourceUse;
  ExpectBound(&Use::connections, 10, "client connections");
  ExpectBound(&Use::request_bytes, 1'000,
              "bytes of requests that are not handled");
  ExpectBound(&Use::reply_bytes, 2'000, "bytes of replies that are not taken");
  ExpectBound(&Use::peer_bytes,
              2 * (600 + 800 + (500 + (512 << 10) + 100 + 1'000)),
              "bytes of requests between nodes");
  ExpectBound(&Use::entries_in_flight, 4, "entries under way in a group");
  ExpectBound(&Use::waiting_requests, 16 + 4 * 2 + 10,
              "requests that wait in a group");
  ExpectBound(&Use::waiting_bytes, 2 * 400 + 300 + 200,
              "bytes of requests that wait in a group");
  ExpectBound(&Use::unwritten_bytes, 900 + 30 + 100 + (64 << 10),
              "bytes that the log has not written");
  ExpectBound(&Use::store_bytes_above_limit, 0,
              "bytes of memory above its limit when a write began");
  ExpectBound(&Use::staged_bytes, 300'000,
              "bytes of chunks that are not written");
  ExpectBound(&Use::follower_read_bytes, 300'000,
              "bytes that are being read for followers");
  ExpectBound(&Use::longest_turn_work, 10 + 20'000 + 100 / 16 + 20 * 10,
              "work of requests in one turn");
  ExpectBound(&Use::longest_apply_work, 700 + 4 * 300 + 100 + (64 << 10),
              "work of entries in one turn");
}

TEST_F(ResourceCheckerTest, ClosedRoomAtHalfItsBound_Found) {
  const auto turn = [this](uint64_t used, uint64_t refused) {
    node::ResourceUse use;
    use.closed_rooms = {{"entries", NodeId(3), used, 100, refused}};
    return Turn(use);
  };
  EXPECT_TRUE(turn(51, 1).empty());
  EXPECT_TRUE(turn(50, 51).empty()) << "what it refused does not fit";
  EXPECT_EQ(turn(50, 50).size(), 1u);
  EXPECT_EQ(turn(0, 200),
            std::vector<std::string>{
                "resources: node 2 has no room for entries 3, though 0 of 100 "
                "bytes are in use"});
}

TEST_F(ResourceCheckerTest, EachConnection_MayHaveAReply) {
  EXPECT_TRUE(Turn({.connections = 2, .reply_bytes = 2'300}).empty());
  EXPECT_EQ(Turn({.connections = 2, .reply_bytes = 2'301}).size(), 1u);
}

TEST_F(ResourceCheckerTest, AppliedEntriesThatStayInMemory_Found) {
  const uint64_t bound = 800 + 100 + 100;
  const node::ResourceUse exceeds = {.log_memory_bytes = bound + 1};
  const SimTime end = SimTime() + ResourceChecker::kEvictionMax;
  EXPECT_TRUE(Turn(exceeds).empty());
  // Entries that are not applied must be in memory.
  EXPECT_TRUE(
      Turn({.log_memory_bytes = bound + 9, .unapplied_bytes = 9}, end).empty());
  EXPECT_TRUE(Turn(exceeds, end).empty());
  EXPECT_TRUE(Turn({.log_memory_bytes = bound}, end + Seconds(5)).empty());
  EXPECT_TRUE(Turn(exceeds, end + Seconds(6)).empty());
  const SimTime late = end + Seconds(6) + ResourceChecker::kEvictionMax;
  EXPECT_TRUE(Turn(exceeds, late, /*works=*/false).empty());
  const auto found = Turn(exceeds, late);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].starts_with("resources: node 2 has 1001 bytes of"));
}

TEST_F(ResourceCheckerTest, MoreEntriesRetainedThanASnapshotHas_Found) {
  node::ResourceUse use = {
      .retained_bytes = 900, .snapshot_bytes = 900, .follower_lags = true};
  EXPECT_TRUE(Turn(use).empty());
  ++use.retained_bytes;
  EXPECT_EQ(Turn(use),
            std::vector<std::string>{"resources: node 2 has bytes of entries "
                                     "that followers lack 901, at most 900 is "
                                     "allowed"});
}

TEST_F(ResourceCheckerTest, EntriesThatNoFollowerNeeds_Found) {
  const node::ResourceUse kept = {.retained_bytes = 9, .snapshot_bytes = 9};
  node::ResourceUse needed = kept;
  needed.follower_lags = true;
  const SimTime end = SimTime() + ResourceChecker::kReleaseMax;
  EXPECT_TRUE(Turn(kept).empty());
  EXPECT_TRUE(Turn(needed, end).empty());
  EXPECT_TRUE(Turn(kept, end).empty());
  const SimTime late = end + ResourceChecker::kReleaseMax;
  EXPECT_TRUE(Turn(kept, late, /*works=*/false).empty());
  EXPECT_EQ(Turn(kept, late),
            std::vector<std::string>{"resources: node 2 keeps entries that no "
                                     "follower needs since 20000 ms"});
}

TEST_F(ResourceCheckerTest, SnapshotThatIsNotSent_Found) {
  const node::ResourceUse kept = {.kept_snapshots = 2, .groups_in_transfer = 1};
  const SimTime end = SimTime() + ResourceChecker::kReleaseMax;
  EXPECT_TRUE(Turn(kept).empty());
  EXPECT_TRUE(
      Turn({.kept_snapshots = 2, .groups_in_transfer = 2}, end).empty());
  EXPECT_TRUE(Turn(kept, end).empty());
  EXPECT_EQ(Turn(kept, end + ResourceChecker::kReleaseMax),
            std::vector<std::string>{"resources: node 2 keeps a snapshot that "
                                     "no follower needs since 20000 ms"});
}

TEST_F(ResourceCheckerTest, MemoryThatIsNotCounted_Found) {
  EXPECT_TRUE(Turn({.memory_bytes = 70, .stores_bytes = 70}).empty());
  EXPECT_EQ(Turn({.memory_bytes = 70, .stores_bytes = 71}).size(), 1u);
  EXPECT_EQ(Turn({.memory_bytes = 71, .stores_bytes = 70}),
            std::vector<std::string>{"resources: node 2 counts 71 bytes of its "
                                     "stores, they have 70"});
  // A replica that stopped keeps its memory.
  EXPECT_TRUE(Turn({.memory_bytes = 71, .stores_bytes = 9, .any_stopped = true})
                  .empty());
}

TEST_F(ResourceCheckerTest, MemoryThatOwnWritesTakeBeyondTheLimit_Found) {
  const auto turn = [this](uint64_t bytes, bool leads_all = true,
                           uint64_t entries = 0) {
    return Turn({.entries_in_flight = entries,
                 .memory_bytes = 9'000,
                 .stores_bytes = 9'000,
                 .key_bytes = bytes,
                 .memory_limit_bytes = 500,
                 .leads_all = leads_all});
  };
  EXPECT_TRUE(turn(400).empty());
  EXPECT_TRUE(turn(500).empty());
  EXPECT_EQ(turn(501),
            std::vector<std::string>{"resources: node 2 has bytes of keys by "
                                     "its own writes 501, at most 500 is "
                                     "allowed"});
  // The leaders of other nodes have other limits.
  EXPECT_TRUE(turn(900, /*leads_all=*/false).empty());
  // These were accepted before it knew its state.
  EXPECT_TRUE(turn(910, /*leads_all=*/true, /*entries=*/2).empty());
  EXPECT_TRUE(turn(930, /*leads_all=*/true, /*entries=*/1).empty());
  EXPECT_TRUE(turn(950).empty());
  EXPECT_TRUE(turn(950).empty());
  EXPECT_EQ(turn(951).size(), 1u);
}

TEST_F(ResourceCheckerTest, BacklogThatGrows_Found) {
  const auto backlogs = [this](std::vector<std::pair<GroupId, uint64_t>> all) {
    return Turn({.apply_backlogs = std::move(all)});
  };
  // A log after a restart may be as long as it was.
  EXPECT_TRUE(backlogs({{GroupId(1), 9'000}}).empty());
  EXPECT_TRUE(backlogs({{GroupId(1), 8'000}, {GroupId(2), 9'000}}).empty());
  EXPECT_TRUE(backlogs({{GroupId(1), 8'050}, {GroupId(2), 8'500}}).empty());
  const auto found = backlogs({{GroupId(1), 8'051}, {GroupId(2), 8'500}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0],
            "resources: node 2 has bytes to apply in group 1 8051, at most "
            "8050 is allowed");
  // Group 1 has applied it meanwhile.
  EXPECT_TRUE(backlogs({{GroupId(2), 8'500}}).empty());
  EXPECT_TRUE(backlogs({{GroupId(1), 9'500}, {GroupId(2), 8'500}}).empty());
}

TEST_F(ResourceCheckerTest, WholeBacklogThatGrows_Found) {
  const auto backlog = [this](uint64_t bytes) {
    return Turn({.apply_backlog_bytes = bytes});
  };
  EXPECT_TRUE(backlog(9'000).empty()) << "a start";
  EXPECT_TRUE(backlog(8'000).empty());
  EXPECT_TRUE(backlog(8'100).empty());
  EXPECT_EQ(backlog(8'101),
            std::vector<std::string>{"resources: node 2 has bytes to apply in "
                                     "all groups 8101, at most 8100 is "
                                     "allowed"});
  EXPECT_TRUE(backlog(5'000).empty());
  EXPECT_TRUE(backlog(9'000).empty());
}

TEST_F(ResourceCheckerTest, UnappliedEntries_ExcuseOnlyThemselves) {
  const node::ResourceUse exceeds = {.log_memory_bytes = 1'001 + 9,
                                     .unapplied_bytes = 9};
  EXPECT_TRUE(Turn(exceeds).empty());
  EXPECT_EQ(Turn(exceeds, SimTime() + ResourceChecker::kEvictionMax).size(),
            1u);
}

}  // namespace
}  // namespace quorate::sim
