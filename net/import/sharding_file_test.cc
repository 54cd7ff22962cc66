#include "net/import/sharding_file.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate::net {
namespace {

std::string ErrorOf(const std::string& text) {
  const auto file = ParseShardingFile(text, "s.toml");
  return file.ok() ? "no error" : std::string(file.status().message());
}

constexpr char kMinsk[] =
    "[[shards]]\nname = \"Minsk\"\nidx = 0\naddress = \"127.0.0.3:8080\"\n";

TEST(ShardingFile, Shards_AreInTheOrderOfTheirIndexes) {
  const auto file = ParseShardingFile(
      "[[shards]]\nname = \"Moscow\"\nidx = 1\naddress = \"127.0.0.2:8080\"\n"
      "replicas = [\"127.0.0.22:8080\", \"h:80\"]\n" +
          std::string(kMinsk),
      "s.toml");
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->shards.size(), 2u);
  EXPECT_EQ(file->shards[0].name, "Minsk");
  EXPECT_EQ(
      file->shards[1].addresses,
      (std::vector<std::string>{"127.0.0.2:8080", "127.0.0.22:8080", "h:80"}));
  EXPECT_TRUE(file->unknown_keys.empty());
}

TEST(ShardingFile, Replica_MayBeOneString) {
  for (const std::string key : {"replica", "replicas"}) {
    for (const std::string value : {"\"a:1\"", "[\"a:1\"]"}) {
      const auto file =
          ParseShardingFile(kMinsk + key + " = " + value + "\n", "s.toml");
      ASSERT_TRUE(file.ok()) << file.status();
      EXPECT_EQ(file->shards[0].addresses.back(), "a:1");
    }
  }
}

TEST(ShardingFile, UnknownKeys_AreListed) {
  const auto file = ParseShardingFile(
      "hash = \"fnv\"\n" + std::string(kMinsk) + "weight = 2\n", "s.toml");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->unknown_keys, (std::vector<std::string>{
                                    "s.toml:1:1: hash", "s.toml:6:1: weight"}));
}

TEST(ShardingFile, WrongFiles_AreRefusedWithThePlace) {
  const std::string minsk = kMinsk;
  const std::pair<std::string, std::string> cases[] = {
      {"x = 1\n",
       "s.toml: expected a table [[shards]] for each shard, with name, idx "
       "and address, found none"},
      {"shards = 3\n",
       "s.toml: expected a table [[shards]] for each shard, with name, idx "
       "and address, found none"},
      {"[[shards]]\nidx = 0\naddress = \"a:1\"\n",
       "s.toml:1:1: key 'shards[0].name': expected a name of the shard, found "
       "nothing"},
      {"[[shards]]\nname = 7\nidx = 0\naddress = \"a:1\"\n",
       "s.toml:2:8: key 'shards[0].name': expected a name of the shard, found "
       "7"},
      {"[[shards]]\nname = \"a\"\naddress = \"a:1\"\n",
       "s.toml:1:1: key 'shards[0].idx': expected the shard's number, an "
       "integer from 0 to 1023, found nothing"},
      {"[[shards]]\nname = \"a\"\nidx = -1\naddress = \"a:1\"\n",
       "s.toml:3:7: key 'shards[0].idx': expected the shard's number, an "
       "integer from 0 to 1023, found -1"},
      {"[[shards]]\nname = \"a\"\nidx = 0\n",
       "s.toml:1:1: key 'shards[0].address': expected \"host:port\" of an HTTP "
       "server, without http://, found nothing"},
      {"[[shards]]\nname = \"a\"\nidx = 0\naddress = \"http://a:1\"\n",
       "s.toml:4:11: key 'shards[0].address': expected \"host:port\" of an "
       "HTTP server, without http://, found \"http://a:1\""},
      {"[[shards]]\nname = \"a\"\nidx = 0\naddress = \"a:0\"\n",
       "s.toml:4:11: key 'shards[0].address': expected \"host:port\" of an "
       "HTTP server, without http://, found \"a:0\""},
      {minsk + "replicas = [3]\n",
       "s.toml:5:13: key 'shards[0].replicas': expected \"host:port\" of an "
       "HTTP server, without http://, found 3"},
      {minsk + "replica = []\nreplicas = []\n",
       "s.toml:5:11: key 'shards[0].replica': expected either replica or "
       "replicas, found both: put all addresses into one of them"},
      {minsk + "replicas = [\"127.0.0.3:8080\"]\n",
       "s.toml:5:13: key 'shards[0].replicas': expected each address once, "
       "found 127.0.0.3:8080 again: it is also shards[0].address in line 4; "
       "change one of them"},
      {minsk + "[[shards]]\nname = \"a\"\nidx = 0\naddress = \"a:1\"\n",
       "s.toml:7:7: key 'shards[1].idx': expected each idx once, found 0 "
       "again: it is also shards[0].idx in line 3; change one of them"},
      {minsk + "[[shards]]\nname = \"Minsk\"\nidx = 1\naddress = \"a:1\"\n",
       "s.toml:6:8: key 'shards[1].name': expected each name once, found Minsk "
       "again: it is also shards[0].name in line 2; change one of them"},
      {minsk + "[[shards]]\nname = \"a\"\nidx = 2\naddress = \"a:1\"\n",
       "s.toml:7:7: key 'shards[1].idx': expected each number from 0 to "
       "1, found 2 and no 1; number the shards without a gap"},
  };
  for (const auto& [text, error] : cases) EXPECT_EQ(ErrorOf(text), error);
  EXPECT_TRUE(ErrorOf("[[shards]\n").starts_with("s.toml:1:")) << ErrorOf("[[");
}

}  // namespace
}  // namespace quorate::net
