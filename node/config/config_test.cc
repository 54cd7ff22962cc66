#include "node/config/config.h"

#include <algorithm>
#include <fstream>

#include "gtest/gtest.h"
#include "node/base/text.h"
#include "rapidcheck/gtest.h"

namespace quorate::node {
namespace {

constexpr std::string_view kWhole = R"(
[cluster]
id = 7

[node]
id = 2
data_dir = "/var/lib/quorate/2"

[[nodes]]
id = 1
resp = "127.0.0.1:7001"
http = "127.0.0.1:8001"
peer = "127.0.0.1:9001"

[[nodes]]
id = 2
resp = "127.0.0.1:7002"
http = "127.0.0.1:8002"
peer = "127.0.0.1:9002"

[[nodes]]
id = 3
resp = "127.0.0.1:7003"
http = "127.0.0.1:8003"
peer = "127.0.0.1:9003"
)";

std::string With(std::string_view more) { return Concat(kWhole, more); }

Config Parse(const std::string& text) {
  const auto config = ParseConfig(text, "q.toml");
  EXPECT_TRUE(config.ok()) << Message(config.status());
  return config.ok() ? *config : Config();
}

std::string ErrorOf(const std::string& text) {
  return std::string(Message(ParseConfig(text, "q.toml").status()));
}

TEST(Config_LeastText, SetsDefaultsAndDerivedValues) {
  const Config config = Parse(With("[sharding]\ngroups = 3\n"));
  EXPECT_EQ(config.cluster, ClusterId(7));
  EXPECT_EQ(config.node, NodeId(2));
  EXPECT_EQ(config.listen.resp, "127.0.0.1:7002");
  EXPECT_EQ(config.listen.http, "127.0.0.1:8002");
  EXPECT_EQ(config.listen.peer, "127.0.0.1:9002");
  EXPECT_EQ(config.listen.resp_cluster, "127.0.0.1:7102");
  EXPECT_EQ(config.nodes[2].resp_cluster, "127.0.0.1:7103");
  EXPECT_FALSE(config.http_get_writes);
  EXPECT_FALSE(config.bootstrap);
  EXPECT_EQ(config.timeouts.leader_wait, Milliseconds(2000));
  ASSERT_EQ(config.shards.size(), 3u);
  EXPECT_EQ(config.shards[0].slots.front(),
            std::pair(uint16_t{0}, uint16_t{5460}));
  EXPECT_EQ(config.shards[2].slots.back().second, 16383);
  // Groups have different preferred leaders.
  EXPECT_EQ(config.shards[0].replicas.front(), NodeId(1));
  EXPECT_EQ(config.shards[1].replicas.front(), NodeId(2));
}

TEST(Config_Founding, ChoosesThePartitioner) {
  EXPECT_EQ(Parse(std::string(kWhole)).division, KeyDivision());
  const Config last =
      Parse(With("[sharding]\ngroups = 3\n[founding]\npartitioner = "
                 "\"last_character\"\nslots = 7\n"));
  EXPECT_EQ(last.division, (KeyDivision{Partitioner::kLastCharacter, 7}));
  EXPECT_EQ(last.shards[2].slots.back(), std::pair(uint16_t{4}, uint16_t{6}));
  const Config ranges =
      Parse(With("[founding]\npartitioner = \"key_ranges\"\n"
                 "split_keys = [\"g\", \"n\\u0000\"]\n"));
  EXPECT_EQ(
      ranges.division,
      (KeyDivision{Partitioner::kKeyRanges, 3, {"g", std::string("n\0", 2)}}));
  EXPECT_EQ(ranges.shards[0].slots.back().second, 2);
}

// The cluster that the node joins has its own.
TEST(Config_Founding, OfANodeThatJoins_IsIgnored) {
  const auto config = ParseConfig(
      With("[founding]\npartitioner = \"last_character\"\nslots = 7\n"),
      "q.toml", JoinConfig{.cluster = ClusterId(7), .node = NodeId(2)});
  ASSERT_TRUE(config.ok()) << Message(config.status());
  EXPECT_EQ(config->division, KeyDivision());
}

TEST(Config_Knobs, AreReadWithTheirUnits) {
  const Config config = Parse(With(R"(
[clients]
http_get_writes = true
[limits]
connections = 100
[timeouts]
leader_wait_ms = 500
[snapshot]
log_bytes = 0
)"));
  EXPECT_TRUE(config.http_get_writes);
  EXPECT_EQ(config.limits.connections, 100u);
  EXPECT_EQ(config.timeouts.leader_wait, Milliseconds(500));
  EXPECT_EQ(config.host.log_bytes_max, 0u);
}

// The other timings have the proportions of the defaults.
TEST(Config_ElectionTimeout, SetsAllTimingsOfElections) {
  const raft::CoreOptions core =
      Parse(With("[raft]\nelection_timeout_ms = 4000\n")).host.core;
  EXPECT_EQ(core.election_timeout_min, Seconds(4));
  EXPECT_EQ(core.election_timeout_max, Seconds(8));
  EXPECT_EQ(core.heartbeat_interval, Seconds(1));
  EXPECT_EQ(core.retry_interval, Seconds(2));
  EXPECT_EQ(core.quiet_interval, Seconds(8));
  const raft::CoreOptions defaults;
  const raft::CoreOptions read = Parse(With("")).host.core;
  EXPECT_EQ(read.election_timeout_max, defaults.election_timeout_max);
  EXPECT_EQ(read.heartbeat_interval, defaults.heartbeat_interval);
  EXPECT_EQ(read.retry_interval, defaults.retry_interval);
  EXPECT_EQ(read.quiet_interval, defaults.quiet_interval);
}

TEST(Config_SnapshotThreshold, SetsItsMaximumAndTrailingEntries) {
  const raft::HostLimits host =
      Parse(With("[snapshot]\nthreshold_bytes = 1048576\n")).host;
  EXPECT_EQ(host.snapshot_threshold_bytes, 1u << 20);
  EXPECT_EQ(host.snapshot_threshold_bytes_max, 4u << 20);
  EXPECT_EQ(host.snapshot_trailing_bytes, 128u << 10);
  const raft::HostLimits defaults;
  const raft::HostLimits read = Parse(With("")).host;
  EXPECT_EQ(read.snapshot_threshold_bytes_max,
            defaults.snapshot_threshold_bytes_max);
  EXPECT_EQ(read.snapshot_trailing_bytes, defaults.snapshot_trailing_bytes);
}

TEST(Config_Shards, MayNameTheirNodesByAddress) {
  const Config config = Parse(With(R"(
[[shards]]
name = "Moscow"
idx = 1
address = "127.0.0.1:8002"
replicas = ["127.0.0.1:8001"]
[[shards]]
name = "Minsk"
idx = 0
address = "127.0.0.1:8003"
)"));
  ASSERT_EQ(config.shards.size(), 2u);
  EXPECT_EQ(config.shards[0].name, "Minsk");
  EXPECT_EQ(config.shards[0].slots.front().first, 0);
  EXPECT_EQ(config.shards[1].slots.front().first, 8192);
  EXPECT_EQ(config.shards[1].replicas,
            (std::vector<NodeId>{NodeId(2), NodeId(1)}));
}

// A file with [[shards]] alone: no other table names the nodes.
TEST(Config_ShardsAlone, NumberTheNodesAndDeriveTheirPorts) {
  const std::string text = R"(
[cluster]
id = 7
[node]
id = 3
data_dir = "d"

[[shards]]
name = "Moscow"
idx = 0
address = "127.0.0.2:8080"
replicas = ["127.0.0.22:8080"]

[[shards]]
name = "Minsk"
idx = 1
address = "127.0.0.3:8080"
replicas = ["127.0.0.33:8080", "127.0.0.2:8080"]
)";
  const Config config = Parse(text);
  ASSERT_EQ(config.nodes.size(), 4u);
  const std::string_view hosts[] = {"127.0.0.2", "127.0.0.22", "127.0.0.3",
                                    "127.0.0.33"};
  for (uint32_t i = 0; i < 4; ++i) {
    EXPECT_EQ(config.nodes[i].id, NodeId(i + 1));
    EXPECT_EQ(config.nodes[i].resp, Concat(hosts[i], ":7080"));
    EXPECT_EQ(config.nodes[i].resp_cluster, Concat(hosts[i], ":7180"));
    EXPECT_EQ(config.nodes[i].http, Concat(hosts[i], ":8080"));
    EXPECT_EQ(config.nodes[i].peer, Concat(hosts[i], ":9080"));
    EXPECT_FALSE(config.nodes[i].read_only);
  }
  EXPECT_EQ(config.listen.http, "127.0.0.3:8080");
  ASSERT_EQ(config.shards.size(), 2u);
  EXPECT_EQ(config.shards[0].replicas,
            (std::vector<NodeId>{NodeId(1), NodeId(2)}));
  EXPECT_EQ(config.shards[1].replicas,
            (std::vector<NodeId>{NodeId(3), NodeId(4), NodeId(1)}));

  std::string bad = text;
  bad.replace(bad.find("127.0.0.33:8080"), 15, "127.0.0.33:1000");
  EXPECT_EQ(ErrorOf(bad),
            "q.toml:18:1: key 'shards[1].replicas': expected \"host:port\" "
            "with a port from 1001 to 64535 (there are no [[nodes]]), found "
            "\"127.0.0.33:1000\"");
  bad = text;
  bad.replace(bad.find("127.0.0.33:8080"), 15, ":8080");
  EXPECT_EQ(ErrorOf(bad),
            "q.toml:18:1: key 'shards[1].replicas': expected \"host:port\" "
            "with a port from 1001 to 64535 (there are no [[nodes]]), found "
            "\":8080\"");
  // Two nodes would get equal ports.
  bad = text;
  bad.replace(bad.find("127.0.0.22:8080"), 15, "127.0.0.2:9080");
  EXPECT_NE(ErrorOf(bad).find("expected each address once"), std::string::npos)
      << ErrorOf(bad);
}

TEST(Config_ClusterAddresses, NamedOnes_AreTaken) {
  std::string text(kWhole);
  const std::string_view row = "resp = \"127.0.0.1:7002\"\n";
  text.insert(text.find(row) + row.size(),
              "resp_cluster = \"127.0.0.1:6002\"\n");
  const Config config = Parse(text + R"(
[[shards]]
address = "127.0.0.1:6002"
)");
  EXPECT_EQ(config.nodes[1].resp_cluster, "127.0.0.1:6002");
  EXPECT_EQ(config.listen.resp_cluster, "127.0.0.1:6002");
  EXPECT_EQ(config.listen.resp, "127.0.0.1:7002");
  EXPECT_EQ(config.nodes[0].resp_cluster, "127.0.0.1:7101");
  EXPECT_EQ(config.shards[0].replicas, std::vector<NodeId>{NodeId(2)});
}

TEST(Config_ShardsWithSlots, KeepTheirSlots) {
  const Config config = Parse(With(R"(
[[shards]]
name = "a"
slots = "8192-16383"
address = "127.0.0.1:7002"
replicas = ["127.0.0.1:8001"]
[[shards]]
name = "b"
slots = "0-8000,8001-8191"
address = "127.0.0.1:9003"
)"));
  ASSERT_EQ(config.shards.size(), 2u);
  EXPECT_EQ(config.shards[0].name, "a");
  EXPECT_EQ(config.shards[0].replicas,
            (std::vector<NodeId>{NodeId(2), NodeId(1)}));
  EXPECT_EQ(config.shards[1].slots.size(), 2u);
  EXPECT_EQ(config.shards[1].replicas, std::vector<NodeId>{NodeId(3)});
}

TEST(Config_UnknownKeys, AreErrorsThatNameThoseOfTheirPlace) {
  const std::pair<std::string, std::string> rows[] = {
      {With("[listen]\nrespp = \"x\"\n"),
       "q.toml:27:1: key 'listen.respp': expected a known key, such as "
       "'listen.resp', found an unknown one; [listen] has resp, resp_cluster, "
       "http, peer, admin and allow_non_loopback"},
      {With("[[nodes]]\nnumber = 3\n"),
       "q.toml:27:1: key 'nodes[3].number': expected a known key, such as "
       "'nodes[].peer', found an unknown one; [[nodes]] has id, resp, "
       "resp_cluster, http, peer and read_only"},
      {With("[listen.tls]\ncert = \"x\"\n"),
       "q.toml:27:1: key 'listen.tls.cert': expected a known key, such as "
       "'listen.peer', found an unknown one; [listen] has resp, resp_cluster, "
       "http, peer, admin and allow_non_loopback"},
      {With("[listen.tls]\n"),
       "q.toml:26:9: key 'listen.tls': expected a known key, such as "
       "'listen.resp', found an unknown one; [listen] has resp, resp_cluster, "
       "http, peer, admin and allow_non_loopback"},
      {With("[[nodes]]\ntls.cert = 3\n"),
       "q.toml:27:5: key 'nodes[3].tls.cert': expected a known key, such as "
       "'nodes[].peer', found an unknown one; [[nodes]] has id, resp, "
       "resp_cluster, http, peer and read_only"},
      {With("[node2]\nx = 1\n"),
       "q.toml:27:1: key 'node2.x': expected a known key, such as 'node.id', "
       "found an unknown one; the tables are [cluster], [founding], [node], "
       "[listen], [tls], [[nodes]], "
       "[sharding], [[shards]], [clients], [limits], [timeouts], [raft], "
       "[snapshot], [log] and [clock]"},
      {With("[limit]\n"),
       "q.toml:26:2: key 'limit': expected a known key, such as 'tls.ca', "
       "found an unknown one; the tables are [cluster], [founding], [node], "
       "[listen], [tls], [[nodes]], "
       "[sharding], [[shards]], [clients], [limits], [timeouts], [raft], "
       "[snapshot], [log] and [clock]"},
  };
  for (const auto& [text, error] : rows) EXPECT_EQ(ErrorOf(text), error);
}

TEST(Config_Errors, NamePositionKeyAndExpectation) {
  const std::pair<std::string, std::string> rows[] = {
      {With("[limits]\nconnections = \"x\"\n"),
       "q.toml:27:15: key 'limits.connections': expected an integer from 1 to "
       "1000000, found the string \"x\""},
      {With("[limits]\nconnections = 0\n"),
       "q.toml:27:15: key 'limits.connections': expected an integer from 1 to "
       "1000000, found the integer 0"},
      {With("[limits]\ntransaction_bytes = 2097151\n"),
       "q.toml:27:21: key 'limits.transaction_bytes': expected an integer from "
       "2097152 to 67108864 (bytes), found the integer 2097151"},
      {With("[clients]\nredirect = \"proxy\"\n"),
       "q.toml:27:1: key 'clients.redirect': expected no such key (on "
       "nodes[].resp a node forwards every command, on nodes[].resp_cluster "
       "it answers MOVED), found it"},
      {With("[[nodes]]\nid = 4\nresp = \"a:1\"\nresp_cluster = "
            "\"127.0.0.1:7101\"\nhttp = \"a:2\"\npeer = \"a:3\"\n"),
       "q.toml:29:1: key 'nodes[3].resp_cluster': expected each address once, "
       "found \"127.0.0.1:7101\" twice"},
      {With("[[nodes]]\nid = 4\nresp = \"a:65500\"\nhttp = \"a:2\"\npeer = "
            "\"a:3\"\n"),
       "q.toml:28:1: key 'nodes[3].resp': expected a port up to 65435 where "
       "no resp_cluster is given, found \"a:65500\""},
      {With("[listen]\nresp_cluster = \"0.0.0.0:7102\"\n"),
       "q.toml:27:1: key 'listen.resp_cluster': expected a loopback address, "
       "found \"0.0.0.0:7102\"; nothing here authenticates clients or peers "
       "yet, so set listen.allow_non_loopback = true only on a network where "
       "every host is trusted"},
      {With("[[nodes]]\nid = 2\nresp = \"a:1\"\nhttp = \"a:2\"\npeer = "
            "\"a:3\"\n"),
       "q.toml:27:1: key 'nodes[3].id': expected each id once, found 2 twice"},
      {With("[[nodes]]\nid = 4\nresp = \"127.0.0.1:7002\"\nhttp = \"a:2\"\n"
            "peer = \"a:3\"\n"),
       "q.toml:28:1: key 'nodes[3].resp': expected each address once, found "
       "\"127.0.0.1:7002\" twice"},
      {With("[[nodes]]\nid = 4\nresp = \"a:1\"\nhttp = \"a:99999\"\n"
            "peer = \"a:3\"\n"),
       "q.toml:29:1: key 'nodes[3].http': expected an address \"host:port\", "
       "found \"a:99999\""},
      {With("[[nodes]]\nid = 4\nresp = \"a:1\"\nhttp = \"a:2\"\n"),
       "q.toml:27:1: key 'nodes[3].peer': expected a string (\"host:port\"), "
       "found nothing"},
      {With("[listen]\nresp = \"0.0.0.0:7002\"\n"),
       "q.toml:27:1: key 'listen.resp': expected a loopback address, found "
       "\"0.0.0.0:7002\"; nothing here authenticates clients or peers yet, so "
       "set listen.allow_non_loopback = true only on a network where every "
       "host is trusted"},
      {With("[listen]\npeer = \"127.0.0.1:8102\"\n"),
       "q.toml:1:1: key 'listen.admin': expected an address of its own, found "
       "\"127.0.0.1:8102\", which is listen.peer, too"},
      {With("[listen]\nresp = \"7002\"\n"),
       "q.toml:27:1: key 'listen.resp': expected an address \"host:port\", "
       "found \"7002\""},
      {With("[founding]\npartitioner = \"modulo\"\n"),
       "q.toml:27:1: key 'founding.partitioner': expected hash_slots, "
       "last_character or key_ranges, found \"modulo\""},
      {With("[founding]\npartitioner = \"last_character\"\n"),
       "q.toml:1:1: key 'founding.slots': expected a number of slots with the "
       "partitioner last_character, found nothing"},
      {With("[founding]\nslots = 9\n"),
       "q.toml:27:1: key 'founding.slots': expected no such key with the "
       "partitioner hash_slots, found it"},
      {With("[founding]\npartitioner = \"key_ranges\"\n"),
       "q.toml:1:1: key 'founding.split_keys': expected at least one key with "
       "the partitioner key_ranges, found none"},
      {With("[founding]\nsplit_keys = [\"a\"]\n"),
       "q.toml:27:1: key 'founding.split_keys': expected no such key with the "
       "partitioner hash_slots, found it"},
      {With("[founding]\npartitioner = \"key_ranges\"\n"
            "split_keys = [\"n\", \"g\"]\n"),
       "q.toml:28:1: key 'founding.split_keys': split keys ascend, but number "
       "2 is not greater than number 1"},
      {With("[sharding]\ngroups = 3\n[founding]\npartitioner = "
            "\"last_character\"\nslots = 2\n"),
       "q.toml:27:1: key 'sharding.groups': expected from 1 to 2, which is the "
       "number of slots, found 3"},
      {With("[[shards]]\naddress = \"127.0.0.1:7001\"\nslots = \"0-9\"\n"
            "[founding]\npartitioner = \"last_character\"\nslots = 9\n"),
       "q.toml:28:1: key 'shards[].slots': expected slots from 0 to 8, found "
       "0-9"},
      {With("[sharding]\nreplicas = 4\n"),
       "q.toml:27:1: key 'sharding.replicas': expected at most the number of "
       "voting nodes (3), found 4"},
      {With("[[shards]]\naddress = \"127.0.0.1:1\"\n"),
       "q.toml:27:1: key 'shards[0].address': expected an address of a "
       "[[nodes]] row, found \"127.0.0.1:1\""},
      {With("[[shards]]\naddress = \"127.0.0.1:7001\"\nslots = \"0-9\"\n"),
       "q.toml:28:1: key 'shards[].slots': expected all 16384 slots in "
       "shards, found none with slot 10"},
      {With("[[shards]]\naddress = \"127.0.0.1:7001\"\nslots = \"0-x\"\n"),
       "q.toml:28:1: key 'shards[0].slots': expected ranges such as "
       "\"0-5460,6000\", found \"0-x\""},
      {"[cluster]\nid = 1\n",
       "q.toml:1:1: key 'node.id': expected an integer from 1 to 65535, found "
       "nothing"},
  };
  for (const auto& [text, error] : rows) {
    EXPECT_EQ(ErrorOf(text), error) << text.substr(kWhole.size() % text.size());
  }
}

constexpr char kTlsFiles[] =
    "[tls]\ncertificate = \"c\"\nkey = \"k\"\nca = \"a\"\n";

TEST(Config_Tls, OfEachAddress_IsReadWithTheFiles) {
  const Config config =
      Parse(With(std::string(kTlsFiles) +
                 "resp = \"optional\"\ncluster = \"required\"\nhttp = \"off\"\n"
                 "peers = \"required\"\n"));
  EXPECT_EQ(config.tls.files, (env::CertificateFiles{"c", "k", "a"}));
  EXPECT_EQ(config.tls.resp, env::TlsMode::kOptional);
  EXPECT_EQ(config.tls.resp_cluster, env::TlsMode::kRequired);
  EXPECT_EQ(config.tls.http, env::TlsMode::kOff);
  EXPECT_EQ(config.tls.peer, env::TlsMode::kRequired);
  EXPECT_EQ(config.tls.admin, env::TlsMode::kOff);
}

TEST(Config_Tls, Mistakes_AreNamed) {
  const auto why = [](const std::string& more) { return ErrorOf(With(more)); };
  EXPECT_EQ(why("[tls]\nresp = \"on\"\n"),
            "q.toml:27:8: key 'tls.resp': expected a string (off, optional or "
            "required), found the string \"on\"");
  EXPECT_EQ(why("[tls]\nresp = \"required\"\n"),
            "q.toml:1:1: key 'tls.certificate': expected a PEM file where "
            "[tls] has other keys, found nothing");
  EXPECT_EQ(why("[tls]\ncertificate = \"c\"\nkey = \"k\"\n"),
            "q.toml:1:1: key 'tls.ca': expected a PEM file where [tls] has "
            "other keys, found nothing");
  EXPECT_EQ(why(std::string(kTlsFiles) +
                "resp = \"required\"\n[listen]\nresp = \"127.0.0.1:0\"\n"),
            "q.toml:30:1: key 'tls.resp': expected off where the system "
            "chooses the port, found TLS at \"127.0.0.1:0\"");
}

TEST(Config_OwnRowOutsideLoopback, IsNamed) {
  std::string text(kWhole);
  text.replace(text.find("127.0.0.1:8002"), 14, "10.0.0.2:8002");
  EXPECT_TRUE(ErrorOf(text).starts_with(
      "q.toml:18:1: key 'nodes[1].http': expected a loopback address, found "
      "\"10.0.0.2:8002\"; "))
      << ErrorOf(text);
}

TEST(Config_BrokenToml, NamesThePosition) {
  EXPECT_TRUE(ErrorOf("[cluster\nid = 1\n").starts_with("q.toml:1:"))
      << ErrorOf("[cluster\nid = 1\n");
  for (const char* header : {"[=", "[.]", "[\u00e9]", "[[=]]"}) {
    EXPECT_TRUE(ErrorOf(header).starts_with("q.toml:1:")) << header;
  }
}

TEST(Config_NonLoopback, WithTheSwitch_IsTaken) {
  const Config config = Parse(
      With("[listen]\nresp = \"0.0.0.0:7002\"\nallow_non_loopback = true\n"));
  EXPECT_EQ(config.listen.resp, "0.0.0.0:7002");
}

RC_GTEST_PROP(Config_AnyText, IsReadOrRefused, ()) {
  std::string text(kWhole);
  const auto edits = *rc::gen::inRange(1, 4);
  for (int i = 0; i < edits; ++i) {
    const auto place = *rc::gen::inRange<size_t>(0, text.size());
    text[place] = *rc::gen::arbitrary<char>();
  }
  const auto config = ParseConfig(text, "q.toml");
  if (!config.ok()) {
    RC_ASSERT(Message(config.status()).starts_with("q.toml:"));
  }
}

RC_GTEST_PROP(EvenShards_AnyCount, CoverAllSlotsOnce, ()) {
  const auto groups = *rc::gen::inRange<uint32_t>(1, 1025);
  const auto shards = EvenShards({{.id = NodeId(1)}}, {groups, 0});
  uint32_t next = 0;
  for (const ShardConfig& shard : shards) {
    RC_ASSERT(shard.slots.size() == 1u);
    RC_ASSERT(shard.slots[0].first == next);
    const uint32_t size = shard.slots[0].second - next + 1;
    RC_ASSERT(size == 16384 / groups || size == 16384 / groups + 1);
    next += size;
  }
  RC_ASSERT(next == 16384u);
}

// The rows of the page's tables begin "| `key` | expected | default |".
TEST(Config_ReferencePage, ListsEveryKeyAsTheParserKnowsIt) {
  std::ifstream page("docs/reference/configuration.md");
  ASSERT_TRUE(page.good());
  std::vector<std::string> rows;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("| `")) rows.push_back(line);
  }
  for (const ConfigKey& key : ConfigKeys()) {
    const std::string begin = Concat("| `", key.name, "` | ", key.expected,
                                     " | ", key.default_value, " |");
    const bool found = std::any_of(
        rows.begin(), rows.end(),
        [&](const std::string& row) { return row.starts_with(begin); });
    EXPECT_TRUE(found) << "docs/reference/configuration.md lacks: " << begin;
  }
  EXPECT_EQ(rows.size(), ConfigKeys().size());
}

}  // namespace
}  // namespace quorate::node
